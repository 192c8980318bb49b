/// What is common to the generated rows. A row is one pointer: copy it freely, and keep it where
/// the thread that writes it keeps the rest of what it knows about the thing.
///
/// Single counters may be added to at any time. Words that must agree with one another (the account
/// of a subscription, an identity and its name) change between `beginUpdate` and `endUpdate`.
/// Nothing here allocates, waits or fails.
public protocol CounterRow: Sendable {
  static var kind: CounterKind { get }
  /// Bytes from one row of a table to the next.
  static var rowBytes: Int { get }
  /// Every field, in the order of the registry.
  static var fields: [CounterFieldDescription] { get }
  var cells: RowCells { get }
  @_noLocks init(cells: RowCells)
}

/// One field of a row, for readers that show whatever there is.
public struct CounterFieldDescription: Sendable {
  public enum Kind: Sendable { case small, word, array, text }
  public let name: String
  public let kind: Kind
  /// From the start of the row, in bytes.
  public let offset: Int
  /// Elements of an array, bytes of a text, else 1.
  public let count: Int
  public let unit: String?

  init(_ name: String, _ kind: Kind, at offset: Int, count: Int, unit: String? = nil) {
    self.name = name
    self.kind = kind
    self.offset = offset
    self.count = count
    self.unit = unit
  }

  /// Bytes it takes in the row.
  public var byteCount: Int {
    switch kind {
    case .small: 4
    case .word: 8
    case .array: 8 * count
    case .text: count
    }
  }
}

extension ShardRow {
  /// Books the time in the broker of so many frames.
  @_noLocks public func recordLatency(ns: UInt64, frames: UInt64 = 1) {
    add(.latency, at: LatencyBuckets.bucket(of: ns), frames)
    add(.latencySumNs, ns &* frames)
    raise(.latencyMaxNs, to: ns)
  }
}

extension BrokerRow {
  /// Books ring memory that a shard took, or, wrapping, gave back: every shard adds to this word.
  @_noLocks public func addMemoryUsed(_ bytes: UInt64) {
    cells.addShared64(Word.memoryUsedBytes.offset, bytes)
  }
}

extension TopicRow {
  /// Books subscriptions that begin or, wrapping, end: every shard adds to this word.
  @_noLocks public func addSubscriptions(_ count: UInt64) {
    cells.addShared64(Word.subscriptions.offset, count)
  }
}
