import Testing
import WireFormat
import WireSupport

@testable import BrokerCore
@testable import Counters

/// BLOCKED, and that it says what the counters say.
@Suite struct BlockedTests {
  private static func pair(
    events: UInt64 = .max, version: UInt16 = 2, options: TopicOptions = []
  ) -> CoreHarness {
    let core = CoreHarness()
    core.hello(1)
    core.openTopic(1, "hunt", options: options)
    let hello = Hello(
      magic: ProtocolVersion.magic, versionMin: 1, versionMax: version, codecs: [],
      frameLengthMax: 0, heartbeatMs: 60_000, clientName: "test")
    core.send(on: 2) { hello.encode(into: &$0, ref: 0, correlation: 1) }
    core.subscribe(2, "hunt", ref: 5, events: events)
    _ = core.takeTypes(on: 1)
    _ = core.takeTypes(on: 2)
    return core
  }

  private static func publish(_ core: CoreHarness, _ sequence: UInt64) {
    core.publish(1, LooseBatch.encoded([.init(payload: "a")], publisherSequence: sequence))
  }

  private static func grant(_ core: CoreHarness, _ events: UInt64) {
    core.send(on: 2) {
      Credit(eventsTotal: events, bytesTotal: .max).encode(into: &$0, ref: 5, correlation: 0)
    }
  }

  /// The BLOCKED frames that have come; all others are dropped.
  private static func told(_ core: CoreHarness, _ number: Int) throws -> [Blocked] {
    var told: [Blocked] = []
    let bytes = core.connections[number]?.incoming ?? []
    core.connections[number]?.incoming = []
    var offset = 0
    try unsafe bytes.withUnsafeBytes { bytes in
      while let frame = try unsafe nextFrame(
        in: bytes, at: offset, lengthMax: UInt32(WireLimits.frameLengthMax))
      {
        offset = frame.end
        guard frame.header.type == .blocked else { continue }
        var reader = unsafe FrameReader(frame, in: bytes)
        told.append(try Blocked(reader: &reader))
      }
    }
    return told
  }

  private static func said(_ core: CoreHarness) -> UInt32 {
    core.region.subscriptions(shard: 0)[0].get(.blocked)
  }

  @Test func theWordsAreTheSame() {
    #expect(BlockedBy.allCases.map { "\($0)" } == BlockedCause.allCases.map { "\($0)" })
    #expect(BlockedBy.allCases.map { UInt32($0.rawValue) } == BlockedCause.allCases.map(\.rawValue))
  }

  @Test func aStopIsToldAfterAWhileAndOnce() throws {
    let core = Self.pair(events: 0)
    Self.publish(core, 1)
    core.advance(milliseconds: 99)
    #expect(try Self.told(core, 2).isEmpty)
    core.advance(milliseconds: 1)
    let told = try Self.told(core, 2)
    let lag = core.shards[0].counters.ledger(0).lag
    #expect(
      told == [
        Blocked(
          side: .subscription, by: .creditEvents, pendingEvents: 1, pendingBytes: lag.bytes)
      ])
    #expect(told.first.map { UInt32($0.byRaw) } == Self.said(core))
    core.advance(milliseconds: 5000)
    #expect(try Self.told(core, 2).isEmpty)
    Self.grant(core, 1)
    #expect(try Self.told(core, 2).map(\.by) == [BlockedBy.none])
    #expect(Self.said(core) == 0)
    core.advance(milliseconds: 5000)
    #expect(try Self.told(core, 2).isEmpty)
    #expect(core.shards[0].notices.used == 0)
  }

  @Test func aShortStopIsNot() throws {
    let core = Self.pair(events: 0)
    for sequence in UInt64(1)...10 {
      Self.publish(core, sequence)
      core.advance(milliseconds: 60)
      Self.grant(core, sequence)
    }
    core.advance(milliseconds: 1000)
    #expect(try Self.told(core, 2).isEmpty)
    #expect(core.shards[0].notices.used == 0 && core.shards[0].dueNotices == noSlot)
  }

  @Test func anotherCauseIsToldAfterAWhile() throws {
    let core = Self.pair(events: 0)
    Self.publish(core, 1)
    core.advance(milliseconds: 200)
    core.send(on: 2) {
      Credit(eventsTotal: 10, bytesTotal: .max).encode(into: &$0, ref: 5, correlation: 0)
    }
    core.connections[2]?.room = 0
    Self.publish(core, 2)
    core.advance(milliseconds: 200)
    core.unblock(2)
    core.advance(milliseconds: 200)
    #expect(
      try Self.told(core, 2).map(\.by) == [.creditEvents, BlockedBy.none, .socket, BlockedBy.none])
  }

  /// A stop that is due to be told, and events that have become too old with the same turn: their
  /// GAP goes out, so that nothing stands still, and what waits then is what is told.
  @Test func whatATurnEndsWithIsTold() throws {
    let core = CoreHarness()
    core.hello(1)
    let open = OpenTopic(
      mode: .mustCreate, options: [], ackLevel: .accepted, retentionMs: 200, topic: "hunt")
    core.send(on: 1) { open.encode(into: &$0, ref: 1, correlation: 2) }
    core.hello(2)
    core.subscribe(2, "hunt", ref: 5, events: 0)
    let large = String(repeating: "x", count: 30_000)
    for sequence in UInt64(1)...3 {
      core.publish(
        1, LooseBatch.encoded([.init(payload: large)], publisherSequence: sequence))
    }
    _ = core.takeTypes(on: 2)
    core.stop(milliseconds: 600)
    core.pump()
    #expect(try Self.told(core, 2).isEmpty)
    #expect(core.shards[0].counters.ledger(0).lag.events == 2)
    core.advance(milliseconds: 100)
    #expect(try Self.told(core, 2).map(\.pendingEvents) == [2])
  }

  @Test func version1IsToldNothing() throws {
    let core = Self.pair(events: 0, version: 1)
    Self.publish(core, 1)
    core.advance(milliseconds: 1000)
    Self.grant(core, 1)
    #expect(try Self.told(core, 2).isEmpty)
    #expect(core.shards[0].notices.used == 0)
  }

  @Test func whoEndsIsForgotten() {
    let core = Self.pair(events: 0)
    Self.publish(core, 1)
    core.send(on: 2) { Unsubscribe().encode(into: &$0, ref: 5, correlation: 0) }
    #expect(core.shards[0].notices.used == 0 && core.shards[0].dueNotices == noSlot)
    core.subscribe(2, "hunt", ref: 6, events: 0)
    Self.publish(core, 2)
    core.advance(milliseconds: 200)
    core.hangUp(2)
    #expect(core.shards[0].notices.used == 0 && core.shards[0].dueNotices == noSlot)
  }

  /// A million stops do not make frames that a client that does not read would end over.
  @Test func whoDoesNotReadKeepsItsSession() {
    let core = Self.pair()
    for ref in UInt32(10)..<200 { core.subscribe(2, "hunt", ref: ref, events: 1) }
    core.connections[2]?.room = 0
    for sequence in UInt64(1)...20 {
      Self.publish(core, sequence)
      core.advance(milliseconds: 300)
    }
    #expect(core.connections[2]?.isClosed == false && core.connections[2]?.isShut == false)
  }

  @Test func aPublisherHearsThatItWaitsForASubscription() throws {
    let core = Self.pair(events: 0, options: [.block])
    let row = core.region.publishers(shard: 0)[0]
    #expect(row.get(.blocked) == 0)
    let large = String(repeating: "x", count: 60_000)
    var sequence: UInt64 = 1
    while row.get(.blocked) == 0, sequence < 5000 {
      core.publish(1, LooseBatch.encoded([.init(payload: large)], publisherSequence: sequence))
      sequence += 1
    }
    #expect(row.get(.blocked) == BlockedCause.subscriber.rawValue)
    core.advance(milliseconds: 100)
    #expect(
      try Self.told(core, 1)
        == [Blocked(side: .publisher, by: .subscriber, pendingEvents: 0, pendingBytes: 0)])
    Self.grant(core, .max)
    #expect(row.get(.blocked) == 0)
    #expect(try Self.told(core, 1).map(\.by) == [BlockedBy.none])
  }

  @Test func aPublisherHearsThatMemoryIsShort() throws {
    var limits = CoreHarness.smallLimits
    limits.ringBytesLeft = 2048
    let core = CoreHarness(limits)
    core.hello(1)
    core.openTopic(1, "hunt")
    let large = String(repeating: "x", count: 30_000)
    core.publish(1, LooseBatch.encoded([.init(payload: large)]))
    let row = core.region.publishers(shard: 0)[0]
    #expect(row.get(.blocked) == BlockedCause.memory.rawValue)
    core.advance(milliseconds: 200)
    #expect(try Self.told(core, 1).map(\.by) == [.memory])
  }

  @Test func aPublisherHearsOfTheEnd() throws {
    let core = Self.pair(events: 0)
    Self.publish(core, 1)
    core.shards[0].commandDrain(
      deadlineNs: core.nowNs + 1_000_000_000, retryAfterMs: 1, spreadMs: 1)
    Self.publish(core, 2)
    #expect(core.region.publishers(shard: 0)[0].get(.blocked) == BlockedCause.draining.rawValue)
  }
}
