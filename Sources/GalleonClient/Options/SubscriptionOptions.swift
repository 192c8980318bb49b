/// Where a subscription starts, what happens when it falls behind, and how much of it may wait in
/// this process.
public struct SubscriptionOptions: Sendable {
  /// Where to start in topics that exist; one that is created later is delivered from its start.
  public var start = StartPosition.latest

  /// What the broker does when this subscription falls behind.
  public var policy = DeliveryPolicy.lossless

  /// Events that the broker may send before the program has consumed them.
  ///
  /// The memory of a subscription is at most `windowBytes` plus one largest batch.
  public var windowEvents: UInt64 = 16 * 1024

  /// Bytes that the broker may send before the program has consumed them: payloads, keys and
  /// headers, and 32 bytes for each event.
  public var windowBytes: UInt64 = 4 * 1024 * 1024

  /// Its share of the connection, from 1 to 16, beside the other subscriptions of this client.
  public var weight: UInt8 = 1

  public init() {}

  public init(start: StartPosition, policy: DeliveryPolicy = .lossless) {
    self.start = start
    self.policy = policy
  }
}

/// Where a subscription starts in a topic that exists.
public enum StartPosition: Hashable, Sendable {
  /// With the next event.
  case latest
  /// With the oldest event that the broker still holds.
  case earliest
  /// With this sequence. What the broker no longer holds of it is a gap.
  case sequence(UInt64)
  /// With the first batch that the broker accepted at or after this time, in nanoseconds since 1970
  /// in universal time.
  case time(nanoseconds: UInt64)
}

/// What the broker does with a subscription that falls behind.
public enum DeliveryPolicy: Hashable, Sendable {
  /// Waits for it. Only the topic's retention can take events from it, as a gap.
  case lossless
  /// Drops its oldest events beyond these bounds, as a gap; nil for no bound of that kind.
  case dropOldest(lagEvents: UInt64? = nil, lagBytes: UInt64? = nil)
  /// Ends the session beyond these bounds; nil for no bound of that kind. The client comes back as
  /// its ``ReconnectOptions`` say and goes on where it was.
  case disconnect(lagEvents: UInt64? = nil, lagBytes: UInt64? = nil)
}
