import BrokerCore
import WireFormat

// What comes from the broker, looked at frame by frame.

extension Client {
  /// Bytes have come over the network.
  func receive(_ bytes: some Sequence<UInt8>) {
    guard session != nil else { return }
    session!.input.append(contentsOf: bytes)
    while let input = session?.input {
      var end = 0
      unsafe input.withUnsafeBytes { all in
        do throws(WireError) {
          guard let frame = try unsafe nextFrame(in: all, at: 0, lengthMax: 1 << 24) else { return }
          end = frame.end
          if frame.header.length > session!.frameLengthMax {
            world.fail("a frame of \(frame.header.length) bytes for \(session!.frameLengthMax)")
          }
          try unsafe look(at: frame, in: all)
        } catch {
          world.fail("client \(index) cannot read what it is sent: \(error)")
        }
      }
      guard end > 0, world.fault == nil else { return }
      session?.input.removeFirst(end)
    }
  }

  private func look(at frame: FrameView, in bytes: UnsafeRawBufferPointer) throws(WireError) {
    let header = frame.header
    guard let type = header.type else { return world.fail("a frame of type \(header.typeRaw)") }
    if session!.state == .greeting && type != .welcome && type != .close {
      world.fail("\(type) before WELCOME")
    }
    if session!.closeReason != nil { world.fail("\(type) after CLOSE") }
    var reader = unsafe FrameReader(frame, in: bytes)
    world.seen["\(type.name)", default: 0] += 1
    if type != .ping && type != .pong { world.progress += 1 }
    switch type {
    case .welcome:
      let welcome = try Welcome(reader: &reader)
      session!.state = .open
      session!.inbox = welcome.inbox
      world.inboxes.append(welcome.inbox)
    case .ping:
      let ping = try Ping(reader: &reader)
      if link?.isStalled == false {
        send { Pong(time: ping.time).encode(into: &$0, ref: 0, correlation: header.correlation) }
      }
    case .pong: _ = try Pong(reader: &reader)
    case .close: session!.closeReason = try Close(reader: &reader).reason
    case .error: refused(header, try ErrorFrame(reader: &reader))
    case .topic: opened(header, try Topic(reader: &reader))
    case .ack: acknowledged(header, try Ack(reader: &reader))
    case .publishCredit:
      let credit = try PublishCredit(reader: &reader)
      guard let state = session!.publishers[header.ref], state.isBlock else {
        return world.fail("PUBLISH_CREDIT for publisher \(header.ref)")
      }
      if credit.bytesTotal <= state.creditBytes { world.fail("PUBLISH_CREDIT that does not rise") }
      session!.publishers[header.ref]!.creditBytes = credit.bytesTotal
    case .topicClosed: closed(header)
    case .subscribed:
      _ = try Subscribed(reader: &reader)
      guard let state = session!.subscriptions[header.ref] else {
        return world.fail("SUBSCRIBED for \(header.ref)")
      }
      if state.state == .opening {
        session!.subscriptions[header.ref]!.state = .open
        if header.correlation != state.correlation { world.fail("SUBSCRIBED to another request") }
      }
      session!.subscriptions[header.ref]!.confirmed = world.ends()
    case .unsubscribed: unsubscribed(header, try Unsubscribed(reader: &reader))
    case .topicInfo:
      let info = try TopicInfo(reader: &reader)
      world.model.name(
        info.topic, info.name, options: info.options.rawValue, epoch: info.epoch)
      if !world.plants(.topicNotNamed) { session!.named.insert(info.topic) }
    case .deliver:
      let deliver = try Deliver(reader: &reader)
      let range = (frame.offset + deliver.batches.lowerBound)..<frame.end
      if world.plants(.deliveryLost) { return }
      try unsafe delivered(header, deliver, UnsafeRawBufferPointer(rebasing: bytes[range]))
      if world.plants(.deliveredTwice) {
        try unsafe delivered(header, deliver, UnsafeRawBufferPointer(rebasing: bytes[range]))
      }
    case .gap:
      let gap = try Gap(reader: &reader)
      if !world.plants(.gapNotTold) { told(header, gap) }
    case .reply:
      let reply = try Reply(reader: &reader)
      if reply.inbox != session!.inbox || reply.token != reply.inbox ^ 0x5555 {
        world.fail("a REPLY for another session")
      }
    case .statsPage: _ = try StatsPage(reader: &reader)
    default: world.fail("\(type) from the broker")
    }
  }

  // MARK: Publishers

  private func opened(_ header: FrameHeader, _ topic: Topic) {
    guard let state = session!.publishers[header.ref], state.state == .opening,
      state.correlation == header.correlation
    else { return world.fail("TOPIC for publisher \(header.ref)") }
    session!.publishers[header.ref]!.state = .open
    session!.publishers[header.ref]!.id = topic.topic
    session!.publishers[header.ref]!.isBlock = topic.options.contains(.block)
    session!.publishers[header.ref]!.isKeyed = topic.options.contains(.keyed)
    world.model.name(
      topic.topic, state.topic, options: topic.options.rawValue, epoch: topic.epoch)
  }

  private func acknowledged(_ header: FrameHeader, _ ack: Ack) {
    guard let state = session!.publishers[header.ref], state.wantsAck, state.state != .opening
    else { return world.fail("ACK for publisher \(header.ref)") }
    guard ack.through >> 32 == UInt64(state.uid) else { return world.fail("ACK of another's events") }
    var through = UInt32(truncatingIfNeeded: ack.through)
    if world.plants(.acknowledgedTooMuch) { through += 1 }
    world.model.hear(state.id, of: ack.sequence)
    world.model.acknowledge(state.uid, through: through, sequence: ack.sequence)
  }

  private func closed(_ header: FrameHeader) {
    guard let state = session!.publishers[header.ref], state.state == .closing,
      state.correlation == header.correlation
    else { return world.fail("TOPIC_CLOSED for publisher \(header.ref)") }
    let known = world.model.publishers[state.uid]!
    if state.wantsAck && known.acknowledged != known.sent {
      world.fail("TOPIC_CLOSED after ACK of \(known.acknowledged) of \(known.sent) events")
    }
    session!.publishers[header.ref] = nil
  }

  private func refused(_ header: FrameHeader, _ error: ErrorFrame) {
    guard let code = error.code else { return world.fail("ERROR without a code") }
    world.seen["error \(code)", default: 0] += 1
    if let state = session!.publishers[header.ref], state.correlation == header.correlation {
      if state.state == .closing { world.fail("CLOSE_TOPIC was refused with \(code)") }
      session!.publishers[header.ref] = nil
    }
    if let state = session!.subscriptions[header.ref], state.correlation == header.correlation {
      // What could not be opened cannot be closed either.
      session!.subscriptions[header.ref] = nil
    }
  }

  // MARK: Subscriptions

  private func unsubscribed(_ header: FrameHeader, _ account: Unsubscribed) {
    guard let state = session!.subscriptions[header.ref], state.state == .closing,
      state.correlation == header.correlation
    else { return world.fail("UNSUBSCRIBED for \(header.ref)") }
    let sum =
      account.deliveredEvents + account.droppedEvents + account.expiredEvents
      + account.closedEvents
    if sum != account.matchedEvents { world.fail("an account that does not balance: \(account)") }
    if account.deliveredEvents != state.deliveredEvents {
      world.fail("\(account.deliveredEvents) events delivered, \(state.deliveredEvents) came")
    }
    if account.droppedEvents + account.expiredEvents < state.gapEvents {
      world.fail("\(state.gapEvents) events in gaps, the account has fewer")
    }
    session!.subscriptions[header.ref] = nil
  }

  private func told(_ header: FrameHeader, _ gap: Gap) {
    guard let state = session!.subscriptions[header.ref] else {
      return world.fail("GAP for \(header.ref)")
    }
    guard gap.last >= gap.first, gap.count == gap.last - gap.first + 1, gap.first > 0,
      let cause = gap.cause
    else { return world.fail("a GAP that contradicts itself: \(gap)") }
    world.seen["gap \(cause)", default: 0] += 1
    let isBlock = (world.model.topics[gap.topic]?.options ?? 0) & 2 != 0
    if isBlock && state.policy == .lossless && cause == .ringOverrun {
      world.fail("a lossless subscription lost events of a block topic: \(gap)")
    }
    if cause == .dropOldest && state.policy != .dropOldest { world.fail("\(state.policy): \(gap)") }
    goOn(header.ref, topic: gap.topic, at: gap.first, to: gap.last + 1)
    session?.subscriptions[header.ref]?.gapEvents += gap.count
  }

  /// A subscription goes on in a topic exactly where it was, or begins where it may.
  private func goOn(_ ref: UInt32, topic: UInt32, at first: UInt64, to next: UInt64) {
    guard var state = session?.subscriptions[ref] else { return }
    if !session!.named.contains(topic) { world.fail("topic \(topic) was not named") }
    let name = world.model.topics[topic]?.name ?? ""
    if !plainlyMatches(state.pattern, name) { world.fail("\(name) for \(state.pattern)") }
    if let expected = state.next[topic] {
      if first != expected { world.fail("\(name) goes on at \(first), not \(expected)") }
    } else {
      state.first[topic] = first
      if let fault = faultOfStart(state, topic, first) {
        world.fail("client \(index), subscription \(ref), \(name): \(fault)")
      }
    }
    state.next[topic] = next
    session!.subscriptions[ref] = state
  }

  private func faultOfStart(
    _ state: Session.SubscriptionState, _ topic: UInt32, _ first: UInt64
  ) -> String? {
    if state.state == .open, state.confirmed[topic] == nil {
      return first == 1 ? nil : "a later topic begins at \(first)"
    }
    let now = world.ends()[topic] ?? (1, 1)
    let latest = state.confirmed[topic] ?? now
    // Where the topic may not have been there yet, it may count as a later one.
    guard let earliest = state.before[topic] else { return nil }
    let wanted: UInt64? =
      state.positions[topic] ?? (state.start == .sequence ? state.value : nil)
    if let wanted {
      let place = max(1, wanted)
      if first == place && place <= latest.next { return nil }
      if first >= earliest.next && first <= latest.next && first <= place { return nil }
      return "begins at \(first), \(place) was wanted of \(earliest) to \(latest)"
    }
    switch state.start {
    case .latest where first < earliest.next || first > latest.next,
      .earliest where first < earliest.first || first > latest.first:
      return "\(state.start) is \(first) of \(earliest) to \(latest)"
    default: return nil
    }
  }

  private func delivered(
    _ header: FrameHeader, _ deliver: Deliver, _ body: UnsafeRawBufferPointer
  ) throws(WireError) {
    guard session!.subscriptions[header.ref] != nil else {
      return world.fail("DELIVER for \(header.ref)")
    }
    var at = 0
    var skip = UInt64(deliver.skip)
    if body.count == 0 { world.fail("a DELIVER without a batch") }
    while at < body.count, let state = session!.subscriptions[header.ref] {
      let rest = unsafe UnsafeRawBufferPointer(rebasing: body[at...])
      let batch = unsafe BatchHeader(load: rest.baseAddress!)
      let isLie = world.model.isLie(batch)
      let valid = try unsafe validateBatch(
        rest,
        limits: BatchLimits(
          batchBytesMax: world.swarm.limits.batchBytesMax, codecs: session!.codecs,
          openCompressed: !isLie), codecs: codecs)
      if skip >= UInt64(batch.count) { world.fail("a skip of \(skip) of \(batch.count) events") }
      if state.deliveredEvents >= state.creditEvents || state.deliveredBytes >= state.creditBytes {
        world.fail("delivered without credit: \(state.deliveredEvents) of \(state.creditEvents)")
      }
      world.model.observe(deliver.topic, batch)
      if !isLie || batch.codec == Codec.none { try unsafe checkPayloads(rest, batch) }
      goOn(
        header.ref, topic: deliver.topic, at: batch.sequence + skip,
        to: batch.sequence + UInt64(batch.count))
      session!.subscriptions[header.ref]!.deliveredEvents += UInt64(batch.count) - skip
      session!.subscriptions[header.ref]!.deliveredBytes += UInt64(batch.charge)
      world.seen["events", default: 0] += Int(batch.count)
      skip = 0
      at += valid.paddedLength
    }
  }

  private func checkPayloads(
    _ bytes: UnsafeRawBufferPointer, _ batch: BatchHeader
  ) throws(WireError) {
    let records = try unsafe codecs.decodeBatch(
      bytes, batchBytesMax: world.swarm.limits.batchBytesMax)
    var cursor = unsafe RecordCursor(records, count: Int(batch.count))
    var number = UInt32(truncatingIfNeeded: batch.publisherSequence)
    let publisher = UInt32(truncatingIfNeeded: batch.publisherSequence >> 32)
    while let event = try cursor.next() {
      let payload = unsafe UnsafeRawBufferPointer(rebasing: records[event.payload])
      if unsafe !Payload.isRight(payload, Model.Event(publisher: publisher, number: number)) {
        world.fail("event \(number) of publisher \(publisher) has other bytes")
      }
      number += 1
    }
  }
}
