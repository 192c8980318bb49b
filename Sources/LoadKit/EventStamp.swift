/// What the first bytes of every payload say, so that the receiver can check what it got and tell
/// how long it took.
///
/// ```
///   0        6      8            16
///   +--------+------+------------+----------------------
///   | number | slot | intended   | filler ...
///   +--------+------+------------+----------------------
/// ```
/// `number` counts the events of one publisher on one topic from 1 and `slot` says which of the
/// topic's publishers it was; together they are one little-endian word. `intended` is the time at
/// which the event was meant to be sent, in nanoseconds of the monotonic clock.
enum EventStamp {
  /// Every payload holds at least the stamp.
  static let byteCount = 16
  /// The slot sits above the number: 2^48 events are years of load.
  static let slotShift: UInt64 = 48
  static let numberMask: UInt64 = (1 << 48) - 1
  /// The filler differs from byte to byte, so that a payload that slipped is seen.
  @inline(always) static func filler(at index: Int) -> UInt8 {
    UInt8(truncatingIfNeeded: (index &* 31) ^ 0x5A)
  }

  @inline(always)
  static func write(word: UInt64, timeNs: UInt64, to payload: UnsafeMutableRawPointer) {
    unsafe payload.storeBytes(of: word.littleEndian, as: UInt64.self)
    unsafe payload.storeBytes(of: timeNs.littleEndian, toByteOffset: 8, as: UInt64.self)
  }

  @inline(always)
  static func word(of payload: UnsafeRawPointer) -> UInt64 {
    UInt64(littleEndian: unsafe payload.loadUnaligned(as: UInt64.self))
  }

  @inline(always)
  static func timeNs(of payload: UnsafeRawPointer) -> UInt64 {
    UInt64(littleEndian: unsafe payload.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
  }

  /// Fills everything behind the stamp.
  static func writeFiller(to payload: UnsafeMutableRawPointer, payloadBytes: Int) {
    for index in byteCount..<max(byteCount, payloadBytes) {
      unsafe payload.storeBytes(of: filler(at: index), toByteOffset: index, as: UInt8.self)
    }
  }

  /// Whether everything behind the stamp is what the publisher wrote.
  static func fillerIsIntact(_ payload: UnsafeRawPointer, payloadBytes: Int) -> Bool {
    for index in byteCount..<max(byteCount, payloadBytes)
    where unsafe payload.load(fromByteOffset: index, as: UInt8.self) != filler(at: index) {
      return false
    }
    return true
  }
}

/// A run of consecutive events of one publisher, as the encoders are asked for it.
struct EventRun {
  /// Number of the first event; they count from 1.
  var firstNumber: UInt64
  var count: Int
  /// The publisher's place among those of its topic.
  var slot: UInt64
  /// Time of the first event in nanoseconds, and the distance to the next in picoseconds (0 when
  /// all were meant to go out at once).
  var firstTimeNs: UInt64
  var stepPs: UInt64

  /// Word and time of the event `index` places after the first.
  @inline(always)
  func stamp(_ index: Int) -> (word: UInt64, timeNs: UInt64) {
    let number = firstNumber &+ UInt64(truncatingIfNeeded: index)
    let time = firstTimeNs &+ (stepPs &* UInt64(truncatingIfNeeded: index)) / 1000
    return ((slot << EventStamp.slotShift) | number, time)
  }
}
