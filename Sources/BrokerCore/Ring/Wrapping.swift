import WireFormat

/// The one home of arithmetic on counters that may wrap.
///
/// Ring positions count bytes from an arbitrary start and wrap at 2^64. Their distance is taken
/// with `&-` and is right across the wrap as long as it is below 2^63, which ring sizes ensure.
/// (Topic sequences start at 1 and do not reach the wrap: at 10^9 events a second it takes 584
/// years. They are compared and subtracted as plain integers, and trap if that is ever wrong.)
enum Wrapping {
  /// How far `a` is ahead of `b`.
  static func distance(from b: UInt64, to a: UInt64) -> UInt64 { a &- b }

  static func advanced(_ a: UInt64, by n: Int) -> UInt64 { a &+ UInt64(truncatingIfNeeded: n) }
}

/// What each event costs beside its decoded bytes, in credits, lags and retention.
let eventCharge = WireLimits.eventCharge
