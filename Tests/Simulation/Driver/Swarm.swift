public import BrokerCore
public import WireFormat

/// What a client may do next.
public enum Operation: String, CaseIterable, Sendable {
  case openTopic, publish, publishMany, subscribe, credit, unsubscribe, closeTopic, reply, ping
  case stats, close, reset, stall, hostile, jump, lie, refused, resume, clock, creep, setPolicy
}

/// A fault put between the broker and what is checked, as if the broker had it: each must be found.
public enum PlantedFault: String, CaseIterable, Sendable {
  /// A grant of credit that never reaches the broker.
  case creditLost
  /// A GAP that is not told.
  case gapNotTold
  /// A DELIVER that comes twice.
  case deliveredTwice
  /// A DELIVER that does not come.
  case deliveryLost
  /// An ACK for one event more.
  case acknowledgedTooMuch
  /// The name of a topic is not told.
  case topicNotNamed
}

/// What one seed is made of. Each seed leaves whole operations out, so that rare ones meet.
public struct Swarm: Sendable {
  public var shards = 1
  public var clients = 4
  public var limits = BrokerLimits()
  public var operations: [Operation] = []
  public var topics: [String] = []
  public var patterns: [String] = []
  public var codecs = CodecSet.all
  /// Of the sessions, how many speak the newest version of the protocol.
  public var newestVersionPercent = 70
  public var payloadBytesMax = 200
  /// Of the payloads, how many are small whatever that is.
  public var smallPercent = 0
  public var eventsMax = 8
  public var socketBytesMax = 4096
  public var shortWritePercent = 10
  public var creditEventsMax = 50
  public var usesTTL = false
  /// Of which a batch has one, where any is used; 0 for none.
  public var timesToLiveMs: [UInt32] = [0, 1, 20, 1000]
  /// Of the events that have a key, how many remove it.
  public var tombstonePercent = 15
  public var usesBlock = false
  public var usesKeys = false
  public var keyedPercent = 50
  public var keysMax = 5
  public var policies: [Policy] = []
  public var starts: [Start] = []
  /// Credit comes one event at a time.
  public var isStarved = false
  public var drains = false
  public var opensAtOnce = false
  /// How often a shard's turn is not interrupted.
  public var wholeTurnPercent = 0
  /// Movements a step: more with thousands of clients, so that each gets somewhere.
  public var herd = 1
  /// Turns from one look through all tables to the next.
  public var turnsPerCheck = 1

  init(_ random: inout SeededRandom) {
    shards = random.within(1...4)
    clients = random.within(2...7)
    operations = Operation.allCases.filter { _ in random.percent(70) }
    for wanted in [Operation.openTopic, .publish, .subscribe] where !operations.contains(wanted) {
      operations.append(wanted)
    }
    chooseTopics(&random)
    codecs = random.pick([.all, .all, [.lz4], []])
    payloadBytesMax = random.pick([16, 200, 200, 2000, 10_000])
    eventsMax = random.pick([1, 4, 8, 32])
    socketBytesMax = random.pick([200, 2000, 20_000, 200_000])
    shortWritePercent = random.pick([0, 10, 50])
    creditEventsMax = random.pick([2, 20, 200, 5000])
    isStarved = random.percent(10)
    usesTTL = random.percent(25)
    usesBlock = random.percent(50)
    usesKeys = random.percent(50)
    keysMax = random.pick([1, 5, 5, 40])
    policies = Policy.allCases.filter { _ in random.percent(60) } + [.lossless]
    starts = Start.allCases.filter { _ in random.percent(60) } + [.latest]
    drains = random.percent(15)
    opensAtOnce = random.percent(80)
    wholeTurnPercent = random.pick([0, 50, 90])
    chooseLimits(&random)
    if random.percent(25) { favourKeys(&random) }
    if random.percent(2) { gather(&random) }
  }

  static func clients(ofSeed seed: UInt64) -> Int { Swarm(seed: seed).clients }

  private mutating func chooseTopics(_ random: inout SeededRandom) {
    // A few that meet often, or many that come and come.
    let topicCount = random.percent(15) ? 40 : random.within(1...6)
    let names = ["a.b", "a.c", "a.b.c", "b", "b.c", "a"]
    topics = (0..<topicCount).map { $0 < names.count ? names[$0] : "\(names[$0 % 6]).\($0)" }
    patterns = Array(topics.prefix(6)) + ["*", ">", "a.*", "a.>", "*.c", "b.>"]
  }

  /// Keyed topics, whose subscriptions want the newest of each key or the state.
  private mutating func favourKeys(_ random: inout SeededRandom) {
    usesKeys = true
    keyedPercent = random.pick([80, 100])
    keysMax = random.pick([1, 5, 40, 200])
    policies += [.latest, .latest, .latest, .sample]
    starts += [.state, .state]
    if random.percent(25) { limits.keysPerTopicMax = 3 }
  }

  /// A crowd: as many clients as a test can afford, each of which does little.
  private mutating func gather(_ random: inout SeededRandom) {
    clients = random.pick([100, 100, 300, 300, 300, 1000, 3000])
    herd = clients / 50
    turnsPerCheck = 64
    wholeTurnPercent = 100
    payloadBytesMax = min(payloadBytesMax, 200)
    limits.connectionsMax = 2 * clients
    limits.subscriptionsMax = 4 * clients
    limits.publishersMax = 4 * clients
    limits.cursorsMax = random.pick([clients, 8 * clients])
    limits.linksMax = 4 * clients
    limits.requestsMax = max(limits.requestsMax, 64)
    limits.outputBytes = max(limits.outputBytes, 4 << 20)
    limits.inputBytes = max(limits.inputBytes, 4 << 20)
  }

  mutating func chooseLimits(_ random: inout SeededRandom) {
    limits.batchBytesMax = random.pick([1024, 4096, 4096, 65_536])
    limits.frameLengthMax = limits.batchBytesMax * random.within(2...3) + 256
    limits.ringBytes = (2 << 20) * shards
    // A pool with room for a few of the largest pages, or just for one.
    if random.percent(30) {
      var page = 2048
      while page < limits.batchBytesMax + 200 { page *= 2 }
      limits.ringBytesLeft = page * random.pick([1, 1, 2, 4])
    }
    limits.stateBytes = (2 << 20) * shards
    limits.meshBytes = 1
    while limits.meshBytes < 4 * (limits.batchBytesMax + 1024) { limits.meshBytes *= 2 }
    limits.inputBytes = limits.frameLengthMax * 2 * random.pick([1, 1, 20])
    limits.controlBytesPerSession = random.pick([1024, 4096, 200_000])
    limits.outputBytes = limits.controlBytesPerSession * 2 * random.pick([1, 2, 20])
    limits.connectionsMax = random.pick([3, 16, 16, 16, 16, 16, 16])
    limits.subscriptionsMax = random.pick([6, 64])
    limits.publishersMax = random.pick([4, 64])
    limits.subscriptionsPerSessionMax = random.pick([2, 16])
    limits.publishersPerSessionMax = random.pick([2, 16])
    limits.topicsMax = random.pick([2, 16, 16, 64])
    limits.cursorsMax = random.pick([6, 20, 512])
    limits.linksMax = random.pick([8, 256])
    limits.requestsMax = random.pick([6, 7, 64])
    limits.topicRetentionBytes = random.pick([4096, 16_384, 1 << 20])
    limits.heartbeatMs = random.pick([1000, 15_000])
    limits.blockTimeoutMs = random.pick([5, 100, 1000])
    limits.stalledTailsMin = random.pick([0, 0, 3, 16])
  }
}
