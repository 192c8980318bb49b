import Counters
import Testing
import WireFormat
import WireSupport

@testable import BrokerCore

/// Tables that run full and walks that would be long: who causes it pays, in bounded portions.
@Suite struct PressureTests {
  private func batch(_ sequence: UInt64, ttlMs: UInt32 = 0) -> [UInt8] {
    LooseBatch.encoded([.init(payload: "x")], publisherSequence: sequence, ttlMs: ttlMs)
  }

  private func openTopics(_ core: CoreHarness, _ names: [String]) {
    for (i, name) in names.enumerated() { core.openTopic(1, name, ref: UInt32(i + 1)) }
    _ = core.takeTypes(on: 1)
  }

  /// One event into each of some publishers' topics, all in one read.
  private func publishAll(_ core: CoreHarness, _ refs: ClosedRange<UInt32>, _ sequence: UInt64) {
    core.send(
      refs.flatMap { CoreHarness.publishFrame(batch(sequence), ref: $0) }, on: 1)
  }

  private func delivered(_ core: CoreHarness, _ number: Int) -> Int {
    core.takeTypes(on: number).filter { $0 == .deliver }.count
  }

  // MARK: Cursors

  /// A session that takes nothing fills the table; it ends, and not the one that asks next.
  @Test(arguments: [1, 2])
  func whoHasMostCursorsMakesRoom(shards: Int) throws {
    var limits = CoreHarness.smallLimits
    limits.cursorsMax = 64
    let core = CoreHarness(limits, shards: shards)
    core.hello(1)
    openTopics(core, (0..<21).map { "a.\($0)" } + ["a0", "good"])
    core.hello(2)
    for ref in UInt32(1)...3 { core.subscribe(2, "a.*", ref: ref, events: 0) }
    core.subscribe(2, "a0", ref: 4, events: 0)
    core.hello(4)
    core.subscribe(4, "good")
    _ = core.takeTypes(on: 4)
    publishAll(core, 1...22, 1)
    publishAll(core, 23...23, 1)
    #expect(delivered(core, 4) == 1)
    publishAll(core, 23...23, 2)
    #expect(delivered(core, 4) == 1)
    #expect(try core.closeReason(on: 2) == .cursorMemory)
    #expect(core.shards[1 % shards].usage.cursors == 0)
  }

  /// Of two sessions that take nothing the one with fewer cursors goes on, and misses nothing; and
  /// there is room for one that takes everything, in many topics at once.
  @Test(arguments: [1, 2])
  func thereIsRoomForThoseWithCredit(shards: Int) throws {
    var limits = CoreHarness.smallLimits
    limits.cursorsMax = 64
    let core = CoreHarness(limits, shards: shards)
    core.hello(1)
    openTopics(core, (0..<20).map { "a.\($0)" } + (0..<8).map { "b.\($0)" })
    core.hello(2)
    core.subscribe(2, "a.*", ref: 1, events: 0)
    core.subscribe(2, "a.*", ref: 2, events: 0)
    core.hello(4)
    core.subscribe(4, "a.*", events: 0)
    core.hello(6)
    core.subscribe(6, "b.*")
    _ = core.takeTypes(on: 4)
    _ = core.takeTypes(on: 6)
    // The first is gone when the third of its kind would take what others need.
    publishAll(core, 1...28, 1)
    #expect(delivered(core, 6) == 8)
    #expect(try core.closeReason(on: 2) == .cursorMemory)
    core.send(on: 4) {
      Credit(eventsTotal: .max, bytesTotal: .max).encode(into: &$0, ref: 1, correlation: 0)
    }
    #expect(delivered(core, 4) == 20)
    #expect(core.shards[1 % shards].usage.cursors == 0)
  }

  // MARK: Expired batches

  private func expiredCore(_ batches: Int) -> CoreHarness {
    let core = CoreHarness()
    core.hello(1)
    core.openTopic(1, "short")
    for first in stride(from: 1, through: batches, by: 500) {
      core.publish(1, (first..<first + 500).flatMap { batch(UInt64($0), ttlMs: 1) })
    }
    core.advance(milliseconds: 100)
    core.hello(2)
    _ = core.takeTypes(on: 2)
    return core
  }

  /// The counts of the GAP frames that have come, by reference.
  private func gaps(_ core: CoreHarness, _ number: Int) throws -> [UInt32: [UInt64]] {
    var counts: [UInt32: [UInt64]] = [:]
    while core.connections[number]?.incoming.isEmpty == false {
      guard let frame = try core.receive(on: number) else { break }
      guard frame[4] == FrameType.gap.rawValue else { continue }
      let ref = (0..<4).reduce(UInt32(0)) { $0 | UInt32(frame[8 + $1]) << UInt32(8 * $1) }
      let at = 16 + 24
      let count = (0..<8).reduce(UInt64(0)) { $0 | UInt64(frame[at + $1]) << UInt64(8 * $1) }
      counts[ref, default: []].append(count)
    }
    return counts
  }

  /// What has expired is gone past in portions, each with its GAP, and all of it is told.
  @Test func expiredBatchesGoInPortions() throws {
    let core = expiredCore(5000)
    core.subscribe(2, "short", start: .earliest)
    let counts = try gaps(core, 2)[1] ?? []
    #expect(counts.count == 5 && counts.allSatisfy { $0 <= 1024 })
    #expect(counts.reduce(0, +) == 5000)
    core.publish(1, batch(5001))
    #expect(delivered(core, 2) == 1)
  }

  /// However many subscriptions go past them, a turn ends.
  @Test func expiredBatchesOfOneTurn() throws {
    let core = expiredCore(4000)
    var writer = FrameWriter(reserving: 1024)
    let none: [UInt8] = []
    for ref in UInt32(1)...20 {
      let subscribe = Subscribe(
        policy: .lossless, start: .earliest, eventsTotal: .max, bytesTotal: .max, pattern: "short")
      _ = unsafe subscribe.encode(
        into: &writer, ref: ref, correlation: 1, positions: none.span.bytes)
    }
    core.sendAlone(writer.array, on: 2)
    #expect(core.shards[0].hasTransmit)
    let first = try gaps(core, 2).values.joined().reduce(0, +)
    #expect(first > 20_000 && first <= UInt64(Shard.looksPerTurn) + 1024)
    core.pump()
    #expect(try gaps(core, 2).values.joined().reduce(first, +) == 80_000)
  }

  // MARK: Positions and requests

  /// A client may name its positions in any order, and others besides.
  @Test(arguments: [1, 2])
  func positionsInAnyOrder(shards: Int) throws {
    let core = CoreHarness(shards: shards)
    core.hello(1)
    openTopics(core, (0..<5).map { "a.\($0)" })
    for sequence in UInt64(1)...5 { publishAll(core, 1...5, sequence) }
    core.hello(2)
    let positions: [(UInt32, UInt64)] = [
      (5, 5), (77, 1), (4, 4), (0, 1), (1, 2), (4_000_000_000, 1), (3, 5), (3, 1), (4, 1),
    ]
    var bytes: [UInt8] = []
    for (id, sequence) in positions {
      for word in [UInt64(id), sequence] {
        bytes += (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(8 * $0)) }
      }
    }
    let subscribe = Subscribe(
      policy: .lossless, start: .latest, positionsCount: UInt32(positions.count),
      eventsTotal: .max, bytesTotal: .max, pattern: "a.*")
    for ref in UInt32(1)...2 {
      core.send(on: 2) {
        unsafe subscribe.encode(
          into: &$0, ref: ref, correlation: 3, positions: bytes.span.bytes)
      }
      // Topic 1 from 2, 3 from 5, 4 from 4 and 5 from 5 of five; 2 from its end.
      let row = core.region.subscriptions(shard: 1 % shards)[Int(ref) - 1]
      #expect(row.get(.deliveredEvents) == 4 + 1 + 2 + 1)
    }
  }

  /// A pattern that matches every topic there can be is subscribed to from another shard.
  @Test func aPatternOfAllTopicsFromAnotherShard() {
    var limits = CoreHarness.smallLimits
    limits.topicsMax = BrokerLimits().topicsMax
    limits.requestsMax = BrokerLimits().requestsMax
    limits.linksMax = BrokerLimits().linksMax
    limits.cursorsMax = BrokerLimits().cursorsMax
    limits.publishersMax = 8192
    let core = CoreHarness(limits, shards: 2)
    let topics = 5000
    for first in stride(from: 0, to: topics, by: 1000) {
      let number = 1 + first / 1000 * 2
      core.hello(number)
      var writer = FrameWriter(reserving: 1 << 16)
      for i in 0..<1000 {
        _ = OpenTopic(
          mode: .openOrCreate, options: [], ackLevel: .accepted, topic: "t.\(first + i)"
        ).encode(into: &writer, ref: UInt32(i + 1), correlation: 1)
      }
      core.send(writer.array, on: number)
    }
    #expect(core.broker.announcedTopics == topics)
    core.hello(2)
    core.subscribe(2, ">")
    #expect(core.takeTypes(on: 2).last == .subscribed)
  }

  /// Whoever allows more topics has room to ask for all of them.
  @Test func requestsFollowTheTopics() {
    var limits = BrokerLimits()
    for topics in [1, 16_384, 100_000, 1 << 20, BrokerLimits.rowsMax] {
      limits.topicsMax = topics
      limits.fitRequests()
      #expect(limits.requestsMax > min(topics, limits.linksMax - 4096))
      #expect(limits.validate(shards: 2) == nil)
    }
  }

  // MARK: Times of block topics

  private func timed(_ core: CoreHarness) -> Int { core.shards[0].timedTopics.count }

  /// Only topics for which a time runs are looked at in every turn.
  @Test func idleBlockTopicsCostNoTurn() {
    let core = CoreHarness()
    core.hello(1)
    for i in UInt32(1)...20 { core.openTopic(1, "b.\(i)", ref: i, options: [.block]) }
    core.hello(2)
    core.subscribe(2, "b.7", events: 0)
    #expect(timed(core) == 0)
    let open = OpenTopic(
      mode: .openOrCreate, options: [.block], ackLevel: .accepted, retentionBytes: 4096,
      topic: "tight")
    core.send(on: 1) { open.encode(into: &$0, ref: 21, correlation: 2) }
    core.subscribe(2, "tight", ref: 2, events: 0)
    let large = LooseBatch.encoded([.init(payload: String(repeating: "x", count: 3000))])
    core.publish(1, large, ref: 21)
    #expect(timed(core) == 1)
    core.send(on: 2) {
      Credit(eventsTotal: .max, bytesTotal: .max).encode(into: &$0, ref: 2, correlation: 0)
    }
    core.advance(milliseconds: 1)
    #expect(timed(core) == 0)
  }

  // MARK: Small rings

  /// What comes in one read is more than the ring keeps: a subscription with credit gets it all,
  /// and the publishers wait for no longer than that takes.
  @Test(arguments: [0, 20] as [UInt64])
  func aReadLargerThanTheRing(retentionEvents: UInt64) {
    let core = CoreHarness()
    let open = OpenTopic(
      mode: .openOrCreate, options: [], ackLevel: .accepted, retentionEvents: retentionEvents,
      retentionBytes: 16_384, topic: "small")
    core.hello(2)
    core.subscribe(2, "small")
    let payload = String(repeating: "x", count: 3000)
    for number in [1, 3, 4] {
      core.hello(number)
      core.send(on: number) { open.encode(into: &$0, ref: 1, correlation: 2) }
    }
    for round in UInt64(0)..<3 {
      for number in [1, 3, 4] {
        core.sendAlone(
          (1...60).flatMap {
            CoreHarness.publishFrame(
              LooseBatch.encoded(
                [.init(payload: payload)], publisherSequence: round * 60 + UInt64($0)))
          }, on: number)
      }
      core.pump()
    }
    let row = core.region.subscriptions(shard: 0)[0]
    #expect(row.get(.matchedEvents) == 540 && row.get(.deliveredEvents) == 540)
    let shard = core.shards[0]
    #expect(shard.heldBackCount == 0 && shard.mayReceive)
    let left = shard.view(ofTopic: 1)
    #expect((left?.firstSequence ?? 0) > 500)
    // Nobody subscribes: nobody waits.
    core.hangUp(2)
    core.sendAlone(
      (181...260).flatMap {
        CoreHarness.publishFrame(
          LooseBatch.encoded([.init(payload: payload)], publisherSequence: UInt64($0)))
      }, on: 1)
    #expect(shard.view(ofTopic: 1)?.nextSequence == 621)
  }
}
