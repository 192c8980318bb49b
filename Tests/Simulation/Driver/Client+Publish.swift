import BrokerCore
import WireFormat

extension Client {
  /// Publishes on one of the open publishers, within its credit.
  func publish(frames: Int, isLie: Bool) {
    let open = session!.publishers.filter { $0.value.state == .open }.keys.sorted()
    guard !open.isEmpty else { return }
    let ref = world.random.pick(open)
    for _ in 0..<frames { publishFrame(ref, isLie: isLie) }
  }

  private func publishFrame(_ ref: UInt32, isLie: Bool) {
    guard var state = session?.publishers[ref] else { return }
    var body: [UInt8] = []
    for _ in 0..<world.random.within(1...3) {
      if state.isBlock && state.sentBytes >= state.creditBytes { break }
      let room = world.swarm.limits.frameLengthMax - 12 - body.count
      guard room > world.swarm.limits.batchBytesMax + 80 else { break }
      let (batch, charge) = makeBatch(state, isLie: isLie)
      body += batch
      state.sentBytes += UInt64(charge)
    }
    session!.publishers[ref] = state
    guard !body.isEmpty else { return }
    var writer = FrameWriter()
    writer.beginFrame(.publish, ref: ref, correlation: 0)
    writer.append(body)
    _ = writer.endFrame()
    send(writer.array)
  }

  private func makeBatch(_ state: Session.PublisherState, isLie: Bool) -> ([UInt8], Int) {
    let count = world.random.within(1...world.swarm.eventsMax)
    let first = world.model.nextNumber(state.uid)
    var events: [Model.Contents] = []
    var writer = BatchWriter(batchBytesMax: world.swarm.limits.batchBytesMax)
    var bytes = 0
    for i in 0..<count {
      let number = world.random.below(world.swarm.keysMax) + 1
      let key: [UInt8] = [UInt8(ascii: "k"), UInt8(number)]
      let hasKey = state.isKeyed || world.random.percent(20)
      let isTombstone =
        hasKey && world.random.percent(world.swarm.tombstonePercent)
      let isSmall = world.swarm.smallPercent > 0 && world.random.percent(world.swarm.smallPercent)
      let most =
        isSmall ? 60 : min(world.swarm.payloadBytesMax, world.swarm.limits.batchBytesMax - 64)
      let size = isTombstone ? 0 : max(8, world.random.below(most))
      if i > 0 && bytes + size + 16 > world.swarm.limits.batchBytesMax { break }
      let event = Model.Event(publisher: state.uid, number: first + UInt32(i))
      let payload = isTombstone ? [] : Payload.make(event, bytes: size)
      let isIn = unsafe payload.withUnsafeBytes { payload in
        unsafe key.withUnsafeBytes { key in
          unsafe writer.append(
            payload: payload, key: hasKey ? key : nil, tombstone: isTombstone)
        }
      }
      precondition(isIn, "an event that does not fit its batch")
      events.append(
        Model.Contents(
          key: hasKey ? UInt8(number) : 0, isTombstone: isTombstone,
          charge: UInt32(writer.charge - events.reduce(0) { $0 + Int($1.charge) })))
      bytes += payload.count + 16
    }
    let codec = session!.codecs.isEmpty ? Codec.none : pickCodec()
    let lies = isLie && codec != .none && !state.isKeyed
    let ttlMs = world.swarm.usesTTL ? world.random.pick(world.swarm.timesToLiveMs) : 0
    let charge = writer.charge
    var batch = unsafe [UInt8](
      writer.finish(
        codec: codec, codecs: codecs, ttlMs: ttlMs, publishTime: world.clock.realtimeNs,
        publisherSequence: UInt64(state.uid) << 32 | UInt64(first)))
    let isSpoilt = lies && batch[BatchField.codec] != 0
    if isSpoilt { spoil(&batch) }
    world.model.send(state.uid, events, isLie: isSpoilt)
    return (batch, charge)
  }

  private func pickCodec() -> Codec {
    switch world.random.below(4) {
    case 0 where session!.codecs.contains(.lz4): .lz4
    case 1 where session!.codecs.contains(.zstd): .zstd
    default: .none
    }
  }

  /// Makes the compressed records useless, under a checksum that is right.
  private func spoil(_ batch: inout [UInt8]) {
    unsafe batch.withUnsafeMutableBytes { bytes in
      let length = unsafe Int(Batch.length(UnsafeRawPointer(bytes.baseAddress!)))
      for i in 72..<length { unsafe bytes[i] ^= 0x5A }
      let sum = unsafe crc32c(
        UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(bytes)[40..<length]))
      unsafe bytes.storeBytes(of: sum, toByteOffset: 4, as: UInt32.self)
    }
  }

  /// Answers nobody's question: another session's inbox, or one that is gone.
  func reply() {
    guard !world.inboxes.isEmpty else { return }
    let inbox = world.random.pick(world.inboxes)
    let most = min(900, world.swarm.payloadBytesMax)
    let batch = LooseReply.batch(bytes: max(8, world.random.below(most)))
    let correlation = session!.newCorrelation()
    var writer = FrameWriter()
    writer.beginFrame(.reply, ref: 0, correlation: correlation)
    writer.append(inbox)
    writer.append(inbox ^ 0x5555)
    writer.append(batch)
    _ = writer.endFrame()
    send(writer.array)
  }

  // MARK: Faults of the client's

  /// Requests that are refused, of a session that goes on.
  func askForTheImpossible() {
    let correlation = session!.newCorrelation()
    switch world.random.below(6) {
    case 0:
      let open = OpenTopic(
        mode: .openOrCreate, options: [], ackLevel: .accepted, topic: "a..b")
      send { open.encode(into: &$0, ref: 1000, correlation: correlation) }
    case 1:
      let subscribe = Subscribe(
        policy: session!.version == 1 ? .latest : .lossless, start: .latest, eventsTotal: 1,
        bytesTotal: 1, pattern: session!.version == 1 ? ">" : "a..b")
      let none: [UInt8] = []
      send {
        unsafe subscribe.encode(
          into: &$0, ref: 1000, correlation: correlation, positions: none.span.bytes)
      }
    case 2:
      send { Unsubscribe().encode(into: &$0, ref: 1001, correlation: correlation) }
    case 3:
      send { CloseTopic().encode(into: &$0, ref: 1001, correlation: correlation) }
    case 4:
      let credit = Credit(eventsTotal: 1, bytesTotal: 1)
      send { credit.encode(into: &$0, ref: 1001, correlation: correlation) }
    default:
      send([12, 0, 0, 0, 0x7E, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    }
  }

  /// Something that ends a session.
  func breakRules() {
    session!.isHostile = true
    switch world.random.below(6) {
    case 0: send((0..<world.random.within(1...200)).map { _ in UInt8(world.random.below(256)) })
    case 1: send([11, 0, 0, 0])
    case 2: send([0xFF, 0xFF, 0xFF, 0x7F])
    case 3:
      let subscribed = Subscribed(topics: 1, policy: .lossless)
      send { subscribed.encode(into: &$0, ref: 1, correlation: 0) }
    case 4:
      var writer = FrameWriter()
      writer.beginFrame(.publish, ref: UInt32(world.random.below(3)), correlation: 0)
      writer.append((0..<world.random.below(300)).map { _ in UInt8(world.random.below(256)) })
      _ = writer.endFrame()
      send(writer.array)
    default:
      // Half a frame, then nothing.
      send([200, 0, 0, 0, 0x12, 0, 0])
    }
  }
}

/// The batch of a REPLY.
enum LooseReply {
  static func batch(bytes: Int) -> [UInt8] {
    var writer = BatchWriter(batchBytesMax: 65_536)
    let payload = [UInt8](repeating: 7, count: bytes)
    let isIn = unsafe payload.withUnsafeBytes { unsafe writer.append(payload: $0) }
    precondition(isIn, "a reply that does not fit")
    return unsafe [UInt8](writer.finish(publisherSequence: 1))
  }
}
