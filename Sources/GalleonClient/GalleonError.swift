/// Everything that can go wrong, by what a caller can do about it.
public enum GalleonError: Error, Hashable, Sendable {
  /// The connection string is none. The text says what is wrong with it.
  case invalidAddress(String)

  /// No connection to the broker came about: refused, no such name, or no answer in time.
  case cannotConnect(String)

  /// The connection ended, and with it what was under way: a request, a reply, a page of counters.
  /// Publishers and subscriptions do not end with it; they go on after the client has reconnected.
  /// Only a client that does not come back, as its ``ReconnectOptions`` say, ends with it, and then
  /// so do they.
  case connectionLost(String)

  /// The broker ended the session and does not want this client back, or the client does not come
  /// back by its own options. The client is of no use any more.
  case closed(CloseReason, String)

  /// `close()` was called on the client, the publisher or the subscription.
  case clientClosed

  /// The broker refused one request; the client goes on.
  case refused(Refusal)

  /// The broker speaks a version of the protocol that does not have what was asked for. The text
  /// says what.
  case brokerTooOld(String)

  /// The time given for it is over.
  case timeout

  /// The task was cancelled while it waited.
  case cancelled

  /// Events of a subscription were lost. Thrown when iterating a ``Subscription`` itself; iterate
  /// its ``Subscription/items`` to be handed gaps as values. A new loop goes on after the gap.
  case gap(Gap)

  /// So many events were given to `publish` and may not have reached the broker, because the
  /// connection broke. Thrown once by `flush` or `close` for each such loss.
  case eventsLost(UInt64)

  /// An event is larger than a batch may be on this connection.
  case eventTooLarge(bytes: Int, max: Int)

  /// An event breaks a rule of the protocol, such as the longest key. The text says which.
  case invalidEvent(String)

  /// As many requests wait for their replies as ``ClientOptions/requestsMax`` allows.
  case tooManyRequests

  /// The event did not ask for a reply.
  case noReplyAddress
}

/// Why the broker ended a session.
public struct CloseReason: Hashable, Sendable, CustomStringConvertible {
  /// The number in the protocol.
  public let code: UInt16
  /// The name in the protocol, such as `draining`; `unknown` for a number that has none here.
  public let name: String

  public var description: String { name }
}

/// The broker's answer to a request that it does not carry out.
public struct Refusal: Hashable, Sendable, CustomStringConvertible {
  /// The number in the protocol.
  public let code: UInt16
  /// The name in the protocol, such as `topicNotFound`.
  public let name: String
  /// Whether the same request may succeed later.
  public let isRetryable: Bool
  /// The broker's sentence about it.
  public let text: String

  public var description: String { text.isEmpty ? name : "\(name): \(text)" }
}

extension GalleonError: CustomStringConvertible {
  /// One sentence for people.
  public var description: String {
    switch self {
    case .invalidAddress(let text): text
    case .cannotConnect(let text): "cannot connect: \(text)"
    case .connectionLost(let text): "the connection was lost: \(text)"
    case .closed(let reason, let text):
      text.isEmpty ? "closed by the broker: \(reason)" : "closed by the broker: \(reason): \(text)"
    case .clientClosed: "closed by this side"
    case .refused(let refusal): "refused: \(refusal)"
    case .brokerTooOld(let text): text
    case .timeout: "no answer in time"
    case .cancelled: "cancelled"
    case .gap(let gap): "\(gap)"
    case .eventsLost(let count):
      "\(count) published \(count == 1 ? "event" : "events") may be lost with the connection"
    case .eventTooLarge(let bytes, let max):
      "an event of \(bytes) bytes is too large; a batch holds at most \(max)"
    case .invalidEvent(let text): text
    case .tooManyRequests: "too many requests are waiting for their replies"
    case .noReplyAddress: "the event did not ask for a reply"
    }
  }
}
