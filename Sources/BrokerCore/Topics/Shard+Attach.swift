import WireFormat

// Where a subscription begins in a topic that exists already. The topic's owner knows, and keeps
// the pages from there on (a pin) until the asking shard's own hold covers them.

extension Shard {
  /// Begins a subscription in a topic: at once where this shard can tell, else its owner is asked
  /// and the subscription has a cursor meanwhile that is sent nothing.
  func beginAt(_ subscription: UInt32, _ id: UInt32, start: Start, value: UInt64) {
    let shared = topics[id].shared
    if shared.owner == index {
      if topics[id].isInterested {
        moveTail(id, to: ownTail(id))
      } else {
        topics[id].tail = ownTail(id)
        topics[id].isInterested = true
        updateHold(id)
      }
      let first = firstOffered(id)
      place(
        subscription, id, at: locate(id, start: start, value: value),
        wanted: start == .sequence ? value : nil, first: first, cursor: nil)
      if start == .state, shared.settings.isKeyed { beginWithState(subscription, id) }
      // At once: an append later in this turn may give pages up, and must see where this one is.
      updateHold(id)
      return
    }
    // On a block topic the owner keeps the place until this shard's gate is in force.
    let wantsState = start == .state && shared.settings.isKeyed
    if topics[id].isInterested, start == .latest || start == .state, !shared.settings.isBlock {
      moveTail(id, to: shared.tail())
      if wantsState { beginWithState(subscription, id) }
      return
    }
    guard
      let cursor = startCursor(
        subscription, id, at: TopicShared.Tail(), attaching: true)
    else { return }
    cursors[cursor].wantsState = wantsState
    var request = SharedRequest(kind: .attach, asker: UInt32(index))
    request.connection = subscriptions[subscription].connection
    request.subscription = subscription
    request.subscriptionGeneration = subscriptions[subscription].generation
    request.cursor = cursor
    request.topic = id
    request.start = start.rawValue
    request.startValue = value
    subscriptions[subscription].attaching += 1
    noteBlocked(subscription)
    // Room was made sure of by the caller; the message itself may have to wait.
    guard let number = requests.insert(request) else {
      preconditionFailure("room for requests was checked")
    }
    send(request: number, to: shared.owner)
  }

  /// Puts a subscription to its first place.
  private func place(
    _ subscription: UInt32, _ id: UInt32, at position: TopicShared.Tail, wanted: UInt64?,
    first: UInt64, cursor existing: UInt32?
  ) {
    let tail = topics[id].tail
    precondition(position.sequence <= tail.sequence, "a place beyond the end")
    let missed = wanted.map { max($0, 1) < first ? first - max($0, 1) : 0 } ?? 0
    let pending = tail.sequence - position.sequence
    if pending + missed > 0 {
      counters.matched(
        subscription, events: pending + missed, bytes: tail.bytes - position.bytes)
    }
    let wantsState = existing.map { cursors[$0].wantsState } ?? false
    guard pending + missed > 0 || wantsState else {
      if let existing { endCursor(existing) }
      return
    }
    var cursor = existing
    if let existing {
      cursors[existing].isAttaching = false
      cursors[existing].page = position.page
      cursors[existing].offset = UInt32(position.offset)
      cursors[existing].sequence = position.sequence
      cursors[existing].bytes = position.bytes
    } else {
      cursor = startCursor(subscription, id, at: position, attaching: true)
      guard let cursor else {
        counters.closedPending(
          subscription, events: pending + missed, bytes: tail.bytes - position.bytes)
        return
      }
      cursors[cursor].isAttaching = false
    }
    guard let cursor else { return }
    cursors[cursor].notBeforeNs = realtimeNs
    if missed > 0 {
      cursors[cursor].gapCause = GapCause.notRetained.rawValue
      cursors[cursor].gapFirst = position.sequence - missed
      counters.lost(subscription, cause: .notRetained, events: missed, bytes: 0)
      observeLoss(
        subscription, id, from: position.sequence - missed, before: position.sequence,
        cause: .notRetained)
    }
    listForHold(id)
    makeReady(cursor)
    if wantsState { beginPass(cursor, isState: true) }
  }

  /// A subscription that stands at the tail of a topic is sent its state first.
  private func beginWithState(_ subscription: UInt32, _ id: UInt32) {
    guard let cursor = startCursor(subscription, id, at: topics[id].tail) else { return }
    if !beginPass(cursor, isState: true) { endCursor(cursor) }
  }

  /// The owner: says where a subscription of another shard starts, and keeps it there.
  func performAttach(_ request: inout SharedRequest) {
    let id = request.topic
    let shared = topics[id].shared
    shared.addInterest(shard: Int(request.asker))
    shared.publishTail(ownTail(id))
    let start = Start(rawValue: request.start) ?? .latest
    request.position = locate(id, start: start, value: request.startValue)
    request.first = firstOffered(id)
    // The pin is of the page: one place may be at its end.
    let atEnd = Page(address: request.position.page)?.endSequence == request.position.sequence
    let pinned = atEnd ? request.position.sequence - 1 : request.position.sequence
    guard let pin = pins.insert(PinEntry(topic: id, sequence: pinned)) else {
      preconditionFailure("more pins than requests")
    }
    append(pin, to: &topics[id].pins, of: pins, \.inTopic)
    request.pin = pin
  }

  /// The owner has answered.
  func attached(_ request: SharedRequest) {
    let id = request.topic
    let shared = topics[id].shared
    if request.pull.pass != noSlot {
      returned(request)
      broker.unpinBits[shared.owner].add(Int(request.pin))
      wake(shared.owner)
      return
    }
    let subscription = request.subscription
    let isThere =
      subscriptions.isUsed(subscription)
      && subscriptions[subscription].generation == request.subscriptionGeneration
    if isThere {
      if topics[id].isInterested {
        moveTail(id, to: shared.tail())
      } else {
        // Again, since an attachment that nobody waited for may have taken it away meanwhile.
        shared.addInterest(shard: index)
        topics[id].tail = shared.tail()
        topics[id].isInterested = true
      }
      subscriptions[subscription].attaching -= 1
      noteBlocked(subscription)
      place(
        subscription, id, at: request.position,
        wanted: request.start == Start.sequence.rawValue ? request.startValue : nil,
        first: request.first, cursor: request.cursor)
      updateHold(id)
      confirmIfReady(subscription)
    } else if !topics[id].isInterested {
      shared.removeInterest(shard: index)
    }
    broker.unpinBits[shared.owner].add(Int(request.pin))
    wake(shared.owner)
  }

  func unpin(_ pin: UInt32) {
    let id = pins[pin].topic
    remove(pin, from: &topics[id].pins, of: pins, \.inTopic)
    pins.remove(pin)
  }
}
