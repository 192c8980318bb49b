/// The buckets of a log-linear histogram of nanoseconds: 4 to an octave, 128 in all, so that a
/// percentile is at most a quarter too large from 4 ns to 7.5 s, and a record is a shift and an
/// add.
public enum LatencyBuckets {
  public static let count = 128

  /// The bucket a value belongs to, 0 to 127.
  @_noLocks public static func bucket(of ns: UInt64) -> Int {
    if ns < 4 { return Int(truncatingIfNeeded: ns) }
    let exponent = 63 &- ns.leadingZeroBitCount
    let sub = Int(truncatingIfNeeded: ns >> UInt64(truncatingIfNeeded: exponent &- 2)) & 3
    return min(4 &* (exponent &- 1) &+ sub, count &- 1)
  }

  /// The smallest value of a bucket.
  public static func lowerBound(of bucket: Int) -> UInt64 {
    precondition(bucket >= 0 && bucket < count, "no such bucket")
    if bucket < 4 { return UInt64(bucket) }
    let exponent = bucket / 4 + 1
    return UInt64(4 + bucket % 4) << UInt64(exponent - 2)
  }

  /// The largest value of a bucket; of the last one, which has no end, 2^64 - 1.
  public static func upperBound(of bucket: Int) -> UInt64 {
    bucket == count - 1 ? .max : lowerBound(of: bucket + 1) - 1
  }
}

/// A histogram that was read, or the difference or sum of such.
public struct LatencyHistogram: Sendable, Equatable {
  public private(set) var buckets: [UInt64]
  /// Largest value there was, where it is known; else 0.
  public var maxNs: UInt64

  public init(buckets: [UInt64] = [], maxNs: UInt64 = 0) {
    self.buckets = Array(buckets.prefix(LatencyBuckets.count))
    self.buckets += Array(repeating: 0, count: LatencyBuckets.count - self.buckets.count)
    self.maxNs = maxNs
  }

  /// Wrapping, as a region that was torn apart may hold anything.
  public var count: UInt64 { buckets.reduce(0, &+) }

  public mutating func add(_ other: LatencyHistogram) {
    for index in buckets.indices { buckets[index] &+= other.buckets[index] }
    maxNs = max(maxNs, other.maxNs)
  }

  /// What was recorded since an earlier reading of the same histogram. Its maximum is that of the
  /// highest bucket that grew, bounded by the overall maximum.
  public func since(_ earlier: LatencyHistogram) -> LatencyHistogram {
    var result = self
    for index in buckets.indices {
      result.buckets[index] =
        buckets[index] >= earlier.buckets[index] ? buckets[index] - earlier.buckets[index] : 0
    }
    let highest = result.buckets.lastIndex { $0 > 0 }
    result.maxNs = highest.map { min(LatencyBuckets.upperBound(of: $0), maxNs) } ?? 0
    return result
  }

  /// The value that a share of the values does not exceed: the largest of its bucket, or the
  /// overall maximum if that is less. `nil` where there are no values. `share` is from 0 to 1.
  public func percentile(_ share: Double) -> UInt64? {
    let total = count
    if total == 0 { return nil }
    // The rank of the value asked for, counted from 1.
    let rank = max(1, UInt64((min(max(share, 0), 1) * Double(total)).rounded(.up)))
    var seen: UInt64 = 0
    for (index, value) in buckets.enumerated() {
      seen &+= value
      if seen >= rank {
        let bound = LatencyBuckets.upperBound(of: index)
        return maxNs > 0 ? min(bound, maxNs) : bound
      }
    }
    return maxNs
  }
}
