/// Events that matched a subscription and will not be delivered, at their place in the order.
public struct Gap: Hashable, Sendable {
  /// The topic that lost them; for ``GapCause/newEpoch`` the subscription's pattern.
  public let topic: String
  /// The first sequence that is missing; 0 where it cannot be known.
  public let first: UInt64
  /// The last sequence that is missing; 0 where it cannot be known.
  public let last: UInt64
  /// How many events are missing; 0 where it cannot be known.
  public let count: UInt64
  /// Their charged bytes, as credits count them; 0 where they are not known.
  public let bytes: UInt64
  /// Why.
  public let cause: GapCause

  /// Both together, where `next` goes on where this one ends; nil where it does not.
  func joined(_ next: Gap) -> Gap? {
    guard topic == next.topic, last > 0, last &+ 1 == next.first else { return nil }
    return Gap(
      topic: topic, first: first, last: next.last, count: count &+ next.count,
      bytes: bytes &+ next.bytes, cause: cause == next.cause ? cause : .several)
  }
}

/// Why events that matched a subscription were not delivered.
public enum GapCause: Hashable, Sendable {
  /// More than one of the causes below.
  case several
  /// The topic's retention, or the broker's memory ceiling, took them before this subscription did.
  case ringOverrun
  /// The lag bounds that this subscription asked for, with ``DeliveryPolicy/dropOldest``.
  case dropOldest
  /// Their time to live was over.
  case expired
  /// This subscription held back the publishers of a block topic for longer than the topic allows.
  case blockTimeout
  /// They arrived damaged, or were published damaged, and could not be decoded.
  case corrupt
  /// The start that was asked for, or the place to resume at, is no longer held by the broker.
  case notRetained
  /// The broker was restarted, and its sequences began anew. How many were missed is not known.
  case newEpoch
  /// The broker went on at a later sequence and did not say why.
  case unexplained
}

extension Gap: CustomStringConvertible {
  /// One sentence for people.
  public var description: String {
    if cause == .newEpoch {
      return "\(topic) began anew at the broker; what was missed is not known"
    }
    if last == 0 { return "events of \(topic) from \(first) on may be lost: \(cause)" }
    let events = count == 1 ? "1 event" : "\(count) events"
    return "\(events) of \(topic) lost (\(first) to \(last)): \(cause)"
  }
}
