import Counters
import Testing
import WireFormat
import WireSupport

@testable import BrokerCore

/// Subscriptions that nothing can be sent to cost an event nothing, and miss nothing by it: their
/// accounts, their places and their bounds are as if they had been told of every event.
@Suite struct RestingTests {
  private static func limits() -> BrokerLimits {
    var limits = CoreHarness.smallLimits
    limits.stalledTailsMin = 2
    return limits
  }

  private func publish(_ core: CoreHarness, _ range: ClosedRange<UInt64>, ref: UInt32 = 1) {
    for sequence in range {
      core.publish(
        1, LooseBatch.encoded([.init(payload: "x")], publisherSequence: sequence), ref: ref)
    }
  }

  private func row(_ core: CoreHarness, shard: Int = 0, _ slot: Int = 0) -> SubscriptionRow {
    core.region.subscriptions(shard: shard)[slot]
  }

  private func credit(_ core: CoreHarness, _ number: Int, _ events: UInt64 = .max) {
    core.send(on: number) {
      Credit(eventsTotal: events, bytesTotal: .max).encode(into: &$0, ref: 1, correlation: 0)
    }
  }

  /// Sequences of what a client got, and what it was told it did not get.
  private func take(_ core: CoreHarness, _ number: Int) throws -> (got: [UInt64], lost: [UInt64]) {
    var got: [UInt64] = []
    var lost: [UInt64] = []
    var buffered: [[UInt8]] = []
    while let connection = core.connections[number], !connection.incoming.isEmpty {
      if let frame = try core.receive(on: number) { buffered.append(frame) }
    }
    for frame in buffered {
      try unsafe frame.withUnsafeBytes { bytes in
        guard let view = try unsafe nextFrame(in: bytes, at: 0, lengthMax: 1 << 20) else { return }
        if view.header.type == .gap {
          var reader = unsafe FrameReader(view, in: bytes)
          let gap = try Gap(reader: &reader)
          lost += Array(gap.first...gap.last)
        } else if view.header.type == .deliver {
          var at = 24
          while at < bytes.count {
            let batch = unsafe BatchRef(bytes.baseAddress! + at)
            got.append(batch.sequence)
            at += batch.paddedLength
          }
        }
      }
    }
    return (got, lost)
  }

  @Test(arguments: [1, 2])
  func itsAccountIsLateAndThenExact(shards: Int) throws {
    let core = CoreHarness(Self.limits(), shards: shards)
    core.hello(1)
    core.openTopic(1, "hunt")
    core.hello(2)
    core.subscribe(2, "hunt", events: 0)
    publish(core, 1...50)
    let shard = core.shards[1 % shards]
    #expect(shard.restingCount == 1)
    core.advance(milliseconds: 30)
    let row = row(core, shard: 1 % shards)
    #expect(row.get(.matchedEvents) == 50 && row.get(.lagEvents) == 50)
    #expect(row.get(.matchedBytes) == row.get(.lagBytes))
    // With nothing new there is nothing to book, and no time to wake up for.
    #expect(shard.bookingDeadlineNs == nil)
    credit(core, 2)
    #expect(shard.restingCount == 0)
    #expect(try take(core, 2).got == Array(1...50))
    #expect(row.get(.deliveredEvents) == 50 && row.get(.lagEvents) == 0)
    publish(core, 51...52)
    #expect(try take(core, 2).got == [51, 52])
  }

  /// An event costs no look at those that rest: their rows are not written.
  @Test func nothingIsWrittenForThoseThatRest() throws {
    let core = CoreHarness(Self.limits())
    core.hello(1)
    core.openTopic(1, "hunt")
    core.hello(2)
    core.subscribe(2, "hunt", events: 0)
    publish(core, 1...20)
    core.advance(milliseconds: 30)
    publish(core, 21...21)
    core.advance(milliseconds: 30)
    // The clock stands still from here on.
    publish(core, 22...22)
    let before = row(core).get(.matchedEvents)
    publish(core, 23...200)
    #expect(row(core).get(.matchedEvents) == before)
    core.advance(milliseconds: 30)
    #expect(row(core).get(.matchedEvents) == 200)
  }

  /// A socket that takes nothing, with all the credit there is.
  @Test func aFullSocketRestsAndGoesOn() throws {
    let core = CoreHarness(Self.limits())
    core.hello(1)
    core.openTopic(1, "hunt")
    core.hello(2)
    core.subscribe(2, "hunt")
    _ = core.takeTypes(on: 2)
    core.connections[2]?.room = 10
    publish(core, 1...40)
    #expect(core.shards[0].restingCount == 1)
    core.unblock(2)
    #expect(core.shards[0].restingCount == 0)
    #expect(try take(core, 2).got == Array(1...40))
  }

  /// One with many topics gets a cursor in each with its first event, also in topics that are new.
  @Test func aRestingPatternMissesNoTopic() throws {
    let core = CoreHarness(Self.limits())
    core.hello(1)
    core.openTopic(1, "a.1", ref: 1)
    core.openTopic(1, "a.2", ref: 2)
    core.hello(2)
    core.subscribe(2, "a.*", events: 0)
    publish(core, 1...20, ref: 1)
    #expect(core.shards[0].restingCount == 1)
    publish(core, 1...3, ref: 2)
    core.openTopic(1, "a.3", ref: 3)
    publish(core, 1...4, ref: 3)
    publish(core, 21...22, ref: 1)
    #expect(core.shards[0].restingCount == 1)
    core.advance(milliseconds: 30)
    #expect(row(core).get(.matchedEvents) == 29 && row(core).get(.lagEvents) == 29)
    credit(core, 2)
    #expect(row(core).get(.deliveredEvents) == 29)
  }

  /// Two that began to rest at different places; one of them ends, and its account is whole.
  @Test func whoEndsHasAWholeAccount() throws {
    let core = CoreHarness(Self.limits())
    core.hello(1)
    core.openTopic(1, "hunt")
    core.hello(2)
    core.subscribe(2, "hunt", ref: 1, events: 3)
    core.subscribe(2, "hunt", ref: 2, events: 0)
    publish(core, 1...30)
    #expect(core.shards[0].restingCount == 2)
    _ = core.takeTypes(on: 2)
    core.send(on: 2) { Unsubscribe().encode(into: &$0, ref: 1, correlation: 9) }
    let frame = try #require(try core.receive(on: 2))
    try unsafe frame.withUnsafeBytes { bytes in
      let view = try #require(try unsafe nextFrame(in: bytes, at: 0, lengthMax: 1 << 20))
      var reader = unsafe FrameReader(view, in: bytes)
      let account = try Unsubscribed(reader: &reader)
      #expect(account.matchedEvents == 30 && account.deliveredEvents == 3)
      #expect(account.closedEvents == 27)
    }
    #expect(core.shards[0].restingCount == 1)
  }

  /// What the ring runs over is lost to all that rest at once, and each is told of it in one GAP.
  @Test(arguments: [1, 2])
  func whatTheRingRanOverIsOneGap(shards: Int) throws {
    var limits = Self.limits()
    limits.topicRetentionBytes = 16 << 10
    let core = CoreHarness(limits, shards: shards)
    core.hello(1)
    core.openTopic(1, "hunt")
    for number in [2, 4] {
      core.hello(number)
      core.subscribe(number, "hunt", policy: number == 4 ? .dropOldest : .lossless, events: 0)
      _ = core.takeTypes(on: number)
    }
    publish(core, 1...1000)
    core.advance(milliseconds: 30)
    publish(core, 1001...1500)
    let shard = core.shards[1 % shards]
    #expect(shard.restingCount == 2)
    let lost = Int(GapCause.ringOverrun.rawValue)
    for slot in 0..<2 {
      let row = row(core, shard: 1 % shards, slot)
      // Some is booked before anybody asks.
      #expect(row.get(.droppedEvents, at: lost) > 0)
    }
    for number in [2, 4] {
      credit(core, number)
      let (got, lost) = try take(core, number)
      #expect(lost.first == 1 && got.last == 1500 && lost + got == Array(1...1500))
      #expect(core.takeTypes(on: number).isEmpty)
    }
    for slot in 0..<2 {
      let row = row(core, shard: 1 % shards, slot)
      #expect(row.get(.matchedEvents) == 1500 && row.get(.lagEvents) == 0)
      #expect(row.get(.deliveredEvents) + row.get(.droppedEvents, at: lost) == 1500)
      #expect(row.get(.gaps) >= 1 && row.get(.gaps) < 10)
    }
    #expect(shard.usage.cursors == 0)
  }

  /// The bounds of policy disconnect hold to the event, resting or not.
  @Test func disconnectComesInTime() throws {
    let core = CoreHarness(Self.limits())
    core.hello(1)
    core.openTopic(1, "hunt")
    for (number, bound) in [(2, UInt64(30)), (3, 40), (4, 50)] {
      core.hello(number)
      core.subscribe(number, "hunt", policy: .disconnect, lagEventsMax: bound, events: 0)
    }
    publish(core, 1...30)
    #expect(core.shards[0].restingCount == 3)
    #expect(core.connections[2]?.isShut == false)
    publish(core, 31...31)
    #expect(try core.closeReason(on: 2) == .slowSubscriber)
    publish(core, 32...40)
    #expect(core.connections[3]?.isShut == false)
    publish(core, 41...41)
    #expect(try core.closeReason(on: 3) == .slowSubscriber)
    credit(core, 4, 5)
    publish(core, 42...55)
    #expect(core.connections[4]?.isShut == false)
    publish(core, 56...56)
    #expect(try core.closeReason(on: 4) == .slowSubscriber)
  }

  /// Publishers of a block topic wait for those that rest, too, and go on when these do.
  @Test(arguments: [1, 2])
  func aBlockTopicWaitsForThoseThatRest(shards: Int) throws {
    var limits = Self.limits()
    limits.topicRetentionBytes = 16 << 10
    limits.blockTimeoutMs = 60_000
    let core = CoreHarness(limits, shards: shards)
    core.hello(1)
    core.openTopic(1, "hunt", options: .block)
    core.hello(2)
    core.subscribe(2, "hunt", events: 0)
    _ = core.takeTypes(on: 2)
    let shard = core.shards[1 % shards]
    publish(core, 1...30)
    #expect(shard.restingCount == 1)
    let shared = core.broker.topic(1)
    #expect(shared.gate(shard: 1 % shards) == 0 && shared.hold(shard: 1 % shards) <= 1)
    credit(core, 2, 10)
    #expect(shared.gate(shard: 1 % shards) > 0)
    publish(core, 31...60)
    #expect(shard.restingCount == 1)
    credit(core, 2)
    #expect(try take(core, 2).got == Array(1...60))
  }

  /// Policy latest on a keyed topic: it rests in the ring, leaves it when the ring runs over it,
  /// rests again, and is sent the newest of each key when it grants something.
  @Test(arguments: [1, 2])
  func whatConflatesRestsInTheRingAndOutOfIt(shards: Int) throws {
    var limits = Self.limits()
    limits.batchBytesMax = 1024
    limits.ringBytesLeft = 8192
    let test = Selection(shards: shards, limits)
    test.subscribe(SetPolicy(policy: .latest))
    let shard = test.core.shards[test.core.connections[2]!.shard]
    let keys = ["a", "b", "c", "d"]
    let filling = String(repeating: "x", count: 880)
    var sequence: UInt64 = 0
    func publish(_ count: Int, milliseconds: Int, _ filling: String) {
      for _ in 0..<count {
        sequence += 1
        test.publish(sequence, (keys[Int(sequence % 4)], "\(sequence)\(filling)"))
        if milliseconds > 0 { test.core.advance(milliseconds: milliseconds) }
      }
    }
    publish(6, milliseconds: 1, "")
    #expect(shard.restingCount == 1 && shard.passes.used == 0)
    publish(60, milliseconds: 1, filling)
    #expect(shard.restingCount == 1 && shard.passes.used == 1)
    publish(2, milliseconds: 30, "")
    // The clock stands still from here on, and nothing is written for what rests.
    publish(1, milliseconds: 0, "")
    let before = test.ledger.matched.events
    publish(20, milliseconds: 0, "")
    #expect(test.ledger.matched.events == before && shard.restingCount == 1)
    test.grant()
    #expect(shard.restingCount == 0)
    let newest = (sequence - 3...sequence).map { number in
      Selection.Sent.event(number, keys[Int(number % 4)], "\(number)")
    }
    let sent = try test.taken()
    #expect(sent.count == 5 && newest.allSatisfy(sent.contains))
    #expect(sent.last == .passed(.conflated, 1, sequence, sequence - 4))
    let ledger = test.ledger
    #expect(ledger.matched == ledger.sum && ledger.lag.events == 0)
    #expect(ledger.delivered.events == 4 && ledger.conflated.events == sequence - 4)
    // And it is told of what comes next as ever.
    test.publish(sequence + 1, ("a", "1"))
    #expect(try test.taken() == [.event(sequence + 1, "a", "1")])
  }

  /// Patterns that conflate and match many topics: where the ring runs over one topic after the
  /// other, nobody is roused, which would move the cursors in all of them each time.
  @Test(arguments: [1, 2])
  func whatConflatesManyTopicsLeavesEachRingApart(shards: Int) throws {
    var limits = Self.limits()
    limits.topicRetentionBytes = 16 << 10
    let core = CoreHarness(limits, shards: shards)
    let topics: ClosedRange<UInt32> = 1...8
    let subscribers = [2, 4, 6]
    core.hello(1)
    for ref in topics { core.openTopic(1, "a.\(ref)", ref: ref, options: .keyed) }
    for number in subscribers {
      core.hello(number)
      core.subscribe(number, "a.*", policy: .latest, events: 0)
    }
    func publish(_ sequence: UInt64, _ filling: String, ref: UInt32) {
      let key = "\(sequence % 4)"
      core.publish(1, Selection.batch(sequence, [(key, filling)]), ref: ref)
    }
    for sequence in UInt64(1)...20 {
      for ref in topics { publish(sequence, "", ref: ref) }
    }
    let shard = core.shards[1 % shards]
    let places = subscribers.count * topics.count
    #expect(shard.restingCount == subscribers.count && shard.passes.used == 0)
    #expect(shard.usage.cursors == places)
    let rests = shard.restNumber
    let filling = String(repeating: "x", count: 4000)
    for ref in topics {
      for sequence in UInt64(21)...60 { publish(sequence, filling, ref: ref) }
      // Each has left this ring, and the rings that are still whole keep their places.
      #expect(shard.passes.used == Int(ref) * subscribers.count)
      #expect(shard.restingCount == subscribers.count)
    }
    #expect(shard.restNumber == rests)
    for number in subscribers { credit(core, number) }
    #expect(shard.restingCount == 0 && shard.usage.cursors == 0)
    for slot in subscribers.indices {
      let ledger = row(core, shard: 1 % shards, slot).ledger
      #expect(ledger.matched.events == 60 * UInt64(topics.count) && ledger.lag.events == 0)
      #expect(ledger.matched == ledger.sum && ledger.delivered.events == 4 * UInt64(topics.count))
    }
  }

  /// A client that is sent the state first and takes little of it rests as well: rows are not
  /// written for it, and it gets the rest of the state before what came meanwhile.
  @Test(arguments: [1, 2], [UInt64(0), 2])
  func whatBeginsWithAStateRests(shards: Int, credit: UInt64) throws {
    let test = Selection(shards: shards, Self.limits())
    let shard = test.core.shards[test.core.connections[2]!.shard]
    test.publish(1, ("a", "1"), ("b", "2"), ("c", "3"))
    test.subscribe(SetPolicy(policy: .lossless), start: .state, events: credit)
    let first = try test.taken()
    #expect(first.count { Selection.isEvent($0) } == Int(credit))
    for sequence in UInt64(4)...9 { test.publish(sequence, ("d", "\(sequence)")) }
    #expect(shard.restingCount == 1 && shard.passes.used == 1)
    test.core.advance(milliseconds: 30)
    test.publish(10, ("d", "10"))
    test.core.advance(milliseconds: 30)
    // The clock stands still from here on.
    test.publish(11, ("a", "11"))
    let before = test.ledger.matched.events
    for sequence in UInt64(12)...20 { test.publish(sequence, ("d", "\(sequence)")) }
    #expect(test.ledger.matched.events == before && shard.restingCount == 1)
    test.grant()
    let sent = first + (try test.taken())
    // Key a has a newer record by then, which comes behind the state.
    let state = sent.prefix { if case .passed = $0 { false } else { true } }
    #expect(state.first == .reset && state.contains(.event(2, "b", "2")))
    #expect(state.contains(.event(3, "c", "3")))
    let ring = sent.dropFirst(state.count + 1)
    let events = (UInt64(4)...20).map { Selection.Sent.event($0, $0 == 11 ? "a" : "d", "\($0)") }
    #expect(Array(ring) == events)
    #expect(test.ledger.matched == test.ledger.sum && test.ledger.lag.events == 0)
    #expect(shard.restingCount == 0 && shard.usage.cursors == 0 && shard.passes.used == 0)
  }

  /// The ring runs over one that rests before it has been sent its state: what is lost behind the
  /// state is told behind it; what conflates is sent the state anew instead, up to now.
  @Test(arguments: [1, 2], [Policy.lossless, .latest])
  func theRingRunsOverWhoAwaitsAState(shards: Int, policy: Policy) throws {
    var limits = Self.limits()
    limits.topicRetentionBytes = 16 << 10
    let test = Selection(shards: shards, limits)
    let shard = test.core.shards[test.core.connections[2]!.shard]
    test.publish(1, ("a", "1"), ("b", "2"))
    test.subscribe(SetPolicy(policy: policy), start: .state)
    for sequence in UInt64(3)...20 { test.publish(sequence, ("c", "\(sequence)")) }
    #expect(shard.restingCount == 1)
    let rests = shard.restNumber
    let filling = String(repeating: "x", count: 4000)
    for sequence in UInt64(21)...60 { test.publish(sequence, ("d", filling)) }
    for sequence in UInt64(61)...64 { test.publish(sequence, ("a", "\(sequence)")) }
    #expect(shard.restingCount == 1 && shard.restNumber == rests)
    test.grant()
    let sent = try test.taken()
    #expect(sent.first == .reset)
    let gap = sent.firstIndex { if case .gap(3, _) = $0 { true } else { false } }
    let passed = try #require(sent.firstIndex { if case .passed = $0 { true } else { false } })
    if policy == .lossless {
      #expect(gap == passed + 1 && sent.last == .event(64, "a", "64"))
      #expect(sent.contains(.event(2, "b", "2")) && !sent.contains(.event(20, "c", "20")))
    } else {
      #expect(gap == nil && passed == sent.count - 1)
      let state = [Selection.Sent.event(2, "b", "2"), .event(20, "c", "20"), .event(64, "a", "64")]
      #expect(passed == 5 && state.allSatisfy(sent.contains))
    }
    #expect(test.ledger.matched == test.ledger.sum && test.ledger.lag.events == 0)
    #expect(shard.restingCount == 0 && shard.usage.cursors == 0 && shard.passes.used == 0)
  }
}
