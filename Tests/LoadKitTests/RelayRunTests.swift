import LinuxIO
import Synchronization
import Testing

@testable import LoadKit

/// A relay on a thread of its own, for one run.
/// - Returns: how many connections it was asked for.
@discardableResult
private func withRelay(_ body: (UInt16) throws -> Void) throws -> Int {
  let isStopped = StopFlag()
  let ports = PortBox()
  let thread = try Thread.spawn(name: "relay") {
    do {
      var relay = try Relay()
      ports.set(relay.port)
      try relay.run { isStopped.flag.load(ordering: .relaxed) }
      isStopped.accepted.store(relay.accepted, ordering: .relaxed)
    } catch {
      ports.set(0)
    }
  }
  let port = ports.wait()
  let outcome = Result { try body(try #require(port)) }
  isStopped.flag.store(true, ordering: .relaxed)
  thread.join()
  try outcome.get()
  return isStopped.accepted.load(ordering: .relaxed)
}

private final class StopFlag: Sendable {
  let flag = Atomic<Bool>(false)
  let accepted = Atomic<Int>(0)
}

/// Passes the relay's port from its thread; 0 says that it failed.
private final class PortBox: Sendable {
  private let port = Atomic<Int>(-1)

  func set(_ value: UInt16) { port.store(Int(value), ordering: .releasing) }

  func wait() -> UInt16? {
    while port.load(ordering: .acquiring) < 0 { Thread.yield() }
    let value = port.load(ordering: .acquiring)
    return value > 0 ? UInt16(value) : nil
  }
}

private func plan(_ port: UInt16) -> LoadPlan {
  var plan = LoadPlan(peer: .relay, port: port)
  plan.warmupSeconds = 0.02
  plan.seconds = 0.1
  return plan
}

@Suite(.serialized) struct RelayRunTests {
  @Test(arguments: [(1, 1, 1), (1, 20, 1), (4, 4, 4), (2, 6, 2)])
  func flatOutEveryEventArrivesOnceAndInOrder(
    _ publishers: Int, _ subscribers: Int, _ topics: Int
  ) throws {
    try withRelay { port in
      var plan = plan(port)
      plan.publishers = publishers
      plan.subscribers = subscribers
      plan.topics = topics
      var moments: [LoadMoment] = []
      let result = try runLoad(plan) { moments.append($0) }
      #expect(result.verdict == .exact)
      #expect(result.published > 0)
      #expect(result.delivered == result.published * UInt64(subscribers / topics))
      #expect(result.eventsPerSecond > 0)
      #expect(moments == [.subscribed, .connected, .drained])
    }
  }

  @Test func aRoundEndsWhenAllSubscribersHaveAllOfIt() throws {
    try withRelay { port in
      var plan = plan(port)
      plan.subscribers = 50
      plan.pace = .rounds(events: 64)
      let result = try runLoad(plan)
      #expect(result.verdict == .exact)
      #expect(result.published % 64 == 0)
    }
  }

  /// Nothing here depends on how busy the machine is: the run ends when so many events have come,
  /// and they cannot come before they are due.
  @Test func atAFixedRateTheRateIsKeptAndEveryLatencyIsTaken() throws {
    try withRelay { port in
      var plan = plan(port)
      plan.seconds = 60
      plan.pace = .rate(5000)
      let wanted: UInt64 = 1000
      let startNs = Clock.monotonicNs()
      let result = try runLoad(plan, isStopped: { $0 >= wanted })
      let seconds = Double(Clock.monotonicNs() - startNs) / 1e9
      #expect(result.verdict == .exact)
      #expect(result.published >= wanted && result.delivered == result.published)
      // Too fast by a hundredth, or too slow by a factor of a hundred.
      #expect(Double(result.published - 1) <= seconds * 5000 * 1.01)
      #expect(seconds < 20)
      let latency = try #require(result.latency)
      #expect(latency.count == result.delivered - result.warmupDeliveries)
      #expect(latency.p50Ns > 0 && latency.p50Ns <= latency.maxNs)
    }
  }

  @Test func stalledSubscribersComeAndGo() throws {
    let accepted = try withRelay { port in
      var plan = plan(port)
      plan.pace = .rate(5000)
      plan.stalledSubscribers = 3
      plan.besideRounds = 2
      plan.besideMeasurements = 2
      plan.stallSeconds = 0.02
      var beside = 0
      let result = try runLoad(plan) { if $0 == .beside { beside += 1 } }
      #expect(result.verdict == .exact)
      #expect(beside == 2 && result.besideRounds.count == 4)
      for round in result.besideRounds {
        for phase in [round.before, round.beside, round.after] {
          #expect(phase.eventsPerSecond > 0 && phase.seconds >= 0.1)
          #expect(phase.latency.map { $0.count > 0 } == true)
        }
        #expect(try #require(round.shareOfRate) > 0)
      }
    }
    #expect(accepted == 1 + 1 + 2 * 3, "a publisher, a subscriber, and twice those that never read")
  }

  @Test func aPlanThatContradictsItselfIsRefused() {
    var plan = LoadPlan(peer: .relay, port: 1)
    plan.topics = 3
    #expect(throws: LoadError.self) { _ = try runLoad(plan) }
    plan.topics = 1
    plan.besideRounds = 1
    plan.pace = .idle
    #expect(throws: LoadError.self) { _ = try runLoad(plan) }
    plan = LoadPlan(peer: .relay, port: 1)
    plan.payloadBytes = 8
    #expect(throws: LoadError.self) { _ = try runLoad(plan) }
  }
}
