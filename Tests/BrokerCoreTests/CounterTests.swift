import Testing
import WireFormat
import WireSupport

@testable import BrokerCore
@testable import Counters

/// Every counter that is declared is written by somebody.
@Suite struct CounterTests {
  @Test func theBrokersRowKnowsTopicsAndMemory() {
    let core = CoreHarness(shards: 2)
    core.hello(1)
    core.hello(2)
    core.openTopic(1, "hunt")
    core.openTopic(2, "loot")
    core.openTopic(2, "hunt", ref: 2)
    let row = core.region.broker
    #expect(row.get(.topics) == 2 && row.get(.topicsCreated) == 2)
    #expect(row.get(.memoryUsedBytes) == 0)
    core.publish(1, LooseBatch.encoded([.init(payload: "a")]))
    core.publish(2, LooseBatch.encoded([.init(payload: "b")]))
    #expect(row.get(.memoryUsedBytes) == 2 * 2048)
    for index in 0...1 {
      #expect(core.region.shard(index).get(.pagesInUse) == 1)
      #expect(core.region.shard(index).get(.pageBytes) == 2048)
      #expect(core.region.shard(index).get(.topics) == 1)
    }
    #expect(core.region.topics[1].get(.publishers) == 2)
  }

  /// Subscriptions of all shards count in the topic's row.
  @Test func aTopicsRowKnowsItsSubscriptions() {
    let core = CoreHarness(shards: 2)
    core.hello(1)
    core.hello(2)
    core.subscribe(2, "hunt.*")
    core.openTopic(1, "hunt.1")
    core.subscribe(1, "hunt.1", ref: 2)
    core.subscribe(2, ">", ref: 3)
    let row = core.region.topics[1]
    #expect(row.get(.subscriptions) == 3)
    core.send(on: 2) { Unsubscribe().encode(into: &$0, ref: 3, correlation: 0) }
    #expect(row.get(.subscriptions) == 2)
    core.hangUp(1)
    core.hangUp(2)
    #expect(row.get(.subscriptions) == 0)
  }

  @Test func whyASubscriptionIsSentNothing() {
    let core = CoreHarness(shards: 2)
    core.hello(1)
    core.openTopic(1, "hunt")
    core.hello(2)
    func blocked(shard: Int) -> BlockedCause? {
      BlockedCause(rawValue: core.region.subscriptions(shard: shard)[0].get(.blocked))
    }
    // The owner has not been given a turn yet.
    var subscribe = FrameWriter()
    let none: [UInt8] = []
    _ = unsafe Subscribe(
      policy: .lossless, start: .latest, eventsTotal: 1, bytesTotal: 1000, pattern: "hunt"
    ).encode(into: &subscribe, ref: 1, correlation: 1, positions: none.span.bytes)
    core.sendAlone(subscribe.array, on: 2)
    #expect(blocked(shard: 1) == .attaching)
    core.pump()
    #expect(blocked(shard: 1) == BlockedCause.none)
    core.publish(1, LooseBatch.encoded([.init(payload: "a")]))
    #expect(blocked(shard: 1) == BlockedCause.none)
    core.publish(1, LooseBatch.encoded([.init(payload: "b")], publisherSequence: 2))
    #expect(blocked(shard: 1) == .creditEvents)
    core.send(on: 2) {
      Credit(eventsTotal: 10, bytesTotal: 1).encode(into: &$0, ref: 1, correlation: 0)
    }
    #expect(blocked(shard: 1) == BlockedCause.none)
    let large = String(repeating: "x", count: 2000)
    core.publish(1, LooseBatch.encoded([.init(payload: large)], publisherSequence: 3))
    core.publish(1, LooseBatch.encoded([.init(payload: "d")], publisherSequence: 4))
    #expect(blocked(shard: 1) == .creditBytes)
    core.connections[2]?.room = 0
    core.send(on: 2) {
      Credit(eventsTotal: 10, bytesTotal: 1 << 20).encode(into: &$0, ref: 1, correlation: 0)
    }
    #expect(blocked(shard: 1) == .socket)
    core.shards[1].handleWritable(core.connections[2]!.id)
    #expect(blocked(shard: 1) == .turn)
    core.unblock(2)
    #expect(blocked(shard: 1) == BlockedCause.none)
  }

  /// Also that of a row, or of a client's number, that is used again.
  @Test func everySubscriptionHasItsOwnIdentity() {
    let core = CoreHarness(shards: 2)
    var ids: [UInt64] = []
    for client in 1...2 {
      core.hello(client)
      for _ in 0..<3 {
        core.subscribe(client, "hunt.*", ref: 2)
        let row = core.region.subscriptions(shard: core.connections[client]!.shard)[0]
        ids.append(row.get(.id))
        #expect(row.get(.openedNs) == core.shards[0].realtimeNs)
        core.send(on: client) { Unsubscribe().encode(into: &$0, ref: 2, correlation: 0) }
      }
    }
    #expect(Set(ids).count == 6 && !ids.contains(0))
  }

  @Test func whatAPolicyLeavesOutIsNoLongerPending() {
    let core = CoreHarness(shards: 1)
    core.hello(1)
    core.openTopic(1, "hunt")
    core.subscribe(1, "hunt", ref: 2, events: 0)
    for i in UInt64(1)...5 {
      core.publish(1, LooseBatch.encoded([.init(payload: "a")], publisherSequence: i))
    }
    let counters = core.shards[0].counters
    let before = counters.ledger(0)
    #expect(before.lag.events == 5 && before.breach == nil)
    counters.leftOut(0, conflated: .init(events: 2, bytes: 20), sampled: .init(events: 1, bytes: 9))
    let after = counters.ledger(0)
    #expect(after.breach == nil && after.matched == before.matched)
    #expect(after.lag == .init(events: 2, bytes: before.lag.bytes - 29))
    #expect(after.conflated == .init(events: 2, bytes: 20))
    #expect(after.sampled == .init(events: 1, bytes: 9))
    #expect(Ledger.expiredCause == Int(GapCause.expired.rawValue))
  }

  /// What stays 0 in a core alone: the process writes it, it is 0 for the first, or it is reserved.
  static let others: Set<String> = [
    "broker.memoryCeilingBytes", "broker.connectionsMax", "broker.topicsMax", "broker.version",
    "broker.addresses", "broker.recording", "shard.busyNs", "shard.turnMaxNs",
    // Within a turn no time passes here.
    "delivery.ringToTurnNs", "topic.readToRingSumNs",
    // There is memory for all keys.
    "topic.evictedKeys", "topic.evictedThrough",
  ]

  @Test func keysThatGiveWayAreCounted() {
    var limits = CoreHarness.smallLimits
    limits.keysPerTopicMax = 2
    let core = CoreHarness(limits)
    core.hello(1)
    core.openTopic(1, "board", options: [.keyed])
    for (number, key) in ["a", "b", "c", "c"].enumerated() {
      core.publish(
        1,
        LooseBatch.encoded([.init(key: key, payload: "v")], publisherSequence: UInt64(number) + 1))
    }
    let row = core.region.topics[1]
    #expect(row.get(.keys) == 2 && row.get(.evictedKeys) == 1 && row.get(.evictedThrough) == 1)
  }

  @Test func everyCounterIsWritten() {
    let core = CoreHarness(shards: 2)
    let seen = Seen(core)
    core.hello(1)
    core.hello(2)
    core.hello(3)
    core.hello(4)
    core.openTopic(4, "hunt", ref: 9, options: [.block])
    let open = OpenTopic(
      mode: .openOrCreate, options: [.keyed], ackLevel: .accepted, retentionEvents: 1000,
      retentionBytes: 100_000, retentionMs: 1_000_000, topic: "board")
    core.send(on: 3) { open.encode(into: &$0, ref: 5, correlation: 2) }
    core.openTopic(3, "hunt", ref: 2)
    core.subscribe(2, "hunt", ref: 7)
    core.subscribe(4, "hunt", ref: 8, policy: .dropOldest, lagEventsMax: 2, events: 1)
    seen.look()
    for i in UInt64(1)...9 {
      _ = core.shards[1].prepareToSleep()
      core.publish(3, LooseBatch.encoded([.init(payload: "a")], publisherSequence: i), ref: 2)
      seen.look()
    }
    core.connections[2]?.room = 100
    let large = String(repeating: "x", count: 9000)
    core.publish(
      3, LooseBatch.encoded([.init(payload: large)], publisherSequence: 10), ref: 2)
    core.advance(milliseconds: 10)
    core.send(on: 4) {
      Credit(eventsTotal: 2, bytesTotal: .max).encode(into: &$0, ref: 8, correlation: 0)
    }
    seen.look()
    core.unblock(2)
    core.connections[2]?.room = 0
    core.publish(3, LooseBatch.encoded([.init(payload: "b")], publisherSequence: 11), ref: 2)
    core.advance(milliseconds: 100)
    core.unblock(2)
    core.turn(of: 0)
    seen.look()
    core.send(on: 1) { Pong(time: 5).encode(into: &$0, ref: 0, correlation: 0) }
    core.send([200, 0, 0, 0, 3], on: 1)
    core.openTopic(2, "a..b", ref: 3)
    seen.look()
    expire(core, seen)
    core.subscribe(2, "board", ref: 12)
    core.publish(3, LooseBatch.encoded([.init(key: "k", payload: "c")]), ref: 5)
    seen.look()
    leaveOut(core, seen)
    core.send(on: 4) { Unsubscribe().encode(into: &$0, ref: 8, correlation: 0) }
    core.hangUp(1)
    for shard in core.shards {
      shard.commandDrain(deadlineNs: core.nowNs + 1_000_000_000, retryAfterMs: 1, spreadMs: 1)
    }
    core.publish(
      3, LooseBatch.encoded([.init(key: "k", payload: "d")], publisherSequence: 4), ref: 5)
    core.advance(milliseconds: 100)
    seen.look()
    #expect(seen.missing() == Self.others)
  }

  /// Policies that leave events out, and values that are old when they are delivered.
  private func leaveOut(_ core: CoreHarness, _ seen: Seen) {
    core.subscribe(2, "board", ref: 13, policy: .latest, events: 0)
    core.subscribe(2, "board", ref: 14)
    core.send(on: 2) {
      SetPolicy(policy: .sample, sampleEvery: 3).encode(into: &$0, ref: 14, correlation: 0)
    }
    let values = [LooseBatch.Event(key: "k", payload: "e"), .init(key: "k", payload: "f")]
    core.publish(3, LooseBatch.encoded(values, publisherSequence: 2), ref: 5)
    core.advance(milliseconds: 100)
    core.send(on: 2) {
      Credit(eventsTotal: 9, bytesTotal: .max).encode(into: &$0, ref: 13, correlation: 0)
    }
    seen.look()
  }

  /// Events whose time to live is over before anybody takes them, and some that are never taken.
  private func expire(_ core: CoreHarness, _ seen: Seen) {
    core.subscribe(4, "hunt", ref: 10, events: 0)
    var batch = BatchWriter()
    let payload: [UInt8] = [1]
    _ = unsafe payload.withUnsafeBytes { unsafe batch.append(payload: $0) }
    core.publish(
      3, unsafe [UInt8](batch.finish(ttlMs: 1, publisherSequence: 12)), ref: 2)
    core.advance(milliseconds: 200)
    core.send(on: 4) {
      Credit(eventsTotal: .max, bytesTotal: .max).encode(into: &$0, ref: 10, correlation: 0)
    }
    seen.look()
    core.subscribe(4, "hunt", ref: 11, events: 0)
    core.publish(3, LooseBatch.encoded([.init(payload: "z")], publisherSequence: 13), ref: 2)
    core.send(on: 4) { Unsubscribe().encode(into: &$0, ref: 11, correlation: 0) }
    seen.look()
  }

  /// Which fields of which rows have ever been other than 0.
  final class Seen {
    private let core: CoreHarness
    private var written: Set<String> = []
    private var declared: Set<String> = []

    init(_ core: CoreHarness) { self.core = core }

    func missing() -> Set<String> { declared.subtracting(written) }

    func look() {
      let region = core.region
      note("broker", region.broker)
      for id in 0...core.broker.limits.topicsMax { note("topic", region.topics[id]) }
      for index in core.shards.indices {
        note("shard", region.shard(index))
        for slot in 0..<8 {
          note("connection", region.connections(shard: index)[slot])
          note("publisher", region.publishers(shard: index)[slot])
          note("subscription", region.subscriptions(shard: index)[slot])
          note("observation", region.observations(shard: index)[slot])
          note("delivery", region.deliveries(shard: index)[slot])
        }
      }
    }

    private func note(_ table: String, _ row: some CounterRow) {
      for field in type(of: row).fields {
        declared.insert("\(table).\(field.name)")
        var isZero = true
        for at in stride(from: 0, to: field.byteCount, by: 4) {
          if row.cells.load32(field.offset + at) != 0 { isZero = false }
        }
        if !isZero { written.insert("\(table).\(field.name)") }
      }
    }
  }
}
