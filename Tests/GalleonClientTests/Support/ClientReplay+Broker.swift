import WireFormat
import WireSupport

@testable import GalleonClient

// The broker's lines: the frame as this client is to hear it, and what its users then see.
extension ClientReplay {
  func feed(_ pattern: FramePattern, _ client: ReplayedClient, _ number: Int) throws {
    let ahead = pattern.name == "PUBLISH_CREDIT" ? publishThatFollows(on: number) : nil
    if let ahead {
      // The user does not wait for the credit; the client has to.
      try publish(ahead, client)
      client.isPublishedAhead = true
      try client.look()
      if client.sent.contains(where: { $0.type == .publish }) {
        throw TranscriptError("it published without credit")
      }
    }
    let frame = try frame(pattern, client, number)
    try announce(frame, client)
    client.scripted.feed(try frame.encoded(), piece: 1)
    if let end = client.scripted.session.end, pattern.name != "CLOSE" {
      throw TranscriptError("\(pattern.name) ended the session: \(end.error)")
    }
    try check(pattern, frame, client)
    if pattern.name != "CLOSE" { try client.look() }
  }

  /// The line's frame with the client's own numbers in it.
  private func frame(
    _ pattern: FramePattern, _ client: ReplayedClient, _ number: Int
  ) throws -> LooseFrame {
    let ref = UInt32(try pattern.number("ref", &bindings) ?? 0)
    var defaults: [String: UInt64] = [:]
    switch pattern.name {
    case "WELCOME":
      defaults = [
        "version": 1, "frame_length_max": 262_144, "batch_bytes_max": 65_536,
        "heartbeat_ms": 15_000, "subscriptions_max": 1024, "publishers_max": 1024, "instance": 7,
        "session": UInt64(number), "inbox": 900 + UInt64(number), "time": 1_700_000_000_000_000_000,
      ]
    case "TOPIC":
      let topic = nameTopic(try publisher(ref, client).topic)
      let options = try publisher(ref, client).options
      let flags = (options.isKeyed ? 1 : 0) | (options.blocks ? 2 : 0)
      defaults = [
        "topic": topic, "epoch": 1, "first_sequence": 1, "next_sequence": 1,
        "options": UInt64(flags),
      ]
    case "PUBLISH_CREDIT": defaults = ["events_total": .max, "bytes_total": .max]
    case "ACK": defaults = ["level": UInt64(AckLevel.accepted.rawValue)]
    case "DELIVER", "GAP", "DELIVER_SELECTED", "PASSED", "STATE_RESET":
      defaults = ["topic": nameTopic(try subscription(ref, client).pattern)]
    default: break
    }
    var frame = try pattern.frame(&bindings, defaults: defaults)
    if pattern.name == "ERROR" { frame.ref = client.refs[frame.correlation] ?? 0 }
    frame.correlation = client.correlations[frame.correlation] ?? 0
    switch pattern.name {
    case "TOPIC", "PUBLISH_CREDIT", "TOPIC_CLOSED": frame.ref = try publisher(ref, client).ref
    case "ACK":
      frame.ref = try publisher(ref, client).ref
      let through = try pattern.number("through", &bindings) ?? 0
      frame.fields["through"] = .number(through &- client.sequencesAhead[ref, default: 0])
    case "SUBSCRIBED", "UNSUBSCRIBED", "DELIVER", "GAP", "POLICY_SET", "DELIVER_SELECTED",
      "PASSED", "STATE_RESET":
      frame.ref = try subscription(ref, client).ref
    case "BLOCKED":
      frame.ref =
        frame.fields["side"] == .number(UInt64(BlockedSide.publisher.rawValue))
        ? try publisher(ref, client).ref : try subscription(ref, client).ref
    case "PONG":
      guard let ping = client.ping else { throw TranscriptError("nobody sent PING") }
      frame.correlation = ping.correlation
      frame.fields["time"] = .number(try ping.ping().time)
    case "REPLY":
      let token = try pattern.number("token", &bindings) ?? 0
      frame.fields["token"] = .number(client.tokens[token] ?? token)
    default: break
    }
    return frame
  }

  /// Names the topic of a frame before the first that uses its id, which lines leave out.
  private func announce(_ frame: LooseFrame, _ client: ReplayedClient) throws {
    guard
      ["DELIVER", "GAP", "DELIVER_SELECTED", "PASSED", "STATE_RESET"].contains(frame.name),
      case .number(let id)? = frame.fields["topic"], client.announced.insert(id).inserted
    else { return }
    guard let name = bindings.topicIDs.first(where: { $0.value == id })?.key else {
      throw TranscriptError("nobody knows the name of topic \(id)")
    }
    client.scripted.feed(BrokerFrames.topicInfo(id: UInt32(id), name: name), piece: 1)
  }

  // MARK: - What users see

  private func check(
    _ pattern: FramePattern, _ frame: LooseFrame, _ client: ReplayedClient
  ) throws {
    let ref = UInt32(try pattern.number("ref", &bindings) ?? 0)
    switch pattern.name {
    case "WELCOME":
      try require(client.scripted.session.isOpen, "the session is not open")
    case "TOPIC":
      try require(try client.opened[ref]?.answer?.get() != nil, "the publisher is not open")
    case "ACK":
      let settled = try publisher(ref, client).counts.settled
      try require(frame.fields["through"] == .number(settled), "settled are \(settled)")
    case "TOPIC_CLOSED":
      try require(try client.closed[ref]?.answer?.get() != nil, "the publisher is not closed")
    case "SUBSCRIBED":
      try require(try client.subscribed[ref]?.answer?.get() != nil, "it is not open")
    case "UNSUBSCRIBED":
      let account = try client.accounts[ref]?.answer?.get()
      let numbers = [
        "matched_events": account?.matched, "delivered_events": account?.delivered,
        "dropped_events": account?.dropped, "expired_events": account?.expired,
        "closed_events": account?.closed,
      ]
      for (field, number) in numbers {
        try require(frame.fields[field] == number.map { .number($0) }, "\(field): \(number ?? 0)")
      }
    case "DELIVER", "DELIVER_SELECTED":
      try checkDelivery(pattern, try subscription(ref, client))
    case "PASSED": try checkPassed(frame, try subscription(ref, client))
    case "STATE_RESET":
      let seen = deliveries(of: try subscription(ref, client))
      guard seen.count == 1, case .stateReset = seen[0] else {
        throw TranscriptError("the user sees \(seen)")
      }
    case "POLICY_SET":
      let correlation = UInt32(try pattern.number("correlation", &bindings) ?? 0)
      let answer = client.policies[correlation]?.answer
      try require(answer == nil || (try answer?.get()) != nil, "the policy is not set")
    case "BLOCKED": try checkBlocked(frame, ref, client)
    case "GAP": try checkGap(frame, try subscription(ref, client))
    case "REPLY":
      let token = try pattern.number("token", &bindings) ?? 0
      let reply = try client.requests[token]?.answer?.get()
      try require(
        reply?.text == (try pattern.events(bindings).first?.payload), "no reply of this kind came")
    case "STATS_PAGE":
      let correlation = UInt32(try pattern.number("correlation", &bindings) ?? 0)
      let page = try client.pages[correlation]?.answer?.get()
      try require(
        frame.fields["total"] == page.map { .number($0.total) }
          && frame.fields["offset"] == page.map { .number($0.offset) }, "no page of this kind came")
    case "ERROR": try checkRefusal(frame, ref, client)
    case "CLOSE": try checkEnd(frame, client)
    default: break
    }
  }

  private func require(_ isTrue: Bool, _ text: @autoclosure () -> String) throws {
    if !isTrue { throw TranscriptError(text()) }
  }

  /// What waits for the user of a subscription, and takes it without consuming it.
  private func deliveries(of core: SubscriptionCore) -> [Delivery] {
    var queue = Queue<Delivery>()
    guard case .deliveries = core.fetch(into: &queue) else { return [] }
    var all: [Delivery] = []
    while let delivery = queue.popFirst() { all.append(delivery) }
    return all
  }

  private func checkDelivery(_ pattern: FramePattern, _ core: SubscriptionCore) throws {
    var seen: [String] = []
    for delivery in deliveries(of: core) {
      guard case .batch(var batch) = delivery else {
        throw TranscriptError("the user sees \(delivery)")
      }
      while batch.left > 0 {
        let event = batch.next()
        seen.append(
          "\(event.sequence) \(event.keyText ?? "") \(event.isTombstone ? "-" : event.text)")
      }
    }
    let skip = Int(try pattern.number("skip", &bindings) ?? 0)
    let wanted = try pattern.sequencedEvents(bindings).dropFirst(skip).map {
      "\($0.sequence) \($0.event.key ?? "") \($0.event.payload ?? "-")"
    }
    try require(seen == wanted, "the user sees \(seen)")
  }

  private func checkPassed(_ frame: LooseFrame, _ core: SubscriptionCore) throws {
    func number(_ field: String) -> UInt64 {
      if case .number(let number)? = frame.fields[field] { number } else { 0 }
    }
    var seen = deliveries(of: core)
    if number("first") == 0 {
      guard case .stateComplete(_, number("last"))? = seen.popLast() else {
        throw TranscriptError("the user does not see that the state is complete")
      }
    }
    let count = number("events"), expired = number("expired_events")
    if count + expired == 0 { return try require(seen.isEmpty, "the user sees \(seen)") }
    guard seen.count == 1, case .leftOut(let out) = seen[0] else {
      throw TranscriptError("the user sees \(seen)")
    }
    try require(
      out.count == count && out.bytes == number("bytes") && out.expiredCount == expired
        && out.expiredBytes == number("expired_bytes") && out.last == number("last")
        && (number("first") == 0 || out.first == number("first"))
        && Registry.shared.number("\(out.cause)", kind: "LeftOut") == number("kind"),
      "the user sees \(out)")
  }

  private func checkBlocked(
    _ frame: LooseFrame, _ ref: UInt32, _ client: ReplayedClient
  ) throws {
    let isPublisher = frame.fields["side"] == .number(1)
    let blocked =
      isPublisher
      ? try publisher(ref, client).blocked : try subscription(ref, client).blocked
    let name = blocked.map { "\($0.cause)" } ?? "none"
    let cause = Registry.shared.number(name, kind: "BlockedBy")
    try require(frame.fields["by"] == cause.map { .number($0) }, "the user sees \(blocked as Any)")
  }

  private func checkGap(_ frame: LooseFrame, _ core: SubscriptionCore) throws {
    let deliveries = deliveries(of: core)
    guard deliveries.count == 1, case .gap(let gap) = deliveries[0] else {
      throw TranscriptError("the user sees \(deliveries)")
    }
    let numbers = [
      "first": gap.first, "last": gap.last, "count": gap.count, "bytes": gap.bytes,
      "topic": bindings.topicIDs[gap.topic] ?? 0,
      "cause": Registry.shared.number("\(gap.cause)", kind: "GapCause") ?? .max,
    ]
    for (field, number) in numbers {
      try require(frame.fields[field] == .number(number), "the user sees \(gap)")
    }
  }

  private func checkRefusal(
    _ frame: LooseFrame, _ ref: UInt32, _ client: ReplayedClient
  ) throws {
    // A reply that reached nobody is not anybody's request.
    if ref == 0 { return }
    let promise = frame.ref == client.publishers[ref]?.ref ? client.opened[ref] : nil
    let answer = (promise ?? client.subscribed[ref])?.answer
    guard case .failure(.refused(let refusal))? = answer else {
      throw TranscriptError("the user hears of no refusal")
    }
    try require(
      frame.fields["code"] == .number(UInt64(refusal.code))
        && frame.fields["retryable"] == .number(refusal.isRetryable ? 1 : 0),
      "the user hears \(refusal)")
  }

  private func checkEnd(_ frame: LooseFrame, _ client: ReplayedClient) throws {
    guard let end = client.scripted.session.end, case .closed(let reason, _) = end.error else {
      throw TranscriptError("the session is not over")
    }
    try require(frame.fields["reason"] == .number(UInt64(reason.code)), "the reason is \(reason)")
    try require(
      frame.fields["retryable"] == .number(end.mayReturn ? 1 : 0), "may return: \(end.mayReturn)")
    let milliseconds: UInt64 = 1_000_000
    let after = (end.retry?.afterNs ?? 0) / milliseconds
    let spread = (end.retry?.spreadNs ?? 0) / milliseconds
    try require(
      frame.fields["retry_after_ms"] == .number(after)
        && frame.fields["spread_ms"] == .number(spread), "comes back after \(after) + \(spread)")
  }
}
