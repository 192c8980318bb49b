import WireFormat
import WireSupport

@testable import GalleonClient

// The client's lines: what a user asks for, and whether the session sends what the line says.
extension ClientReplay {
  /// Does what makes a client send the frame.
  func act(_ pattern: FramePattern, _ client: ReplayedClient, _ number: Int) async throws {
    let mailbox = client.scripted.shared.mailbox
    let ref = UInt32(try pattern.number("ref", &bindings) ?? 0)
    switch pattern.name {
    case "OPEN_TOPIC":
      let core = PublisherCore(
        ref: client.scripted.shared.nextRef(), topic: pattern.text("topic") ?? "",
        options: try publisherOptions(pattern), mailbox: mailbox)
      client.publishers[ref] = core
      client.sequencesAhead[ref] = nil
      client.opened[ref] = Promise()
      mailbox.post(.openPublisher(core, client.opened[ref]!))
      nameTopic(core.topic)
    case "PUBLISH":
      if !client.isPublishedAhead { try publish(pattern, client) }
      client.isPublishedAhead = false
    case "CLOSE_TOPIC":
      client.closed[ref] = Promise()
      mailbox.post(.closePublisher(try publisher(ref, client), client.closed[ref]!))
    case "SUBSCRIBE":
      // One from an earlier connection is asked for again without anybody's doing.
      let following = policyThatFollows(on: number)
      client.isPolicySetAhead = following != nil
      if client.returning.remove(ref) != nil { return }
      var options = try subscriptionOptions(pattern)
      if let (policy, credit) = following {
        options.policy = try self.policy(policy)
        options.windowEvents = try credit.number("events_total", &bindings) ?? 0
        options.windowBytes = try credit.number("bytes_total", &bindings) ?? 0
      }
      let core = SubscriptionCore(
        ref: client.scripted.shared.nextRef(), pattern: pattern.text("pattern") ?? "",
        options: options, mailbox: mailbox)
      client.subscriptions[ref] = core
      client.subscribed[ref] = Promise()
      mailbox.post(.subscribe(core, client.subscribed[ref]!))
    case "SET_POLICY":
      if client.isPolicySetAhead {
        client.isPolicySetAhead = false
        return
      }
      let correlation = UInt32(try pattern.number("correlation", &bindings) ?? 0)
      client.policies[correlation] = Promise()
      mailbox.post(
        .setPolicy(
          try subscription(ref, client), PolicyWish(try policy(pattern)),
          client.policies[correlation]!))
    case "CREDIT":
      let core = try subscription(ref, client)
      let consumed = core.takeConsumed()
      let events = try pattern.number("events_total", &bindings) ?? 0
      let bytes = try pattern.number("bytes_total", &bindings) ?? 0
      // What earlier sessions delivered takes up its part of the window.
      let row = client.scripted.session.subscriptions[core.ref]
      let (earlierEvents, earlierBytes) = (row?.earlierEvents ?? 0, row?.earlierBytes ?? 0)
      core.consumed(
        events: above(events + earlierEvents, core.options.windowEvents + consumed.events),
        bytes: above(bytes + earlierBytes, core.options.windowBytes + consumed.bytes))
      // At once, rather than when half a window is consumed.
      mailbox.post(.credit(core))
    case "UNSUBSCRIBE":
      client.accounts[ref] = Promise()
      mailbox.post(.unsubscribe(try subscription(ref, client), client.accounts[ref]!))
    case "REPLY":
      let address = ReplyAddress(
        inbox: try pattern.number("inbox", &bindings) ?? 0,
        token: try pattern.number("token", &bindings) ?? 0)
      let payload = try pattern.events(bindings).first?.payload ?? ""
      try await client.scripted.shared.replies.send(
        to: address, instance: bindings.values["instance"] ?? 7, payload, headers: [:])
    case "STATS":
      let correlation = UInt32(try pattern.number("correlation", &bindings) ?? 0)
      client.pages[correlation] = Promise()
      mailbox.post(
        .stats(
          offset: try pattern.number("offset", &bindings) ?? 0,
          count: UInt32(try pattern.number("count", &bindings) ?? 0),
          client.pages[correlation]!))
    case "PING":
      // As long passes as makes the client ask.
      client.scripted.nowNs += client.scripted.session.heartbeatNs
    case "CLOSE":
      mailbox.post(.close(deadlineNs: client.scripted.nowNs + 5_000_000_000))
    case "HELLO", "PONG":
      break
    default:
      throw TranscriptError("no client sends \(pattern.name)")
    }
  }

  private func above(_ total: UInt64, _ known: UInt64) -> UInt64 {
    total > known ? total - known : 0
  }

  private func publisherOptions(_ pattern: FramePattern) throws -> PublisherOptions {
    func number(_ field: String) throws -> UInt64 { try pattern.number(field, &bindings) ?? 0 }
    var options = PublisherOptions()
    options.acknowledgement =
      try number("ack_level") == UInt64(AckLevel.accepted.rawValue) ? .accepted : .none
    options.mode = [.openOrCreate, .mustExist, .mustCreate][Int(try number("mode"))]
    let flags = TopicOptions(rawValue: UInt8(try number("options")))
    options.isKeyed = flags.contains(.keyed)
    options.blocks = flags.contains(.block)
    if let ms = try pattern.number("block_timeout_ms", &bindings) {
      options.blockTimeout = .milliseconds(ms)
    }
    options.retention = Retention(
      events: try pattern.number("retention_events", &bindings),
      bytes: try pattern.number("retention_bytes", &bindings),
      age: try pattern.number("retention_ms", &bindings).map { .milliseconds($0) })
    return options
  }

  private func subscriptionOptions(_ pattern: FramePattern) throws -> SubscriptionOptions {
    func number(_ field: String) throws -> UInt64 { try pattern.number(field, &bindings) ?? 0 }
    let value = try number("start_value")
    let starts: [StartPosition] = [
      .latest, .earliest, .sequence(value), .time(nanoseconds: value), .state,
    ]
    var options = SubscriptionOptions(start: starts[Int(try number("start"))])
    options.policy = try policy(pattern)
    options.windowEvents = try number("events_total")
    options.windowBytes = try number("bytes_total")
    options.weight = UInt8(try pattern.number("weight", &bindings) ?? 0)
    return options
  }

  /// Of a SUBSCRIBE or a SET_POLICY.
  private func policy(_ pattern: FramePattern) throws -> DeliveryPolicy {
    let events = try pattern.number("lag_events_max", &bindings)
    let bytes = try pattern.number("lag_bytes_max", &bindings)
    let age = try pattern.number("lag_ms_max", &bindings).map { Duration.milliseconds($0) }
    let noCredit = try pattern.number("no_credit_ms_max", &bindings)
    return switch Policy(rawValue: UInt8(try pattern.number("policy", &bindings) ?? 0)) {
    case .dropOldest: .dropOldest(lagEvents: events, lagBytes: bytes, maxAge: age)
    case .disconnect:
      .disconnect(
        lagEvents: events, lagBytes: bytes, maxAge: age,
        withoutCredit: noCredit.map { .milliseconds($0) })
    case .latest: .latest(maxAge: age)
    case .sample:
      .sample(every: UInt32(try pattern.number("sample_every", &bindings) ?? 0), maxAge: age)
    case .lossless, nil: .lossless
    }
  }

  func publish(_ pattern: FramePattern, _ client: ReplayedClient) throws {
    let ref = UInt32(try pattern.number("ref", &bindings) ?? 0)
    let core = try publisher(ref, client)
    let timeToLiveMs = UInt32(try pattern.batchNumber("ttl_ms", bindings) ?? 0)
    for event in try pattern.events(bindings) {
      var parts = RecordParts(hasKey: event.key != nil, isTombstone: event.payload == nil)
      if let address = event.replyTo {
        let promise = Promise<Event>()
        let own = try client.scripted.shared.requests.add(core, deadlineNs: .max, promise)
        guard own.inbox == address.inbox else { throw TranscriptError("not the client's inbox") }
        client.tokens[address.token] = own.token
        client.requests[address.token] = promise
        parts.replyTo = own
      }
      let isTaken = try core.add(
        event.payload ?? "", key: event.key, parts, timeToLiveMs: timeToLiveMs)
      guard isTaken else { throw TranscriptError("the publisher has no room") }
    }
  }

  // MARK: - What the session sends

  /// Fields that are the client's own choice, or follow from it.
  private static let free: Set<String> = [
    "ref", "correlation", "version_min", "version_max", "codecs", "time", "token",
  ]

  /// Compares the next frame that the client sends with the line.
  func expect(_ pattern: FramePattern, _ client: ReplayedClient) throws {
    if pattern.name == "CREDIT", try isNothingNew(pattern, client) { return }
    let frame = try client.next(pattern.name)
    let loose = try LooseFrame(decoding: frame.bytes)
    let isAskedAgain = !pattern.positions.isEmpty
    for field in pattern.stated where !Self.free.contains(field) {
      // Where to start in topics that nothing has come from yet.
      if isAskedAgain && ["start", "start_value"].contains(field) { continue }
      guard try isEqual(loose.fields[field], pattern, field) else {
        throw TranscriptError(
          "\(frame.name).\(field) was sent as \(String(describing: loose.fields[field]))")
      }
    }
    if case .bytes(let positions)? = loose.fields["positions"] {
      guard try pattern.positionBytes(bindings) == positions else {
        throw TranscriptError("the positions that were sent are \(Hex.text(positions))")
      }
    }
    let correlation = UInt32(try pattern.number("correlation", &bindings) ?? 0)
    client.correlations[correlation] = frame.correlation
    client.refs[correlation] = frame.ref
    let ref = UInt32(try pattern.number("ref", &bindings) ?? 0)
    try compareRef(frame, ref, client)
    switch pattern.name {
    case "PING": client.ping = frame
    case "PUBLISH", "REPLY": try compareBatch(pattern, frame, ref, client)
    default: break
    }
  }

  private func isNothingNew(_ pattern: FramePattern, _ client: ReplayedClient) throws -> Bool {
    try client.look()
    return !client.sent.contains { $0.type == .credit }
  }

  private func isEqual(
    _ value: LooseFrame.Value?, _ pattern: FramePattern, _ field: String
  ) throws -> Bool {
    switch value {
    case .number(let number)?: try pattern.number(field, &bindings, orElse: number) == number
    case .text(let text)?: pattern.text(field) == text
    case .bytes?, nil: true
    }
  }

  private func compareRef(_ frame: SentFrame, _ ref: UInt32, _ client: ReplayedClient) throws {
    let own: UInt32? =
      switch frame.type {
      case .openTopic, .publish, .closeTopic: try publisher(ref, client).ref
      case .subscribe, .setPolicy, .unsubscribe, .credit: try subscription(ref, client).ref
      default: 0
      }
    guard frame.ref == own else { throw TranscriptError("\(frame.name) has the ref \(frame.ref)") }
  }

  private func compareBatch(
    _ pattern: FramePattern, _ frame: SentFrame, _ ref: UInt32, _ client: ReplayedClient
  ) throws {
    let batch = try frame.batch()
    let wanted = try pattern.events(bindings).map { event in
      SentEvent(
        payload: event.payload ?? "", key: event.key,
        replyTo: event.replyTo.map {
          ReplyAddress(inbox: $0.inbox, token: client.tokens[$0.token] ?? $0.token)
        }, isTombstone: event.payload == nil)
    }
    guard batch.events == wanted else { throw TranscriptError("it published \(batch.events)") }
    guard pattern.name == "PUBLISH" else { return }
    guard try pattern.batchNumber("ttl_ms", bindings) ?? 0 == UInt64(batch.header.ttlMs) else {
      throw TranscriptError("the batch's ttl_ms is \(batch.header.ttlMs)")
    }
    // From any number on, and then without a gap.
    let stated = try pattern.batchNumber("publisher_sequence", bindings) ?? 1
    let ahead = stated &- batch.header.publisherSequence
    guard client.sequencesAhead[ref, default: ahead] == ahead else {
      throw TranscriptError("the publisher sequence is \(batch.header.publisherSequence)")
    }
    client.sequencesAhead[ref] = ahead
  }

  // MARK: -

  func publisher(_ ref: UInt32, _ client: ReplayedClient) throws -> PublisherCore {
    guard let core = client.publishers[ref] else { throw TranscriptError("no publisher \(ref)") }
    return core
  }

  func subscription(_ ref: UInt32, _ client: ReplayedClient) throws -> SubscriptionCore {
    guard let core = client.subscriptions[ref] else {
      throw TranscriptError("no subscription \(ref)")
    }
    return core
  }

  /// The id of a topic; one is made up where it has none yet.
  @discardableResult
  func nameTopic(_ name: String) -> UInt64 {
    if let id = bindings.topicIDs[name] { return id }
    let id = UInt64(40 + bindings.topicIDs.count)
    bindings.topicIDs[name] = id
    return id
  }
}
