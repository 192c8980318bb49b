/// Events of one topic that a subscription's policy left out: it is through with these sequences,
/// and those of them that were not delivered will not come.
public struct LeftOut: Sendable {
  /// The topic that they belong to.
  public let topic: String
  /// Why.
  public let cause: LeftOutCause
  /// The first sequence that the account is about; 0 where it is not known.
  public let first: UInt64
  /// The last sequence that the account is about.
  public let last: UInt64
  /// Events that were left out.
  public let count: UInt64
  /// Their charged bytes, as credits count them.
  public let bytes: UInt64
  /// Events that were left out beside those because they were older than the policy allows.
  public let expiredCount: UInt64
  /// Their charged bytes.
  public let expiredBytes: UInt64

  /// Both together, where `next` goes on where this one ends; nil where it does not.
  func joined(_ next: LeftOut) -> LeftOut? {
    guard topic == next.topic, cause == next.cause, last &+ 1 == next.first else { return nil }
    return LeftOut(
      topic: topic, cause: cause, first: first, last: next.last, count: count &+ next.count,
      bytes: bytes &+ next.bytes, expiredCount: expiredCount &+ next.expiredCount,
      expiredBytes: expiredBytes &+ next.expiredBytes)
  }
}

/// Why a policy left events out.
public enum LeftOutCause: Sendable {
  /// A later event with the same key was delivered, or will be: ``DeliveryPolicy/latest(maxAge:)``.
  case conflated
  /// Their sequences are no multiples of n: ``DeliveryPolicy/sample(every:maxAge:)``.
  case sampledOut
  /// A cause that this client does not know.
  case other
}
