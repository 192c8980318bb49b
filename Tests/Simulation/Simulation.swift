import BrokerCore
import Counters
import CountersSupport
public import WireFormat

/// One run of a whole broker with its clients, in one thread: which shard goes on, what the
/// network does, what clients do and what the clock shows follow from a seed.
public final class Simulation {
  public let seed: UInt64
  public internal(set) var swarm: Swarm
  var random: SeededRandom
  let model = Model()
  let broker: Broker
  private(set) var drivers: [ShardDriver] = []
  private(set) var clients: [Client] = []
  var links: [Link] = []
  /// Inboxes of all sessions there ever were.
  var inboxes: [UInt64] = []
  public internal(set) var nowNs: UInt64 = 1_000_000_000
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
  public internal(set) var planted: PlantedFault?
  private var isPlanted = false

  public var fault: String? { model.fault }
  var realtimeNs: UInt64 { nowNs + 1_700_000_000_000_000_000 }

  public init(seed: UInt64, planting fault: PlantedFault? = nil) {
    self.seed = seed
    planted = fault
    var random = SeededRandom(seed: seed)
    swarm = Swarm(&random)
    self.random = random
    broker = Broker(
      limits: swarm.limits, shards: swarm.shards, instance: seed << 16 | 1, name: "simulated")
    counters = CountersOnHeap(swarm.limits.countersConfiguration(shards: swarm.shards))
    drivers = (0..<swarm.shards).map {
      ShardDriver(Shard(broker, index: $0, counters: region), index: $0)
    }
    clients = (0..<swarm.clients).map { Client(index: $0, world: self) }
  }

  // What writes to the counters goes before their memory.
  deinit { drivers = [] }

  func fail(_ text: String) { model.fail("step \(steps): \(text)") }

  /// Whether a planted fault is to show now; once.
  func plants(_ fault: PlantedFault) -> Bool {
    guard planted == fault, !isPlanted, random.percent(20) else { return false }
    isPlanted = true
    return true
  }

  /// The planted fault has had its occasion.
  public var hasPlanted: Bool { isPlanted }

  /// First and next sequence of every topic there is.
  func ends() -> [UInt32: (first: UInt64, next: UInt64)] {
    var ends: [UInt32: (first: UInt64, next: UInt64)] = [:]
    for id in 0..<broker.announcedTopics {
      let view = drivers[broker.owner(ofTopic: id + 1)].shard.view(ofTopic: id + 1)
      ends[UInt32(id + 1)] = (view?.firstSequence ?? 1, view?.nextSequence ?? 1)
    }
    return ends
  }

  // MARK: Running

  /// Runs `count` random steps, comes to rest, and ends everything.
  /// - Returns: what did not hold, or nil.
  public func run(steps count: Int) -> String? {
    while steps < count && fault == nil { step() }
    if fault == nil {
      if swarm.drains {
        drain()
      } else {
        comeToRest()
        if fault == nil { checkRest() }
      }
    }
    if fault == nil { endEverything() }
    for driver in drivers {
      seen["rings emptied", default: 0] += driver.shard.ringsEmptied
      seen["gates lifted", default: 0] += driver.shard.gatesLifted
    }
    return fault
  }

  func step() {
    steps += 1
    nowNs += UInt64(random.below(20_000))
    let awake = drivers.filter { !$0.isAsleep }
    switch random.below(100) {
    case 0..<60 where !awake.isEmpty: random.pick(awake).step(self)
    case 0..<85: moveNetwork()
    case 85..<99: operate()
    default: nowNs += UInt64(random.below(3_000_000))
    }
    wakeThoseDue()
  }

  func wakeThoseDue() {
    for driver in drivers where driver.isAsleep && driver.deadlineNs <= nowNs { driver.wake() }
  }

  /// The clock is ahead, by up to some seconds.
  func jump() {
    nowNs += UInt64(random.pick([1_000_000, 50_000_000, 1_100_000_000, 3_000_000_000]))
  }

  private func operate() {
    let client = random.pick(clients)
    guard client.session != nil else {
      client.connect()
      return
    }
    guard client.isOpen else {
      if random.percent(2) { client.reset() }
      return
    }
    let operation = random.pick(swarm.operations)
    // Ends of sessions and of shards' patience are rarer than the rest.
    switch operation {
    case .close, .reset, .hostile, .jump: if random.percent(3) { client.perform(operation) }
    case .stall, .closeTopic, .unsubscribe, .reply, .refused, .openTopic, .subscribe:
      if random.percent(30) { client.perform(operation) }
    default: client.perform(operation)
    }
  }

  // MARK: The network

  private func moveNetwork() {
    guard !links.isEmpty else { return }
    let place = random.below(links.count)
    let link = links[place]
    move(link, most: random.pick([1, 20, 500, 100_000]))
    if link.isOver && link.isClosedByBroker { links.remove(at: place) }
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
