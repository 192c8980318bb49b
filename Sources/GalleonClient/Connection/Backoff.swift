/// The waits between attempts to connect: each drawn between half and the whole of a delay that
/// doubles up to a bound.
struct Backoff {
  private let minNs: UInt64
  private let maxNs: UInt64
  private var delayNs: UInt64

  init(_ options: ReconnectOptions) {
    minNs = max(1_000_000, options.delayMin.nanosecondsClamped)
    maxNs = max(minNs, options.delayMax.nanosecondsClamped)
    delayNs = minNs
  }

  /// The next wait.
  ///
  /// - Parameter hint: what the broker said: not before `afterNs`, and spread over `spreadNs`.
  mutating func next(
    hint: (afterNs: UInt64, spreadNs: UInt64)?, using random: inout some RandomNumberGenerator
  ) -> UInt64 {
    let delay = delayNs
    delayNs = min(maxNs, delayNs * 2)
    if let hint {
      return hint.afterNs + UInt64.random(in: 0...hint.spreadNs, using: &random)
    }
    return UInt64.random(in: (delay / 2)...delay, using: &random)
  }

  /// The connection was good; the next time begins anew.
  mutating func reset() {
    delayNs = minNs
  }
}
