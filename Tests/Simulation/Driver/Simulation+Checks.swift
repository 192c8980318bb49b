import BrokerCore
import Counters
import WireFormat

// What is looked at between the parts of a turn, and after each turn.

extension Simulation {
  /// First and next sequence of every topic there is.
  func ends() -> [UInt32: (first: UInt64, next: UInt64)] {
    var ends: [UInt32: (first: UInt64, next: UInt64)] = [:]
    for id in 0..<broker.announcedTopics {
      let view = drivers[broker.owner(ofTopic: id + 1)].shard.view(ofTopic: id + 1)
      ends[UInt32(id + 1)] = (view?.firstSequence ?? 1, view?.nextSequence ?? 1)
    }
    return ends
  }

  /// Tells the model what a shard has put into its rings.
  func witness(_ driver: ShardDriver) {
    for id in 1..<UInt32(broker.announcedTopics + 1) {
      if model.topics[id] == nil {
        model.announce(id, String(decoding: broker.name(ofTopic: Int(id)), as: UTF8.self))
      }
      guard broker.owner(ofTopic: Int(id)) == driver.index else { continue }
      guard let view = driver.shard.view(ofTopic: Int(id)) else { continue }
      if driver.shard.lacksKeys(ofTopic: id) { model.noteLackOfKeys(id) }
      let known = model.topics[id]!.next
      if view.nextSequence > known {
        // What nobody waited for may be given up as soon as it has come.
        model.skip(id, to: view.heldFrom)
        driver.shard.forEachBatch(ofTopic: id, from: known) { model.accept(id, $0) }
        if model.topics[id]!.next != view.nextSequence {
          fail("topic \(id) ends at \(view.nextSequence), its batches do not")
        }
      }
      if let reader = driver.shard.findReaderOfFreedPages(ofTopic: id) {
        fail("shard \(reader) looks at pages of topic \(id) that are given up")
      }
    }
  }

  /// What BLOCKED tells is looked at with every turn, or not at all.
  var checksStops: Bool { swarm.turnsPerCheck == 1 }
  /// Answers of why are looked at where no fault is planted: the other checks are to find that.
  private var asksWhy: Bool { swarm.turnsPerCheck == 1 && plan.canary == nil }

  /// After a turn: what the shard's tables say of one another, and its subscriptions' accounts.
  func checkTurn(_ driver: ShardDriver) {
    // Where there are thousands of rows, not every time.
    if driver.turns % swarm.turnsPerCheck == 0 {
      if let fault = driver.shard.findFault() { fail("shard \(driver.index): \(fault)") }
      ledgers[driver.index].check(driver.shard, model) { driver.tap($0) }
    }
    if asksWhy, whyRandom.percent(2) { askWhy(driver) }
    if checksStops {
      stops[driver.index].check(driver.shard, region, model) { driver.link($0) }
    }
    let owed = drivers.reduce(0) { $0 | $1.shard.wakesOwed }
    for other in drivers where other.isAsleep && owed & 1 << UInt64(other.index) == 0 {
      if other.shard.isAwaitedByOthers {
        fail("shard \(other.index) sleeps over what it was given")
      }
    }
  }

  /// Asks what became of some event for each subscription of a shard.
  func askWhy(_ driver: ShardDriver) {
    var snapshot: CountersSnapshot?
    driver.shard.forEachSubscription { view in
      guard !view.isCondemned, let (tap, isBehind) = driver.tap(view.connection), !isBehind else {
        return
      }
      driver.shard.forEachPlace(of: view.slot) { place in
        guard fault == nil, place.tail > 1 else { return }
        if snapshot == nil { snapshot = why.snapshot() }
        guard let snapshot else { return fail("the counters cannot be read") }
        // What came last is what most is known of.
        let back = UInt64(whyRandom.pick([5, 50, 5000]))
        let sequence = place.tail - 1 - whyRandom.next() % min(back, place.tail - 1)
        why.ask(
          sequence, place, view, tap.accounts[view.ref], shard: driver.index, snapshot)
      }
    }
  }

  /// A batch begins to be sent: no more than a subscription wants is behind it, as far as its shard
  /// knows.
  func checkLag(_ sent: Tap.Sent, _ link: Link, _ driver: ShardDriver) {
    guard let client = link.client, client.link === link,
      let watch = client.session?.subscriptions[sent.ref]?.watch,
      watch.terms.policy == .dropOldest, watch.formerTerms.isEmpty,
      watch.terms.lagEventsMax != 0,
      // What was framed anew may have waited since.
      let known = model.batch(sent.batch.topic, at: sent.batch.sequence),
      known.codec == sent.batch.codecRaw
    else { return }
    let tail = driver.shard.tail(ofTopic: sent.batch.topic)
    if tail - sent.first > watch.terms.lagEventsMax {
      fail("\(watch.who) is sent \(sent.first) of \(tail), \(watch.terms)")
    }
  }

  /// A batch begins to be sent: its time is not over.
  func checkAge(_ batch: BatchHeader, _ driver: ShardDriver) {
    guard batch.ttlMs != 0, let known = model.batch(batch.topic, at: batch.sequence),
      // What was framed anew may have waited since.
      known.codec == batch.codecRaw
    else { return }
    if known.dueNs < driver.shard.turnRealtimeNs {
      fail("\(batch) is sent although its time is over")
    }
  }
}
