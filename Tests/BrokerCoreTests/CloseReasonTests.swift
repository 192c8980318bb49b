import Counters
import Testing
import WireFormat
import WireSupport

@testable import BrokerCore

/// Which frame ends a session with which reason, whole and byte by byte.
@Suite struct CloseReasonTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var reason: CloseReason
    /// What comes before: a session, and a publisher on this topic.
    var isWelcomed = true
    var topic: (name: String, options: TopicOptions)?
    var codecs = CodecSet.all
    var bytes: [UInt8]
    var testDescription: String { "\(reason)" }
  }

  static func frame(_ type: UInt8, ref: UInt32 = 1, _ body: [UInt8] = []) -> [UInt8] {
    var writer = FrameWriter()
    writer.beginFrame(typeRaw: type, ref: ref)
    writer.append(body)
    _ = writer.endFrame()
    return writer.array
  }

  static func hello(magic: UInt32 = ProtocolVersion.magic, versions: ClosedRange<UInt16> = 1...1)
    -> [UInt8]
  {
    var writer = FrameWriter()
    let hello = Hello(
      magic: magic, versionMin: versions.lowerBound, versionMax: versions.upperBound, codecs: [],
      frameLengthMax: 0, heartbeatMs: 0, clientName: "")
    _ = hello.encode(into: &writer, ref: 0, correlation: 0)
    return writer.array
  }

  /// A batch of one event, changed at one byte.
  static func publish(_ change: (at: Int, to: UInt8)? = nil, sequence: UInt64 = 1) -> [UInt8] {
    var batch = LooseBatch.encoded([.init(payload: "gold")], publisherSequence: sequence)
    if let change { batch[change.at] = change.to }
    return CoreHarness.publishFrame(batch)
  }

  /// A batch that is compressed with LZ4.
  static func compressed() -> [UInt8] {
    var writer = BatchWriter()
    let payload = [UInt8](repeating: 7, count: 1000)
    _ = unsafe payload.withUnsafeBytes { unsafe writer.append(payload: $0) }
    return CoreHarness.publishFrame(
      unsafe [UInt8](writer.finish(codec: .lz4, codecs: Codecs(), publisherSequence: 1)))
  }

  static let hunt: (name: String, options: TopicOptions) = ("hunt", [])

  static var cases: [Case] {
    [
      Case(reason: .badMagic, isWelcomed: false, bytes: hello(magic: 1)),
      Case(reason: .unsupportedVersion, isWelcomed: false, bytes: hello(versions: 3...4)),
      Case(
        reason: .handshakeRequired, isWelcomed: false,
        bytes: frame(0x03, [UInt8](repeating: 0, count: 8))),
      Case(
        reason: .handshakeRequired, isWelcomed: false,
        bytes: frame(0x12, [UInt8](repeating: 0, count: 80))),
      Case(reason: .frameTooLarge, isWelcomed: false, bytes: [0x01, 0x20, 0, 0]),
      Case(reason: .duplicateHello, bytes: hello()),
      Case(reason: .frameTooLarge, bytes: [0x01, 0, 4, 0]),
      Case(reason: .frameTooShort, bytes: [11, 0, 0, 0]),
      Case(reason: .malformedFrame, bytes: frame(0x03, [1, 2, 3])),
      Case(reason: .malformedFrame, bytes: frame(0x15, [0])),
      Case(reason: .unknownFrame, bytes: frame(0x7E)),
      Case(reason: .wrongDirection, bytes: frame(0x21, [UInt8](repeating: 0, count: 8))),
      Case(reason: .malformedBatch, topic: hunt, bytes: frame(0x12)),
      Case(reason: .malformedBatch, topic: hunt, bytes: publish((40, 0))),
      Case(reason: .malformedBatch, topic: hunt, bytes: publish((0, 0xFF))),
      Case(reason: .checksumMismatch, topic: hunt, bytes: publish((76, 1))),
      Case(reason: .batchTooLarge, topic: hunt, bytes: publish((46, 0xFF))),
      Case(reason: .codecNotNegotiated, topic: hunt, codecs: [], bytes: compressed()),
      Case(reason: .unknownPublisher, bytes: publish()),
      Case(reason: .publisherSequence, topic: hunt, bytes: publish() + publish(sequence: 3)),
      Case(reason: .publishCreditExceeded, topic: ("slow", .block), bytes: manyPublishes),
      Case(reason: .keyRequired, topic: ("board", .keyed), bytes: publish()),
    ]
  }

  /// More than any credit of a block topic with little retention.
  static var manyPublishes: [UInt8] {
    var bytes: [UInt8] = []
    for i in 0..<400 {
      let text = String(repeating: "x", count: 60_000)
      bytes += CoreHarness.publishFrame(
        LooseBatch.encoded([.init(payload: text)], publisherSequence: UInt64(i + 1)))
      if bytes.count > 150_000 { break }
    }
    return bytes
  }

  @Test(arguments: cases)
  func endsTheSession(test: Case) throws {
    try play(test, isDripping: false)
    if test.bytes.count < 2000 { try play(test, isDripping: true) }
  }

  private func play(_ test: Case, isDripping: Bool) throws {
    var limits = CoreHarness.smallLimits
    limits.topicRetentionBytes = 100_000
    let core = CoreHarness(limits)
    if test.isWelcomed { core.hello(1, codecs: test.codecs) }
    if let topic = test.topic { core.openTopic(1, topic.name, options: topic.options) }
    core.hello(2)
    core.isDripping = isDripping
    core.send(test.bytes, on: 1)
    #expect(try core.closeReason(on: 1) == test.reason)
    // Somebody else notices nothing.
    _ = core.takeTypes(on: 2)
    core.send(on: 2) { Ping(time: 1).encode(into: &$0, ref: 0, correlation: 0) }
    #expect(core.takeTypes(on: 2) == [.pong])
    core.hangUp(1)
    core.hangUp(2)
    #expect(core.shards[0].usage == ShardUsage())
  }

  @Test func silenceBeforeHello() throws {
    let core = CoreHarness()
    core.pump()
    core.open(1)
    core.advance(milliseconds: 4900)
    #expect(core.connections[1]?.isShut == false)
    core.advance(milliseconds: 1200)
    #expect(try core.closeReason(on: 1) == .handshakeTimeout)
  }

  @Test func silenceIsAskedAboutAndThenEnds() throws {
    let core = CoreHarness()
    core.hello(1, heartbeatMs: 1000)
    #expect(core.takeTypes(on: 1) == [.welcome])
    core.advance(milliseconds: 1600)
    #expect(core.takeTypes(on: 1) == [.ping])
    core.send(on: 1) { Pong(time: 0).encode(into: &$0, ref: 0, correlation: 0) }
    core.advance(milliseconds: 900)
    #expect(core.takeTypes(on: 1) == [])
    core.advance(milliseconds: 2300)
    #expect(try core.closeReason(on: 1) == .heartbeatTimeout)
  }

  @Test func aSlowSubscriberWithPolicyDisconnect() throws {
    let core = CoreHarness()
    core.hello(1)
    core.openTopic(1, "hunt")
    core.hello(2)
    core.subscribe(2, "hunt", policy: .disconnect, lagEventsMax: 2, events: 0)
    for i in UInt64(1)...5 {
      core.publish(1, LooseBatch.encoded([.init(payload: "a")], publisherSequence: i))
    }
    #expect(try core.closeReason(on: 2) == .slowSubscriber)
  }

  @Test func answersThatNobodyReads() throws {
    var limits = CoreHarness.smallLimits
    limits.controlBytesPerSession = 4096
    let core = CoreHarness(limits)
    core.hello(1)
    core.connections[1]?.room = 0
    for _ in 0..<400 {
      core.send(on: 1) { Ping(time: 1).encode(into: &$0, ref: 0, correlation: 0) }
    }
    #expect(core.connections[1]?.isClosed == true)
    let row = core.region.shard(0)
    #expect(row.get(.closed, at: Int(CloseReason.controlOverflow.rawValue)) == 1)
  }

  @Test func noMoreConnectionsThanAllowed() {
    var limits = CoreHarness.smallLimits
    limits.connectionsMax = 2
    let core = CoreHarness(limits)
    #expect(core.open(1) != nil && core.open(2) != nil && core.open(3) == nil)
    let bytes = core.shards[0].refusal(.tooManyConnections)
    #expect(bytes[4] == FrameType.close.rawValue && bytes[16] == 28)
  }

  @Test func placesForLaggingSubscriptionsAreUsedUp() throws {
    var limits = CoreHarness.smallLimits
    limits.cursorsMax = 1
    let core = CoreHarness(limits)
    core.hello(1)
    core.openTopic(1, "hunt")
    for number in 2...3 {
      core.hello(number)
      core.subscribe(number, "hunt", events: 0)
    }
    core.publish(1, LooseBatch.encoded([.init(payload: "a")]))
    let reasons = try [2, 3].map { number in
      core.connections[number]!.isShut ? try core.closeReason(on: number) : nil
    }
    #expect(reasons.contains(.cursorMemory) && reasons.contains(nil))
  }

  @Test func drainingSendsWhatCreditAllowsAndThenCloses() throws {
    let core = CoreHarness()
    core.hello(1)
    core.openTopic(1, "hunt")
    core.hello(2)
    core.subscribe(2, "hunt")
    core.connections[2]?.room = 0
    core.publish(1, LooseBatch.encoded([.init(payload: "a")]))
    core.shards[0].commandDrain(
      deadlineNs: core.nowNs + 2_000_000_000, retryAfterMs: 5, spreadMs: 6)
    #expect(core.shards[0].openConnection(peer: "late") == nil)
    core.pump()
    #expect(try core.closeReason(on: 1) == .draining)
    #expect(core.connections[2]?.isShut == false)
    core.unblock(2)
    core.advance(milliseconds: 10)
    let types = core.takeTypes(on: 2)
    #expect(types.suffix(2) == [.deliver, .close])
    core.advance(milliseconds: 4000)
    #expect(core.shards[0].usage == ShardUsage())
  }
}
