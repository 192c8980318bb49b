import Counters
import Testing
import WireFormat
import WireSupport

@testable import BrokerCore

/// Ring memory runs out: publishers wait a little or not at all, and never for ever.
@Suite struct ReclaimTests {
  static let topics = 40

  /// Cores whose shards have four pages of 2 KiB each.
  private func core(shards: Int, _ change: (inout BrokerLimits) -> Void = { _ in }) -> CoreHarness {
    var limits = CoreHarness.smallLimits
    limits.batchBytesMax = 1024
    limits.ringBytesLeft = 8192
    limits.blockTimeoutMs = 300
    change(&limits)
    return CoreHarness(limits, shards: shards)
  }

  private func batch(_ sequence: UInt64, bytes: Int = 900) -> [UInt8] {
    LooseBatch.encoded(
      [.init(payload: String(repeating: "x", count: bytes))], publisherSequence: sequence)
  }

  private func acks(_ core: CoreHarness, _ number: Int) -> Int {
    core.takeTypes(on: number).filter { $0 == .ack }.count
  }

  /// Sums of a subscription's row: matched, delivered, lost.
  private func account(_ core: CoreHarness, shard: Int, slot: Int = 0)
    -> (matched: UInt64, delivered: UInt64, lost: UInt64)
  {
    let row = core.region.subscriptions(shard: shard)[slot]
    let lost = GapCause.allCases.reduce(UInt64(0)) {
      $0 + row.get(.droppedEvents, at: Int($1.rawValue))
    }
    return (row.get(.matchedEvents), row.get(.deliveredEvents), lost)
  }

  /// More topics than pages, each with events: all are accepted, and all are delivered to whoever
  /// takes them.
  @Test(arguments: [1, 2, 3])
  func moreTopicsThanPages(shards: Int) {
    let core = core(shards: shards)
    core.hello(1)
    for number in 0..<Self.topics { core.openTopic(1, "hunt.\(number)", ref: UInt32(number + 1)) }
    core.hello(2)
    core.hello(3)
    core.subscribe(3, ">")
    // The publishers of shard 1 are forwarded, where there is one.
    for number in 0..<Self.topics { core.openTopic(2, "hunt.\(number)", ref: UInt32(number + 1)) }
    for number in 1...3 { _ = core.takeTypes(on: number) }
    for round in UInt64(1)...3 {
      for number in 0..<Self.topics {
        core.publish(1, batch(round), ref: UInt32(number + 1))
        core.publish(2, batch(round), ref: UInt32(number + 1))
      }
    }
    core.advance(milliseconds: 100)
    #expect(acks(core, 1) == 3 * Self.topics)
    #expect(acks(core, 2) == 3 * Self.topics)
    let account = account(core, shard: 2 % shards)
    #expect(account.matched == 6 * 40 && account.delivered == 6 * 40 && account.lost == 0)
    #expect(core.shards[0].pages.usedBytes - core.shards[0].heldBackBytes <= 8192)
  }

  /// All of that in one read: what nobody has been given a turn to take is not given up for more.
  @Test(arguments: [1, 2])
  func moreTopicsThanPagesAtOnce(shards: Int) {
    let core = core(shards: shards)
    core.hello(1)
    for number in 0..<Self.topics { core.openTopic(1, "hunt.\(number)", ref: UInt32(number + 1)) }
    core.hello(2)
    core.subscribe(2, ">")
    _ = core.takeTypes(on: 1)
    for round in UInt64(1)...3 {
      let all = (0..<Self.topics).flatMap {
        CoreHarness.publishFrame(batch(round), ref: UInt32($0 + 1))
      }
      core.send(all, on: 1)
      for _ in 0..<50 { core.advance(milliseconds: 1) }
    }
    #expect(acks(core, 1) == 3 * Self.topics)
    let account = account(core, shard: 1 % shards)
    #expect(account.matched == 120 && account.delivered == 120 && account.lost == 0)
  }

  /// Somebody takes nothing: the topics go on without it, and it is told what it missed.
  @Test(arguments: [1, 2])
  func aSubscriptionThatTakesNothing(shards: Int) {
    let core = core(shards: shards)
    core.hello(1)
    core.hello(2)
    core.subscribe(2, ">", events: 0)
    for number in 0..<Self.topics { core.openTopic(1, "hunt.\(number)", ref: UInt32(number + 1)) }
    _ = core.takeTypes(on: 1)
    for round in UInt64(1)...3 {
      for number in 0..<Self.topics {
        core.publish(1, batch(round), ref: UInt32(number + 1))
        core.advance(milliseconds: 10)
      }
    }
    #expect(acks(core, 1) == 3 * Self.topics)
    core.send(on: 2) {
      Credit(eventsTotal: .max, bytesTotal: .max).encode(into: &$0, ref: 1, correlation: 0)
    }
    let account = account(core, shard: 1 % shards)
    #expect(account.matched == 120 && account.delivered + account.lost == 120)
    #expect(account.lost > 100 && account.delivered > 0)
    // From here on nothing is missed.
    for number in 0..<Self.topics {
      core.publish(1, batch(4), ref: UInt32(number + 1))
      core.advance(milliseconds: 10)
    }
    #expect(self.account(core, shard: 1 % shards).delivered == account.delivered + 40)
  }

  /// All pages are kept by a lossless subscription of a block topic, which may keep them as long as
  /// the operator says once somebody else wants one.
  @Test(arguments: [1, 2], [0, 1 << 30] as [UInt32])
  func blockTopicsLetGoInTime(shards: Int, blockTimeoutMs: UInt32) {
    let core = core(shards: shards)
    core.hello(1)
    let open = OpenTopic(
      mode: .openOrCreate, options: [.block], ackLevel: .accepted, blockTimeoutMs: blockTimeoutMs,
      retentionBytes: 1 << 20, topic: "slow")
    core.send(on: 1) { open.encode(into: &$0, ref: 1, correlation: 2) }
    core.openTopic(1, "other", ref: 2)
    core.openTopic(1, "third", ref: 3)
    core.hello(2)
    core.openTopic(2, "third", ref: 1)
    core.subscribe(2, "slow", events: 0)
    for sequence in UInt64(1)...8 { core.publish(1, batch(sequence), ref: 1) }
    for number in 1...2 { _ = core.takeTypes(on: number) }
    // Behind the message that waits for a page is one for another topic.
    core.publish(1, batch(1), ref: 2)
    core.publish(2, batch(1), ref: 1)
    core.advance(milliseconds: 100)
    #expect(acks(core, 1) == 0 && acks(core, 2) == 0)
    core.advance(milliseconds: 500)
    #expect(acks(core, 1) == 1 && acks(core, 2) == 1)
    core.send(on: 2) {
      Credit(eventsTotal: .max, bytesTotal: .max).encode(into: &$0, ref: 1, correlation: 0)
    }
    let account = account(core, shard: 1 % shards)
    #expect(account.matched == 8 && account.delivered + account.lost == 8 && account.lost > 0)
    let row = core.region.subscriptions(shard: 1 % shards)[0]
    #expect(row.get(.droppedEvents, at: Int(GapCause.blockTimeout.rawValue)) == account.lost)
  }

  /// Who never held publishers back does not hear that it did so for too long, at rest or not.
  @Test(arguments: [1, 2], [1, 1000])
  func onlyWhoHeldBackTimedOut(shards: Int, stalledTailsMin: Int) {
    let core = core(shards: shards) { $0.stalledTailsMin = UInt32(stalledTailsMin) }
    core.hello(1)
    let open = OpenTopic(
      mode: .openOrCreate, options: [.block], ackLevel: .accepted, blockTimeoutMs: 0,
      retentionBytes: 1 << 20, topic: "slow")
    core.send(on: 1) { open.encode(into: &$0, ref: 1, correlation: 2) }
    core.openTopic(1, "other", ref: 2)
    core.hello(2)
    core.subscribe(2, "slow", ref: 1, events: 0)
    core.subscribe(2, "slow", ref: 2, policy: .dropOldest, events: 0)
    for sequence in UInt64(1)...8 { core.publish(1, batch(sequence), ref: 1) }
    core.publish(1, batch(1), ref: 2)
    core.advance(milliseconds: 600)
    let rows = core.region.subscriptions(shard: 1 % shards)
    let timedOut = Int(GapCause.blockTimeout.rawValue)
    #expect(rows[0].get(.droppedEvents, at: timedOut) > 0)
    #expect(rows[1].get(.droppedEvents, at: timedOut) == 0)
    #expect(rows[1].get(.droppedEvents, at: Int(GapCause.ringOverrun.rawValue)) > 0)
  }

  /// The only page is being given up when somebody becomes lossless who has not had it.
  @Test(arguments: [1, 2])
  func aRingThatIsGivenUpIsHeldBackForATime(shards: Int) {
    let core = core(shards: shards) { $0.ringBytesLeft = 2048 }
    core.hello(1)
    core.openTopic(1, "slow", ref: 1, options: [.block])
    core.openTopic(1, "other", ref: 2)
    core.hello(2)
    core.subscribe(2, "slow", policy: .dropOldest, events: 0)
    core.publish(1, batch(1), ref: 1)
    _ = core.takeTypes(on: 1)
    core.publish(1, batch(1), ref: 2)
    #expect(core.shards[0].vacatingTopics.count == 1)
    core.send(on: 2) { SetPolicy(policy: .lossless).encode(into: &$0, ref: 1, correlation: 9) }
    core.advance(milliseconds: 200)
    #expect(acks(core, 1) == 0)
    core.advance(milliseconds: 400)
    #expect(acks(core, 1) == 1)
    let row = core.region.subscriptions(shard: 1 % shards)[0]
    #expect(row.get(.droppedEvents, at: Int(GapCause.blockTimeout.rawValue)) == 1)
  }

  /// The one page of the pool is its only topic's last one.
  @Test(arguments: [1, 2])
  func aRingGivesUpItsOwnLastPage(shards: Int) {
    let core = core(shards: shards) { $0.ringBytesLeft = 2048 }
    core.hello(1)
    core.openTopic(1, "hunt")
    core.hello(2)
    core.subscribe(2, "hunt")
    _ = core.takeTypes(on: 1)
    for sequence in UInt64(1)...20 { core.publish(1, batch(sequence)) }
    core.advance(milliseconds: 10)
    #expect(acks(core, 1) == 20)
    let account = account(core, shard: 1 % shards)
    #expect(account.matched == 20 && account.delivered == 20 && account.lost == 0)
    // What is gone is told to whoever asks for it.
    core.hello(3)
    let subscribe = Subscribe(
      policy: .lossless, start: .sequence, startValue: 3, eventsTotal: .max, bytesTotal: .max,
      pattern: "hunt")
    let none: [UInt8] = []
    core.send(on: 3) {
      unsafe subscribe.encode(into: &$0, ref: 1, correlation: 3, positions: none.span.bytes)
    }
    let late = self.account(core, shard: 0, slot: shards == 1 ? 1 : 0)
    #expect(late.matched == 18 && late.lost + late.delivered == 18 && late.lost > 0)
  }

  /// A pattern that could not be linked to a topic ends by name, and nobody else gets to use it.
  @Test func aPatternThatMissesATopic() throws {
    var limits = CoreHarness.smallLimits
    limits.linksMax = 2
    let core = CoreHarness(limits, shards: 2)
    core.hello(1)
    core.hello(2)
    core.hello(4)
    core.subscribe(2, "hunt.*")
    core.openTopic(1, "hunt.1", ref: 1)
    core.openTopic(1, "hunt.2", ref: 2)
    _ = core.takeTypes(on: 4)
    // The third topic is noticed in the turn that brings another subscription of the same pattern.
    var open = FrameWriter()
    _ = OpenTopic(mode: .openOrCreate, options: [], ackLevel: .accepted, topic: "hunt.3")
      .encode(into: &open, ref: 3, correlation: 1)
    core.sendAlone(open.array, on: 1)
    var subscribe = FrameWriter()
    let none: [UInt8] = []
    _ = unsafe Subscribe(
      policy: .lossless, start: .latest, eventsTotal: 1, bytesTotal: 1000, pattern: "hunt.*"
    ).encode(into: &subscribe, ref: 1, correlation: 1, positions: none.span.bytes)
    core.sendAlone(subscribe.array, on: 4)
    core.pump()
    #expect(core.errorCodes(on: 4) == [.memoryExhausted])
    #expect(try core.closeReason(on: 2) == .cursorMemory)
  }

  /// A pool that is full stays full: one look through all rings is for many pages, and it is the
  /// large rings that give up theirs.
  @Test(arguments: [1, 2])
  func oneLookFreesManyPages(shards: Int) {
    var limits = CoreHarness.smallLimits
    limits.ringBytes = (8 << 20) * shards
    limits.topicRetentionBytes = 4 << 20
    let core = CoreHarness(limits, shards: shards)
    core.hello(1)
    for number in UInt32(1)...12 { core.openTopic(1, "hunt.\(number)", ref: number) }
    for round in UInt64(1)...6 {
      for ref in UInt32(9)...12 { core.publish(1, batch(round), ref: ref) }
    }
    let large = String(repeating: "x", count: 60_000)
    let rounds: UInt64 = 40
    for round in 1...rounds {
      for ref in UInt32(1)...8 {
        let batch = LooseBatch.encoded([.init(payload: large)], publisherSequence: round)
        core.publish(1, batch, ref: ref)
      }
    }
    let shard = core.shards[0]
    #expect(acks(core, 1) == 24 + 8 * Int(rounds))
    // 20 MB came to a pool of 8 MiB.
    #expect(shard.reclaimEpoch >= 2 && shard.reclaimEpoch <= 40)
    #expect(shard.pages.usedBytes <= shard.pages.capacityBytes / 4 * 3 + (64 << 10))
    for id in 9...12 { #expect(shard.view(ofTopic: id)?.firstSequence == 1) }
    let firsts = (1...8).compactMap { shard.view(ofTopic: $0)?.firstSequence }
    #expect(firsts.count == 8 && firsts.allSatisfy { $0 > 20 && $0 < 40 })
  }

  /// Subscriptions of other shards are out of the oldest pages in one round between the shards.
  @Test func manyPagesInOneRound() {
    var limits = CoreHarness.smallLimits
    limits.ringBytes = 8 << 20
    limits.topicRetentionBytes = 2 << 20
    let core = CoreHarness(limits, shards: 2)
    core.hello(1)
    core.hello(2)
    for number in UInt32(1)...4 { core.openTopic(1, "hunt.\(number)", ref: number) }
    core.subscribe(2, ">", events: 0)
    let large = String(repeating: "x", count: 60_000)
    for round in UInt64(1)...30 {
      for ref in UInt32(1)...4 {
        let batch = LooseBatch.encoded([.init(payload: large)], publisherSequence: round)
        core.publish(1, batch, ref: ref)
      }
      core.advance(milliseconds: 2)
    }
    core.advance(milliseconds: 10)
    let account = account(core, shard: 1)
    #expect(acks(core, 1) == 120 && account.matched == 120 && account.lost > 40)
    #expect(core.shards[0].reclaimEpoch < 40)
  }
}
