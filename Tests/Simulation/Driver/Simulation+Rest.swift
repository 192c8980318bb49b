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

  /// One turn for every shard that is awake, and one movement of every connection.
  func turnRound() {
    for driver in drivers where !driver.isAsleep { driver.step(self, isWhole: true) }
    for link in links { move(link, most: 1 << 20) }
    links.removeAll { $0.isOver && $0.isClosedByBroker }
    clock.advance(by: 1000)
  }

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
      turnRound()
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
        let until = max(nowNs + 20_000_000, min(due, nowNs + 400_000_000))
        clock.advance(by: until - nowNs)
      }
      wakeThoseDue()
    }
    guard fault == nil else { return }
    let busy = drivers.filter { !$0.isIdle }.map { "\($0.index): \($0.shard.reasonsToStayAwake)" }
    fail("it does not come to rest: shards \(busy), connections \(links.map(\.description))")
  }

  /// Nobody holds anything back any more, but credit.
  private func letEverythingThrough() {
    swarm.shortWritePercent = 0
    for client in clients { client.link?.isStalled = false }
    for link in links { link.capacity = 1 << 20 }
  }

  /// Something is on its way when the broker is told to end.
  private func publishOnceMore() {
    for client in clients where client.isOpen && !plan.withoutClients.contains(client.index) {
      client.perform(.publishMany)
    }
    // Read, but not everywhere delivered.
    for _ in 0..<random.within(1...3) where fault == nil { turnRound() }
  }

  func comeToRest() {
    for client in clients where client.session?.isHostile == true { client.reset() }
    letEverythingThrough()
    // Whoever has credit gets what there is, however much credit that is.
    settle()
    checkSubscriptions(after: "with the credit it had")
    for _ in 0..<2 where fault == nil {
      forEachSubscription { client, ref, watch in
        let events = watch.delivered.events + UInt64(random.within(0...3))
        grant(client, ref, watch, events: events, bytes: watch.delivered.bytes + 10_000)
      }
      settle()
      checkSubscriptions(after: "with a little credit more")
    }
    isResting = true
    forEachSubscription { client, ref, watch in
      grant(client, ref, watch, events: .max, bytes: .max)
    }
    settle()
    if fault == nil { checkRest() }
  }

  private func grant(
    _ client: Client, _ ref: UInt32, _ watch: Watch, events: UInt64, bytes: UInt64
  ) {
    client.grant(ref, watch, events: events, bytes: bytes)
  }

  private func forEachSubscription(_ body: (Client, UInt32, Watch) -> Void) {
    for client in clients where client.isOpen && fault == nil {
      for (ref, state) in client.session!.subscriptions.sorted(by: { $0.key < $1.key })
      where state.state != .closing { body(client, ref, state.watch) }
    }
  }

  private func checkSubscriptions(after occasion: String) {
    forEachSubscription { client, ref, watch in
      if watch.isConfirmed {
        checker.atRest(watch, after: occasion)
        guard let session = client.session, session.version > 1 else { return }
        checkStop(watch, session.subscriptions[ref]!.stop, after: occasion)
      }
    }
  }

  /// Whoever is not held back has been told so, and the others of which credit they lack.
  private func checkStop(_ watch: Watch, _ told: BlockedBy, after occasion: String) {
    let hasEvents = watch.delivered.events < watch.creditEvents
    let cause: BlockedBy = hasEvents ? .creditBytes : .creditEvents
    let isPending = watch.topics.contains { id, place in
      place.first != 0 && place.next < model.topics[id]?.next ?? 0
    }
    if watch.hasCredit ? told != .none : told != cause && (told != .none || isPending) {
      fail("\(watch.who): \(occasion): BLOCKED told \(told), credit \(watch.hasCredit), \(cause)")
    }
  }

  /// Everything that matched has come or is in a gap, and the accounts say the same.
  private func checkRest() {
    checkSubscriptions(after: "at rest")
    for (uid, publisher) in model.publishers.enumerated() where publisher.isAlive {
      let isOpen = model.topics.values.contains { $0.name == publisher.topic && !$0.hasHoles }
      if isOpen && publisher.accepted != publisher.sent {
        fail("publisher \(uid): \(publisher.accepted) of \(publisher.sent) events are in the ring")
      }
    }
    for client in clients {
      guard let session = client.session else { continue }
      if session.state != .open { fail("client \(client.index) was not welcomed") }
      for (_, state) in session.publishers { check(client, state) }
      for (_, state) in session.subscriptions where state.state != .open {
        fail("\(state.watch.who): is still \(state.state)")
      }
    }
    checkAccounts()
  }

  private func check(_ client: Client, _ state: Session.PublisherState) {
    guard state.state == .open else {
      return fail("client \(client.index), publisher \(state.uid) is still \(state.state)")
    }
    let known = model.publishers[Int(state.uid)]
    if state.wantsAck && known.acknowledged != known.sent {
      fail("publisher \(state.uid): ACK of \(known.acknowledged) of \(known.sent) events")
    }
    if state.stop != .none { fail("publisher \(state.uid) is still told of \(state.stop)") }
    if state.isBlock && state.creditBytes <= state.sentBytes {
      fail("publisher \(state.uid) has no credit although nobody holds it back")
    }
  }

  /// The rows of the counters against what clients have counted.
  private func checkAccounts() {
    var delivered: UInt64 = 0
    var gaps: UInt64 = 0
    for client in clients {
      for state in client.session?.subscriptions.values.map({ $0 }) ?? [] {
        delivered += state.watch.delivered.events
        gaps += state.watch.lostInAll.events + state.watch.expired.events
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

  /// The broker is told to end while clients go on; those whose frames it has all read get
  /// everything that their credit allows.
  func drain() {
    let capacities = links.map(\.capacity)
    let before = links
    letEverythingThrough()
    for _ in 0..<random.pick([0, 300, 300]) where fault == nil { turnRound() }
    // Small sockets keep back what was to be sent.
    if random.percent(50) { for (link, most) in zip(before, capacities) { link.capacity = most } }
    if random.percent(70) { publishOnceMore() }
    let heard = clients.filter { client in
      guard let link = client.link, let session = client.session else { return false }
      return session.state == .open && !session.isHostile && link.clientEnd == .none
        && link.toBroker.isEmpty && link.arrived.isEmpty
    }
    let watches = heard.flatMap { client in
      client.session!.subscriptions.values.filter { $0.state == .open }.map { (client, $0.watch) }
    }
    let publishers = heard.map { client in client.session!.publishers.values.map { $0.uid } }
    isDraining = true
    let drainTimeNs: UInt64 = 1_000_000_000
    drainDeadlineNs = nowNs + drainTimeNs
    for driver in drivers { driver.wake() }
    settle { self.drivers.allSatisfy { $0.shard.connectionCount == 0 && $0.incoming.isEmpty } }
    if fault == nil, nowNs > drainDeadlineNs + 3_000_000_000 { fail("draining took too long") }
    // In the last fifth of the time every session hears CLOSE, whatever is still on its way: between
    // shards there may be events that wait for the memory of a topic whose subscriber has no credit.
    guard fault == nil, nowNs < drainDeadlineNs - drainTimeNs / 5 else { return }
    for (client, uids) in zip(heard, publishers) {
      // Behind a PUBLISH that came too late nothing is looked at.
      let isHeard = uids.allSatisfy {
        model.publishers[Int($0)].accepted == model.publishers[Int($0)].sent
      }
      guard isHeard, client.lastClose == .draining else { continue }
      for (other, watch) in watches where other === client {
        checker.atRest(watch, after: "drained")
        seen["drained", default: 0] += 1
      }
    }
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
