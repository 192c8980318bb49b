import WireFormat

// From topics that grew to subscriptions that have something to send.
//
// A subscription that keeps up has no cursor: the shard's tail of the topic stands for it. When the
// tail moves, every such subscription gets a cursor at the old tail, which it keeps until it has
// been sent everything; one that lags already has one.

extension Shard {
  func listAsMoved(_ id: UInt32) {
    guard !topics[id].isListedAsMoved else { return }
    topics[id].isListedAsMoved = true
    movedTopics.append(id)
  }

  /// Another shard's topic has a new tail.
  func tailMoved(_ id: UInt32) {
    if topics[id].isInterested { listAsMoved(id) }
  }

  /// Gives the subscriptions of all topics whose tail moved what is new.
  func moveTopics() {
    var i = 0
    while i < movedTopics.count {
      let id = movedTopics[i]
      i += 1
      topics[id].isListedAsMoved = false
      moveTail(id, to: currentTail(id))
    }
    movedTopics.removeAll()
  }

  /// The end of a topic as this shard may see it.
  func currentTail(_ id: UInt32) -> TopicShared.Tail {
    topics[id].shared.owner == index ? ownTail(id) : topics[id].shared.tail()
  }

  /// Moves this shard's tail of a topic; what lies between is pending for every subscription.
  func moveTail(_ id: UInt32, to end: TopicShared.Tail) {
    let old = topics[id].tail
    guard topics[id].isInterested, end.sequence >= old.sequence else { return }
    if end.sequence == old.sequence {
      // The same end, but the owner gives its page up.
      guard end.page != old.page else { return }
      topics[id].tail = end
      topics[id].isRestingStale = true
      listForHold(id)
      return
    }
    topics[id].tail = end
    listForHold(id)
    let events = end.sequence - old.sequence
    let bytes = end.bytes - old.bytes
    movingTopic = id
    movingFrom = old
    defer { movingTopic = noSlot }
    forEach(from: topics[id].links, of: links, \.inTopic) { link in
      let pattern = links[link].pattern
      if patterns[pattern].resting != noSlot {
        moveResting(link, from: old, events: events, bytes: bytes)
      }
      forEach(from: patterns[pattern].subscriptions, of: subscriptions, \.inPattern) { slot in
        if let cursor = findCursor(slot, id) {
          // Until it knows where it starts nothing has matched; then all up to the tail does.
          if cursors[cursor].isAttaching { return }
          counters.matched(slot, events: events, bytes: bytes)
          checkLag(slot, cursor, end)
          noteLagging(slot)
        } else {
          counters.matched(slot, events: events, bytes: bytes)
          if let cursor = startCursor(slot, id, at: old) {
            checkLag(slot, cursor, end)
          } else {
            // Its session ends over it.
            counters.closedPending(slot, events: events, bytes: bytes)
          }
        }
      }
    }
    if end.sequence > topics[id].lagDueSequence || end.bytes > topics[id].lagDueBytes {
      checkRestingLag(id)
    }
  }

  /// Ends a session later in this turn, when no list is being gone through.
  func condemn(_ connection: UInt32, _ reason: CloseReason) {
    guard connections[connection].phase == .open, connections[connection].closeReason == 0 else {
      return
    }
    connections[connection].closeReason = reason.rawValue
    condemnedConnections.append(connection)
  }

  func closeCondemned() {
    while let slot = condemnedConnections.removeLast() {
      guard connections.isUsed(slot), connections[slot].phase == .open,
        let reason = CloseReason(rawValue: connections[slot].closeReason)
      else { continue }
      close(slot, reason)
    }
  }

  /// The cursor of a subscription in a topic, if it has one.
  @inline(__always)
  func findCursor(_ subscription: UInt32, _ id: UInt32) -> UInt32? {
    if subscriptions[subscription].cursorCount == 0 { return nil }
    return cursorIndex.find(subscription, id)
  }

  /// Makes a cursor at `position`; ready, unless it still has to hear where it starts.
  @discardableResult
  func startCursor(
    _ subscription: UInt32, _ id: UInt32, at position: TopicShared.Tail, attaching: Bool = false
  ) -> UInt32? {
    let entry = CursorEntry(
      subscription: subscription, topic: id, page: position.page,
      offset: UInt32(position.offset), isAttaching: attaching, sequence: position.sequence,
      bytes: position.bytes)
    guard makeRoomForCursor(subscription), let cursor = cursors.insert(entry) else { return nil }
    cursorIndex.insert(subscription, id, cursor)
    subscriptions[subscription].cursorCount += 1
    connections[subscriptions[subscription].connection].cursorCount += 1
    append(cursor, to: &topics[id].cursors, of: cursors, \.inTopic)
    append(cursor, to: &subscriptions[subscription].cursors, of: cursors, \.inSubscription)
    if !attaching { makeReady(cursor) }
    return cursor
  }

  /// Ends a cursor: its subscription has caught up, or is gone.
  func endCursor(_ cursor: UInt32) {
    if cursors[cursor].pass != noSlot { endPass(cursors[cursor].pass) }
    let entry = cursors[cursor]
    precondition(entry.list == .following, "a cursor of a resting subscription ends")
    if entry.isReady { makeUnready(cursor) }
    cursorIndex.remove(entry.subscription, entry.topic)
    subscriptions[entry.subscription].cursorCount -= 1
    connections[subscriptions[entry.subscription].connection].cursorCount -= 1
    remove(cursor, from: &topics[entry.topic].cursors, of: cursors, \.inTopic)
    remove(
      cursor, from: &subscriptions[entry.subscription].cursors, of: cursors, \.inSubscription)
    cursors.remove(cursor)
    listForHold(entry.topic)
  }

  /// The cursor has something to send, or a gap to tell.
  func makeReady(_ cursor: UInt32) {
    guard !cursors[cursor].isReady, !cursors[cursor].isAttaching, !isAsking(cursor) else { return }
    let subscription = cursors[cursor].subscription
    cursors[cursor].isReady = true
    append(cursor, to: &subscriptions[subscription].ready, of: cursors, \.ready)
    if subscriptions[subscription].hasCredit || hasGapToTell(cursor) {
      serve(subscription)
    } else {
      noteBlocked(subscription)
    }
  }

  func makeUnready(_ cursor: UInt32) {
    guard cursors[cursor].isReady else { return }
    let subscription = cursors[cursor].subscription
    cursors[cursor].isReady = false
    remove(cursor, from: &subscriptions[subscription].ready, of: cursors, \.ready)
    guard subscriptions[subscription].ready == noSlot else { return }
    if subscriptions[subscription].isServed {
      stopServing(subscription)
    } else {
      noteBlocked(subscription)
    }
  }

  /// Puts a subscription into its connection's round.
  func serve(_ subscription: UInt32) {
    let connection = subscriptions[subscription].connection
    // Where the socket takes nothing it goes on resting until it does.
    if subscriptions[subscription].isResting, connections[connection].isWritable {
      rouse(subscription)
    }
    if !subscriptions[subscription].isServed {
      subscriptions[subscription].isServed = true
      subscriptions[subscription].turns = subscriptions[subscription].weight
      append(subscription, to: &connections[connection].serving, of: subscriptions, \.serving)
      noteBlocked(subscription)
    }
    listForTransmit(connection)
  }

  func stopServing(_ subscription: UInt32) {
    guard subscriptions[subscription].isServed else { return }
    subscriptions[subscription].isServed = false
    let connection = subscriptions[subscription].connection
    remove(subscription, from: &connections[connection].serving, of: subscriptions, \.serving)
    noteBlocked(subscription)
  }

  /// The round stands where it stood before a frame that was taken back. Otherwise a socket that
  /// takes little at a time would have the same subscriptions served each time, and others never.
  func giveTurnBack(_ slot: UInt32, _ frame: TransmitPlan.Frame) {
    let subscription = frame.subscription
    guard subscriptions[subscription].isServed, cursors[frame.cursor].isReady else { return }
    subscriptions[subscription].ready = frame.cursor
    subscriptions[subscription].turns = frame.turns
    connections[slot].serving = subscription
  }

  // MARK: Loss

  /// Moves a cursor forward to `position` without delivery, and notes why.
  func skip(_ cursor: UInt32, to position: TopicShared.Tail, cause: GapCause) {
    noteLoss(cursor, to: position, cause: cause)
    listForHold(cursors[cursor].topic)
    if cursors[cursor].isReady {
      serve(cursors[cursor].subscription)
    } else {
      makeReady(cursor)
    }
  }

  /// The same, without seeing to it that the gap is told.
  func noteLoss(_ cursor: UInt32, to position: TopicShared.Tail, cause: GapCause) {
    let from = cursors[cursor].sequence
    precondition(position.sequence >= from, "a cursor went backwards")
    let events = position.sequence - from
    // In the middle of a batch the bytes of what was delivered of it are not known apart; the
    // whole batch counts with whichever part comes last.
    let bytes = position.bytes - min(position.bytes, cursors[cursor].bytes)
    if events > 0 {
      if cursors[cursor].hasGap {
        if cursors[cursor].gapCause != cause.rawValue {
          cursors[cursor].gapCause = GapCause.several.rawValue
        }
      } else {
        cursors[cursor].gapCause = cause.rawValue
        cursors[cursor].gapFirst = from
      }
      cursors[cursor].gapBytes += bytes
      #if DEBUG
        if plants(.matchedMissed), cause == .expired {
          counters.unmatched(cursors[cursor].subscription, events: events, bytes: bytes)
        }
      #endif
      counters.lost(cursors[cursor].subscription, cause: cause, events: events, bytes: bytes)
      observeLoss(
        cursors[cursor].subscription, cursors[cursor].topic, from: from, before: position.sequence,
        cause: cause)
    }
    cursors[cursor].page = position.page
    cursors[cursor].offset = UInt32(position.offset)
    cursors[cursor].sequence = position.sequence
    cursors[cursor].bytes = position.bytes
  }

  /// The owner of a topic wants its pages below a floor back.
  func floorRose(_ id: UInt32) {
    let shared = topics[id].shared
    guard topics[id].isInterested else { return }
    if shared.ungate > 0 { ungate(id, upTo: shared.ungate) }
    leavePages(id, below: shared.floor, end: currentTail(id))
  }

  /// Moves every cursor of a topic, and the tail, out of the pages below `floor`, which is where a
  /// page begins. What that skips is lost to the subscription.
  func leavePages(_ id: UInt32, below floor: UInt64, end: TopicShared.Tail) {
    moveTail(id, to: end)
    let isBlock = topics[id].shared.settings.isBlock
    forEach(from: topics[id].cursors, of: cursors, \.inTopic) { cursor in
      guard !cursors[cursor].isAttaching, cursors[cursor].sequence < floor else { return }
      // Their pages are not given up before they have come further, or have had their time.
      if isBlock && isGating(cursor) { return }
      if isOutOfRing(cursor) { return }
      if conflates(cursors[cursor].subscription, id), beginPass(cursor, isState: false) { return }
      let subscription = cursors[cursor].subscription
      if subscriptions[subscription].policy == Policy.disconnect.rawValue {
        condemn(subscriptions[subscription].connection, .slowSubscriber)
      }
      guard let start = pageStart(cursors[cursor].page, id: id, at: floor) else { return }
      skip(cursor, to: start, cause: overrunCause(cursor))
    }
    leavePagesResting(id, below: floor)
    updateHold(id)
  }

  /// Where the page begins that starts with `sequence`, found from an earlier page on; or the tail.
  func pageStart(_ address: UInt, id: UInt32, at sequence: UInt64) -> TopicShared.Tail? {
    if sequence == topics[id].tail.sequence { return topics[id].tail }
    var page = Page(address: address == 0 ? topics[id].shared.firstPage : address)
    while let here = page {
      if here.firstSequence >= sequence {
        return TopicShared.Tail(
          page: here.address, offset: Page.headerBytes, sequence: here.firstSequence,
          bytes: here.firstBytes)
      }
      page = here.next
    }
    return nil
  }

  // MARK: Holds

  func listForHold(_ id: UInt32) {
    guard !topics[id].isListedForHold else { return }
    topics[id].isListedForHold = true
    holdTopics.append(id)
  }

  /// Tells the owners how far this shard has come.
  func updateHolds() {
    for i in 0..<holdTopics.count {
      topics[holdTopics[i]].isListedForHold = false
      updateHold(holdTopics[i])
    }
    holdTopics.removeAll()
  }

  /// Publishes the lowest sequence that this shard still looks at in a topic, and on a block topic
  /// how far its lossless subscriptions have come.
  ///
  /// A place at the very end of a page still needs the page, whose `next` it will follow: it counts
  /// as standing at the page's last event. A place behind which there is another page moves there.
  func updateHold(_ id: UInt32) {
    let shared = topics[id].shared
    guard topics[id].isInterested else { return }
    let tail = topics[id].tail
    // The tail's page has an event before it, or there is no page yet.
    var hold = tail.page == 0 ? tail.sequence : tail.sequence - 1
    var gate = UInt64.max
    let isBlock = shared.settings.isBlock
    if isBlock && hasGatingSubscription(id) { gate = topics[id].tail.bytes }
    if topics[id].overrun != noSlot {
      normalizeOverrun(id)
      hold = min(hold, topics[id].overrunAt.sequence)
    }
    if topics[id].resting != noSlot {
      if topics[id].isRestingStale { scanResting(id) }
      hold = min(hold, topics[id].restingHold)
      gate = min(gate, topics[id].restingGate)
    }
    forEach(from: topics[id].cursors, of: cursors, \.inTopic) { cursor in
      if cursors[cursor].isAttaching || isOutOfRing(cursor) { return }
      normalize(cursor)
      hold = min(hold, cursors[cursor].sequence)
      if isBlock && isGating(cursor) { gate = min(gate, cursors[cursor].bytes) }
    }
    let holdRose = shared.hold(shard: index) != hold
    if holdRose { shared.setHold(hold, shard: index) }
    let gateMoved = isBlock && shared.gate(shard: index) != gate
    if gateMoved { shared.setGate(gate, shard: index) }
    guard holdRose || gateMoved else { return }
    if shared.owner == index {
      if isBlock { listForGrant(id) }
    } else if isBlock {
      broker.releaseBits[shared.owner].add(Int(id))
      wake(shared.owner)
    }
  }

  /// A cursor at the end of a page that has a next one goes there.
  @inline(__always)
  func normalize(_ cursor: UInt32) {
    let id = cursors[cursor].topic
    // At the tail, what lies behind is not this shard's to see yet. The tail may have left the page
    // that the cursor came by.
    if cursors[cursor].sequence == topics[id].tail.sequence {
      cursors[cursor].page = topics[id].tail.page
      cursors[cursor].offset = UInt32(topics[id].tail.offset)
      return
    }
    guard cursors[cursor].page != topics[id].tail.page || cursors[cursor].page == 0 else { return }
    if cursors[cursor].page == 0 {
      // The ring had no page then, and this shard's hold keeps the one that came next.
      cursors[cursor].page = topics[id].shared.firstPage
      cursors[cursor].offset = UInt32(Page.headerBytes)
      guard cursors[cursor].page != topics[id].tail.page else { return }
    }
    guard let page = Page(address: cursors[cursor].page), Int(cursors[cursor].offset) == page.used,
      let next = page.next
    else { return }
    cursors[cursor].page = next.address
    cursors[cursor].offset = UInt32(Page.headerBytes)
  }

  /// Another shard has come further in a topic of this one.
  func holdRose(_ id: UInt32) {
    if topics[id].shared.settings.isBlock { listForGrant(id) }
  }
}
