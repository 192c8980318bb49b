import LinuxIO

/// What a shard's thread knows of the time: one read where a turn begins, and one after each write,
/// so that a batch that comes alone costs two on its way to a subscriber.
///
/// Time since 1970 follows the monotonic clock at a distance that is measured anew every now and
/// then.
struct TurnTime {
  /// How late the clock being set is noticed, at most, in nanoseconds of work. Often enough for
  /// the times of events; rarely enough to cost nothing.
  private static let measureNs: UInt64 = 100_000_000

  /// As read last.
  private(set) var nowNs: UInt64 = 0
  private var sinceEpochNs: UInt64 = 0
  private var nextMeasureNs: UInt64 = 0

  /// Since 1970 in universal time.
  var realtimeNs: UInt64 { nowNs &+ sinceEpochNs }

  @discardableResult
  mutating func read() -> UInt64 {
    nowNs = Clock.monotonicNs()
    if nowNs >= nextMeasureNs {
      nextMeasureNs = nowNs + Self.measureNs
      sinceEpochNs = Clock.realtimeNs() &- nowNs
    }
    return nowNs
  }
}
