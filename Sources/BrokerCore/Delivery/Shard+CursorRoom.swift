import WireFormat

// When the table of cursors runs out: who lags most makes room, and not whoever asks next.

extension Shard {
  /// This part of the table is for subscriptions with credit: those without may fill the rest for
  /// as long as they like, and one that takes what it is sent is not ended over it.
  private static let creditShare = 8

  /// Makes sure of a cursor for a subscription: where there is none, the session with the most
  /// cursors ends, be it another one or this one.
  /// - Returns: false where this subscription's own session ends.
  func makeRoomForCursor(_ subscription: UInt32) -> Bool {
    let asking = subscriptions[subscription].connection
    guard connections[asking].closeReason == 0 else { return false }
    let reserve = subscriptions[subscription].hasCredit ? 0 : cursors.capacity / Shard.creditShare
    while cursors.used >= cursors.capacity - reserve {
      let largest = mostCursors(asking)
      condemn(largest, .cursorMemory)
      guard largest != asking else { return false }
      takeCursors(largest)
    }
    return true
  }

  /// The connection with the most cursors of those that are not about to end; the asking one where
  /// none has more.
  private func mostCursors(_ asking: UInt32) -> UInt32 {
    var largest = asking
    for slot in 0..<UInt32(connections.highWater) where connections.isUsed(slot) {
      if connections[slot].phase == .open, connections[slot].closeReason == 0,
        connections[slot].cursorCount > connections[largest].cursorCount
      {
        largest = slot
      }
    }
    return largest
  }

  /// Takes the cursors of a condemned connection at once. Its subscriptions go when no list is
  /// being gone through; so do the cursors for whose place an owner has been asked.
  private func takeCursors(_ connection: UInt32) {
    forEach(from: connections[connection].subscriptions, of: subscriptions, \.inConnection) {
      subscription in
      rouse(subscription)
      let isTold = isToldOfMove(subscription)
      forEach(from: subscriptions[subscription].cursors, of: cursors, \.inSubscription) { cursor in
        guard !cursors[cursor].isAttaching else { return }
        let id = cursors[cursor].topic
        closePending(
          subscription, cursor, before: id == movingTopic && !isTold ? movingFrom : topics[id].tail)
        endCursor(cursor)
      }
    }
  }

  /// Whether a subscription's account has what is new in the topic whose tail is being moved, which
  /// its subscriptions are told one after the other. Then all that its cursors have before them is
  /// in the account; else they have more.
  private func isToldOfMove(_ subscription: UInt32) -> Bool {
    guard movingTopic != noSlot else { return true }
    var lag: UInt64 = 0
    forEach(from: subscriptions[subscription].cursors, of: cursors, \.inSubscription) { cursor in
      guard !cursors[cursor].isAttaching else { return }
      lag += topics[cursors[cursor].topic].tail.sequence - cursors[cursor].sequence
      lag -= booked(cursor).events
    }
    return counters.lagEvents(subscription) == lag
  }

  /// What a cursor has before it, up to `tail`, will not be delivered, since its subscription ends.
  func closePending(_ subscription: UInt32, _ cursor: UInt32, before tail: TopicShared.Tail) {
    guard !cursors[cursor].isAttaching, tail.sequence > cursors[cursor].sequence else { return }
    let booked = booked(cursor)
    counters.closedPending(
      subscription, events: tail.sequence - cursors[cursor].sequence - booked.events,
      bytes: tail.bytes - min(tail.bytes, cursors[cursor].bytes) - booked.bytes)
  }
}
