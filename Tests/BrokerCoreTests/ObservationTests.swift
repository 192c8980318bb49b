import Testing
import WireFormat
import WireSupport

@testable import BrokerCore
@testable import Counters

/// Where the time of a subscription's events went, and what became of them.
@Suite struct ObservationTests {
  /// A publisher on connection 1, and a subscription on 2 that may be sent so much.
  private static func pair(
    shards: Int = 1, events: UInt64 = .max, policy: Policy = .lossless, lagEventsMax: UInt64 = 0
  ) -> CoreHarness {
    let core = CoreHarness(shards: shards)
    core.hello(1)
    core.openTopic(1, "hunt")
    core.hello(2)
    core.subscribe(
      2, "hunt", ref: 5, policy: policy, lagEventsMax: lagEventsMax, events: events)
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

  private static func snapshot(_ core: CoreHarness) throws -> CountersSnapshot {
    let memory = core.region.memory
    return try CountersSnapshot(tables: Set(CounterKind.allCases)) {
      memory.bytes(at: $0, count: $1)
    }
  }

  private static func row(_ core: CoreHarness) throws -> RowSnapshot<ObservationRow> {
    try #require(try snapshot(core).observations.first)
  }

  /// What all shards have of the only topic.
  private static func times(_ core: CoreHarness) throws -> DeliveryTimes {
    let times = try snapshot(core).deliveryTimesOfTopics
    #expect(times.count <= 1)
    return times.values.first ?? DeliveryTimes()
  }

  private static let ms: UInt64 = 1_000_000

  /// The only bucket of a histogram with something in it must be that of this time.
  private static func expect(
    _ buckets: [UInt64], _ count: UInt64, at ns: UInt64,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(buckets[StageBuckets.bucket(of: ns)] == count, sourceLocation: sourceLocation)
    #expect(buckets.reduce(0, +) == count, sourceLocation: sourceLocation)
  }

  @Test func bucketsDouble() {
    #expect(StageBuckets.bucket(of: 0) == 0 && StageBuckets.bucket(of: 1023) == 0)
    #expect(StageBuckets.bucket(of: 1024) == 1 && StageBuckets.bucket(of: 2047) == 1)
    #expect(StageBuckets.bucket(of: 2048) == 2)
    #expect(StageBuckets.bucket(of: .max) == 31)
    for bucket in 0..<32 {
      #expect(StageBuckets.bucket(of: StageBuckets.lowerBound(of: bucket)) == bucket)
    }
    var histogram = StageHistogram([0, 98, 0, 0, 0, 2])
    #expect(histogram.percentile(0.98) == 2048 && (histogram.percentile(0.99) ?? 0) > 16384)
    histogram = histogram.since(StageHistogram([0, 98]))
    #expect(histogram.count == 2 && StageHistogram().percentile(0.5) == nil)
  }

  @Test(arguments: [1, 2])
  func timeWithoutCreditIsNotTheBrokers(shards: Int) throws {
    let core = Self.pair(shards: shards, events: 0)
    Self.publish(core, 1)
    core.advance(milliseconds: 300)
    Self.publish(core, 2)
    core.advance(milliseconds: 100)
    Self.grant(core, 1)
    core.advance(milliseconds: 200)
    Self.grant(core, 2)
    let row = try Self.row(core)
    // The first waited 400 ms, the second 300: 100 at first and, after a turn, 200 more.
    #expect(row[.total].reduce(0, +) == 2)
    #expect(row[.totalNs] == 700 * Self.ms && row[.socketNs] == 0)
    #expect(row[.creditNs] > 690 * Self.ms)
    #expect(row[.creditWait].reduce(0, +) == 2 && row[.socketWait].reduce(0, +) == 0)
    Self.expect(row[.ringToTurn], 2, at: 0)
    // The topic's are the same, and who waited is all there is.
    let times = try Self.times(core)
    #expect(times.creditWait.histogram.buckets == row[.creditWait])
    #expect(times.creditWait.sumNs == row[.creditNs] && times.socketWait.histogram.count == 0)
    #expect(times.total.histogram.buckets == row[.total] && times.total.sumNs == row[.totalNs])
    #expect(times.ringToTurn.histogram.buckets == row[.ringToTurn])
  }

  @Test func timeWithAFullSocketIsNotTheBrokers() throws {
    let core = Self.pair()
    core.connections[2]?.room = 0
    Self.publish(core, 1)
    core.advance(milliseconds: 300)
    core.unblock(2)
    let row = try Self.row(core)
    Self.expect(row[.socketWait], 1, at: 300 * Self.ms)
    Self.expect(row[.total], 1, at: 300 * Self.ms)
    Self.expect(row[.ringToTurn], 1, at: 0)
    #expect(row[.creditNs] == 0 && row[.socketNs] == 300 * Self.ms)
    // Once up to date, old waits are nobody's.
    core.advance(milliseconds: 100)
    Self.publish(core, 2)
    #expect(try Self.row(core)[.socketNs] == 300 * Self.ms)
  }

  @Test func anEchoIsTheClientsTime() throws {
    let core = Self.pair(events: 10)
    Self.publish(core, 1)
    core.advance(milliseconds: 200)
    // More credit, but not for having dealt with anything.
    Self.grant(core, 10)
    #expect(try Self.row(core)[.echo].reduce(0, +) == 0)
    Self.publish(core, 2)
    core.advance(milliseconds: 100)
    Self.grant(core, 11)
    Self.expect(try Self.row(core)[.echo], 1, at: 300 * Self.ms)
    Self.publish(core, 3)
    Self.grant(core, 12)
    #expect(try Self.row(core)[.echo].reduce(0, +) == 1)
    Self.grant(core, 13)
    #expect(try Self.row(core)[.echo].reduce(0, +) == 2)
  }

  /// Frames that a socket takes together are booked together where that makes no difference.
  @Test func eachFrameOfOneSendCounts() throws {
    let core = Self.pair(events: 100)
    let payload = String(repeating: "x", count: 12_000)
    func publish(_ sequences: ClosedRange<UInt64>) {
      for sequence in sequences {
        core.publish(1, LooseBatch.encoded([.init(payload: payload)], publisherSequence: sequence))
      }
    }
    let slot = Int(try #require(core.connections[2]).id.slot)
    let connection = core.region.connections(shard: 0)[slot]
    _ = core.takeTypes(on: 2)
    let before = connection.get(.framesOut)
    core.connections[2]?.room = 0
    publish(1...4)
    core.advance(milliseconds: 100)
    publish(5...7)
    core.advance(milliseconds: 200)
    // Of the fourth a part, whose rest waits.
    core.connections[2]?.room = 40_000
    if let there = core.connections[2] { core.shards[0].handleWritable(there.id) }
    core.pump()
    #expect(core.region.subscriptions(shard: 0)[0].get(.deliveredEvents) == 4)
    core.unblock(2)

    let row = try Self.row(core)
    let shard = try #require(try Self.snapshot(core).shards.first)
    let subscription = core.region.subscriptions(shard: 0)[0]
    let types = core.takeTypes(on: 2)
    #expect(types.filter { $0 == .deliver }.count == 7)
    #expect(connection.get(.framesOut) - before == UInt64(types.count))
    #expect(connection.get(.eventsOut) == 7 && shard[.batchesOut] == 7)
    #expect(subscription.get(.deliveredEvents) == 7 && subscription.get(.lagEvents) == 0)
    #expect(subscription.get(.lagBytes) == 0)
    #expect(shard[.latency].reduce(0, +) == 7)
    #expect(shard[.latency][LatencyBuckets.bucket(of: 300 * Self.ms)] == 4)
    #expect(shard[.latency][LatencyBuckets.bucket(of: 200 * Self.ms)] == 3)
    #expect(shard[.latencySumNs] == 1800 * Self.ms && row[.totalNs] == 1800 * Self.ms)
    #expect(shard[.latencyMaxNs] == 300 * Self.ms)
    #expect(row[.total].reduce(0, +) == 7 && row[.total] == row[.socketWait])
    #expect(row[.socketNs] == 1800 * Self.ms)
    let times = try Self.times(core)
    #expect(times.socketWait.histogram.buckets == row[.socketWait])
    #expect(times.socketWait.sumNs == row[.socketNs] && times.total.sumNs == row[.totalNs])
    #expect(times.ringToTurn.histogram.count == 7 && times.ringToTurn.sumNs == 0)
    Self.expect(row[.ringToTurn], 7, at: 0)
    #expect(row.whyRuns.map(\.sequences) == [1...7])
    // One delivery at a time, and it is the first frame that is waited for.
    core.advance(milliseconds: 50)
    Self.grant(core, 101)
    Self.expect(try Self.row(core)[.echo], 1, at: 50 * Self.ms)
    Self.expect(try Self.times(core).echo.histogram.buckets, 1, at: 50 * Self.ms)
    #expect(try Self.times(core).echo.sumNs == 50 * Self.ms)
  }

  /// Each topic of a pattern has its own, and two shards that deliver one topic each have a part.
  @Test func eachTopicHasItsTimes() throws {
    let core = CoreHarness(shards: 2)
    for client in 1...3 { core.hello(client) }
    core.openTopic(1, "hunt.a", ref: 1)
    core.openTopic(1, "hunt.b", ref: 2)
    // On either shard, and of both topics.
    core.subscribe(2, "hunt.*", ref: 5, events: 0)
    core.subscribe(3, "hunt.*", ref: 5)
    core.publish(1, LooseBatch.encoded([.init(payload: "a")], publisherSequence: 1), ref: 1)
    core.advance(milliseconds: 100)
    core.publish(1, LooseBatch.encoded([.init(payload: "b")], publisherSequence: 1), ref: 2)
    core.advance(milliseconds: 200)
    Self.grant(core, 2)
    let snapshot = try Self.snapshot(core)
    #expect(Set(snapshot.deliveries.map(\.shard)) == [0, 1] && snapshot.deliveries.count == 4)
    let ids = Dictionary(uniqueKeysWithValues: snapshot.topics.map { ($0[.name], $0[.id]) })
    for (name, waitedNs) in [("hunt.a", 300 * Self.ms), ("hunt.b", 200 * Self.ms)] {
      let id = try #require(ids[name])
      let times = try #require(snapshot.deliveryTimesOfTopics[id])
      #expect(times.total.histogram.count == 2 && times.total.sumNs == waitedNs, "\(name)")
      #expect(times.ringToTurn.histogram.count == 2, "\(name)")
      Self.expect(times.creditWait.histogram.buckets, 1, at: waitedNs)
      #expect(times.socketWait.histogram.count == 0)
    }
    #expect(snapshot.deliveryTimes.total.histogram.count == 4)
  }

  /// What nobody observes is timed as a whole.
  @Test func theUnobservedHaveAnAgeOnly() throws {
    var limits = CoreHarness.smallLimits
    limits.observationsMax = 1
    let core = CoreHarness(limits)
    core.hello(1)
    core.openTopic(1, "hunt")
    core.hello(2)
    for ref in UInt32(5)...7 { core.subscribe(2, "hunt", ref: ref) }
    Self.publish(core, 1)
    let times = try Self.times(core)
    #expect(times.total.histogram.count == 3 && times.ringToTurn.histogram.count == 1)
  }

  /// Of many that begin at once some get their rows with later deliveries.
  @Test func manyTopicsGetTheirTimesInTurn() throws {
    var limits = CoreHarness.smallLimits
    limits.topicsMax = 200
    let core = CoreHarness(limits)
    core.hello(1)
    core.hello(2)
    core.subscribe(2, "hunt.*", ref: 5)
    let count = UInt32(Shard.firstDeliveriesPerTurn + Shard.deliveriesPerTurn + 1)
    for topic in 1...count { core.openTopic(1, "hunt.\(topic)", ref: topic) }
    core.connections[2]?.room = 0
    for topic in 1...count {
      core.publish(1, LooseBatch.encoded([.init(payload: "a")]), ref: topic)
    }
    core.unblock(2)
    func timed() throws -> Int { try Self.snapshot(core).deliveries.count }
    #expect(try timed() == Shard.firstDeliveriesPerTurn)
    for sequence in UInt64(2)...8 where try timed() < count {
      core.connections[2]?.room = 0
      for topic in 1...count {
        core.publish(
          1, LooseBatch.encoded([.init(payload: "a")], publisherSequence: sequence), ref: topic)
      }
      core.unblock(2)
    }
    #expect(try timed() == Int(count))
  }

  /// What is older than the subscription is nobody's fault.
  @Test(arguments: [1, 2]) func aStateIsAsOldAsItsPass(shards: Int) throws {
    let core = CoreHarness(shards: shards)
    core.hello(1)
    core.openTopic(1, "board", options: [.keyed])
    core.publish(1, LooseBatch.encoded([.init(key: "k", payload: "a")]))
    core.advance(milliseconds: 5000)
    core.hello(2)
    core.subscribe(2, "board", ref: 5, start: .state)
    let row = try Self.row(core)
    #expect(row[.total].reduce(0, +) == 1 && row[.totalNs] < 100 * Self.ms)
    #expect(try Self.times(core).ringToTurn.sumNs < 100 * Self.ms)
  }

  /// Passes over one key, which has two new events before each of them.
  private static func passes(_ count: UInt64) -> CoreHarness {
    let core = CoreHarness()
    core.hello(1)
    core.openTopic(1, "board", options: [.keyed])
    core.hello(2)
    core.subscribe(2, "board", ref: 5, policy: .latest, events: 0)
    for number in 1...count {
      for sequence in [2 * number - 1, 2 * number] {
        core.publish(
          1, LooseBatch.encoded([.init(key: "k", payload: "a")], publisherSequence: sequence))
      }
      core.advance(milliseconds: 100)
      grant(core, number)
    }
    // Only now the last one is known to have brought all.
    grant(core, count + 1)
    return core
  }

  @Test func eachPassIsARunOfItsOwn() throws {
    let row = try Self.row(Self.passes(3))
    #expect(row.whyRuns.map(\.fate) == [.conflated, .conflated, .conflated])
    #expect(row.whyRuns.map(\.sequences) == [1...2, 3...4, 5...6])
  }

  @Test func theOldestPassesAreJoined() throws {
    let row = try Self.row(Self.passes(30))
    let runs = row.whyRuns
    #expect(runs.count == 24 && row[.runs] == 30)
    #expect(runs.map(\.fate) == [.passes] + Array(repeating: .conflated, count: 23))
    #expect(runs[0].sequences == 1...14 && runs[1].sequences == 15...16)
    #expect(runs[0].firstNs < runs[0].lastNs && runs[0].lastNs <= runs[1].firstNs)
    #expect(runs[23].sequences == 59...60)
  }

  @Test func whyKnowsRuns() throws {
    let core = Self.pair(events: 2, policy: .dropOldest, lagEventsMax: 3)
    for sequence in UInt64(1)...9 { Self.publish(core, sequence) }
    core.advance(milliseconds: 100)
    Self.grant(core, 100)
    Self.publish(core, 10)
    let row = try Self.row(core)
    let runs = row.whyRuns
    #expect(runs.map(\.fate) == [.delivered, .dropped, .delivered])
    #expect(runs.map(\.sequences) == [1...2, 3...6, 7...10])
    #expect(runs[1].detail == UInt32(GapCause.dropOldest.rawValue))
    #expect(runs.allSatisfy { $0.topic == 1 && $0.firstNs <= $0.lastNs && $0.firstNs > 0 })
    #expect(runs[2].lastNs == core.shards[0].realtimeNs)
    #expect(row[.beganTopic] == 1 && row[.beganSequence] == 1 && row.hasAllRuns)
    #expect(row[.id] == core.region.subscriptions(shard: 0)[0].get(.id))
  }

  @Test func theOldestRunsMakeRoom() throws {
    let core = CoreHarness()
    core.hello(1)
    core.hello(2)
    core.subscribe(2, "hunt.*", ref: 5)
    for topic in UInt32(1)...30 {
      core.openTopic(1, "hunt.\(topic)", ref: topic)
      core.publish(1, LooseBatch.encoded([.init(payload: "a")]), ref: topic)
    }
    // The last topic goes on, the first begins anew.
    for topic: UInt32 in [30, 1] {
      core.publish(1, LooseBatch.encoded([.init(payload: "b")], publisherSequence: 2), ref: topic)
    }
    let row = try Self.row(core)
    #expect(!row.hasAllRuns && row[.runs] == 31)
    #expect(row.whyRuns.map(\.topic) == (8...30).map { UInt32($0) } + [1])
    #expect(row.whyRuns[22].sequences == 1...2 && row.whyRuns[23].sequences == 2...2)
  }

  @Test func rowsAreThereForTheFirstAndGoBack() throws {
    var limits = CoreHarness.smallLimits
    limits.observationsMax = 2
    let core = CoreHarness(limits)
    core.hello(1)
    core.openTopic(1, "hunt")
    core.hello(2)
    for ref in UInt32(1)...4 { core.subscribe(2, "hunt", ref: ref) }
    #expect(try Self.snapshot(core).observations.isEmpty)
    Self.publish(core, 1)
    #expect(try Self.snapshot(core).observations.count == 2)
    core.send(on: 2) { Unsubscribe().encode(into: &$0, ref: 2, correlation: 0) }
    #expect(try Self.snapshot(core).observations.count == 1)
    Self.publish(core, 2)
    #expect(try Self.snapshot(core).observations.count == 2)
    core.hangUp(2)
    #expect(try Self.snapshot(core).observations.isEmpty)
    #expect(core.shards[0].watches.used == 0)
  }

  /// Who gets a row with a later delivery is not said to have begun with that.
  @Test func aRowThatComesLateKnowsThatItDoes() throws {
    let core = CoreHarness()
    core.hello(1)
    core.openTopic(1, "hunt")
    core.hello(2)
    let count = UInt32(Shard.watchesPerTurn + 1)
    for ref in 1...count { core.subscribe(2, "hunt", ref: ref) }
    Self.publish(core, 1)
    Self.publish(core, 2)
    let rows = try Self.snapshot(core).observations
    #expect(rows.count == Int(count))
    let late = rows.filter { !$0.hasAllRuns }
    #expect(late.count == 1 && late.first?.whyRuns.map(\.sequences) == [2...2])
    #expect(late.first?[.beganTopic] == 0)
    #expect(rows.filter { $0[.beganSequence] == 1 }.count == Shard.watchesPerTurn)
    // Also before there is a run.
    core.region.observations(shard: 0)[0].retire()
    core.shards[0].counters.observationOpened(0, of: 0, isLate: true)
    let empty = try #require(try Self.snapshot(core).observations.first)
    #expect(!empty.hasAllRuns && empty.whyRuns.isEmpty)
  }

  @Test(arguments: [1, 2])
  func whatHadToWaitBeforeTheRing(shards: Int) throws {
    let core = Self.pair(shards: shards)
    Self.publish(core, 1)
    let topic = try #require(try Self.snapshot(core).topics.first)
    Self.expect(topic[.readToRing], 1, at: 0)
  }

  @Test(arguments: [1, 2])
  func valuesAreThisOld(shards: Int) throws {
    let core = CoreHarness(shards: shards)
    core.hello(1)
    core.openTopic(1, "board", options: [.keyed])
    core.hello(2)
    core.subscribe(2, "board", ref: 5, events: 0)
    core.publish(1, LooseBatch.encoded([.init(key: "k", payload: "a")]))
    core.advance(milliseconds: 100)
    Self.grant(core, 10)
    let total = try Self.times(core).total
    Self.expect(total.histogram.buckets, 1, at: 100 * Self.ms)
    #expect(total.sumNs == 100 * Self.ms)
  }
}
