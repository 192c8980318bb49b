/// How much room a broker's counters need. Fixed when it starts, so that nothing grows.
public struct CountersConfiguration: Sendable, Equatable {
  public var shards: Int
  /// Rows of each shard.
  public var connectionsPerShard: Int
  public var publishersPerShard: Int
  public var subscriptionsPerShard: Int
  /// Subscriptions whose events are followed; the others have only their account.
  public var observationsPerShard: Int
  /// Topics of which the time of deliveries is kept.
  public var deliveriesPerShard: Int
  /// Rows of the whole broker.
  public var topics: Int

  public init(
    shards: Int, connectionsPerShard: Int, publishersPerShard: Int, subscriptionsPerShard: Int,
    observationsPerShard: Int, deliveriesPerShard: Int, topics: Int
  ) {
    self.shards = shards
    self.connectionsPerShard = connectionsPerShard
    self.publishersPerShard = publishersPerShard
    self.subscriptionsPerShard = subscriptionsPerShard
    self.observationsPerShard = observationsPerShard
    self.deliveriesPerShard = deliveriesPerShard
    self.topics = topics
  }
}

/// Places in the region; the picture is in `Protocol/counters.md`.
public enum CountersLayout {
  public static let headerBytes = 128
  public static let directoryEntryBytes = 32
  /// Tables start at page borders: no page is written by two shards, and rows that were never used
  /// take no memory.
  public static let tableAlignment = 4096
  /// The shard of a table that belongs to none.
  public static let noShard: UInt16 = 0xFFFF
  /// More shards than any machine this is for has cores; the directory stays small.
  public static let shardsMax = 256

  enum Header {
    static let magic = 0
    static let version = 8
    static let headerBytes = 12
    static let instance = 16
    static let startedNs = 24
    static let processID = 32
    static let shards = 36
    static let totalBytes = 40
    static let directoryOffset = 48
    static let directoryCount = 52
    static let fingerprint = 56
  }

  enum Entry {
    static let kind = 0
    static let shard = 2
    static let rowBytes = 4
    static let offset = 8
    static let capacity = 16
    static var highWater: Int { @_noLocks get { 20 } }
  }

  /// The broker's and the topics', and those of each shard.
  static let commonTables = 2
  static let shardTables = 6

  /// One table's place.
  struct Table {
    var kind: CounterKind
    var shard: UInt16
    var rowBytes: Int
    var capacity: Int
    var offset: Int
  }

  /// Every table in the order of the directory: broker, topic, then six for each shard.
  static func tables(_ configuration: CountersConfiguration) -> [Table] {
    precondition(
      configuration.shards >= 1 && configuration.shards <= shardsMax, "shards out of range")
    var plan: [(CounterKind, UInt16, Int, Int)] = [
      (.broker, noShard, BrokerRow.rowBytes, 1),
      (.topic, noShard, TopicRow.rowBytes, configuration.topics),
    ]
    for index in 0..<configuration.shards {
      let shard = UInt16(index)
      plan.append((.shard, shard, ShardRow.rowBytes, 1))
      plan.append((.connection, shard, ConnectionRow.rowBytes, configuration.connectionsPerShard))
      plan.append((.publisher, shard, PublisherRow.rowBytes, configuration.publishersPerShard))
      plan.append(
        (.subscription, shard, SubscriptionRow.rowBytes, configuration.subscriptionsPerShard))
      plan.append(
        (.observation, shard, ObservationRow.rowBytes, configuration.observationsPerShard))
      plan.append((.delivery, shard, DeliveryRow.rowBytes, configuration.deliveriesPerShard))
    }
    var offset = roundUp(headerBytes + plan.count * directoryEntryBytes)
    return plan.map { kind, shard, rowBytes, capacity in
      precondition(capacity >= 0 && capacity <= Int(UInt32.max), "capacity out of range")
      let table = Table(
        kind: kind, shard: shard, rowBytes: rowBytes, capacity: capacity, offset: offset)
      offset = roundUp(offset + rowBytes * capacity)
      return table
    }
  }

  /// Bytes that a region needs.
  public static func requiredBytes(_ configuration: CountersConfiguration) -> Int {
    let last = tables(configuration).last!
    return roundUp(last.offset + last.rowBytes * last.capacity)
  }

  /// What `CountersRegion` writes when it lays a region out: the header and the directory, and the
  /// rows of the broker and the shards. It must be writable by then; the rest before it is used.
  public static func rangesWrittenFirst(_ configuration: CountersConfiguration) -> [Range<Int>] {
    let tables = tables(configuration)
    return [0..<(headerBytes + tables.count * directoryEntryBytes)]
      + tables.filter { $0.kind == .broker || $0.kind == .shard }
      .map { $0.offset..<($0.offset + $0.rowBytes) }
  }

  private static func roundUp(_ offset: Int) -> Int {
    (offset + tableAlignment - 1) / tableAlignment * tableAlignment
  }
}
