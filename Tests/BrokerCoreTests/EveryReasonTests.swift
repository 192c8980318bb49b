import Counters
import Testing
import WireFormat
import WireSupport

@testable import BrokerCore

/// Each close reason and each error code there is, brought about, and found in its counter. A new
/// one does not compile here before it has its scenario.
@Suite struct EveryReasonTests {
  private func core(_ change: (inout BrokerLimits) -> Void = { _ in }) -> CoreHarness {
    var limits = CoreHarness.smallLimits
    limits.topicRetentionBytes = 100_000
    change(&limits)
    return CoreHarness(limits)
  }

  private func ping(_ core: CoreHarness, _ number: Int, times: Int = 1) {
    for _ in 0..<times {
      core.send(on: number) { Ping(time: 1).encode(into: &$0, ref: 0, correlation: 0) }
    }
  }

  // MARK: Close reasons

  @Test(arguments: CloseReason.allCases)
  func endsASessionAndIsCounted(reason: CloseReason) throws {
    let core = try end(with: reason)
    let row = core.region.shard(0)
    // What a client finds wrong with the broker it says with its CLOSE, which is counted as one.
    let counted = reason == .protocolViolation ? CloseReason.clientClosed : reason
    #expect(row.get(.closed, at: Int(counted.rawValue)) == 1)
    let others = CloseReason.allCases.filter { $0 != counted }
      .map { row.get(.closed, at: Int($0.rawValue)) }
    #expect(others.reduce(0, +) == 0)
    for number in core.connections.keys.sorted() { core.hangUp(number) }
    #expect(core.shards[0].usage == ShardUsage())
  }

  private func end(with reason: CloseReason) throws -> CoreHarness {
    switch reason {
    case .badMagic, .unsupportedVersion, .handshakeRequired, .duplicateHello, .frameTooLarge,
      .frameTooShort, .malformedFrame, .unknownFrame, .wrongDirection, .malformedBatch,
      .checksumMismatch, .batchTooLarge, .codecNotNegotiated, .unknownPublisher,
      .publisherSequence, .publishCreditExceeded, .keyRequired:
      return try endByAFrame(reason)
    case .clientClosed, .protocolViolation:
      let core = core()
      core.hello(1)
      core.send(on: 1) {
        Close(reason: reason, retryable: false, text: "").encode(into: &$0, ref: 0, correlation: 0)
      }
      #expect(core.connections[1]?.isClosed == true)
      return core
    case .disconnected, .connectionReset:
      let core = core()
      core.hello(1)
      core.shards[0].handleEndOfInput(core.connections[1]!.id, reset: reason == .connectionReset)
      core.pump()
      return core
    case .tooManyConnections:
      let core = core { $0.connectionsMax = 1 }
      core.open(1)
      #expect(core.open(2) == nil)
      #expect(core.shards[0].refusal(reason)[16] == UInt8(reason.rawValue))
      return core
    case .handshakeTimeout, .heartbeatTimeout, .draining: return try endByTime(reason)
    case .inputMemory, .outputMemory, .controlOverflow, .cursorMemory, .slowSubscriber:
      return try endByLimit(reason)
    }
  }

  private func endByAFrame(_ reason: CloseReason) throws -> CoreHarness {
    let test = try #require(CloseReasonTests.cases.first { $0.reason == reason })
    let core = core()
    if test.isWelcomed { core.hello(1, codecs: test.codecs) }
    if let topic = test.topic { core.openTopic(1, topic.name, options: topic.options) }
    core.send(test.bytes, on: 1)
    try expectClose(core, 1, reason)
    return core
  }

  /// The session hears the reason, and its connection ends.
  private func expectClose(_ core: CoreHarness, _ number: Int, _ reason: CloseReason) throws {
    #expect(try core.closeReason(on: number) == reason)
    core.hangUp(number)
  }

  private func endByTime(_ reason: CloseReason) throws -> CoreHarness {
    let core = core()
    switch reason {
    case .handshakeTimeout:
      // At a time at which the core looks at sessions.
      core.pump()
      core.open(1)
      core.advance(milliseconds: 6100)
    case .heartbeatTimeout:
      core.hello(1, heartbeatMs: 1000)
      core.advance(milliseconds: 3200)
    default:
      core.hello(1)
      core.shards[0].commandDrain(
        deadlineNs: core.nowNs + 1_000_000, retryAfterMs: 0, spreadMs: 0)
      core.pump()
    }
    try expectClose(core, 1, reason)
    return core
  }

  private func endByLimit(_ reason: CloseReason) throws -> CoreHarness {
    switch reason {
    case .inputMemory:
      let core = core { $0.inputBytes = $0.frameLengthMax * 2 }
      for number in 1...3 { core.hello(number) }
      for number in 1...2 {
        core.send([0x40, 0x0D, 3, 0, 0x12] + [UInt8](repeating: 0, count: 150_000), on: number)
      }
      core.advance(milliseconds: 1500)
      core.send(on: 3) { Ping(time: 1).encode(into: &$0, ref: 0, correlation: 5) }
      try expectClose(core, 1, reason)
      // The other's frame is kept as it is.
      #expect(core.shards[0].usage.inputBytes == 1 << 18)
      return core
    case .outputMemory:
      let core = core {
        $0.controlBytesPerSession = 4096
        $0.outputBytes = 8192
      }
      for number in 1...3 {
        core.hello(number)
        core.connections[number]?.room = 0
        ping(core, number, times: number == 3 ? 20 : 60)
        core.advance(milliseconds: 10)
      }
      ping(core, 3, times: 70)
      // The one that has been stalled longest cannot be told.
      #expect((1...3).filter { core.connections[$0]?.isClosed == true } == [1])
      return core
    case .controlOverflow:
      let core = core { $0.controlBytesPerSession = 4096 }
      core.hello(1)
      core.connections[1]?.room = 0
      ping(core, 1, times: 400)
      #expect(core.connections[1]?.isClosed == true)
      return core
    case .cursorMemory:
      let core = core { $0.cursorsMax = 1 }
      core.hello(1)
      core.openTopic(1, "hunt")
      core.hello(2)
      core.subscribe(2, "hunt", ref: 1, events: 0)
      core.subscribe(2, "hunt", ref: 2, events: 0)
      core.publish(1, LooseBatch.encoded([.init(payload: "a")]))
      try expectClose(core, 2, reason)
      return core
    default:
      let core = core()
      core.hello(1)
      core.openTopic(1, "hunt")
      core.hello(2)
      core.subscribe(2, "hunt", policy: .disconnect, lagEventsMax: 1, events: 0)
      core.publish(1, LooseBatch.encoded([.init(payload: "a"), .init(payload: "b")]))
      try expectClose(core, 2, reason)
      return core
    }
  }

  // MARK: Error codes

  @Test(arguments: ErrorCode.allCases)
  func answersARequestAndIsCounted(code: ErrorCode) {
    let core = core {
      $0.topicsMax = 1
      $0.publishersPerSessionMax = 2
      $0.subscriptionsPerSessionMax = 2
      $0.linksMax = 1
    }
    core.hello(1)
    core.openTopic(1, "hunt")
    core.subscribe(1, "hunt")
    _ = core.takeTypes(on: 1)
    provoke(code, core)
    #expect(core.errorCodes(on: 1) == [code])
    #expect(core.region.shard(0).get(.errors, at: Int(code.rawValue) - 100) == 1)
  }

  private func provoke(_ code: ErrorCode, _ core: CoreHarness) {
    switch code {
    case .invalidTopicName: core.openTopic(1, "a..b", ref: 2)
    case .invalidPattern: core.subscribe(1, ">.a", ref: 2)
    case .topicNotFound: core.openTopic(1, "nowhere", ref: 2, mode: .mustExist)
    case .topicExists: core.openTopic(1, "hunt", ref: 2, mode: .mustCreate)
    case .invalidOption: core.openTopic(1, "hunt", ref: 0)
    case .notSupported:
      let open = OpenTopic(
        mode: .openOrCreate, options: [], ackLevel: .persisted, topic: "hunt")
      core.send(on: 1) { open.encode(into: &$0, ref: 2, correlation: 0) }
    case .tooManyTopics: core.openTopic(1, "other", ref: 2)
    case .tooManySubscriptions:
      core.subscribe(1, "hunt", ref: 2)
      core.subscribe(1, "hunt", ref: 3)
    case .tooManyPublishers:
      core.openTopic(1, "hunt", ref: 2)
      core.openTopic(1, "hunt", ref: 3)
    case .duplicateRef: core.openTopic(1, "hunt", ref: 1)
    case .unknownRef:
      core.send(on: 1) { CloseTopic().encode(into: &$0, ref: 7, correlation: 0) }
    case .noReceiver:
      var writer = FrameWriter()
      writer.beginFrame(.reply, ref: 0, correlation: 4)
      writer.append(99 << 32 as UInt64)
      writer.append(1 as UInt64)
      writer.append(LooseBatch.encoded([.init(payload: "a")]))
      _ = writer.endFrame()
      core.send(writer.array, on: 1)
    case .memoryExhausted: core.subscribe(1, "*", ref: 2)
    case .shuttingDown:
      // What it has not read yet keeps its session.
      core.connections[1]?.room = 0
      ping(core, 1)
      core.shards[0].commandDrain(
        deadlineNs: core.nowNs + 1_000_000_000, retryAfterMs: 0, spreadMs: 0)
      core.subscribe(1, "hunt", ref: 2)
      core.unblock(1)
    }
  }
}
