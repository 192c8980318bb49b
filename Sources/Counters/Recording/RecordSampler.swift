/// Whether a second is worth keeping: what is usual is learnt from the seconds there were, and a
/// second counts when its load is at least a share of that.
public struct RecordGate: Sendable {
  /// How far back "usual" goes, in seconds: a few minutes, so that a broker that has become quiet
  /// for good is soon heard again.
  static let memorySeconds = 300.0

  private let share: Double
  /// Events in and out a second, on average; what was long ago counts less and less.
  public private(set) var baseline = 0.0

  /// - Parameter share: 0 keeps every second, also those in which nothing happened.
  public init(share: Double) { self.share = share }

  /// - Parameter load: events in and out a second.
  public mutating func admits(load: Double, seconds: Double) -> Bool {
    let isKept = share == 0 || (load > 0 && load >= share * baseline)
    if baseline == 0 {
      baseline = load
    } else {
      baseline += (load - baseline) * seconds / (Self.memorySeconds + seconds)
    }
    return isKept
  }
}

/// Makes entries out of successive readings of the counters.
public struct RecordSampler: Sendable {
  private var gate: RecordGate
  private var before: (snapshot: CountersSnapshot, nowNs: UInt64)?

  public init(share: Double) { gate = RecordGate(share: share) }

  /// The entry of the time since the last reading, but for its number, the lag, and what the
  /// process occupies; nil for the first reading, and where it is not to be kept. Seconds in which
  /// something was lost always are.
  public mutating func take(
    _ snapshot: CountersSnapshot, nowNs: UInt64, realtimeNs: UInt64
  ) -> RecordEntry? {
    defer { before = (snapshot, nowNs) }
    guard let before, nowNs > before.nowNs else { return nil }
    func total(_ field: ShardRow.Word) -> UInt64 {
      snapshot.shards.reduce(0) { $0 &+ $1[field] }
    }
    func grown(_ field: ShardRow.Word) -> UInt64 {
      total(field) &- before.snapshot.shards.reduce(0) { $0 &+ $1[field] }
    }
    func grown(_ field: ShardRow.Series) -> UInt64 {
      func sum(_ snapshot: CountersSnapshot) -> UInt64 {
        snapshot.shards.reduce(0) { $1[field].reduce($0, &+) }
      }
      return sum(snapshot) &- sum(before.snapshot)
    }
    let spanNs = nowNs - before.nowNs
    let seconds = Double(spanNs) / 1e9
    var entry = RecordEntry()
    entry[.baselinePerSecond] = UInt64(gate.baseline)
    for (field, word) in Self.grown { entry[field] = grown(word) }
    let load = Double(entry[.eventsIn] &+ entry[.eventsOut]) / seconds
    let isKept = gate.admits(load: load, seconds: seconds)
    guard isKept || entry[.droppedEvents] > 0 else { return nil }
    entry[.instance] = snapshot.header.instance
    entry[.timeNs] = realtimeNs
    entry[.spanNs] = spanNs
    for (field, word) in Self.standing { entry[field] = total(word) }
    entry[.topics] = snapshot.broker[.topics]
    entry[.sessionsClosed] = grown(.closed)
    entry[.requestsRefused] = grown(.errors)
    entry[.memoryUsedBytes] = total(.pageBytes)
    entry[.memoryCeilingBytes] = snapshot.broker[.memoryCeilingBytes]
    let latency = snapshot.latency.since(before.snapshot.latency)
    entry[.latencyCount] = latency.count
    entry[.latencyP50Ns] = latency.percentile(0.5) ?? 0
    entry[.latencyP99Ns] = latency.percentile(0.99) ?? 0
    entry[.latencyMaxNs] = latency.maxNs
    entry.busyShares = zip(snapshot.shards, before.snapshot.shards).map { now, before in
      Double(now[.busyNs] &- before[.busyNs]) / Double(spanNs)
    }
    return entry
  }

  private static let grown: [(RecordEntry.Field, ShardRow.Word)] = [
    (.eventsIn, .eventsIn), (.eventsOut, .eventsOut), (.bytesIn, .bytesIn),
    (.bytesOut, .bytesOut), (.droppedEvents, .droppedEvents), (.gapsSent, .gapsSent),
  ]

  private static let standing: [(RecordEntry.Field, ShardRow.Word)] = [
    (.connections, .connections), (.publishers, .publishers), (.subscriptions, .subscriptions),
    (.eventsInTotal, .eventsIn), (.eventsOutTotal, .eventsOut),
    (.droppedEventsTotal, .droppedEvents),
  ]
}

extension CountersRegion {
  /// What is pending for the subscriptions: of each row only the words that say so are looked at.
  public func lag() -> (events: UInt64, bytes: UInt64, subscriptions: UInt64) {
    var sum: (events: UInt64, bytes: UInt64, subscriptions: UInt64) = (0, 0, 0)
    for shard in 0..<configuration.shards {
      let table = subscriptions(shard: shard)
      for slot in 0..<usedSubscriptions(shard: shard) {
        let row = table[slot]
        let events = row.get(.lagEvents)
        let state = row.get(.state)
        guard events > 0, state == CounterRowState.active.rawValue else { continue }
        sum.events &+= events
        sum.bytes &+= row.get(.lagBytes)
        sum.subscriptions += 1
      }
    }
    return sum
  }
}
