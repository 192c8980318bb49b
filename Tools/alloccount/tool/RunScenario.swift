import BrokerCore
import CallProbe
import Counters
import CountersSupport
import WireFormat

/// Small tables, so that many brokers in a row are made quickly; nothing on the data path depends
/// on their sizes.
private func limits() -> BrokerLimits {
  var limits = BrokerLimits()
  limits.ringBytes = 64 << 20
  limits.connectionsMax = 1024
  limits.subscriptionsMax = 16_384
  limits.publishersMax = 1024
  limits.topicsMax = 256
  limits.linksMax = 4096
  limits.cursorsMax = 65_536
  // Rings turn over many times in each scenario.
  limits.topicRetentionBytes = 2 << 20
  limits.meshBytes = 1 << 20
  return limits
}

/// Sets the peers up, warms up, counts, and says whether everything arrived.
func run(_ scenario: Scenario, isTracing: Bool) -> Outcome {
  let limits = limits()
  let counters = CountersOnHeap(limits.countersConfiguration(shards: scenario.shards))
  defer { withExtendedLifetime(counters) {} }
  let region = counters.region
  let broker = Broker(limits: limits, shards: scenario.shards, instance: 1, name: "counted")
  let a = Shard(broker, index: 0, counters: region)
  let b = scenario.shards > 1 ? Shard(broker, index: 1, counters: region) : a

  var world = World(scenario, feed: Feed(scenario), region: region)
  setUp(&world, a, b)

  world.feedLimit = world.feed.warmBytes
  world.run(a, b, turnsMin: 200)
  let warmSettled = world.isSettled()

  world.feedLimit = world.feed.byteCount
  let turnsBefore = world.turns
  let deliveredBefore = delivered(world)
  if isTracing { probe_trace(1) }
  let before = Counts.now()
  world.run(a, b, turnsMin: scenario.events == 0 ? 10_000 : 1)
  let counts = Counts.now() - before
  probe_trace(0)

  return Outcome(
    name: scenario.name, events: scenario.countedEvents,
    deliveries: delivered(world) - deliveredBefore, turns: world.turns - turnsBefore,
    counts: counts, problem: problem(world, warmSettled))
}

private func delivered(_ world: borrowing World) -> UInt64 {
  var sum: UInt64 = 0
  for side in 0..<world.scenario.shards {
    for slot in 0..<world.peerCount(side) {
      if world[side, slot].subscription < 0 || world[side, slot].isIdle { continue }
      sum += world.subscription(side, world[side, slot].subscription).get(.deliveredEvents)
    }
  }
  return sum
}

private func problem(_ world: borrowing World, _ warmSettled: Bool) -> String? {
  let scenario = world.scenario
  guard world.closed == 0 else { return "\(world.closed) sessions ended" }
  guard warmSettled, world.isSettled() else { return "events did not arrive" }
  let events = UInt64(scenario.warmEvents + scenario.countedEvents)
  var lost: UInt64 = 0
  for side in 0..<scenario.shards {
    for slot in 0..<world.peerCount(side) {
      let peer = world[side, slot]
      if peer.subscription < 0 || peer.isIdle { continue }
      let row = world.subscription(side, peer.subscription)
      let dropped = row.get(.droppedEvents, at: Int(GapCause.dropOldest.rawValue))
      guard row.get(.matchedEvents) == events, row.get(.deliveredEvents) + dropped == events else {
        return "of \(events) events \(row.get(.deliveredEvents)) were delivered and \(dropped) lost"
      }
      lost += dropped
    }
  }
  guard (lost > 0) == (scenario.slowEvery > 0) else { return "\(lost) events were lost" }
  guard (world.cuts > 100) == (scenario.cutEvery > 0) else {
    return "sockets were cut \(world.cuts) times"
  }
  guard scenario.ackLevel == .none || world.ackedThrough == events else {
    return "acknowledged through \(world.ackedThrough) of \(events)"
  }
  return nil
}

// MARK: Setting up

private func setUp(_ world: inout World, _ a: Shard, _ b: Shard) {
  let scenario = world.scenario
  // Whoever opens a topic first decides which shard owns it.
  let publisherSide = scenario.shards - 1
  if publisherSide == 1 {
    let owner = connect(&world, a, side: 0)
    world.add(Peer(id: owner), side: 0)
    openTopics(&world, a, b, owner, side: 0)
    // Not the publisher: it has a subscription that nothing matches.
    subscribe(&world, a, b, owner, side: 0, pattern: "nothing.here")
    world[0, Int(owner.slot)].subscription = 0
    world[0, Int(owner.slot)].isIdle = true
  }
  let publisher = connect(
    &world, publisherSide == 0 ? a : b, side: publisherSide, codecs: [.lz4, .zstd])
  world.add(Peer(id: publisher), side: publisherSide)
  openTopics(&world, a, b, publisher, side: publisherSide)

  var slots = [publisherSide == 1 ? 1 : 0, 0]
  for i in 0..<scenario.subscribers {
    let side = i % scenario.shards
    let id = connect(&world, side == 0 ? a : b, side: side)
    subscribe(
      &world, a, b, id, side: side, pattern: scenario.isWildcard ? "hunt.>" : "hunt.t0")
    var peer = Peer(id: id, subscription: slots[side])
    peer.isCut = scenario.cutEvery > 0 && i % scenario.cutEvery == 0
    peer.isSlow = scenario.slowEvery > 0 && i % scenario.slowEvery == 0
    slots[side] += 1
    world.add(peer, side: side)
  }
  addStalled(&world, a, b)
}

/// Those who take nothing: half of them for want of credit, half with a socket that is full.
private func addStalled(_ world: inout World, _ a: Shard, _ b: Shard) {
  let perConnection = 1000
  for isBlocked in [false, true] {
    var left = world.scenario.stalled
    while left > 0 {
      let id = connect(&world, a, side: 0)
      var peer = Peer(id: id, subscription: 0)
      peer.isIdle = true
      peer.isBlocked = isBlocked
      world.add(peer, side: 0)
      for ref in 1...UInt32(min(left, perConnection)) {
        subscribe(
          &world, a, b, id, side: 0, pattern: world.scenario.isWildcard ? "hunt.>" : "hunt.t0",
          ref: ref, window: isBlocked ? .max : 0)
      }
      left -= perConnection
    }
  }
}

private func connect(
  _ world: inout World, _ shard: Shard, side: Int, codecs: CodecSet = []
) -> ConnectionID {
  guard let id = shard.openConnection(peer: "a peer") else {
    preconditionFailure("the tables have room")
  }
  let hello = Hello(
    magic: ProtocolVersion.magic, versionMin: ProtocolVersion.versionMin,
    versionMax: ProtocolVersion.version, codecs: codecs, heartbeatMs: 300_000, clientName: "counted"
  )
  send(shard, id, frameBytes { hello.encode(into: &$0, ref: 0, correlation: 1) })
  return id
}

private func openTopics(
  _ world: inout World, _ a: Shard, _ b: Shard, _ id: ConnectionID, side: Int
) {
  let scenario = world.scenario
  for topic in 0..<scenario.topics {
    let open = OpenTopic(
      mode: .openOrCreate, options: scenario.isBlock ? .block : scenario.isKeyed ? .keyed : [],
      ackLevel: scenario.ackLevel, topic: "hunt.t\(topic)")
    send(
      side == 0 ? a : b, id,
      frameBytes { open.encode(into: &$0, ref: UInt32(topic + 1), correlation: 2) })
    settle(&world, a, b)
  }
}

private func subscribe(
  _ world: inout World, _ a: Shard, _ b: Shard, _ id: ConnectionID, side: Int, pattern: String,
  ref: UInt32 = 1, window: UInt64? = nil
) {
  let scenario = world.scenario
  let events = window ?? (scenario.window == 0 ? .max : scenario.window)
  let subscribe = Subscribe(
    policy: scenario.policy, start: .latest, lagEventsMax: scenario.lagEventsMax,
    eventsTotal: events, bytesTotal: .max,
    pattern: pattern)
  send(
    side == 0 ? a : b, id,
    frameBytes {
      subscribe.encode(into: &$0, ref: ref, correlation: 3, positions: RawSpan())
    })
  settle(&world, a, b)
}

private func send(_ shard: Shard, _ id: ConnectionID, _ bytes: [UInt8]) {
  guard let room = unsafe shard.receiveRoom(id) else {
    preconditionFailure("a connection that is not read")
  }
  unsafe bytes.withUnsafeBytes { unsafe room.copyMemory(from: $0) }
  shard.received(bytes.count, on: id)
}

/// Turns without peers, for what one shard asks of another.
private func settle(_ world: inout World, _ a: Shard, _ b: Shard) {
  for _ in 0..<8 {
    world.turnAlone(a, side: 0)
    if world.scenario.shards > 1 { world.turnAlone(b, side: 1) }
  }
}
