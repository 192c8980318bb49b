import BrokerCore
import Counters
import CountersSupport
public import WireFormat

/// One run of a whole broker with its clients, in one thread: which shard goes on, what the
/// network does, what clients do and what the clocks show follow from a seed.
///
/// Every step draws its numbers from the seed and its own number alone, so that it does much the
/// same where others are left out.
public final class Simulation {
  public let plan: RunPlan
  public internal(set) var swarm: Swarm
  var random: SeededRandom
  let clock = SimulatedClock()
  let model = Model()
  let checker: Checker
  let broker: Broker
  private(set) var drivers: [ShardDriver] = []
  private(set) var clients: [Client] = []
  var links: [Link] = []
  var ledgers: [LedgerCheck]
  var stops: [StopCheck]
  var why: WhyCheck
  /// What `why` is asked about changes nothing else of a run.
  var whyRandom: SeededRandom
  /// Inboxes of all sessions there ever were.
  var inboxes: [UInt64] = []
  /// Frames that clients have received, but for heartbeats.
  var progress = 0
  var isDraining = false
  /// All are granted what they can take.
  var isResting = false
  var drainDeadlineNs: UInt64 = 0
  private let counters: CountersOnHeap
  var region: CountersRegion { counters.region }
  /// Parts of turns, movements of the network and operations so far.
  public private(set) var steps = 0
  /// What sessions heard, nil for those that ended without CLOSE.
  public internal(set) var closeReasons: [CloseReason?: Int] = [:]
  /// What clients saw: frames by type, gaps by cause, refusals by code.
  public internal(set) var seen: [String: Int] = [:]
  private var isPlanted = false

  public var fault: String? { model.fault }
  public var nowNs: UInt64 { clock.nowNs }

  public init(_ plan: RunPlan) {
    self.plan = plan
    swarm = Swarm(seed: plan.seed)
    random = SeededRandom(seed: plan.seed, part: 0)
    checker = Checker(model: model, clock: clock)
    broker = Broker(
      limits: swarm.limits, shards: swarm.shards, instance: plan.seed << 16 | 1,
      name: "simulated")
    counters = CountersOnHeap(swarm.limits.countersConfiguration(shards: swarm.shards))
    #if DEBUG
      broker.canary = plan.canary.flatMap { Canary(rawValue: $0) }
    #endif
    ledgers = (0..<swarm.shards).map { _ in LedgerCheck() }
    stops = (0..<swarm.shards).map { _ in StopCheck() }
    why = WhyCheck(model: model, clock: clock, region: counters.region)
    whyRandom = SeededRandom(seed: plan.seed, part: 0x776879)
    drivers = (0..<swarm.shards).map {
      ShardDriver(Shard(broker, index: $0, counters: region), index: $0)
    }
    clients = (0..<swarm.clients).map { Client(index: $0, world: self) }
    checker.keysFloor = { [unowned self] id in
      drivers[broker.owner(ofTopic: Int(id))].shard.keysFloor(ofTopic: id)
    }
    checker.floor = { [unowned self] id in
      drivers[broker.owner(ofTopic: Int(id))].shard.floor(ofTopic: id)
    }
  }

  // What writes to the counters goes before their memory.
  deinit { drivers = [] }

  func fail(_ text: @autoclosure () -> String) {
    if fault == nil { model.fail(text()) }
  }

  /// Whether a planted fault is to show now; once.
  func plants(_ fault: PlantedFault) -> Bool {
    guard plan.planted == fault, !isPlanted, random.percent(20) else { return false }
    isPlanted = true
    return true
  }

  /// The planted fault has had its occasion.
  public var hasPlanted: Bool { isPlanted }

  // MARK: Running

  /// Runs the plan's random steps, comes to rest, and ends everything.
  /// - Returns: what did not hold, or nil.
  public func run() -> String? {
    random = SeededRandom(seed: plan.seed, part: 0)
    if swarm.opensAtOnce { openAtOnce() }
    while steps < plan.steps && fault == nil { step() }
    if fault == nil {
      random = SeededRandom(seed: plan.seed, part: .max)
      if swarm.drains {
        drain()
      } else {
        comeToRest()
      }
    }
    if fault == nil { endEverything() }
    seen.merge(why.seen, uniquingKeysWith: +)
    let crowd = [1000, 100, 1].first { swarm.clients >= $0 } ?? 0
    seen["runs with \(crowd) clients or more", default: 0] += 1
    seen["runs with \(swarm.shards) shards", default: 0] += 1
    for driver in drivers {
      seen["rings emptied", default: 0] += driver.shard.ringsEmptied
      seen["gates lifted", default: 0] += driver.shard.gatesLifted
    }
    return fault
  }

  /// Most runs begin with sessions that are open, so that their steps are about what comes then.
  private func openAtOnce() {
    let rounds = 8
    for operation in [Operation.openTopic, .subscribe, .publish] {
      for client in clients where !plan.withoutClients.contains(client.index) {
        random = SeededRandom(seed: plan.seed, part: ~UInt64(client.index))
        if client.session == nil { client.connect() }
        if client.isOpen, random.percent(60) { client.perform(operation) }
      }
      for _ in 0..<rounds where fault == nil { turnRound() }
    }
  }

  private func step() {
    steps += 1
    guard !plan.leavesOut(step: steps) else { return }
    random = SeededRandom(seed: plan.seed, part: UInt64(steps))
    for _ in 0..<swarm.herd where fault == nil {
      clock.advance(by: UInt64(random.below(20_000)))
      let awake = drivers.filter { !$0.isAsleep }
      switch random.below(100) {
      case 0..<55 where !awake.isEmpty:
        random.pick(awake).step(self, isWhole: random.percent(swarm.wholeTurnPercent))
      case 0..<80: moveNetwork()
      case 80..<99: operate()
      default: clock.advance(by: UInt64(random.below(3_000_000)))
      }
      wakeThoseDue()
    }
    if let fault, !fault.hasPrefix("step ") { model.note("step \(steps): \(fault)") }
  }

  func wakeThoseDue() {
    for driver in drivers where driver.isAsleep && driver.deadlineNs <= nowNs { driver.wake() }
  }

  /// The process was stopped for some time, or nothing happened.
  func jump() {
    clock.advance(by: random.pick([1_000_000, 50_000_000, 1_100_000_000, 3_000_000_000]))
  }

  /// Somebody sets the clock of the machine.
  func setClock() {
    let ms: Int64 = random.pick([1, 100, 5_000, 3_600_000])
    clock.set(by: ms * 1_000_000 * (random.percent(50) ? 1 : -1))
  }

  private func operate() {
    let client = random.pick(clients)
    if plan.withoutClients.contains(client.index) { return }
    guard client.session != nil else {
      client.connect()
      return
    }
    guard client.isOpen else {
      if random.percent(2) { client.reset() }
      return
    }
    let operation = random.pick(swarm.operations)
    if plan.withoutOperations.contains(operation) { return }
    // Ends of sessions and of shards' patience are rarer than the rest.
    switch operation {
    case .close, .reset, .hostile, .jump: if random.percent(3) { client.perform(operation) }
    case .stall, .closeTopic, .unsubscribe, .reply, .refused, .openTopic, .subscribe, .clock,
      .creep:
      if random.percent(30) { client.perform(operation) }
    default: client.perform(operation)
    }
  }

  // MARK: The network

  private func moveNetwork() {
    guard !links.isEmpty else { return }
    for _ in 0..<random.within(1...3) where !links.isEmpty {
      let place = random.below(links.count)
      let link = links[place]
      let most = link.creeps ? 30 : random.pick([1, 20, 500, 100_000])
      move(link, most: most)
      if link.isOver && link.isClosedByBroker { links.remove(at: place) }
    }
  }

  func move(_ link: Link, most: Int) {
    if link.clientEnd == .reset { link.toBroker.removeAll() }
    if !link.toBroker.isEmpty {
      let n = min(link.toBroker.count, random.within(1...most))
      let bytes = link.toBroker.take(n)
      if !link.isClosedByBroker { link.arrived.append(bytes) }
      drivers[link.shard].noteReadable(link)
    } else if link.clientEnd != .none && !link.hasArrivedEnd {
      link.hasArrivedEnd = true
      drivers[link.shard].noteReadable(link)
    }
    if link.isOver {
      link.toClient.removeAll()
    } else if !link.isStalled, !link.toClient.isEmpty {
      let n = min(link.toClient.count, random.within(1...most))
      link.client?.receive(link.toClient.take(n))
    }
    if link.isFull && link.toClient.count < link.capacity {
      link.isFull = false
      drivers[link.shard].noteWritable(link)
    }
    guard link.isClosedByBroker || link.isShutByBroker, link.toClient.isEmpty, !link.isOver else {
      return
    }
    // Some clients do not close when they have read to the end; the broker does not wait for them.
    if link.clientEnd == .none && random.percent(80) { link.clientEnd = .closed }
    link.client?.over()
  }
}
