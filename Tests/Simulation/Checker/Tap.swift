import WireFormat

/// Counts what leaves the broker for one client, where its socket takes it: by itself, from the
/// bytes alone. A frame counts with its first byte.
struct Tap {
  /// What one subscription has been sent.
  struct Account {
    var delivered = Amount()
    /// Told by GAP, and as too old by PASSED.
    var lost = Amount()
    var conflated = Amount()
    var sampledOut = Amount()
    var topics: [UInt32: Place] = [:]
    /// What became of the events of each topic.
    var fates: [UInt32: SentFates] = [:]
    /// What was selected although it had been before the subscription's place, or of which that is
    /// not known yet, as a state that comes first.
    var repeated = Amount()
    var early: [UInt32: [(sequence: UInt64, charge: UInt64)]] = [:]
    /// Beginnings of batches that were passed before the rest was delivered, and charged again.
    var passedTwice: [(topic: UInt32, first: UInt64, last: UInt64)] = []
  }

  /// The first event of a topic that was sent or lost, the charged bytes before it, where those
  /// follow from it, and what comes next.
  struct Place {
    /// Nil where it began with a state, whose frames do not tell what had been pending before.
    var first: UInt64?
    /// What came next behind that state.
    var behindState: UInt64?
    var firstBytes: UInt64?
    var next: UInt64
    /// Where it began with a gap: the bytes of that, and what came next.
    var gap: (bytes: UInt64, next: UInt64)?
  }

  /// A batch that begins to be sent to a subscription, from an event on.
  struct Sent {
    var batch: BatchHeader
    var ref: UInt32
    var first: UInt64
  }

  /// What BLOCKED has told since somebody looked.
  var stops: [(ref: UInt32, side: BlockedSide, stop: ToldStop)] = []

  private(set) var accounts: [UInt32: Account] = [:]
  /// Bytes of the last frame that are still to come.
  private var rest = 0

  /// - Parameters:
  ///   - bytes: what is offered to the socket, of which it takes the first `count`.
  ///   - onBatch: is told of every batch that begins to be sent.
  mutating func take(
    _ bytes: UnsafeRawBufferPointer, count: Int, onBatch: (Sent) -> Void
  ) {
    var at = min(rest, count)
    rest -= at
    while at < count {
      let header = unsafe FrameHeader(load: bytes.baseAddress! + at)
      let end = at + Int(header.length) + FrameHeader.lengthBytes
      unsafe note(
        header, UnsafeRawBufferPointer(rebasing: bytes[(at + FrameHeader.size)..<end]), onBatch)
      rest = max(0, end - count)
      at = end
    }
  }

  private mutating func note(
    _ header: FrameHeader, _ body: UnsafeRawBufferPointer, _ onBatch: (Sent) -> Void
  ) {
    switch header.type {
    case .subscribed:
      // It may have been sent something already.
      if accounts[header.ref] == nil { accounts[header.ref] = Account() }
    case .unsubscribed: accounts[header.ref] = nil
    case .deliver: unsafe noteDeliver(header.ref, body, onBatch)
    case .deliverSelected: unsafe noteSelected(header.ref, body)
    case .passed: unsafe notePassed(header.ref, body)
    case .gap: unsafe noteGap(header.ref, body)
    case .blocked: unsafe noteBlocked(header.ref, body)
    default: break
    }
  }

  private mutating func noteDeliver(
    _ ref: UInt32, _ body: UnsafeRawBufferPointer, _ onBatch: (Sent) -> Void
  ) {
    let topic = unsafe body.loadUnaligned(as: UInt32.self)
    var skip = unsafe UInt64(body.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
    var at = 8
    while at < body.count {
      let batch = unsafe BatchHeader(load: body.baseAddress! + at)
      onBatch(Sent(batch: batch, ref: ref, first: batch.sequence + skip))
      let next = batch.sequence + UInt64(batch.count)
      accounts[ref, default: Account()].delivered += Amount(
        events: UInt64(batch.count) - skip, bytes: UInt64(batch.charge))
      let new = Place(first: batch.sequence + skip, firstBytes: batch.bytesBefore, next: next)
      if skip > 0, let place = accounts[ref]!.topics[topic] {
        let first = max(batch.sequence, place.first ?? place.behindState ?? place.next)
        if first < batch.sequence + skip {
          accounts[ref]!.passedTwice.append((topic, first, batch.sequence + skip - 1))
        }
      }
      accounts[ref]!.topics[topic, default: new].next = next
      accounts[ref]!.fates[topic, default: SentFates()].add(
        batch.sequence + skip, next - 1, .delivered)
      skip = 0
      at += batch.paddedLength
    }
  }

  private mutating func noteGap(_ ref: UInt32, _ body: UnsafeRawBufferPointer) {
    let topic = unsafe body.loadUnaligned(as: UInt32.self)
    let first = unsafe body.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
    let last = unsafe body.loadUnaligned(fromByteOffset: 16, as: UInt64.self)
    let count = unsafe body.loadUnaligned(fromByteOffset: 24, as: UInt64.self)
    let bytes = unsafe body.loadUnaligned(fromByteOffset: 32, as: UInt64.self)
    accounts[ref, default: Account()].lost += Amount(events: count, bytes: bytes)
    let new = Place(first: first, firstBytes: nil, next: last + 1, gap: (bytes, last + 1))
    accounts[ref]!.topics[topic, default: new].next = last + 1
    let cause = unsafe GapCause(rawValue: body[4]) ?? .several
    accounts[ref]!.fates[topic, default: SentFates()].add(first, last, .lost(cause))
  }

  private mutating func noteBlocked(_ ref: UInt32, _ body: UnsafeRawBufferPointer) {
    guard let side = unsafe BlockedSide(rawValue: body[0]),
      let by = unsafe BlockedBy(rawValue: body[1])
    else { return }
    let pending = unsafe Amount(
      events: body.loadUnaligned(fromByteOffset: 8, as: UInt64.self),
      bytes: body.loadUnaligned(fromByteOffset: 16, as: UInt64.self))
    stops.append((ref, side, ToldStop(by: by, pending: pending)))
  }

  private mutating func noteSelected(_ ref: UInt32, _ body: UnsafeRawBufferPointer) {
    let topic = unsafe body.loadUnaligned(as: UInt32.self)
    var at = 8
    while at < body.count {
      let batch = unsafe BatchHeader(load: body.baseAddress! + at)
      accounts[ref, default: Account()].delivered += Amount(
        events: UInt64(batch.count), bytes: UInt64(batch.charge))
      accounts[ref]!.fates[topic, default: SentFates()].select(batch.sequence)
      if let next = accounts[ref]!.topics[topic]?.next {
        if batch.sequence < next {
          accounts[ref]!.repeated += Amount(events: 1, bytes: UInt64(batch.charge))
        }
      } else {
        accounts[ref]!.early[topic, default: []].append((batch.sequence, UInt64(batch.charge)))
      }
      at += batch.paddedLength
    }
  }

  private mutating func notePassed(_ ref: UInt32, _ body: UnsafeRawBufferPointer) {
    func word(_ i: Int) -> UInt64 {
      unsafe body.loadUnaligned(fromByteOffset: 8 + 8 * i, as: UInt64.self)
    }
    let topic = unsafe body.loadUnaligned(as: UInt32.self)
    let leftOut = Amount(events: word(2), bytes: word(3))
    let isSample = unsafe body[4] == LeftOut.sampledOut.rawValue
    if isSample {
      accounts[ref, default: Account()].sampledOut += leftOut
    } else {
      accounts[ref, default: Account()].conflated += leftOut
    }
    accounts[ref]!.lost += Amount(events: word(4), bytes: word(5))
    let first = word(0) == 0 ? nil : word(0)
    let next = word(1) + 1
    let new = Place(
      first: first, behindState: first == nil ? next : nil, firstBytes: nil, next: next)
    accounts[ref]!.topics[topic, default: new].next = next
    accounts[ref]!.fates[topic, default: SentFates()].endPass(
      word(0), word(1), isSample: isSample)
  }
}
