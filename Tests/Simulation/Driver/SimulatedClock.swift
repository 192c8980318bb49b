/// The two clocks of the machine: one that only rises, and one that somebody may set.
final class SimulatedClock {
  private(set) var nowNs: UInt64 = 1_000_000_000
  private var offsetNs: UInt64 = 1_700_000_000_000_000_000
  /// The latest time that any shard can believe in: one whose clock was set back goes on at half
  /// speed.
  private(set) var latestNs: UInt64 = 0

  var realtimeNs: UInt64 { nowNs + offsetNs }

  init() { latestNs = realtimeNs }

  func advance(by ns: UInt64) {
    nowNs += ns
    latestNs = max(realtimeNs, latestNs + ns / 2 + 1)
  }

  /// Somebody sets the clock, forward or back.
  func set(by ns: Int64) {
    offsetNs = offsetNs &+ UInt64(bitPattern: ns)
    latestNs = max(realtimeNs, latestNs)
  }
}
