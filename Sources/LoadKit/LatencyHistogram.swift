/// A log-linear histogram of nanoseconds: 128 buckets to each power of two, so a quantile is right
/// to within 0.8 %. Recording is a shift and an increment; nothing is allocated after `init`.
///
/// One thread records; others read only after that thread is done. It is `@safe` because the
/// memory is its own and every index is derived from a value clamped to `limitNs`.
@safe struct LatencyHistogram: ~Copyable {
  /// 2^7 buckets to an octave.
  static let precisionBits: UInt64 = 7
  /// About 18 minutes. Longer latencies are counted there.
  static let limitBits: UInt64 = 40
  static let limitNs: UInt64 = (1 << limitBits) - 1
  static let bucketCount = Int((limitBits - precisionBits + 1) << precisionBits)

  private let buckets: UnsafeMutablePointer<UInt64>
  private(set) var maxNs: UInt64 = 0

  init() {
    unsafe buckets = .allocate(capacity: Self.bucketCount)
    unsafe buckets.initialize(repeating: 0, count: Self.bucketCount)
  }

  deinit { unsafe buckets.deallocate() }

  @inline(always)
  static func bucket(of valueNs: UInt64) -> Int {
    let value = min(valueNs, limitNs)
    guard value >> precisionBits != 0 else { return Int(truncatingIfNeeded: value) }
    let exponent = UInt64(truncatingIfNeeded: 63 - value.leadingZeroBitCount)
    let shift = exponent &- precisionBits
    let octave = (shift &+ 1) << precisionBits
    return Int(truncatingIfNeeded: octave &+ ((value >> shift) & ((1 << precisionBits) - 1)))
  }

  /// The largest value that falls into `bucket`.
  static func upperBoundNs(of bucket: Int) -> UInt64 {
    let index = UInt64(bucket)
    let octave = index >> precisionBits
    guard octave > 0 else { return index }
    let shift = octave - 1
    let mantissa = (1 << precisionBits) | (index & ((1 << precisionBits) - 1))
    return ((mantissa + 1) << shift) - 1
  }

  @inline(always)
  mutating func record(_ valueNs: UInt64) {
    maxNs = max(maxNs, valueNs)
    unsafe buckets[Self.bucket(of: valueNs)] &+= 1
  }

  var count: UInt64 {
    var sum: UInt64 = 0
    for index in 0..<Self.bucketCount { unsafe sum += buckets[index] }
    return sum
  }

  /// The smallest bound that at least `quantile` (0 to 1) of the values do not exceed; nil when
  /// nothing was recorded.
  func valueNs(atQuantile quantile: Double) -> UInt64? {
    let total = count
    guard total > 0 else { return nil }
    let rank = max(1, UInt64((Double(total) * min(max(quantile, 0), 1)).rounded(.up)))
    var seen: UInt64 = 0
    for index in 0..<Self.bucketCount {
      unsafe seen += buckets[index]
      if seen >= rank { return min(Self.upperBoundNs(of: index), maxNs) }
    }
    return maxNs
  }

  mutating func reset() {
    unsafe buckets.update(repeating: 0, count: Self.bucketCount)
    maxNs = 0
  }

  /// Quantiles as the result carries them; nil when nothing was recorded.
  var summary: LatencySummary? {
    guard let p50 = valueNs(atQuantile: 0.5), let p99 = valueNs(atQuantile: 0.99),
      let p999 = valueNs(atQuantile: 0.999)
    else { return nil }
    return LatencySummary(
      count: count, p50Ns: p50, p99Ns: p99, p999Ns: p999, maxNs: maxNs)
  }
}

/// Quantiles of the time from the intended send to the delivery, in nanoseconds.
public struct LatencySummary: Sendable, Equatable {
  public var count: UInt64
  public var p50Ns: UInt64
  public var p99Ns: UInt64
  public var p999Ns: UInt64
  public var maxNs: UInt64
}
