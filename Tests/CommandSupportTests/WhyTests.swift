import CommandSupport
import Counters
import Testing
import WireFormat

/// What became of an event, from counters that somebody has made up.
struct WhyTests {
  private let broker = FakeBroker()

  /// A topic with 100 events, and a subscription to it of which 20 are pending.
  private func answer(
    _ sequence: UInt64, topic: String = "hunt.loot", subscription: UInt64 = 12, topics: UInt32 = 1,
    lag: UInt64 = 20, blocked: BlockedCause = .creditBytes, isObserved: Bool = true,
    evictedThrough: UInt64 = 0,
    runs: [(fate: EventFate, detail: UInt32, first: UInt64, last: UInt64)] = []
  ) throws -> WhyAnswer? {
    broker.populate()
    broker.region.topics[0].set(.nextSequence, 101)
    broker.region.topics[0].set(.evictedThrough, evictedThrough)
    let row = broker.region.subscriptions(shard: 1)[5]
    row.set(.lagEvents, lag)
    row.set(.topics, topics)
    row.set(.deliveredEvents, runs.isEmpty ? 0 : 1)
    row.set(.blocked, blocked.rawValue)
    if isObserved {
      let seen = broker.region.observations(shard: 1).activate(2)
      seen.set(.id, 12)
      for (number, run) in runs.enumerated() {
        let at = number % 24 * 5
        seen.set(.why, at: at, ObservationRow.whyHead(topic: 7, run.fate, detail: run.detail))
        seen.set(.why, at: at + 1, run.first)
        seen.set(.why, at: at + 2, run.last)
        seen.set(.why, at: at + 3, 1_700_000_000_000_000_000)
        seen.set(.why, at: at + 4, 1_700_000_001_000_000_000)
      }
      seen.set(.runs, UInt64(runs.count))
    } else {
      broker.region.observations(shard: 1)[2].retire()
    }
    let memory = broker.region.memory
    let snapshot = try CountersSnapshot(tables: Set(CounterKind.allCases)) {
      memory.bytes(at: $0, count: $1)
    }
    return WhyAnswer(.init(subscription: subscription, topic: topic, sequence: sequence), snapshot)
  }

  @Test func aRunSaysWhatBecameOfItsEvents() throws {
    let runs: [(fate: EventFate, detail: UInt32, first: UInt64, last: UInt64)] = [
      (.delivered, 0, 11, 20), (.dropped, UInt32(GapCause.dropOldest.rawValue), 21, 30),
      (.expired, 0, 31, 40), (.sampled, 4, 41, 60), (.conflated, 0, 61, 80),
    ]
    func fate(_ sequence: UInt64) throws -> WhyAnswer.Fate? { try answer(sequence, runs: runs)?.fate }
    #expect(try fate(11) == .delivered && fate(20) == .delivered)
    #expect(try fate(21) == .dropped && fate(40) == .expired)
    #expect(try fate(44) == .delivered && fate(45) == .sampledOut)
    #expect(try fate(61) == .conflated)
    let dropped = try #require(try answer(25, runs: runs))
    #expect(dropped.cause == "dropOldest")
    #expect(
      dropped.line
        == "Event 25 of hunt.loot was dropped between 2023-11-14T22:13:20.000000000Z and "
        + "2023-11-14T22:13:21.000000000Z (dropOldest).")
  }

  @Test func whatAConflatedEventBecame() throws {
    let runs: [(fate: EventFate, detail: UInt32, first: UInt64, last: UInt64)] = [
      (.conflated, 0, 61, 80)
    ]
    var into = try #require(try answer(61, runs: runs))
    #expect(into.newestUpTo == 80)
    into.found(Self.own(), next: .init(sequence: 75, timeNs: 0))
    #expect(into.fate == .conflated && into.into == 75 && into.line.contains("75"))
    // One that came when the pass was over, and none.
    for next in [.init(sequence: 81, timeNs: Self.begunNs + 1_000_000_001), nil] as [
      WhyAnswer.Next?
    ] {
      var newest = try #require(try answer(61, runs: runs))
      newest.found(Self.own(), next: next)
      #expect(newest.fate == .delivered && newest.into == nil)
    }
    // One that came while the pass was under way may have kept it from being sent.
    var either = try #require(try answer(61, runs: runs))
    either.found(Self.own(), next: .init(sequence: 81, timeNs: Self.begunNs + 1_000_000_000))
    #expect(either.fate == .unknown && either.into == 81 && either.line.contains("81"))
  }

  private static let begunNs: UInt64 = 1_700_000_000_000_000_000

  private static func own(
    timeNs: UInt64 = 0, timeToLive: Duration? = nil, isTombstone: Bool = false
  ) -> WhyAnswer.Own {
    .init(timeNs: timeNs, timeToLive: timeToLive, isTombstone: isTombstone)
  }

  /// How far the topic must be read: to the end of the pass, in sequences and in time.
  @Test func theTopicIsReadToTheEndOfThePass() throws {
    let pass = try #require(try answer(61, runs: [(.conflated, 0, 61, 80)]))
    let endNs = Self.begunNs + 1_000_000_000
    #expect(pass.readsOn(behind: 79, timeNs: endNs + 1))
    #expect(!pass.readsOn(behind: 80, timeNs: endNs + 1))
    #expect(pass.readsOn(behind: 80, timeNs: endNs) && !pass.readsOn(behind: 100, timeNs: endNs))
  }

  /// Passes that were joined, one that was broken off, and a state whose past is forgotten.
  @Test func whatPassesCannotTellApart() throws {
    func found(
      _ runs: [(fate: EventFate, detail: UInt32, first: UInt64, last: UInt64)], next: UInt64?
    ) throws -> WhyAnswer {
      var answer = try #require(try answer(61, runs: runs))
      answer.found(Self.own(), next: next.map { .init(sequence: $0, timeNs: .max) })
      return answer
    }
    #expect(try found([(.passes, 0, 41, 80)], next: 70).fate == .unknown)
    #expect(try found([(.passes, 0, 41, 80)], next: nil).fate == .delivered)
    #expect(try found([(.passes, 0, 41, 80)], next: 81).fate == .delivered)
    #expect(try answer(61, runs: [(.broken, 0, 41, 80)])?.fate == .unknown)
    let restarted: [(fate: EventFate, detail: UInt32, first: UInt64, last: UInt64)] = [
      (.broken, 0, 41, 80), (.conflated, 0, 1, 90),
    ]
    #expect(try found(restarted, next: 85).fate == .unknown)
    #expect(try found(restarted, next: nil).fate == .delivered)
    // Of two passes the first, and before both what was sent.
    let both: [(fate: EventFate, detail: UInt32, first: UInt64, last: UInt64)] = [
      (.conflated, 0, 51, 65), (.conflated, 0, 1, 90),
    ]
    #expect(try found(both, next: 70).fate == .delivered)
    #expect(try found([(.conflated, 0, 1, 90)], next: 70).fate == .conflated)
    let before = try answer(61, runs: [(.delivered, 0, 51, 65), (.conflated, 0, 1, 90)])
    #expect(before?.fate == .delivered)
    // What was lost, and then came with the state.
    let lost: [(fate: EventFate, detail: UInt32, first: UInt64, last: UInt64)] = [
      (.conflated, 0, 1, 90), (.dropped, 1, 51, 65),
    ]
    #expect(try found(lost, next: nil).fate == .delivered)
  }

  @Test func whatAStateIsWithout() throws {
    let state: [(fate: EventFate, detail: UInt32, first: UInt64, last: UInt64)] = [
      (.conflated, 0, 1, 80)
    ]
    var deleted = try #require(try answer(61, runs: state))
    deleted.found(Self.own(isTombstone: true), next: nil)
    #expect(deleted.fate == .unknown && deleted.line.contains("deletes its key"))
    // There was no memory for more keys.
    var evicted = try #require(try answer(61, evictedThrough: 61, runs: state))
    evicted.found(Self.own(), next: nil)
    #expect(evicted.fate == .unknown && evicted.line.contains("no memory for more keys"))
    evicted = try #require(try answer(61, evictedThrough: 60, runs: state))
    evicted.found(Self.own(), next: nil)
    #expect(evicted.fate == .delivered)
  }

  /// Of passes that left out what was older than 100 ms, in a second.
  @Test func whatWasTheNewestAndMayHaveBeenTooOld() throws {
    let runs: [(fate: EventFate, detail: UInt32, first: UInt64, last: UInt64)] = [
      (.conflated, 100, 61, 80)
    ]
    let expected: [(UInt64, WhyAnswer.Fate)] = [
      (Self.begunNs - 200_000_000, .expired), (Self.begunNs, .unknown),
      (Self.begunNs + 950_000_000, .delivered),
    ]
    for (timeNs, fate) in expected {
      var newest = try #require(try answer(61, runs: runs))
      newest.found(Self.own(timeNs: timeNs), next: nil)
      #expect(newest.fate == fate, "\(newest.line)")
      // Its own time to live does the same.
      newest = try #require(try answer(61, runs: [(.conflated, 0, 61, 80)]))
      newest.found(Self.own(timeNs: timeNs, timeToLive: .milliseconds(100)), next: nil)
      #expect(newest.fate == fate, "\(newest.line)")
    }
  }

  @Test func whatWaitsInOneTopicOfSeveral() throws {
    // Nothing has been sent of this topic, and another has runs.
    let pending = try #require(try answer(90, topics: 2, lag: 30))
    #expect(pending.fate == .pending)
    #expect(pending.line.contains("not been sent yet, if it came after the subscription"))
    #expect(try answer(60, topics: 2, lag: 30)?.fate == .neverMatched)
  }

  @Test(arguments: BlockedCause.allCases) func whatIsPendingHasAReason(cause: BlockedCause) throws {
    let pending = try #require(
      try answer(81, blocked: cause, runs: [(.delivered, 0, 1, 80)]))
    #expect(pending.fate == .pending && pending.cause == "\(cause)")
    // Before anything was delivered.
    #expect(try answer(81, blocked: cause, isObserved: false)?.fate == .pending)
    #expect(try answer(80, blocked: cause, isObserved: false)?.fate == .neverMatched)
  }

  @Test func whatNeverMatched() throws {
    #expect(try answer(5, topic: "world.loot")?.cause == "pattern")
    #expect(try answer(5, runs: [(.delivered, 0, 11, 80)])?.cause == "began")
    #expect(try answer(101)?.fate == .notPublished)
    #expect(try answer(1, topic: "hunt.new")?.fate == .notPublished)
    #expect(try answer(1, subscription: 13) == nil)
  }

  /// What was sent is known at once, what is pending may be booked late.
  @Test func whatWaitsIsPendingThoughNothingIsBooked() throws {
    #expect(try answer(81, lag: 0, runs: [(.delivered, 0, 1, 80)])?.fate == .pending)
  }

  @Test func whatIsTooLongAgo() throws {
    var runs: [(fate: EventFate, detail: UInt32, first: UInt64, last: UInt64)] = []
    for number: UInt64 in 0..<30 {
      let fate: EventFate = number % 2 == 0 ? .delivered : .expired
      runs.append((fate, 0, 2 * number + 11, 2 * number + 12))
    }
    #expect(try answer(11, runs: runs)?.fate == .unknown)
    #expect(try answer(23, runs: runs)?.fate == .delivered)
    #expect(try answer(25, runs: runs)?.fate == .expired)
  }
}
