/// The events of all topics that match one pattern, as an `AsyncSequence`.
///
///     for try await event in subscription {
///       print(event.topic, event.text)
///     }
///
/// Loss is never silence. Iterating the subscription itself, as above, throws
/// ``GalleonError/gap(_:)`` where events are missing, and a new loop goes on after the gap.
/// Iterating its ``items`` hands the gaps over as values, and what the policy has left out.
///
/// Taking events is what renews the credit: a program that stops taking them makes the broker stop
/// sending. Several loops at one time share the events between them, in batches. Leaving a loop and
/// starting another loses nothing. A task that is cancelled while it waits gets
/// ``GalleonError/cancelled``. After ``close()`` the sequence ends; when the client ends by itself,
/// it throws why.
///
/// A subscription that nobody refers to is closed.
public final class Subscription: AsyncSequence, Sendable {
  public typealias Element = Event
  public typealias Failure = GalleonError

  let core: SubscriptionCore
  private let client: GalleonClient

  init(_ core: SubscriptionCore, _ client: GalleonClient) {
    self.core = core
    self.client = client
  }

  deinit {
    client.mailbox.post(.unsubscribe(core, Promise()))
  }

  /// The pattern that was subscribed to.
  public var pattern: String { core.pattern }

  public func makeAsyncIterator() -> Iterator {
    Iterator(reader: DeliveryReader(core, of: self))
  }

  /// The same sequence with everything that is not an event as values.
  public var items: SubscriptionItems { SubscriptionItems(subscription: self) }

  /// Changes what the broker does when this subscription falls behind, from where it stands. While
  /// the client is not connected it waits until it is. A client that comes back keeps the change.
  ///
  /// - Throws: `brokerTooOld` where the broker speaks version 1 of the protocol; `refused`;
  ///   `cancelled`, and then it may come into force all the same; `clientClosed` where the
  ///   subscription was closed; the client's error when it ended.
  public nonisolated(nonsending) func setPolicy(
    _ policy: DeliveryPolicy
  ) async throws(GalleonError) {
    let promise = Promise<Void>()
    let change = Command.setPolicy(core, PolicyWish(policy), promise)
    guard client.mailbox.post(change) else { throw .clientClosed }
    try await promise.value()
  }

  /// Why the broker sends nothing although something waits; nil where it sends, or nothing waits,
  /// and where it speaks version 1 of the protocol, which does not say.
  /// ``SubscriptionOptions/onBlocked`` hears of changes.
  public var blocked: Blocked? { core.blocked }

  /// Closes the subscription. What has been delivered can still be taken; then loops over it end.
  ///
  /// - Returns: what became of everything that matched, since the client last connected.
  /// - Throws: `connectionLost` where there is no session to tell that, `refused`, `cancelled`, and
  ///   why the client ended; it is closed all the same. `clientClosed` where it was closed before.
  @discardableResult
  public nonisolated(nonsending) func close() async throws(GalleonError) -> SubscriptionAccount {
    let promise = Promise<SubscriptionAccount>()
    guard client.mailbox.post(.unsubscribe(core, promise)) else { throw .clientClosed }
    return try await promise.value()
  }

  /// Takes events from a subscription.
  public struct Iterator: AsyncIteratorProtocol {
    @usableFromInline let reader: DeliveryReader

    /// The next event; nil when the subscription was closed. What the policy has left out is passed
    /// over.
    ///
    /// - Throws: `gap` where events are missing; `cancelled`; the client's error when it ended.
    @inlinable
    public mutating func next(
      isolation actor: isolated (any Actor)?
    ) async throws(GalleonError) -> Event? {
      if let event = reader.nextInBatch() { return event }
      while let item = try await reader.next() {
        switch item {
        case .event(let event): return event
        case .gap(let gap): throw .gap(gap)
        case .leftOut, .stateReset, .stateComplete: break
        }
      }
      return nil
    }
  }
}

/// A subscription's events, and what is to be said of those that did not come, as an
/// `AsyncSequence`.
public struct SubscriptionItems: AsyncSequence, Sendable {
  /// What a subscription brings.
  public enum Element: Sendable {
    case event(Event)
    /// Events were lost.
    case gap(Gap)
    /// Events were left out, as the policy asks.
    case leftOut(LeftOut)
    /// What is known of the topic's keys is to be forgotten: its whole state follows, the newest
    /// event of each key, in any order. Comes with ``StartPosition/state``; with
    /// ``DeliveryPolicy/latest(maxAge:)`` where the broker no longer knows which keys were deleted
    /// since; and once more where the connection broke before the state was complete.
    case stateReset(topic: String)
    /// The topic's state up to this sequence has been handed over; changes follow.
    case stateComplete(topic: String, last: UInt64)
  }

  public typealias Failure = GalleonError

  let subscription: Subscription

  public func makeAsyncIterator() -> Iterator {
    Iterator(reader: DeliveryReader(subscription.core, of: subscription))
  }

  /// Takes everything from a subscription.
  public struct Iterator: AsyncIteratorProtocol {
    @usableFromInline let reader: DeliveryReader

    /// What comes next; nil when the subscription was closed.
    ///
    /// - Throws: `cancelled`; the client's error when it ended.
    @inlinable
    public mutating func next(
      isolation actor: isolated (any Actor)?
    ) async throws(GalleonError) -> Element? {
      if let event = reader.nextInBatch() { return .event(event) }
      return try await reader.next()
    }
  }
}
