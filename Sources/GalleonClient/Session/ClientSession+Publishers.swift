import WireFormat

// Publishers: opening, acknowledgements, credit, closing, and what becomes of them when the
// connection breaks. How blocks get to the socket is in `ClientSession+Output`.
extension ClientSession {
  func open(_ core: PublisherCore, _ promise: Promise<Void>) {
    let row = PublisherRow(core)
    row.opened = promise
    publishers[core.ref] = row
    if isOpen { sendOpen(row) }
  }

  /// Asks for the publisher, in this session for the first time.
  func sendOpen(_ row: PublisherRow) {
    let options = row.core.options
    var flags: TopicOptions = []
    if options.isKeyed { flags.insert(.keyed) }
    if options.blocks { flags.insert(.block) }
    let retention = options.retention
    let frame = OpenTopic(
      mode: mode(of: row), options: flags,
      ackLevel: row.isAcknowledged ? .accepted : .none,
      blockTimeoutMs: clampedToUInt32(options.blockTimeout?.wireMilliseconds ?? 0),
      retentionEvents: retention.events ?? 0, retentionBytes: retention.bytes ?? 0,
      retentionMs: retention.age?.wireMilliseconds ?? 0, topic: row.core.topic)
    row.phase = .opening
    let fits = frame.encode(
      into: &control, ref: row.core.ref, correlation: nextCorrelation())
    precondition(fits)
  }

  private func mode(of row: PublisherRow) -> OpenMode {
    switch row.core.options.mode {
    case .openOrCreate: .openOrCreate
    case .mustExist: .mustExist
    // It was created by this publisher, or the broker that had it is gone.
    case .mustCreate: row.hasBeenOpen ? .openOrCreate : .mustCreate
    }
  }

  func receive(_ topic: Topic, _ ref: UInt32) {
    guard let row = publishers[ref], case .opening = row.phase else { return }
    row.phase = .open
    row.hasBeenOpen = true
    row.needsCredit = topic.options.contains(.block)
    row.creditEvents = 0
    row.creditBytes = 0
    row.sentEvents = 0
    row.sentBytes = 0
    row.core.setLimits(
      recordBytesMax: recordBytesMax, requiresKey: topic.options.contains(.keyed))
    if let opened = row.opened {
      row.opened = nil
      // Whoever asked has gone meanwhile, and nobody else knows of it.
      if !opened.fulfil(.success(())) && row.closed == nil { row.closed = Promise() }
    }
    makeReady(ref)
  }

  func refused(_ row: PublisherRow, _ refusal: Refusal, _ nowNs: UInt64) {
    switch row.phase {
    case .opening: break
    case .closing:
      // It knows nothing of the publisher. Then it is closed, and what was not confirmed is in
      // doubt.
      publishers[row.core.ref] = nil
      row.core.fail(.refused(refusal))
      row.closed?.fulfil(.failure(.refused(refusal)))
      return
    case .idle, .open, .waiting: return
    }
    if row.hasBeenOpen && refusal.isRetryable {
      row.phase = .waiting
      reopenAtNs = min(reopenAtNs, nowNs + Self.reopenDelayNs)
      return
    }
    publishers[row.core.ref] = nil
    row.core.fail(.refused(refusal))
    row.opened?.fulfil(.failure(.refused(refusal)))
    row.closed?.fulfil(.failure(.refused(refusal)))
  }

  func receive(_ ack: Ack, _ ref: UInt32) {
    guard let row = publishers[ref] else { return }
    while let block = row.inFlight.first, block.lastSequence <= ack.through {
      _ = row.inFlight.popFirst()
      confirm(row, through: block.lastSequence)
      row.core.release(block)
    }
    finishIfDrained(row)
  }

  private func confirm(_ row: PublisherRow, through sequence: UInt64) {
    row.confirmedThrough = max(row.confirmedThrough, sequence)
    row.core.settle(through: row.confirmedThrough)
  }

  func receive(_ credit: PublishCredit, _ ref: UInt32) {
    guard let row = publishers[ref] else { return }
    row.creditEvents = max(row.creditEvents, credit.eventsTotal)
    row.creditBytes = max(row.creditBytes, credit.bytesTotal)
    makeReady(ref)
  }

  func flush(_ core: PublisherCore, _ nowNs: UInt64) {
    guard let row = publishers[core.ref] else { return }
    row.flushThrough = core.counts.published
    isFlushAwaited = true
    makeReady(core.ref)
    sendBarrierIfDue(nowNs)
  }

  // MARK: - Barriers

  /// A PING behind everything written to unacknowledged publishers. The broker takes frames in
  /// their order, so its PONG says that it has read them all.
  struct Barrier {
    let correlation: UInt32
    let marks: [(ref: UInt32, through: UInt64)]
  }

  /// So many bytes are at most in doubt, beside those on their way, when a connection breaks.
  private static var barrierBytes: Int { 256 * 1024 }
  /// A trickle of events is confirmed after so long.
  private static var barrierDelayNs: UInt64 { 1_000_000_000 }

  var barrierDueNs: UInt64 {
    guard barrier == nil, unconfirmedSinceNs != .max else { return .max }
    return unconfirmedSinceNs + Self.barrierDelayNs
  }

  func sendBarrierIfDue(_ nowNs: UInt64) {
    guard isOpen, barrier == nil, unconfirmedSinceNs != .max else { return }
    let isDue = unconfirmedBytes >= Self.barrierBytes || nowNs >= barrierDueNs
    guard isDue || isFlushAwaited else { return }
    let doubtful = publishers.values.filter {
      !$0.isAcknowledged && $0.writtenThrough > $0.confirmedThrough
    }
    guard isDue || doubtful.contains(where: { $0.flushThrough > $0.confirmedThrough }) else {
      isFlushAwaited = publishers.values.contains {
        !$0.isAcknowledged && $0.flushThrough > $0.confirmedThrough
      }
      return
    }
    let correlation = nextCorrelation()
    barrier = Barrier(
      correlation: correlation, marks: doubtful.map { ($0.core.ref, $0.writtenThrough) })
    unconfirmedBytes = 0
    unconfirmedSinceNs = .max
    lastPingNs = nowNs
    _ = Ping(time: nowNs).encode(into: &control, correlation: correlation)
  }

  func receiveBarrier(_ correlation: UInt32, _ nowNs: UInt64) {
    guard let barrier, barrier.correlation == correlation else { return }
    self.barrier = nil
    for mark in barrier.marks {
      guard let row = publishers[mark.ref] else { continue }
      confirm(row, through: mark.through)
      if row.writtenThrough > row.confirmedThrough && unconfirmedSinceNs == .max {
        unconfirmedSinceNs = nowNs
      }
      finishIfDrained(row)
    }
    sendBarrierIfDue(nowNs)
  }

  // MARK: - Closing

  /// Closes the publisher once everything it was given has been written.
  func close(_ core: PublisherCore, _ promise: Promise<Void>) {
    core.finish()
    guard let row = publishers[core.ref] else {
      promise.fulfil(.success(()))
      return
    }
    guard row.closed == nil else {
      promise.fulfil(.failure(.clientClosed))
      return
    }
    row.closed = promise
    makeReady(core.ref)
    finishIfDrained(row)
  }

  /// Says CLOSE_TOPIC where the publisher is to be closed and nothing of it is left here.
  /// TOPIC_CLOSED comes after everything was accepted, so no barrier is needed before it.
  func finishIfDrained(_ row: PublisherRow) {
    guard row.closed != nil, row.isOpen, row.resend.isEmpty, row.core.isDrained,
      row.writtenThrough == row.nextSequence - 1
    else { return }
    row.phase = .closing
    _ = CloseTopic().encode(into: &control, ref: row.core.ref, correlation: nextCorrelation())
  }

  func receiveClosed(_ ref: UInt32) {
    guard let row = publishers[ref], case .closing = row.phase else { return }
    publishers[ref] = nil
    confirm(row, through: row.writtenThrough)
    while let block = row.inFlight.popFirst() { row.core.release(block) }
    row.closed?.fulfil(.success(()))
  }

  // MARK: - The end of a connection

  /// What was not written whole stays to be sent. What was written and not confirmed is sent again
  /// or counted as lost, as each publisher's options say.
  func disconnectPublishers() {
    var unsent: [Transmission] = []
    while let transmission = transmit.popFirst() { unsent.append(transmission) }
    for transmission in unsent.reversed() {
      transmission.row.resend.prepend(transmission.block)
    }
    transmitBytes = 0
    headSent = 0
    ready.removeAll()
    barrier = nil
    unconfirmedBytes = 0
    unconfirmedSinceNs = .max
    for row in publishers.values {
      row.isReady = false
      disconnect(row)
    }
  }

  private func disconnect(_ row: PublisherRow) {
    row.phase = .idle
    row.core.setBlocked(nil)
    if row.isAcknowledged && row.core.options.resends {
      var again: [PublishBlock] = []
      while let block = row.inFlight.popFirst() { again.append(block) }
      for block in again.reversed() { row.resend.prepend(block) }
      // Of the next session nothing is written yet; CLOSE_TOPIC must not come before it.
      row.writtenThrough = row.confirmedThrough
      return
    }
    while let block = row.inFlight.popFirst() { row.core.release(block) }
    if row.writtenThrough > row.confirmedThrough {
      lose(row, through: row.writtenThrough)
    }
  }

  /// Counts everything up to `sequence` that is not confirmed as lost.
  func lose(_ row: PublisherRow, through sequence: UInt64) {
    let lost = sequence - row.confirmedThrough
    row.confirmedThrough = sequence
    lostSinceWelcome += lost
    row.core.settle(through: sequence, lost: lost)
  }
}
