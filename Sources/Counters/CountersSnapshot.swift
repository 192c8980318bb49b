/// Why counters could not be read.
public enum CountersReadError: Error, Equatable, Sendable {
  /// The bytes do not begin like a broker's counters, or are still being laid out.
  case notCounters
  /// They are of another version of the layout, or of another build's fields.
  case otherLayout(version: UInt32, fingerprint: UInt64)
  /// The source ended, or failed, where there should have been more.
  case cut(offset: Int)
  /// The directory contradicts itself.
  case malformed
}

/// What the header says.
public struct CountersHeader: Sendable, Equatable {
  public var processID: UInt32
  public var instance: UInt64
  /// Nanoseconds since the Unix epoch.
  public var startedNs: UInt64
  public var shards: Int
  public var totalBytes: Int
}

/// One row as it was at one moment.
public struct RowSnapshot<Row: CounterRow>: Sendable {
  /// Place in its table.
  public let slot: Int
  /// The shard whose table it is in; `nil` for tables that belong to none.
  public let shard: Int?
  /// It stayed in the middle of an update through every try: its writer has died there or hangs,
  /// and the words need not agree.
  public let isTorn: Bool
  let bytes: ArraySlice<UInt8>

  /// Identity of the row's present use and values: rises with every update.
  public var sequence: UInt64 { word(0) }
  public var state: CounterRowState? { CounterRowState(rawValue: small(8)) }

  public func word(_ offset: Int) -> UInt64 {
    precondition(offset >= 0 && offset <= bytes.count - 8, "outside the row")
    return unsafe bytes.withUnsafeBytes { bytes in
      UInt64(littleEndian: unsafe bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }
  }

  public func small(_ offset: Int) -> UInt32 {
    let wordOffset = offset & ~7
    return UInt32(truncatingIfNeeded: word(wordOffset) >> UInt64(8 * (offset - wordOffset)))
  }

  public func words(_ offset: Int, _ count: Int) -> [UInt64] {
    (0..<count).map { word(offset + 8 * $0) }
  }

  public func text(_ offset: Int, _ count: Int) -> String {
    let field = bytes[(bytes.startIndex + offset)...].prefix(count)
    return String(decoding: field.prefix { $0 != 0 }, as: UTF8.self)
  }
}

extension RowSnapshot where Row == ShardRow {
  public var latency: LatencyHistogram {
    LatencyHistogram(buckets: self[.latency], maxNs: self[.latencyMaxNs])
  }
}

/// The broker's counters at one moment, from wherever their bytes come: the mapped file, or the
/// protocol. Rows are consistent each; the rows among themselves are as far apart as the reading
/// took.
public struct CountersSnapshot: Sendable {
  public private(set) var header: CountersHeader
  /// The tables that were read; of the others there are no rows here.
  public let tables: Set<CounterKind>
  public private(set) var broker: RowSnapshot<BrokerRow>
  public private(set) var shards: [RowSnapshot<ShardRow>] = []
  /// Rows in use: not free and not retired. One that is torn is always shown.
  public private(set) var topics: [RowSnapshot<TopicRow>] = []
  public private(set) var connections: [RowSnapshot<ConnectionRow>] = []
  public private(set) var publishers: [RowSnapshot<PublisherRow>] = []
  public private(set) var subscriptions: [RowSnapshot<SubscriptionRow>] = []
  public private(set) var observations: [RowSnapshot<ObservationRow>] = []
  public private(set) var deliveries: [RowSnapshot<DeliveryRow>] = []

  /// Most bytes asked for at once: what one STATS answer carries.
  static let chunkBytesMax = 65536
  /// How often a row that is being written is tried again. An update takes less than a microsecond,
  /// so a row that is odd eight times has a writer that was stopped within it.
  static let triesMax = 8

  /// All tables but the observations, of which each is larger than all else about a subscription.
  public static var usualTables: Set<CounterKind> {
    Set(CounterKind.allCases).subtracting([.observation])
  }

  /// Reads the tables named (the broker's and the shards' rows always).
  /// - Parameter read: gives bytes from an offset; fewer than asked for where it prefers, none
  ///   where
  ///   there are no more or it has failed. They must have been copied in ascending order by words.
  public init(
    tables wanted: Set<CounterKind> = Self.usualTables,
    read: @escaping (_ offset: Int, _ count: Int) -> [UInt8]
  ) throws(CountersReadError) {
    tables = wanted
    var reader = CountersReader(read: read)
    header = try reader.readHeader()
    var brokers: [RowSnapshot<BrokerRow>] = []
    for entry in try reader.readDirectory() {
      switch entry.kind {
      case .broker: brokers = try reader.rows(entry, all: true)
      case .shard: shards += try reader.rows(entry, all: true)
      case .topic where wanted.contains(entry.kind): topics += try reader.rows(entry)
      case .connection where wanted.contains(entry.kind): connections += try reader.rows(entry)
      case .publisher where wanted.contains(entry.kind): publishers += try reader.rows(entry)
      case .subscription where wanted.contains(entry.kind): subscriptions += try reader.rows(entry)
      case .observation where wanted.contains(entry.kind): observations += try reader.rows(entry)
      case .delivery where wanted.contains(entry.kind): deliveries += try reader.rows(entry)
      default: break
      }
    }
    guard let broker = brokers.first else { throw .malformed }
    self.broker = broker
  }

  /// Latency over all shards.
  public var latency: LatencyHistogram {
    shards.reduce(into: LatencyHistogram()) { $0.add($1.latency) }
  }
}
