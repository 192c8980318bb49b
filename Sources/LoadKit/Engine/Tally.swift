/// Counts and checks what one receive brought to one subscriber.
///
/// The loop that owns the connection fills it before the driver parses and reads it afterwards. It
/// is `@safe` because `expected` has `slotCount` entries that outlive the parse, every index is
/// compared with that, and `lastPayload` is only looked at before the receive buffer is reused.
@safe struct Tally {
  /// When the bytes arrived, in nanoseconds of the monotonic clock.
  var nowNs: UInt64 = 0
  /// Whether every event's latency counts; otherwise the loop samples one for each receive.
  var isTimed = false
  /// Events delivered by this receive.
  var delivered = 0
  /// Events that were skipped over, seen from their numbers.
  var missing: UInt64 = 0
  /// Events that came twice, late, or from a publisher that does not exist.
  var misordered: UInt64 = 0
  /// Events that the server said it left out.
  var announcedGaps: UInt64 = 0
  /// The protocol's number for why, of the newest.
  var gapCause: UInt8 = 0
  /// The first thing that was wrong, for the sentence in the result.
  var firstFault: Fault?
  /// The newest event of this receive.
  var lastPayload: UnsafeRawPointer?
  /// The laggard that receives, and events that its policy left out.
  var newest: NewestOfKeys?
  var leftOut: UInt64 = 0

  /// Next number for each of the topic's publishers, for this subscriber.
  var expected: UnsafeMutablePointer<UInt64>
  let slotCount: Int
  let latencies: UnsafeMutablePointer<LatencyHistogram>

  struct Fault: Equatable {
    var expected: UInt64
    var found: UInt64
  }

  init(
    expected: UnsafeMutablePointer<UInt64>, slotCount: Int,
    latencies: UnsafeMutablePointer<LatencyHistogram>
  ) {
    unsafe self.expected = expected
    self.slotCount = slotCount
    unsafe self.latencies = latencies
  }

  /// Takes one event. `payload` has at least `EventStamp.byteCount` bytes.
  @inline(always)
  mutating func deliver(_ payload: UnsafeRawPointer) {
    let word = unsafe EventStamp.word(of: payload)
    let slot = Int(truncatingIfNeeded: word >> EventStamp.slotShift)
    let number = word & EventStamp.numberMask
    if slot < slotCount, unsafe expected[slot] == number {
      unsafe expected[slot] = number &+ 1
    } else {
      noteFault(slot: slot, number: number)
    }
    if isTimed {
      let intended = unsafe EventStamp.timeNs(of: payload)
      unsafe latencies.pointee.record(nowNs > intended ? nowNs &- intended : 0)
    }
    delivered &+= 1
  }

  /// Takes one event of a laggard.
  @inline(always)
  mutating func deliverNewest(_ payload: UnsafeRawPointer, key: UInt64) {
    let number = unsafe EventStamp.word(of: payload) & EventStamp.numberMask
    if newest?.take(number, key: key) != true {
      if firstFault == nil { firstFault = Fault(expected: 0, found: number) }
      misordered += 1
    }
    if isTimed {
      let intended = unsafe EventStamp.timeNs(of: payload)
      unsafe latencies.pointee.record(nowNs > intended ? nowNs &- intended : 0)
    }
    delivered &+= 1
  }

  @inline(never)
  private mutating func noteFault(slot: Int, number: UInt64) {
    let wanted = slot < slotCount ? unsafe expected[slot] : 0
    if firstFault == nil { firstFault = Fault(expected: wanted, found: number) }
    if slot < slotCount, number > wanted {
      missing += number - wanted
      unsafe expected[slot] = number + 1
    } else {
      misordered += 1
    }
  }
}
