import Counters
import Testing
import WireFormat

@testable import BrokerCore

/// However much policies leave out, and however many have fallen behind: a turn ends, nobody's
/// memory is taken, and all of it goes on.
@Suite struct SelectionTurnTests {
  /// Records that nobody is sent, for age, cost no credit; a whole state of them takes several
  /// turns.
  @Test func aStateOfWhatIsTooOldTakesSeveralTurns() throws {
    var limits = CoreHarness.smallLimits
    limits.stateBytes = 64 << 20
    let test = Selection(shards: 1, limits)
    let keys = 2 * Shard.looksPerTurn
    for first in stride(from: 0, to: keys, by: 2048) {
      let events = (first..<(first + 2048)).map { ("\($0)", Optional("")) }
      test.core.publish(1, Selection.batch(UInt64(first + 1), events))
    }
    test.subscribe(SetPolicy(policy: .latest, lagMsMax: 1), start: .state)
    test.core.advance(milliseconds: 100)
    test.grantAlone()
    let shard = test.core.shards[0]
    #expect(shard.looksInTurn >= Shard.looksPerTurn && shard.looksInTurn < keys)
    #expect(shard.hasTransmit)
    #expect(try test.taken() == [.reset])
    test.core.pump()
    #expect(try test.taken() == [.passed(.conflated, 0, UInt64(keys), 0)])
  }

  /// So does a ring of which a sample wants nothing.
  @Test func aSampleOfNothingTakesSeveralTurns() throws {
    let test = Selection(shards: 1, options: [])
    test.subscribe(SetPolicy(policy: .sample, sampleEvery: .max))
    let batches = UInt64(2 * Shard.looksPerTurn)
    for first in stride(from: UInt64(1), through: batches, by: 2048) {
      test.core.publish(
        1, (first..<(first + 2048)).flatMap { Selection.batch($0, [("a", "")]) })
    }
    test.grantAlone()
    let shard = test.core.shards[0]
    #expect(shard.hasTransmit && test.ledger.lag.events > 0)
    test.core.pump()
    let sent = try test.taken()
    #expect(sent.allSatisfy { !Selection.isEvent($0) })
    #expect(test.ledger.sampled.events == batches && test.ledger.lag.events == 0)
  }

  /// A change of policy looks at every topic of its subscription; a flood of them is worked off in
  /// portions.
  @Test func aFloodOfPoliciesTakesSeveralTurns() throws {
    let core = CoreHarness()
    core.hello(1)
    for ref in UInt32(1)...60 { core.openTopic(1, "topic.\(ref)", ref: ref) }
    core.hello(2)
    core.subscribe(2, ">", ref: 5)
    _ = core.takeTypes(on: 2)
    let changes = Shard.scansPerTurn / 60 * 2
    var writer = FrameWriter(reserving: changes * 64)
    for i in 0..<changes {
      let policy = SetPolicy(policy: i % 2 == 0 ? .latest : .lossless)
      let fits = policy.encode(into: &writer, ref: 5, correlation: 1)
      #expect(fits)
    }
    core.sendAlone(writer.array, on: 2)
    let first = core.takeTypes(on: 2).count
    #expect(first > 0 && first < changes)
    core.pump()
    #expect(core.takeTypes(on: 2).count == changes - first)
  }

  /// All subscribers of a topic fall behind at once: those for whose newest events there is no
  /// memory yet wait, and no session ends over it.
  @Test func manyThatFallBehindAtOnceWaitForOneAnother() throws {
    var limits = CoreHarness.smallLimits
    limits.controlBytesPerSession = 64 << 10
    limits.outputBytes = 256 << 10
    limits.inputBytes = 2 << 20
    let core = CoreHarness(limits, shards: 2)
    core.hello(1)
    core.openTopic(1, "map", options: .keyed)
    // On the other shard.
    let subscribers = Array(stride(from: 2, through: 60, by: 2))
    for number in subscribers {
      core.hello(number)
      core.subscribe(number, "map", policy: .latest)
      _ = core.takeTypes(on: number)
    }
    core.sendAlone(
      CoreHarness.publishFrame(Selection.batch(1, [("a", "1"), ("b", "1"), ("a", "2")])), on: 1)
    core.stop(milliseconds: 100)
    core.pump()
    for number in subscribers {
      let types = core.takeTypes(on: number)
      #expect(types.filter { $0 != .topicInfo } == [.deliverSelected, .passed])
    }
    #expect(core.shards.allSatisfy { $0.outputPool.usedBytes == 0 && $0.passBytes == 0 })
  }
}
