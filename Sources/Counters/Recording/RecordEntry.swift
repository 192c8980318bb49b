/// A second of a broker's life, as its flight recorder keeps it. Rates are sums over `spanNs`.
public struct RecordEntry: Equatable, Sendable {
  /// The words of an entry, in the order in which they stand in the file, behind its checksum.
  public enum Field: Int, CaseIterable, Sendable {
    /// Counts from 1; says where in the ring it stands.
    case number
    /// Of the broker's run.
    case instance
    /// When it was taken, since the Unix epoch.
    case timeNs
    /// How long before that it began.
    case spanNs
    case eventsIn
    case eventsOut
    case bytesIn
    case bytesOut
    case droppedEvents
    case gapsSent
    case sessionsClosed
    case requestsRefused
    case connections
    case publishers
    case subscriptions
    case topics
    case lagEvents
    case lagBytes
    /// Subscriptions that have something pending.
    case behind
    case memoryUsedBytes
    case memoryCeilingBytes
    case residentBytes
    /// Batches that were delivered, and how long they were in the broker.
    case latencyCount
    case latencyP50Ns
    case latencyP99Ns
    case latencyMaxNs
    case eventsInTotal
    case eventsOutTotal
    case droppedEventsTotal
    /// Events a second that were usual, see `RecordGate`.
    case baselinePerSecond
    case shards
  }

  /// Shards whose share is kept: as many as a broker can have.
  public static let shardsMax = 64
  /// A share of 1 in the numbers that are kept: hundredths of a percent.
  private static let whole = 10_000.0
  private static let sharesPerWord = 4
  /// Of an entry in the file: checksum, fields and shares.
  public static let byteCount =
    8 * (1 + Field.allCases.count + shardsMax / sharesPerWord)

  private var words: [UInt64]

  public init() {
    words = Array(repeating: 0, count: Self.byteCount / 8 - 1)
  }

  public subscript(field: Field) -> UInt64 {
    get { words[field.rawValue] }
    set { words[field.rawValue] = newValue }
  }

  /// Of how much of a processor each shard made use; at most 1.
  public var busyShares: [Double] {
    get {
      (0..<min(Int(clamping: self[.shards]), Self.shardsMax)).map { shard in
        let (word, shift) = Self.place(shard)
        return Double(words[word] >> shift & 0xFFFF) / Self.whole
      }
    }
    set {
      self[.shards] = UInt64(newValue.count)
      for (shard, share) in newValue.prefix(Self.shardsMax).enumerated() {
        let (word, shift) = Self.place(shard)
        let value = share > 0 ? UInt64((min(share, 1) * Self.whole).rounded()) : 0
        words[word] = words[word] & ~(0xFFFF << shift) | value << shift
      }
    }
  }

  private static func place(_ shard: Int) -> (word: Int, shift: UInt64) {
    (
      Field.allCases.count + shard / sharesPerWord,
      UInt64(shard % sharesPerWord * 16)
    )
  }

  /// A rate, per second.
  public func perSecond(_ field: Field) -> Double {
    let span = self[.spanNs]
    return span == 0 ? 0 : Double(self[field]) * 1e9 / Double(span)
  }

  // MARK: In the file

  public var bytes: [UInt8] { RecordWords.bytes([RecordWords.checksum(words[...])] + words) }

  /// Nil where the bytes are no whole entry.
  public init?(bytes: ArraySlice<UInt8>) {
    guard bytes.count == Self.byteCount else { return nil }
    let all = RecordWords.words(bytes)
    words = Array(all.dropFirst())
    guard RecordWords.checksum(words[...]) == all[0], self[.number] > 0 else { return nil }
  }
}

/// Words of 8 bytes, little-endian, and their checksum.
enum RecordWords {
  static func bytes(_ words: [UInt64]) -> [UInt8] {
    words.flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(8 * $0)) } }
  }

  static func words(_ bytes: ArraySlice<UInt8>) -> [UInt64] {
    stride(from: bytes.startIndex, to: bytes.endIndex, by: 8).map { start in
      bytes[start..<min(start + 8, bytes.endIndex)].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
  }

  /// FNV-1a over the words: it is to find what was torn, not what was forged.
  static func checksum(_ words: ArraySlice<UInt64>) -> UInt64 {
    words.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ $1) &* 0x100_0000_01B3 }
  }
}
