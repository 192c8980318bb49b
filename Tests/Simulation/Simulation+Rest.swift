import BrokerCore
import Counters
import WireFormat

// The end of a run: rest, at which everything that was promised must have come, and the end of all
// sessions, after which nothing may be in use.

extension Simulation {
  /// How often all are given a turn, without anybody getting anywhere, before it counts as never
  /// ending.
  private static let roundsMax = 4000
  /// And in all: a full pool that a stalled subscription frees page by page, each after its time,
  /// takes some hundred rounds a page.
  private static let roundsMaxInAll = 400_000
  /// Time that must pass without anything to do: longer than any timeout of a run.
  private static let quietNs: UInt64 = 5_000_000_000

  /// Whether nothing is on its way anywhere.
  private var isQuiet: Bool {
    drivers.allSatisfy { $0.isIdle }
      && links.allSatisfy {
        $0.isOver && $0.isClosedByBroker
          || $0.toBroker.isEmpty && $0.toClient.isEmpty && !$0.isFull
            && ($0.arrived.isEmpty || $0.isClosedByBroker)
            && ($0.clientEnd == .none || $0.hasArrivedEnd)
      }
  }

  /// Events that the broker has accepted so far.
  private var acceptedEvents: Int { ends().values.reduce(0) { $0 + Int($1.next) } }

  /// Lets everybody go on until there is nothing to do, and for some time more.
  private func settle(until isDone: () -> Bool = { false }) {
    var quietSinceNs: UInt64?
    var seen = progress
    var advanced = progress + acceptedEvents
    var roundsLeft = Self.roundsMax
    for _ in 0..<Self.roundsMaxInAll where roundsLeft > 0 {
      guard fault == nil, !isDone() else { return }
      roundsLeft -= 1
      if advanced != progress + acceptedEvents {
        advanced = progress + acceptedEvents
        roundsLeft = Self.roundsMax
      }
      for driver in drivers where !driver.isAsleep {
        repeat { driver.step(self) } while driver.phase != .begin && fault == nil
      }
      for link in links { move(link, most: 1 << 20) }
      links.removeAll { $0.isOver && $0.isClosedByBroker }
      nowNs += 1000
      if isQuiet {
        if progress != seen || quietSinceNs == nil {
          seen = progress
          quietSinceNs = nowNs
        }
        if let quietSinceNs, nowNs - quietSinceNs > Self.quietNs { return }
      }
      if drivers.allSatisfy({ $0.isIdle }) {
        // To what is due next, or somewhat beyond.
        let due = drivers.map { $0.deadlineNs }.min() ?? .max
        nowNs = max(nowNs + 20_000_000, min(due, nowNs + 400_000_000))
      }
      wakeThoseDue()
    }
    let busy = drivers.filter { !$0.isIdle }.map { "\($0.index): \($0.shard.reasonsToStayAwake)" }
    fail("it does not come to rest: shards \(busy), connections \(links.map(\.description))")
  }

  func comeToRest() {
    swarm.shortWritePercent = 0
    for client in clients {
      if client.session?.isHostile == true { client.reset() }
      client.link?.isStalled = false
    }
    for link in links { link.capacity = 1 << 20 }
    settle()
    isResting = true
    guard fault == nil else { return }
    for client in clients {
      guard let session = client.session, session.state == .open else { continue }
      for ref in session.subscriptions.keys.sorted() {
        var state = session.subscriptions[ref]!
        guard state.state != .closing else { continue }
        state.creditEvents = .max
        state.creditBytes = .max
        client.session!.subscriptions[ref] = state
        client.grant(ref, state)
      }
    }
    settle()
  }

  /// Everything that matched has come or is in a gap, and the accounts say the same.
  func checkRest() {
    let ends = ends()
    for (id, end) in ends {
      let name = String(decoding: broker.name(ofTopic: Int(id)), as: UTF8.self)
      model.checkCount(name, events: end.next - 1)
    }
    for client in clients {
      guard let session = client.session else { continue }
      if session.state != .open { fail("client \(client.index) was not welcomed") }
      for (ref, state) in session.publishers { check(client, ref, state) }
      for (ref, state) in session.subscriptions { check(client, ref, state, ends) }
    }
    checkAccounts()
  }

  private func check(_ client: Client, _ ref: UInt32, _ state: Session.PublisherState) {
    guard state.state == .open else {
      return fail("client \(client.index), publisher \(ref) is still \(state.state)")
    }
    let known = model.publishers[state.uid]!
    if state.wantsAck && known.acknowledged != known.sent {
      fail("publisher \(state.uid): ACK of \(known.acknowledged) of \(known.sent) events")
    }
    if state.isBlock && state.creditBytes <= state.sentBytes {
      fail("publisher \(state.uid) has no credit although nobody holds it back")
    }
  }

  private func check(
    _ client: Client, _ ref: UInt32, _ state: Session.SubscriptionState,
    _ ends: [UInt32: (first: UInt64, next: UInt64)]
  ) {
    let who = "client \(client.index), subscription \(ref) of \(state.pattern), \(state.policy)"
    guard state.state == .open else { return fail("\(who): is still \(state.state)") }
    for (id, end) in ends {
      let name = String(decoding: broker.name(ofTopic: Int(id)), as: UTF8.self)
      guard plainlyMatches(state.pattern, name) else { continue }
      if let next = state.next[id] {
        if next != end.next { fail("\(who): \(name) ends at \(end.next), \(next) was to come") }
      } else if let confirmed = state.confirmed[id] {
        if confirmed.next < end.next {
          fail("\(who): nothing of \(name) came, \(confirmed.next) to \(end.next)")
        }
      } else if end.next > 1 {
        fail("\(who): nothing of the later \(name) came")
      }
    }
  }

  /// The rows of the counters against what clients have counted.
  private func checkAccounts() {
    var delivered: UInt64 = 0
    var gaps: UInt64 = 0
    for client in clients {
      for state in client.session?.subscriptions.values.map({ $0 }) ?? [] {
        delivered += state.deliveredEvents
        gaps += state.gapEvents
      }
    }
    var bookedDelivered: UInt64 = 0
    var bookedLost: UInt64 = 0
    for driver in drivers {
      let table = region.subscriptions(shard: driver.index)
      for slot in 0..<swarm.limits.subscriptionsMax {
        let row = table[slot]
        guard row.get(.state) == CounterRowState.active.rawValue else { continue }
        bookedDelivered += row.get(.deliveredEvents)
        for cause in GapCause.allCases {
          bookedLost += row.get(.droppedEvents, at: Int(cause.rawValue))
        }
        if row.get(.lagEvents) != 0 || row.get(.lagBytes) != 0 {
          fail("subscription \(slot) lags by \(row.get(.lagEvents)) events at rest")
        }
      }
    }
    if delivered != bookedDelivered || gaps != bookedLost {
      fail("booked \(bookedDelivered) and \(bookedLost), came \(delivered) and \(gaps)")
    }
  }

  // MARK: The end

  func drain() {
    for link in links {
      link.capacity = 1 << 20
      link.isStalled = false
    }
    isDraining = true
    drainDeadlineNs = nowNs + 1_000_000_000
    for driver in drivers { driver.wake() }
    settle { self.drivers.allSatisfy { $0.shard.connectionCount == 0 && $0.incoming.isEmpty } }
    if fault == nil, nowNs > drainDeadlineNs + 3_000_000_000 { fail("draining took too long") }
  }

  func endEverything() {
    for client in clients where client.session != nil {
      if random.percent(50) && client.isOpen { client.perform(.close) } else { client.reset() }
    }
    settle()
    guard fault == nil else { return }
    for driver in drivers where driver.shard.usage != ShardUsage() {
      fail("shard \(driver.index) still has \(driver.shard.usage)")
    }
  }
}
