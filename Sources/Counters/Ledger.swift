/// The account of a subscription: where everything went that matched it.
///
/// It balances at every moment, in events and in charged bytes: what matched is what was delivered,
/// conflated, sampled out, expired, dropped, pending at its end, and what is pending.
public struct Ledger: Equatable, Sendable {
  /// Events, and their charged bytes.
  public struct Amount: Equatable, Sendable {
    public var events: UInt64
    public var bytes: UInt64

    public init(events: UInt64 = 0, bytes: UInt64 = 0) {
      self.events = events
      self.bytes = bytes
    }

    // Wrapping: rows that were torn apart may hold anything.
    public static func + (a: Amount, b: Amount) -> Amount {
      Amount(events: a.events &+ b.events, bytes: a.bytes &+ b.bytes)
    }
  }

  /// Where expiry stands among the causes of `droppedEvents`: the protocol's GapCause.
  public static var expiredCause: Int { 3 }

  public var matched = Amount()
  public var delivered = Amount()
  public var conflated = Amount()
  public var sampled = Amount()
  public var expired = Amount()
  /// All causes but expiry.
  public var dropped = Amount()
  public var closed = Amount()
  public var lag = Amount()

  public init() {}

  /// Everything but what matched.
  public var sum: Amount {
    delivered + conflated + sampled + expired + dropped + closed + lag
  }

  /// By how much what matched exceeds the sum; negative where the sum is too large. Nil where the
  /// account balances.
  public var breach: (events: Int64, bytes: Int64)? {
    let sum = sum
    if matched == sum { return nil }
    return (
      Int64(bitPattern: matched.events &- sum.events),
      Int64(bitPattern: matched.bytes &- sum.bytes)
    )
  }

  fileprivate init(
    _ word: (SubscriptionRow.Word) -> UInt64, lost: UInt64, expired: UInt64
  ) {
    matched = Amount(events: word(.matchedEvents), bytes: word(.matchedBytes))
    delivered = Amount(events: word(.deliveredEvents), bytes: word(.deliveredBytes))
    conflated = Amount(events: word(.conflatedEvents), bytes: word(.conflatedBytes))
    sampled = Amount(events: word(.sampledEvents), bytes: word(.sampledBytes))
    self.expired = Amount(events: expired, bytes: word(.expiredBytes))
    dropped = Amount(events: lost &- expired, bytes: word(.droppedBytes))
    closed = Amount(events: word(.closedEvents), bytes: word(.closedBytes))
    lag = Amount(events: word(.lagEvents), bytes: word(.lagBytes))
  }
}

extension SubscriptionRow {
  /// The account as it stands, for the row's writer.
  public var ledger: Ledger {
    var lost: UInt64 = 0
    for cause in 0..<Series.droppedEvents.count { lost &+= get(.droppedEvents, at: cause) }
    return Ledger(
      { get($0) }, lost: lost, expired: get(.droppedEvents, at: Ledger.expiredCause))
  }
}

extension RowSnapshot where Row == SubscriptionRow {
  public var ledger: Ledger {
    let dropped = self[.droppedEvents]
    return Ledger(
      { self[$0] }, lost: dropped.reduce(0, &+), expired: dropped[Ledger.expiredCause])
  }
}
