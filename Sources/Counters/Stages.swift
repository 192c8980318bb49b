/// The buckets of the histograms of stages: 32 that double, from a microsecond to a quarter of an
/// hour. Coarse, so that every subscription can have five.
public enum StageBuckets {
  public static let count = 32
  /// Bucket 0 is what takes less than 2^this nanoseconds.
  private static var unitBits: UInt64 { @_noLocks get { 10 } }

  @_noLocks public static func bucket(of ns: UInt64) -> Int {
    min(64 &- (ns &>> unitBits).leadingZeroBitCount, 31)
  }

  /// The smallest value of a bucket.
  public static func lowerBound(of bucket: Int) -> UInt64 {
    precondition(bucket >= 0 && bucket < count, "no such bucket")
    return bucket == 0 ? 0 : 1 << (UInt64(bucket) - 1 + unitBits)
  }
}

extension StageBuckets {
  /// The value before the next bucket's smallest; of the last one twice its smallest.
  public static func upperBound(of bucket: Int) -> UInt64 {
    bucket == count - 1 ? 2 * lowerBound(of: bucket) : lowerBound(of: bucket + 1) - 1
  }
}

/// A histogram of stages that was read, or the difference or sum of such.
public struct StageHistogram: Sendable, Equatable {
  public private(set) var buckets: [UInt64]

  public init(_ buckets: [UInt64] = []) {
    self.buckets = Array(buckets.prefix(StageBuckets.count))
    self.buckets += Array(repeating: 0, count: StageBuckets.count - self.buckets.count)
  }

  public var count: UInt64 { buckets.reduce(0, &+) }

  public mutating func add(_ other: StageHistogram) {
    for index in buckets.indices { buckets[index] &+= other.buckets[index] }
  }

  /// What was recorded since an earlier reading of the same histogram.
  public func since(_ earlier: StageHistogram) -> StageHistogram {
    StageHistogram(zip(buckets, earlier.buckets).map { $0 >= $1 ? $0 - $1 : 0 })
  }

  /// The value that a share of the values, from 0 to 1, does not exceed; within its bucket the
  /// values count as spread evenly. Nil where there are none.
  public func percentile(_ share: Double) -> UInt64? {
    let total = count
    if total == 0 { return nil }
    let rank = max(1, min(max(share, 0), 1) * Double(total))
    var seen = 0.0
    for (index, value) in buckets.enumerated() where value > 0 {
      if seen + Double(value) >= rank {
        let low = Double(StageBuckets.lowerBound(of: index))
        let width = index == 0 ? Double(StageBuckets.lowerBound(of: 1)) : low
        return UInt64(low + width * (rank - seen) / Double(value))
      }
      seen += Double(value)
    }
    return StageBuckets.lowerBound(of: StageBuckets.count - 1)
  }
}

extension ObservationRow {
  /// Words of one run in `why`.
  public static var whyWords: Int { @_noLocks get { 5 } }
  /// Runs there is room for.
  public static var whyRuns: Int { @_noLocks get { 24 } }

  /// A run's first word. The detail has 24 bits.
  public static func whyHead(topic: UInt32, _ fate: EventFate, detail: UInt32) -> UInt64 {
    UInt64(topic) | UInt64(fate.rawValue) &<< 32 | UInt64(detail) &<< 40
  }
}

extension ObservationRow {
  /// Where the oldest run and the one behind it are passes that follow one another, the second
  /// takes in the first, whose place is about to be used again. Within an update, and where all
  /// places are in use.
  public func joinOldestPasses() {
    let first = Int(get(.runs) % UInt64(Self.whyRuns)) * Self.whyWords
    let second = Int((get(.runs) + 1) % UInt64(Self.whyRuns)) * Self.whyWords
    guard let head = Self.joined(get(.why, at: first), get(.why, at: second)),
      get(.why, at: first + 2) &+ 1 == get(.why, at: second + 1)
    else { return }
    set(.why, at: second, head)
    set(.why, at: second + 1, get(.why, at: first + 1))
    set(.why, at: second + 3, get(.why, at: first + 3))
  }

  /// The first word of two passes of one topic and detail; nil for others.
  private static func joined(_ first: UInt64, _ second: UInt64) -> UInt64? {
    let fates: UInt64 = 0xFF << 32
    guard first & ~fates == second & ~fates, isPass(first), isPass(second) else { return nil }
    return first & ~fates | UInt64(EventFate.passes.rawValue) << 32
  }

  private static func isPass(_ head: UInt64) -> Bool {
    let fate = UInt32(head >> 32 & 0xFF)
    return fate == EventFate.conflated.rawValue || fate == EventFate.passes.rawValue
  }
}

/// One run of `why`.
public struct EventRun: Sendable, Equatable {
  public var topic: UInt32
  public var fate: EventFate
  /// Of the fate: see `EventFate`.
  public var detail: UInt32
  public var sequences: ClosedRange<UInt64>
  /// Since the Unix epoch.
  public var firstNs: UInt64
  public var lastNs: UInt64
}

extension RowSnapshot where Row == ObservationRow {
  /// The runs there are, the oldest first.
  public var whyRuns: [EventRun] {
    let words = self[.why]
    let begun = self[.runs]
    let kept = min(begun, UInt64(ObservationRow.whyRuns))
    return (begun &- kept..<begun).compactMap { number in
      let at = Int(number % UInt64(ObservationRow.whyRuns)) * ObservationRow.whyWords
      guard let fate = EventFate(rawValue: UInt32(words[at] >> 32 & 0xFF)),
        words[at + 1] <= words[at + 2]
      else { return nil }
      return EventRun(
        topic: UInt32(truncatingIfNeeded: words[at]), fate: fate,
        detail: UInt32(words[at] >> 40), sequences: words[at + 1]...words[at + 2],
        firstNs: words[at + 3], lastNs: words[at + 4])
    }
  }

  /// Whether all runs there ever were are still there.
  public var hasAllRuns: Bool { self[.runs] <= UInt64(ObservationRow.whyRuns) }
}
