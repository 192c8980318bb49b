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

  /// Called on the client's own thread when ``Subscription/blocked`` changes. It must return soon:
  /// while it runs, nothing is sent or received.
  public var onBlocked: (@Sendable (Blocked?) -> Void)?

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
  /// With the newest event of every key of a keyed topic, in any order, then with the next one:
  /// without a gap and without a repeat. ``SubscriptionItems`` say where the state of a topic
  /// begins and where it is complete. On a topic without keys it is `latest`; what such a topic was
  /// published while the client was away is missed where nothing of it had come before. Needs a
  /// broker that speaks version 2 of the protocol.
  case state
}

/// What the broker does with a subscription that falls behind.
///
/// Bounds are nil for none of that kind. Bytes are charged bytes, as in
/// ``SubscriptionOptions/windowBytes``; times are told to the broker in whole milliseconds, at
/// least one. Everything that has a time in it, ``latest(maxAge:)``, ``sample(every:maxAge:)`` and
/// ``Subscription/setPolicy(_:)`` need a broker that speaks version 2 of the protocol; with another
/// they throw ``GalleonError/brokerTooOld(_:)``.
public enum DeliveryPolicy: Hashable, Sendable {
  /// Waits for it. Only the topic's retention can take events from it, as a gap.
  case lossless
  /// Drops its oldest events beyond these bounds, as a gap. `maxAge` bounds how old they are.
  case dropOldest(lagEvents: UInt64? = nil, lagBytes: UInt64? = nil, maxAge: Duration? = nil)
  /// Delivers only the newest event of each key, and none that is older than `maxAge`: where this
  /// subscription lags, each key once in a pass over what has changed. The order is kept for each
  /// key, not between keys. Deletions come however old they are. When the connection breaks in a
  /// pass, the next one brings its keys again. On a topic without keys it is
  /// ``dropOldest(lagEvents:lagBytes:maxAge:)``.
  case latest(maxAge: Duration? = nil)
  /// Delivers the events whose sequence is a multiple of `every`; 0 is taken for 1. What is older
  /// than `maxAge` is a gap, as if its time to live were over.
  case sample(every: UInt32, maxAge: Duration? = nil)
  /// Ends the session beyond these bounds, where nothing more can be sent: events, bytes, the age
  /// of the oldest one, and how long the program has not taken enough to be sent more. The client
  /// comes back as its ``ReconnectOptions`` say and goes on where it was.
  case disconnect(
    lagEvents: UInt64? = nil, lagBytes: UInt64? = nil, maxAge: Duration? = nil,
    withoutCredit: Duration? = nil)
}
