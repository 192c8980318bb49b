import WireFormat

extension ClientSession {
  /// Handles the frames that are whole and returns how many bytes they were. The caller keeps the
  /// rest and brings it again with what follows.
  @unsafe
  func receive(_ bytes: UnsafeRawBufferPointer, nowNs: UInt64) -> Int {
    lastReceivedNs = nowNs
    var at = 0
    while end == nil {
      do throws(WireError) {
        let frame = try unsafe nextFrame(in: bytes, at: at, lengthMax: frameLengthMax)
        guard let frame else { break }
        try unsafe handle(frame, bytes, nowNs)
        at = frame.end
      } catch {
        fault(error.code, "\(error)")
      }
    }
    deliverTouched()
    closeIfDrained(nowNs)
    return at
  }

  /// Keeps a delivery for its subscription until the end of the turn.
  func add(_ delivery: Delivery, to row: SubscriptionRow) {
    if row.deliveries.isEmpty { touched.append(row) }
    row.deliveries.append(delivery)
  }

  /// Hands the deliveries of this turn over: one lock for each subscription.
  func deliverTouched() {
    for row in touched { row.core.deliver(&row.deliveries) }
    touched.removeAll(keepingCapacity: true)
  }

  @unsafe
  private func handle(
    _ frame: FrameView, _ bytes: UnsafeRawBufferPointer, _ nowNs: UInt64
  ) throws(WireError) {
    guard let type = frame.header.type else {
      if frame.header.isIgnorable { return }
      throw WireError(.unknownFrame, offset: frame.offset, have: Int(frame.header.typeRaw))
    }
    var reader = unsafe FrameReader(frame, in: bytes)
    if case .awaitingWelcome = phase, type != .welcome && type != .close {
      throw WireError(.handshakeRequired, offset: frame.offset, have: Int(type.rawValue))
    }
    let ref = frame.header.ref
    switch type {
    case .deliver:
      let deliver = try Deliver(reader: &reader)
      let start = frame.offset + deliver.batches.lowerBound
      let batches = unsafe UnsafeRawBufferPointer(
        rebasing: bytes[start..<(frame.offset + deliver.batches.upperBound)])
      try unsafe receive(batches, ref, topic: deliver.topic, skip: Int(deliver.skip))
    case .ack: receive(try Ack(reader: &reader), ref)
    case .publishCredit: receive(try PublishCredit(reader: &reader), ref)
    case .gap: try receive(try WireFormat.Gap(reader: &reader), ref)
    case .topicInfo:
      let info = try TopicInfo(reader: &reader)
      topics[info.topic] = DeliveredTopic(
        id: info.topic, name: info.name, instance: welcome?.instance ?? 0,
        replies: shared.replies)
    case .ping:
      let ping = try Ping(reader: &reader)
      _ = Pong(time: ping.time).encode(
        into: &control, correlation: frame.header.correlation)
    case .pong:
      _ = try Pong(reader: &reader)
      if frame.header.correlation != 0 { receiveBarrier(frame.header.correlation, nowNs) }
    case .welcome: try receive(try Welcome(reader: &reader), nowNs)
    case .close:
      let close = try Close(reader: &reader)
      end = SessionEnd(close)
    case .error: receive(try ErrorFrame(reader: &reader), frame.header, nowNs)
    case .topic: receive(try Topic(reader: &reader), ref)
    case .topicClosed:
      _ = try TopicClosed(reader: &reader)
      receiveClosed(ref)
    case .subscribed:
      _ = try Subscribed(reader: &reader)
      receiveSubscribed(ref)
    case .unsubscribed: receive(try Unsubscribed(reader: &reader), ref)
    case .reply:
      let reply = try Reply(reader: &reader)
      let start = frame.offset + reply.batch.lowerBound
      let batch = unsafe UnsafeRawBufferPointer(
        rebasing: bytes[start..<(frame.offset + reply.batch.upperBound)])
      try unsafe receive(reply, batch)
    case .statsPage:
      let page = try WireFormat.StatsPage(reader: &reader)
      let start = frame.offset + page.bytes.lowerBound
      let piece = unsafe UnsafeRawBufferPointer(
        rebasing: bytes[start..<(frame.offset + page.bytes.upperBound)])
      unsafe receive(page, frame.header.correlation, [UInt8](piece))
    case .deliverSelected:
      let deliver = try DeliverSelected(reader: &reader)
      let start = frame.offset + deliver.batches.lowerBound
      let batches = unsafe UnsafeRawBufferPointer(
        rebasing: bytes[start..<(frame.offset + deliver.batches.upperBound)])
      try unsafe receive(batches, ref, topic: deliver.topic, isSelected: true)
    case .passed: try receive(try Passed(reader: &reader), ref)
    case .stateReset: try receive(try StateReset(reader: &reader), ref)
    case .policySet:
      _ = try PolicySet(reader: &reader)
      receivePolicySet(ref, frame.header.correlation)
    case .blocked: receive(try WireFormat.Blocked(reader: &reader), ref)
    case .hello, .openTopic, .publish, .closeTopic, .subscribe, .unsubscribe, .credit, .stats,
      .setPolicy:
      throw WireError(.wrongDirection, offset: frame.offset, have: Int(type.rawValue))
    }
  }

  private func receive(_ welcome: Welcome, _ nowNs: UInt64) throws(WireError) {
    guard case .awaitingWelcome = phase else { throw WireError(.protocolViolation) }
    guard welcome.version >= ProtocolVersion.versionMin,
      welcome.version <= ProtocolVersion.version
    else { throw WireError(.unsupportedVersion, have: Int(welcome.version)) }
    guard welcome.batchBytesMax >= 1024 else {
      throw WireError(.protocolViolation, need: 1024, have: Int(welcome.batchBytesMax))
    }
    let earlier = self.welcome
    let isSame = earlier.map { $0.instance == welcome.instance } ?? true
    self.welcome = welcome
    welcomedAtNs = nowNs
    frameLengthMax = min(
      max(welcome.frameLengthMax, UInt32(recordBytesMax) + Self.frameOverhead),
      Self.frameLengthCeiling)
    phase = .open
    shared.requests.open(inbox: welcome.inbox)
    shared.replies.open(instance: welcome.instance, recordBytesMax: recordBytesMax)
    if earlier == nil {
      notices.append(.connected(broker: welcome.brokerName))
    } else {
      notices.append(
        .reconnected(
          broker: welcome.brokerName, isSameInstance: isSame, eventsLost: lostSinceWelcome))
      lostSinceWelcome = 0
    }
    for ref in publishers.keys.sorted() { sendOpen(publishers[ref]!) }
    for ref in subscriptions.keys.sorted() {
      resume(subscriptions[ref]!, isSameInstance: isSame, nowNs)
    }
  }

  /// A frame with one largest batch is at most this much longer than the batch's records.
  private static var frameOverhead: UInt32 { 128 }

  /// No broker makes this process keep more than this for a frame, whatever its WELCOME says. A
  /// frame with batches of the largest size that an operator may choose is far smaller.
  private static var frameLengthCeiling: UInt32 { 64 << 20 }

  /// The most bytes of records that a batch may have in this session.
  var recordBytesMax: Int {
    min(
      Int(welcome?.batchBytesMax ?? UInt32(WireLimits.batchBytesMax)),
      WireLimits.batchBytesCeiling)
  }

  /// The broker's clock at a time of ours, as far as it is known.
  func brokerTimeNs(_ nowNs: UInt64) -> UInt64 {
    (welcome?.time ?? 0) &+ (nowNs - welcomedAtNs)
  }
}
