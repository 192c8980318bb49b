/// A piece of the broker's counters.
public struct StatsPage: Sendable {
  /// Size of the whole, in bytes.
  public let total: UInt64
  /// Where this piece starts.
  public let offset: UInt64
  /// The piece; empty where the offset is beyond the end.
  public let bytes: [UInt8]
}

/// What became of everything that matched a subscription, when it was closed:
/// `matched = delivered + dropped + leftOut + expired + closed`.
///
/// It covers the time since the client last connected.
public struct SubscriptionAccount: Hashable, Sendable {
  /// Events that matched.
  public let matched: UInt64
  /// Events that the broker delivered.
  public let delivered: UInt64
  /// Events lost for any cause but expiry; each was in a gap.
  public let dropped: UInt64
  /// Events that the policy left out: conflated, sampled out, or older than it allows.
  public let leftOut: UInt64
  /// Events whose time to live was over; each was in a gap.
  public let expired: UInt64
  /// Events that were still waiting at the broker.
  public let closed: UInt64
}
