import WireFormat

// Subscriptions: opening, resuming, credit, gaps, closing. Deliveries are in
// `ClientSession+Deliver`.
extension ClientSession {
  func subscribe(_ core: SubscriptionCore, _ promise: Promise<Void>, _ nowNs: UInt64) {
    let row = SubscriptionRow(core)
    row.opened = promise
    subscriptions[core.ref] = row
    if isOpen { sendSubscribe(row, nowNs) }
  }

  /// Asks for the subscription, in this session for the first time.
  func sendSubscribe(_ row: SubscriptionRow, _ nowNs: UInt64) {
    let wish = row.policy
    if let problem = missing(wish, row.start) {
      finish(row, .failure(problem), ending: problem)
      return
    }
    // "With the next event" means the next one after now, also when it is asked for again later:
    // topics that nothing has come from yet then start at this time.
    let (start, value) = wireStart(row.start)
    if row.start == .latest { row.start = .time(nanoseconds: brokerTimeNs(nowNs)) }
    row.earlierEvents = row.deliveredEvents
    row.earlierBytes = row.deliveredBytes
    let consumed = row.core.takeConsumed()
    let credit = row.grant(consumedEvents: consumed.events, consumedBytes: consumed.bytes)
    let positions = positions(of: row)
    // Without credit until SET_POLICY has said what SUBSCRIBE cannot say.
    let frame = Subscribe(
      policy: wish.policy, start: start, weight: row.core.options.weight,
      positionsCount: UInt32(positions.count / Self.positionBytes), startValue: value,
      lagEventsMax: wish.lagEventsMax, lagBytesMax: wish.lagBytesMax,
      eventsTotal: wish.fitsSubscribe ? credit.eventsTotal : 0,
      bytesTotal: wish.fitsSubscribe ? credit.bytesTotal : 0, pattern: row.core.pattern)
    row.phase = .opening
    row.grantedEvents = credit.eventsTotal
    row.grantedBytes = credit.bytesTotal
    let correlation = nextCorrelation()
    let fits = positions.withEventBytes {
      frame.encode(into: &control, ref: row.core.ref, correlation: correlation, positions: $0)
    }
    precondition(fits)
    if wish.fitsSubscribe { return }
    row.firstPolicyCorrelation = send(wish, row)
    _ = credit.encode(into: &control, ref: row.core.ref)
  }

  private static var positionBytes: Int { 16 }

  /// Where to go on in each topic: topic u32, reserved u32, sequence u64.
  private func positions(of row: SubscriptionRow) -> [UInt8] {
    var bytes: [UInt8] = []
    let frameMax = Int(welcome?.frameLengthMax ?? 0)
    let room = frameMax - Subscribe.prefixSize - 2 - WireLimits.topicNameBytesMax
    for topic in row.next.keys.sorted() {
      let sequence = row.next[topic]!
      if bytes.count + Self.positionBytes > room {
        // A frame holds no more. The topic goes on where `start` says, and nothing is known of
        // what lies between.
        row.next[topic] = nil
        let name = topics[topic]?.name ?? row.core.pattern
        let gap = Gap(
          topic: name, first: sequence, last: 0, count: 0, bytes: 0, cause: .unexplained)
        add(.gap(gap), to: row)
        continue
      }
      for shift in stride(from: 0, to: 32, by: 8) {
        bytes.append(UInt8(truncatingIfNeeded: topic >> UInt32(shift)))
      }
      bytes.append(contentsOf: [0, 0, 0, 0])
      for shift in stride(from: 0, to: 64, by: 8) {
        bytes.append(UInt8(truncatingIfNeeded: sequence >> UInt64(shift)))
      }
    }
    return bytes
  }

  private func wireStart(_ start: StartPosition) -> (Start, UInt64) {
    switch start {
    case .latest: (.latest, 0)
    case .earliest: (.earliest, 0)
    case .sequence(let sequence): (.sequence, sequence)
    case .time(let nanoseconds): (.time, nanoseconds)
    case .state: (.state, 0)
    }
  }

  /// Goes on in a new session. Under another instance of the broker no sequence means anything:
  /// everything that it has is new, and what was missed cannot be known.
  func resume(_ row: SubscriptionRow, isSameInstance: Bool, _ nowNs: UInt64) {
    if row.hasBeenOpen && !isSameInstance {
      row.next = [:]
      if row.start != .state { row.start = .earliest }
      let gap = Gap(
        topic: row.core.pattern, first: 0, last: 0, count: 0, bytes: 0, cause: .newEpoch)
      add(.gap(gap), to: row)
    }
    if row.closed != nil {
      // It was being closed when the connection broke; there is nothing left to close.
      finish(row, .failure(.connectionLost("the connection broke while it was being closed")))
      return
    }
    sendSubscribe(row, nowNs)
  }

  func receiveSubscribed(_ ref: UInt32) {
    guard let row = subscriptions[ref], case .opening = row.phase else { return }
    row.phase = .open
    row.hasBeenOpen = true
    if let opened = row.opened {
      row.opened = nil
      // Whoever asked has gone meanwhile, and nobody else knows of it.
      if !opened.fulfil(.success(())) && row.closed == nil { row.closed = Promise() }
    }
    endChanges(row, 0)
    if row.closed != nil {
      sendUnsubscribe(row)
    } else {
      sendCredit(row.core)
    }
  }

  func refused(_ row: SubscriptionRow, _ refusal: Refusal, _ nowNs: UInt64) {
    switch row.phase {
    case .opening:
      if row.hasBeenOpen && refusal.isRetryable && row.closed == nil {
        row.phase = .waiting
        postponeChanges(row)
        reopenAtNs = min(reopenAtNs, nowNs + Self.reopenDelayNs)
        return
      }
      finish(row, .failure(.refused(refusal)), ending: .refused(refusal))
    case .closing:
      finish(row, .failure(.refused(refusal)))
    case .idle, .open, .waiting:
      break
    }
  }

  /// Grants what has been consumed.
  func sendCredit(_ core: SubscriptionCore) {
    let consumed = core.takeConsumed()
    guard let row = subscriptions[core.ref], case .open = row.phase else { return }
    let credit = row.grant(consumedEvents: consumed.events, consumedBytes: consumed.bytes)
    let isNew = credit.eventsTotal > row.grantedEvents || credit.bytesTotal > row.grantedBytes
    guard isNew else { return }
    row.grantedEvents = credit.eventsTotal
    row.grantedBytes = credit.bytesTotal
    _ = credit.encode(into: &control, ref: core.ref)
  }

  func receive(_ gap: WireFormat.Gap, _ ref: UInt32) throws(WireError) {
    guard let row = subscriptions[ref] else { return }
    let topic = try topic(gap.topic)
    if gap.last != 0 {
      guard gap.first <= gap.last, gap.last < .max else {
        throw WireError(.malformedFrame, need: Int(truncatingIfNeeded: gap.first))
      }
      explain(row, topic, upTo: gap.first)
      row.next[gap.topic] = max(row.next[gap.topic] ?? 0, gap.last + 1)
    }
    if gap.cause == .newEpoch { row.next[gap.topic] = nil }
    let told = Gap(
      topic: topic.name, first: gap.first, last: gap.last, count: gap.count, bytes: gap.bytes,
      cause: GapCause(gap.cause))
    add(.gap(told), to: row)
  }

  /// A topic that TOPIC_INFO has named.
  func topic(_ id: UInt32) throws(WireError) -> DeliveredTopic {
    guard let topic = topics[id] else { throw WireError(.protocolViolation, have: Int(id)) }
    return topic
  }

  /// Makes a gap of what lies between the place where the last delivery ended and `sequence`.
  func explain(_ row: SubscriptionRow, _ topic: DeliveredTopic, upTo sequence: UInt64) {
    guard let expected = row.next[topic.id], sequence > expected else { return }
    let gap = Gap(
      topic: topic.name, first: expected, last: sequence - 1, count: sequence - expected,
      bytes: 0, cause: .unexplained)
    add(.gap(gap), to: row)
  }

  // MARK: - Closing

  func unsubscribe(_ core: SubscriptionCore, _ promise: Promise<SubscriptionAccount>) {
    core.end(nil)
    guard let row = subscriptions[core.ref], row.closed == nil else {
      promise.fulfil(.failure(.clientClosed))
      return
    }
    row.closed = promise
    switch row.phase {
    case .open: sendUnsubscribe(row)
    case .opening, .closing: break
    case .idle, .waiting: finish(row, .failure(.connectionLost("not connected")))
    }
  }

  func sendUnsubscribe(_ row: SubscriptionRow) {
    row.phase = .closing
    _ = Unsubscribe().encode(into: &control, ref: row.core.ref, correlation: nextCorrelation())
  }

  func receive(_ frame: Unsubscribed, _ ref: UInt32) {
    guard let row = subscriptions[ref] else { return }
    let told =
      frame.deliveredEvents &+ frame.droppedEvents &+ frame.expiredEvents &+ frame.closedEvents
    finish(
      row,
      .success(
        SubscriptionAccount(
          matched: frame.matchedEvents, delivered: frame.deliveredEvents,
          dropped: frame.droppedEvents, leftOut: frame.matchedEvents &- told,
          expired: frame.expiredEvents, closed: frame.closedEvents)))
  }

  /// - Parameter error: what readers hear behind what was delivered; nil where it was closed.
  func finish(
    _ row: SubscriptionRow, _ answer: Result<SubscriptionAccount, GalleonError>,
    ending error: GalleonError? = nil
  ) {
    subscriptions[row.core.ref] = nil
    row.core.end(error)
    row.core.setBlocked(nil)
    row.opened?.fulfil(.failure(error ?? .clientClosed))
    row.closed?.fulfil(answer)
    failChanges(row, error ?? .clientClosed)
  }

  /// The connection is gone; what was delivered stays delivered.
  func disconnect(_ row: SubscriptionRow) {
    row.phase = .idle
    row.grantedEvents = 0
    row.grantedBytes = 0
    // A state that is not complete is asked for again, whatever came behind it.
    for (topic, position) in row.resets { row.next[topic] = position == 0 ? nil : position }
    row.resets = [:]
    postponeChanges(row)
    row.core.setBlocked(nil)
  }
}
