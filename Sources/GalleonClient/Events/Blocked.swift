/// Why the broker sends a subscription nothing although something waits for it, or does not take
/// what a publisher sends. Told when it has lasted for a tenth of a second.
public struct Blocked: Equatable, Sendable {
  /// Why.
  public let cause: BlockedCause
  /// Events that waited for the subscription when the broker said so; 0 for a publisher.
  public let pendingEvents: UInt64
  /// Their charged bytes, as credits count them; 0 for a publisher.
  public let pendingBytes: UInt64
}

/// What a stopped subscription or publisher waits for.
public enum BlockedCause: Sendable {
  /// The program: it has not taken so many events as ``SubscriptionOptions/windowEvents`` allow.
  /// Of a publisher: credit from a topic that blocks.
  case creditEvents
  /// The same in bytes: ``SubscriptionOptions/windowBytes``.
  case creditBytes
  /// The connection, which takes no more bytes.
  case socket
  /// Its turn at a broker that has much to do.
  case turn
  /// To hear where it starts in a topic.
  case attaching
  /// Of a publisher: memory of the broker that subscriptions still read.
  case memory
  /// Of a publisher: a lossless subscription of a topic that blocks.
  case subscriber
  /// Of a publisher: nothing any more. The broker is shutting down.
  case draining
  /// A cause that this client does not know.
  case other
}
