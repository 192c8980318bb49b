import Counters
import WireFormat

// Subscriptions that nothing can be sent to, for want of credit or because their socket is full.
// However many there are, they cost an event nothing; but one whose pass awaits an answer is told
// of each event until that is over.
//
// One that has been found so for a while rests. It keeps its cursors, which are then in lists that
// nobody goes through for an event; one it lacks it gets with the first event that it lacks one
// for. What has matched meanwhile is what has matched its pattern meanwhile, which is counted once
// for all; it is booked in the subscription's account when it wakes, and every now and then before,
// so that the account balances at every moment and is a little late at most. Where the ring runs
// over resting cursors they stand at one place together, and each one's loss is booked when it is
// needed. Those that conflate the topic leave the ring instead, once, and go on resting: that costs
// as many steps as there are such cursors in this one topic, whatever else they rest in.
//
// It is roused before it is sent something (when it is served and its socket takes something),
// before it is changed, and before it ends.

extension Shard {
  /// Accounts of those that rest are this late at most, where there are few of them...
  private static let bookingPauseNs: UInt64 = 10_000_000
  /// ...and where there are many, by this much for each: a hundredth of the time goes into it. Rows
  /// that need only be looked at cost a fraction.
  private static let bookingPaceNs: UInt64 = 25_000
  private static let bookingRowPaceNs: UInt64 = 1000
  /// Accounts and cursors in one turn, a fraction of a millisecond of work; and rows looked at.
  private static let bookingsPerTurn = 1024
  private static let bookingRowsPerTurn: UInt32 = 8192

  // MARK: To rest, and awake again

  /// A new tail has found a subscription with something to send already.
  @inline(__always)
  func noteLagging(_ subscription: UInt32) {
    // With a socket that takes something its turn comes, with a gap if nothing else.
    if connections[subscriptions[subscription].connection].isWritable,
      subscriptions[subscription].hasCredit || subscriptions[subscription].isServed
    {
      subscriptions[subscription].stalledTails = 0
      return
    }
    subscriptions[subscription].stalledTails &+= 1
    if subscriptions[subscription].stalledTails
      > limits.stalledTailsMin + subscriptions[subscription].cursorCount
    {
      rest(subscription)
    }
  }

  private func rest(_ subscription: UInt32) {
    guard subscriptions[subscription].attaching == 0,
      connections[subscriptions[subscription].connection].closeReason == 0,
      !awaitsAnswer(subscription)
    else {
      subscriptions[subscription].stalledTails = 0
      return
    }
    let pattern = subscriptions[subscription].pattern
    restNumber += 1
    restingCount += 1
    guard
      let row = rests.insert(
        RestEntry(
          number: restNumber, bookedEvents: patterns[pattern].restingEvents,
          bookedBytes: patterns[pattern].restingBytes))
    else { preconditionFailure("more subscriptions rest than there are") }
    subscriptions[subscription].rest = row
    remove(subscription, from: &patterns[pattern].subscriptions, of: subscriptions, \.inPattern)
    append(subscription, to: &patterns[pattern].resting, of: subscriptions, \.inPattern)
    forEach(from: subscriptions[subscription].cursors, of: cursors, \.inSubscription) {
      restCursor($0)
    }
  }

  /// Newest records that were asked for may come at any time. A pass that has yet to ask does so
  /// when its subscription has been roused. However far the tail goes before that, the cursor stays
  /// where it is out of the ring; one behind a state is in the ring, and rests there as any other.
  private func awaitsAnswer(_ subscription: UInt32) -> Bool {
    var awaits = false
    forEach(from: subscriptions[subscription].cursors, of: cursors, \.inSubscription) {
      let pass = cursors[$0].pass
      if pass != noSlot, passes[pass].step != .idle { awaits = true }
    }
    return awaits
  }

  private func restCursor(_ cursor: UInt32) {
    let id = cursors[cursor].topic
    if !isOutOfRing(cursor) { normalize(cursor) }
    remove(cursor, from: &topics[id].cursors, of: cursors, \.inTopic)
    if topics[id].resting == noSlot {
      topics[id].restingHold = .max
      topics[id].restingGate = .max
      topics[id].isRestingStale = false
    }
    append(cursor, to: &topics[id].resting, of: cursors, \.inTopic)
    cursors[cursor].list = .resting
    noteResting(cursor)
    noteLagDue(cursor)
    listForHold(id)
  }

  /// Puts a subscription back among those that are told of every new tail.
  func rouse(_ subscription: UInt32) {
    guard subscriptions[subscription].isResting else { return }
    bookResting(subscription)
    rests.remove(subscriptions[subscription].rest)
    subscriptions[subscription].rest = noSlot
    subscriptions[subscription].stalledTails = 0
    restingCount -= 1
    let pattern = subscriptions[subscription].pattern
    remove(subscription, from: &patterns[pattern].resting, of: subscriptions, \.inPattern)
    append(subscription, to: &patterns[pattern].subscriptions, of: subscriptions, \.inPattern)
    forEach(from: subscriptions[subscription].cursors, of: cursors, \.inSubscription) { cursor in
      let id = cursors[cursor].topic
      if cursors[cursor].list == .overrun {
        remove(cursor, from: &topics[id].overrun, of: cursors, \.inTopic)
      } else {
        remove(cursor, from: &topics[id].resting, of: cursors, \.inTopic)
        // It may have been the one that the others were behind of.
        if cursors[cursor].sequence == topics[id].restingHold
          || cursors[cursor].bytes == topics[id].restingGate
        {
          topics[id].isRestingStale = true
        }
      }
      append(cursor, to: &topics[id].cursors, of: cursors, \.inTopic)
      cursors[cursor].list = .following
      listForHold(id)
      if hasGapToTell(cursor) { serve(subscription) }
    }
  }

  // MARK: New events

  /// A topic's tail moves: what has matched is counted once for all that rest. Those that have come
  /// to rest since this topic moved last must have a cursor in it.
  func moveResting(_ link: UInt32, from old: TopicShared.Tail, events: UInt64, bytes: UInt64) {
    let pattern = links[link].pattern
    var slot = subscriptions[patterns[pattern].resting].inPattern.previous
    let told = links[link].restedThrough
    links[link].restedThrough = rests[subscriptions[slot].rest].number
    while rests[subscriptions[slot].rest].number > told {
      let isPlaced = placeResting(slot, links[link].topic, at: old)
      // Only now: making room for a cursor may have roused others.
      let isFirst = slot == patterns[pattern].resting
      let previous = subscriptions[slot].inPattern.previous
      // Its session ends over it, or it must not rest; it is told of this move with the others.
      if !isPlaced { rouse(slot) }
      if isFirst { break }
      slot = previous
    }
    patterns[pattern].restingEvents += events
    patterns[pattern].restingBytes += bytes
    isBookingDue = true
  }

  private func placeResting(_ slot: UInt32, _ id: UInt32, at old: TopicShared.Tail) -> Bool {
    if let cursor = findCursor(slot, id) {
      // It stood at the end, before a page that there is only now.
      if cursors[cursor].list == .resting, !isOutOfRing(cursor) { normalize(cursor) }
      return true
    }
    guard let cursor = startCursor(slot, id, at: old) else { return false }
    restCursor(cursor)
    return true
  }

  // MARK: Accounts

  /// Books what a resting subscription has matched and lost since the last time.
  private func bookResting(_ subscription: UInt32) {
    let pattern = subscriptions[subscription].pattern
    let amount = unbooked(subscription)
    if amount.events > 0 {
      counters.matched(subscription, events: amount.events, bytes: amount.bytes)
      let row = subscriptions[subscription].rest
      rests[row].bookedEvents = patterns[pattern].restingEvents
      rests[row].bookedBytes = patterns[pattern].restingBytes
    }
    forEach(from: subscriptions[subscription].cursors, of: cursors, \.inSubscription) { cursor in
      guard cursors[cursor].list == .overrun else { return }
      let id = cursors[cursor].topic
      normalizeOverrun(id)
      noteLoss(cursor, to: topics[id].overrunAt, cause: overrunCause(cursor))
    }
  }

  func overrunCause(_ cursor: UInt32) -> GapCause {
    cursors[cursor].isUngated ? .blockTimeout : .ringOverrun
  }

  /// What has matched a resting subscription and is not in its account.
  func unbooked(_ subscription: UInt32) -> Ledger.Amount {
    let row = subscriptions[subscription].rest
    guard row != noSlot else { return Ledger.Amount() }
    let pattern = subscriptions[subscription].pattern
    return Ledger.Amount(
      events: patterns[pattern].restingEvents - rests[row].bookedEvents,
      bytes: patterns[pattern].restingBytes - rests[row].bookedBytes)
  }

  /// Brings the accounts of all that rest up to date, some in each turn and not too often. Where no
  /// more events come it ends.
  func bookAccounts() {
    guard isBookingDue || bookingHand > 0, nowNs >= nextBookingNs else { return }
    if bookingHand == 0 { isBookingDue = false }
    let rows = UInt32(subscriptions.highWater)
    let end = min(bookingHand + Shard.bookingRowsPerTurn, rows)
    var left = Shard.bookingsPerTurn
    while bookingHand < end, left > 0 {
      if subscriptions.isUsed(bookingHand), subscriptions[bookingHand].isResting {
        bookResting(bookingHand)
        left -= 1 + Int(subscriptions[bookingHand].cursorCount)
      }
      bookingHand += 1
    }
    if bookingHand >= rows {
      bookingHand = 0
      nextBookingNs =
        nowNs + Shard.bookingPauseNs + UInt64(restingCount) * Shard.bookingPaceNs
        + UInt64(rows) * Shard.bookingRowPaceNs
    }
  }

  /// When accounts are to be booked; nil where all are up to date.
  var bookingDeadlineNs: UInt64? { isBookingDue || bookingHand > 0 ? nextBookingNs : nil }

  // MARK: Pages

  /// What the lowest of the resting cursors of a topic keep, in its ring and from its publishers.
  func scanResting(_ id: UInt32) {
    topics[id].isRestingStale = false
    topics[id].restingHold = .max
    topics[id].restingGate = .max
    forEach(from: topics[id].resting, of: cursors, \.inTopic) { cursor in
      if !isOutOfRing(cursor) { normalize(cursor) }
      noteResting(cursor)
    }
  }

  private func noteResting(_ cursor: UInt32) {
    if isOutOfRing(cursor) { return }
    let id = cursors[cursor].topic
    topics[id].restingHold = min(topics[id].restingHold, cursors[cursor].sequence)
    if topics[id].shared.settings.isBlock, isGating(cursor) {
      topics[id].restingGate = min(topics[id].restingGate, cursors[cursor].bytes)
    }
  }

  /// Those that the ring ran over stand where a page begins, or at the tail.
  func normalizeOverrun(_ id: UInt32) {
    let tail = topics[id].tail
    let place = topics[id].overrunAt
    if place.sequence == tail.sequence {
      topics[id].overrunAt = tail
    } else if let next = pageStart(place.page, id: id, at: place.sequence) {
      // The tail's page, where it stood at its end, may have got a successor.
      topics[id].overrunAt = next
    }
  }

  /// The ring's pages below `floor` are to be left by what rests.
  func leavePagesResting(_ id: UInt32, below floor: UInt64) {
    if topics[id].overrun != noSlot, topics[id].overrunAt.sequence < floor {
      normalizeOverrun(id)
      if let start = pageStart(topics[id].overrunAt.page, id: id, at: floor) {
        topics[id].overrunAt = start
        isBookingDue = true
      }
    }
    guard topics[id].resting != noSlot,
      topics[id].isRestingStale || topics[id].restingHold < floor
    else { return }
    scanResting(id)
    guard topics[id].restingHold < floor else { return }
    topics[id].isRestingStale = true
    isBookingDue = true
    let isBlock = topics[id].shared.settings.isBlock
    forEach(from: topics[id].resting, of: cursors, \.inTopic) { cursor in
      guard cursors[cursor].sequence < floor, !(isBlock && isGating(cursor)),
        !isOutOfRing(cursor)
      else { return }
      let subscription = cursors[cursor].subscription
      // It rests on, out of the ring, which is not its affair any more; its cursors in other topics
      // are not looked at.
      if conflates(subscription, id), beginPass(cursor, isState: false) { return }
      let isShared = topics[id].overrun != noSlot && topics[id].overrunAt.sequence == floor
      let start =
        isShared ? topics[id].overrunAt : pageStart(cursors[cursor].page, id: id, at: floor)
      guard let start else { return }
      let policy = subscriptions[subscription].policy
      if policy == Policy.disconnect.rawValue {
        condemn(subscriptions[subscription].connection, .slowSubscriber)
      } else if cursors[cursor].list == .resting, isShared || topics[id].overrun == noSlot {
        remove(cursor, from: &topics[id].resting, of: cursors, \.inTopic)
        append(cursor, to: &topics[id].overrun, of: cursors, \.inTopic)
        topics[id].overrunAt = start
        cursors[cursor].list = .overrun
        return
      }
      // The others have been moved further than this one must be.
      rouse(subscription)
      skip(cursor, to: start, cause: overrunCause(cursor))
    }
  }

  // MARK: Policy disconnect

  /// From where on the tail is too far from a resting cursor of policy disconnect.
  private func noteLagDue(_ cursor: UInt32) {
    let subscription = cursors[cursor].subscription
    guard subscriptions[subscription].policy == Policy.disconnect.rawValue else { return }
    let id = cursors[cursor].topic
    let bounds = bounds(of: subscription)
    let (eventsMax, bytesMax) = (bounds.events, bounds.bytes)
    if eventsMax != 0, eventsMax < .max - cursors[cursor].sequence {
      topics[id].lagDueSequence = min(
        topics[id].lagDueSequence, cursors[cursor].sequence + eventsMax)
    }
    if bytesMax != 0, bytesMax < .max - cursors[cursor].bytes {
      topics[id].lagDueBytes = min(topics[id].lagDueBytes, cursors[cursor].bytes + bytesMax)
    }
  }

  /// The tail has come to where a resting cursor of policy disconnect may be too far behind.
  func checkRestingLag(_ id: UInt32) {
    topics[id].lagDueSequence = .max
    topics[id].lagDueBytes = .max
    let end = topics[id].tail
    forEach(from: topics[id].resting, of: cursors, \.inTopic) { cursor in
      let subscription = cursors[cursor].subscription
      checkLag(subscription, cursor, end)
      if !exceedsLag(subscription, cursor, end) { noteLagDue(cursor) }
    }
  }
}
