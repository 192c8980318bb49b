import BrokerCore
import WireFormat

// What comes from the broker, looked at frame by frame.

extension Client {
  /// Bytes have come over the network.
  func receive(_ bytes: some Sequence<UInt8>) {
    guard session != nil else { return }
    // Taken out while it is looked at, so that it is not copied.
    var input = session!.input
    session!.input = []
    input.append(contentsOf: bytes)
    var at = 0
    unsafe input.withUnsafeBytes { all in
      while session != nil, world.fault == nil {
        do throws(WireError) {
          guard let frame = try unsafe nextFrame(in: all, at: at, lengthMax: 1 << 24)
          else { return }
          if frame.header.length > session!.frameLengthMax {
            world.fail("a frame of \(frame.header.length) bytes for \(session!.frameLengthMax)")
          }
          try unsafe look(at: frame, in: all)
          at = frame.end
        } catch {
          world.fail("client \(index) cannot read what it is sent: \(error)")
        }
      }
    }
    input.removeFirst(at)
    session?.input = input
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
      if welcome.version != session!.version { world.fail("version \(welcome.version)") }
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
      state.watch.isConfirmed = true
      state.watch.confirmed = world.ends()
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
      if let cause = gap.cause { world.seen["gap \(cause)", default: 0] += 1 }
      guard !world.plants(.gapNotTold) else { return }
      guard let watch = session!.subscriptions[header.ref]?.watch else {
        return world.fail("GAP for \(header.ref)")
      }
      world.checker.lost(watch, gap, isNamed: session!.named.contains(gap.topic))
    case .reply:
      let reply = try Reply(reader: &reader)
      if reply.inbox != session!.inbox || reply.token != reply.inbox ^ 0x5555 {
        world.fail("a REPLY for another session")
      }
    case .policySet, .deliverSelected, .passed, .stateReset, .blocked:
      if session!.version < 2 { world.fail("\(type) in version \(session!.version)") }
      try unsafe lookAtPolicy(type, header, &reader, frame, in: bytes)
    case .statsPage: _ = try StatsPage(reader: &reader)
    default: world.fail("\(type) from the broker")
    }
  }

  private func lookAtPolicy(
    _ type: FrameType, _ header: FrameHeader, _ reader: inout FrameReader, _ frame: FrameView,
    in bytes: UnsafeRawBufferPointer
  ) throws(WireError) {
    if type == .blocked {
      return stopped(header, try Blocked(reader: &reader))
    }
    guard let watch = session!.subscriptions[header.ref]?.watch else {
      return world.fail("\(type) for \(header.ref)")
    }
    switch type {
    case .policySet:
      let policy = try PolicySet(reader: &reader).policy
      world.checker.changed(watch, to: policy ?? .lossless)
    case .deliverSelected:
      let selected = try DeliverSelected(reader: &reader)
      let range = (frame.offset + selected.batches.lowerBound)..<frame.end
      try unsafe self.selected(
        watch, selected.topic, UnsafeRawBufferPointer(rebasing: bytes[range]))
    case .passed:
      let passed = try Passed(reader: &reader)
      world.checker.passed(
        watch, passed.topic,
        Checker.Pass(
          isSample: passed.kind == .sampledOut, first: passed.first, last: passed.last,
          leftOut: Amount(events: passed.events, bytes: passed.bytes),
          expired: Amount(events: passed.expiredEvents, bytes: passed.expiredBytes)))
    default: world.checker.reset(watch, try StateReset(reader: &reader).topic)
    }
  }

  /// BLOCKED has come.
  private func stopped(_ header: FrameHeader, _ blocked: Blocked) {
    guard let by = blocked.by, let side = blocked.side else {
      return world.fail("BLOCKED says \(blocked)")
    }
    world.seen["blocked \(side) \(by)", default: 0] += 1
    let isAllowed: Bool
    let told: BlockedBy?
    switch side {
    case .subscription:
      isAllowed = [.none, .creditEvents, .creditBytes, .socket, .attaching].contains(by)
      told = session!.subscriptions[header.ref]?.stop
      session!.subscriptions[header.ref]?.stop = by
    case .publisher:
      isAllowed = [.none, .memory, .subscriber, .draining].contains(by)
      told = session!.publishers[header.ref]?.stop
      session!.publishers[header.ref]?.stop = by
    }
    guard let told, isAllowed, told != by else {
      return world.fail(
        "BLOCKED of \(side) \(header.ref) says \(by) after \(told.map { "\($0)" } ?? "its end")")
    }
  }

  private func selected(
    _ watch: Watch, _ topic: UInt32, _ body: UnsafeRawBufferPointer
  ) throws(WireError) {
    if !session!.named.contains(topic) { world.fail("topic \(topic) was not named") }
    if body.count == 0 { world.fail("a DELIVER_SELECTED without a batch") }
    var at = 0
    while at < body.count, world.fault == nil {
      let rest = unsafe UnsafeRawBufferPointer(rebasing: body[at...])
      let batch = unsafe BatchHeader(load: rest.baseAddress!)
      let valid = try unsafe validateBatch(
        rest, limits: BatchLimits(batchBytesMax: world.swarm.limits.batchBytesMax, codecs: []),
        codecs: codecs)
      let key = world.model.key(of: batch)
      world.checker.selected(watch, topic, batch, key: key)
      let isGone = world.checker.isGone(topic, batch)
      try unsafe checkEvents(rest, batch, isGone: isGone)
      note(topic, batch, isGone: isGone)
      at += valid.paddedLength
    }
    watch.endFrame(of: topic)
  }

  /// What a selected event is an example of.
  private func note(_ topic: UInt32, _ batch: BatchHeader, isGone: Bool) {
    world.seen[isGone ? "selected, expired" : "selected", default: 0] += 1
    if world.checker.isTombstone(topic, batch.sequence) {
      world.seen["selected tombstones", default: 0] += 1
    }
    if let link, world.broker.owner(ofTopic: Int(topic)) != link.shard {
      world.seen["selected by another shard", default: 0] += 1
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
    guard ack.through >> 32 == UInt64(state.uid) else {
      return world.fail("ACK of another's events")
    }
    var through = UInt32(truncatingIfNeeded: ack.through)
    if world.plants(.acknowledgedTooMuch) { through += 1 }
    world.model.hear(state.id, of: ack.sequence)
    world.model.acknowledge(state.uid, through: through, sequence: ack.sequence)
  }

  private func closed(_ header: FrameHeader) {
    guard let state = session!.publishers[header.ref], state.state == .closing,
      state.correlation == header.correlation
    else { return world.fail("TOPIC_CLOSED for publisher \(header.ref)") }
    let known = world.model.publishers[Int(state.uid)]
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
    if let watch = session!.subscriptions[header.ref]?.watch,
      watch.policyRequests.remove(header.correlation) != nil, watch.isConfirmed
    {
      world.fail("SET_POLICY was refused with \(code)")
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
    world.checker.closed(state.watch, account)
    session!.subscriptions[header.ref] = nil
  }

  private func delivered(
    _ header: FrameHeader, _ deliver: Deliver, _ body: UnsafeRawBufferPointer
  ) throws(WireError) {
    guard let watch = session!.subscriptions[header.ref]?.watch else {
      return world.fail("DELIVER for \(header.ref)")
    }
    if !session!.named.contains(deliver.topic) {
      world.fail("topic \(deliver.topic) was not named")
    }
    var at = 0
    var skip = UInt64(deliver.skip)
    if body.count == 0 { world.fail("a DELIVER without a batch") }
    while at < body.count, world.fault == nil {
      let rest = unsafe UnsafeRawBufferPointer(rebasing: body[at...])
      let batch = unsafe BatchHeader(load: rest.baseAddress!)
      let isLie = world.model.isLie(batch)
      let valid = try unsafe validateBatch(
        rest,
        limits: BatchLimits(
          batchBytesMax: world.swarm.limits.batchBytesMax, codecs: session!.codecs,
          openCompressed: !isLie), codecs: codecs)
      world.checker.delivered(watch, deliver.topic, batch, skip: skip)
      if !isLie || batch.codec == Codec.none { try unsafe checkEvents(rest, batch) }
      world.seen["events", default: 0] += Int(batch.count)
      skip = 0
      at += valid.paddedLength
    }
  }

  /// Whether the records of a batch are what its publisher made.
  private func checkEvents(
    _ bytes: UnsafeRawBufferPointer, _ batch: BatchHeader, isGone: Bool = false
  ) throws(WireError) {
    let records = try unsafe codecs.decodeBatch(
      bytes, batchBytesMax: world.swarm.limits.batchBytesMax)
    var cursor = unsafe RecordCursor(records, count: Int(batch.count))
    var number = UInt32(truncatingIfNeeded: batch.publisherSequence)
    let publisher = UInt32(truncatingIfNeeded: batch.publisherSequence >> 32)
    while let record = try cursor.next() {
      let event = Model.Event(publisher: publisher, number: number)
      guard world.model.has(event) else { return world.fail("nobody has sent \(event)") }
      let contents = world.model.contents(event)
      let payload = unsafe UnsafeRawBufferPointer(rebasing: records[record.payload])
      let key = record.key.isEmpty ? 0 : unsafe records[record.key.upperBound - 1]
      let isEmpty = contents.isTombstone || isGone
      let isRight = isEmpty ? unsafe payload.isEmpty : unsafe Payload.isRight(payload, event)
      if key != contents.key || !isRight {
        world.fail("event \(number) of publisher \(publisher) has other bytes")
      }
      number += 1
    }
  }
}
