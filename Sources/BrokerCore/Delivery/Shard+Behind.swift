import Counters
import WireFormat

// Subscriptions that are behind: why they are sent nothing, and the end of those that may not lag
// any further.

extension Shard {
  /// Why a subscription is not being sent anything at this moment.
  func blockedCause(_ subscription: UInt32) -> BlockedCause {
    let entry = subscriptions[subscription]
    if entry.isServed { return connections[entry.connection].isWritable ? .turn : .socket }
    if entry.ready == noSlot { return entry.attaching > 0 ? .attaching : .none }
    if entry.sentEvents >= entry.creditEvents { return .creditEvents }
    return entry.sentBytes >= entry.creditBytes ? .creditBytes : .none
  }

  @inline(__always)
  func noteBlocked(_ subscription: UInt32) {
    let cause = blockedCause(subscription)
    let was = counters.blocked(subscription)
    guard cause.rawValue != was else { return }
    noteWait(subscription, from: was, to: cause)
    subscriptions[subscription].blockedNs = nowNs
    counters.blocked(subscription, cause)
    noteStop(subscription, cause)
  }

  /// A connection's socket is full, or takes bytes again.
  func noteBlockedAll(_ slot: UInt32) {
    forEach(from: connections[slot].serving, of: subscriptions, \.serving) { noteBlocked($0) }
  }

  // MARK: Policy disconnect

  /// A subscription with policy disconnect may have come too far behind; see `closeBehind`.
  @inline(__always)
  func checkLag(_ slot: UInt32, _ cursor: UInt32, _ end: TopicShared.Tail) {
    guard subscriptions[slot].policy == Policy.disconnect.rawValue,
      exceedsLag(slot, cursor, end)
    else { return }
    let connection = subscriptions[slot].connection
    guard !connections[connection].isListedAsBehind else { return }
    connections[connection].isListedAsBehind = true
    behindConnections.append(connection)
  }

  /// At the end of a turn, when everybody has been sent what could be sent: ends the sessions with
  /// a subscription of policy disconnect beyond its bounds that nothing can be sent to. One that is
  /// only waiting for its turn is looked at again after it.
  func closeBehind() {
    var i = behindConnections.count
    while i > 0 {
      i -= 1
      let slot = behindConnections[i]
      let isThere = connections.isUsed(slot) && connections[slot].phase == .open
      var fate = BehindFate.within
      if isThere { fate = behindFate(slot) }
      if fate == .waits { continue }
      if connections.isUsed(slot) { connections[slot].isListedAsBehind = false }
      behindConnections.remove(at: i)
      if fate == .stands { close(slot, .slowSubscriber) }
    }
  }

  /// Whether a subscription with policy disconnect has been behind, or without credit, for longer
  /// than its bounds, and can be sent nothing. Looked at with the sweep.
  func isBehindTooLong(_ slot: UInt32) -> Bool {
    var isTooLong = false
    forEach(from: connections[slot].subscriptions, of: subscriptions, \.inConnection) {
      subscription in
      let entry = subscriptions[subscription]
      guard entry.policy == Policy.disconnect.rawValue, entry.ready != noSlot,
        !(connections[slot].isWritable && entry.hasCredit)
      else { return }
      let bounds = bounds(of: subscription)
      if bounds.noCreditMs != 0, !entry.hasCredit,
        nowNs - entry.blockedNs > UInt64(bounds.noCreditMs) * 1_000_000
      {
        isTooLong = true
      }
      guard bounds.ageMs != 0 else { return }
      forEach(from: entry.cursors, of: cursors, \.inSubscription) { cursor in
        if let batch = nextBatch(cursor), isTooOld(subscription, batch) { isTooLong = true }
      }
    }
    return isTooLong
  }

  private enum BehindFate { case within, waits, stands }

  private func behindFate(_ slot: UInt32) -> BehindFate {
    var fate = BehindFate.within
    forEach(from: connections[slot].subscriptions, of: subscriptions, \.inConnection) {
      subscription in
      guard subscriptions[subscription].policy == Policy.disconnect.rawValue,
        subscriptions[subscription].cursorCount > 0
      else { return }
      let canBeSent = connections[slot].isWritable && subscriptions[subscription].hasCredit
      forEach(from: subscriptions[subscription].cursors, of: cursors, \.inSubscription) { cursor in
        guard !cursors[cursor].isAttaching,
          exceedsLag(subscription, cursor, topics[cursors[cursor].topic].tail)
        else { return }
        if !canBeSent { fate = .stands } else if fate == .within { fate = .waits }
      }
    }
    return fate
  }

  /// Whether a cursor is further behind `end` than its subscription's bounds.
  func exceedsLag(_ slot: UInt32, _ cursor: UInt32, _ end: TopicShared.Tail) -> Bool {
    let bounds = bounds(of: slot)
    return (bounds.events != 0 && end.sequence - cursors[cursor].sequence > bounds.events)
      || (bounds.bytes != 0 && end.bytes - cursors[cursor].bytes > bounds.bytes)
  }
}
