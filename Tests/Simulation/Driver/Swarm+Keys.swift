import BrokerCore
import WireFormat

// Seeds about the memory of keys alone: few topics that all are subscribed to, keys that come and
// go all the time, and too little of everything that a pass needs, so that it takes many turns
// while what it brings is removed, expires or is forgotten.

extension Swarm {
  /// The swarm of a seed. What makes it one about keys is drawn apart, so that every other seed
  /// stays what it was before there were such.
  init(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    self.init(&random)
    var apart = SeededRandom(seed: seed, part: 0x6B65_7973)
    guard clients < 100, apart.percent(12) else { return }
    crampKeys(&apart)
  }

  private mutating func crampKeys(_ random: inout SeededRandom) {
    shards = random.pick([1, 1, 2, 3])
    clients = random.within(3...5)
    let ends: [Operation] = [.close, .reset, .hostile]
    operations = Operation.allCases.filter { !ends.contains($0) && random.percent(10) }
    operations += [.openTopic, .subscribe]
    // Much that is new, or much that goes on before anything new comes.
    if random.percent(50) {
      operations += [.publish, .publish, .publish, .publishMany, .credit, .credit]
    } else {
      operations += [.publish] + Array(repeating: .credit, count: 8)
    }
    let rare: [Operation] = [.setPolicy, .unsubscribe, .jump, .stall, .creep, .resume]
    operations += rare.filter { _ in random.percent(30) }
    herd = 4
    topics = random.pick([["a.b"], ["a.b", "b"]])
    patterns = topics + [">"]
    opensAtOnce = true
    wholeTurnPercent = random.pick([50, 95, 95])
    codecs = random.pick([.all, []])
    usesKeys = true
    keyedPercent = 100
    usesBlock = random.percent(20)
    usesTTL = random.percent(60)
    timesToLiveMs = random.pick([[1, 2, 5], [0, 5, 20], [0, 0, 3, 1000]])
    tombstonePercent = random.pick([30, 60, 85])
    newestVersionPercent = 95
    // Some of what the first version has.
    policies = [.latest, .latest, .latest, .latest, .lossless]
    policies += random.pick([[], [.lossless, .lossless], [.sample]])
    starts = [.latest, .state, .state]
    starts += random.pick([[], [.state, .state], [.earliest, .earliest]])
    creditEventsMax = random.pick([2, 4, 20])
    isStarved = random.percent(40)
    socketBytesMax = random.pick([200, 500, 5000])
    shortWritePercent = random.pick([0, 10, 50])
    drains = random.percent(5)
    limits = BrokerLimits()
    chooseLimits(&random)
    limits.connectionsMax = 16
    limits.subscriptionsMax = 64
    limits.publishersMax = 64
    limits.topicsMax = 16
    limits.subscriptionsPerSessionMax = 16
    limits.publishersPerSessionMax = 16
    limits.linksMax = 256
    limits.requestsMax = random.pick([7, 64, 64])
    // Passes have a quarter of it, and ask for 16 KiB at least.
    limits.controlBytesPerSession = 200_000
    limits.outputBytes = limits.controlBytesPerSession * random.pick([2, 20])
    limits.topicRetentionBytes = random.pick([2048, 4096, 1 << 20])
    if random.percent(65) {
      keepFewKeys(&random)
    } else {
      fillKeyMemory(&random)
    }
  }

  /// More keys than a topic may know, but few of either: what is forgotten had just come.
  private mutating func keepFewKeys(_ random: inout SeededRandom) {
    keysMax = random.pick([3, 5, 8])
    limits.keysPerTopicMax = random.pick([2, 3, 4, 6, 1 << 20])
    payloadBytesMax = random.pick([16, 200])
    eventsMax = random.pick([1, 3, 8])
  }

  /// As many removals as give way to one event at most, and large values for which that does not
  /// make room.
  private mutating func fillKeyMemory(_ random: inout SeededRandom) {
    keysMax = 250
    tombstonePercent = 60
    limits.batchBytesMax = 65_536
    limits.frameLengthMax = limits.batchBytesMax * 2 + 256
    limits.ringBytesLeft = 0
    limits.meshBytes = 1 << 19
    limits.inputBytes = limits.frameLengthMax * 20
    limits.stateBytes = (256 << 10) * shards
    payloadBytesMax = 10_000
    smallPercent = 80
    eventsMax = 32
  }
}
