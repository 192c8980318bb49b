// When ring memory runs out. A publisher may have to wait for a page, but never for ever: whatever
// is in the pool can be had back in bounded time.
//
//  - Pages before a ring's last one go first, those of the largest ring before others.
//  - Then last pages too, of rings whose subscriptions have all they had before others: with more
//    topics than pages each one's last page would else keep the pool full for good. Such a ring is
//    empty afterwards, as it was before its first event, and its next event finds a page again.
//  - A lossless subscription keeps the pages of a block topic for as long as the topic says, and no
//    longer than the operator says once somebody else waits for them; see `releasePressed`.
//
// Other shards leave a page as soon as they look, which they do in every turn.

extension Shard {
  /// A page of `wanted` bytes, or of `least`, from the pool; when it runs low rings give pages up.
  func allocatePage(_ wanted: Int, least: Int, for id: UInt32) -> Page? {
    if pages.usedBytes > pages.capacityBytes / 4 * 3, nowNs >= reclaimAfterNs { reclaim() }
    if let page = pages.allocate(bytes: wanted) ?? pages.allocate(bytes: least) { return page }
    return reclaimUrgently(least, for: id)
  }

  /// After a vain look through all rings the next one is not before this much later.
  private static let reclaimPauseNs: UInt64 = 1_000_000
  /// Pages that are given up for one that is wanted, each after a look through all rings.
  private static let pagesPerAttempt = 64

  /// Makes room in the pool: the rings with the most pages give up their oldest, round by round,
  /// until a quarter of the pool is free. Every ring keeps its last page.
  private func reclaim() {
    let target = pages.capacityBytes / 4 * 3
    while pages.usedBytes > target {
      guard giveUpOldest(isUrgent: false) else {
        reclaimAfterNs = nowNs + Shard.reclaimPauseNs
        break
      }
    }
    unblockReclaim()
  }

  /// The oldest page of the largest ring that can give one up.
  private func giveUpOldest(isUrgent: Bool) -> Bool {
    while true {
      var largest = noSlot
      var largestBytes = 0
      for i in 0..<ownedTopics.count {
        let id = ownedTopics[i]
        guard topics[id].pageCount > 1, !topics[id].isReclaimBlocked,
          topics[id].ringBytes > largestBytes
        else { continue }
        largest = id
        largestBytes = topics[id].ringBytes
      }
      guard largest != noSlot, let head = Page(address: topics[largest].headPage),
        let next = head.next
      else { return false }
      if giveUp(largest, head: head, next: next, isUrgent: isUrgent) { return true }
      topics[largest].isReclaimBlocked = true
    }
  }

  private func unblockReclaim() {
    for i in 0..<ownedTopics.count { topics[ownedTopics[i]].isReclaimBlocked = false }
  }

  /// A page of at least `bytes` when there is none: gives up what must be given up for it.
  /// - Returns: nil where other shards, or time, have to go on first.
  private func reclaimUrgently(_ bytes: Int, for id: UInt32) -> Page? {
    defer { unblockReclaim() }
    var i = 0
    while i < vacatingTopics.count {
      if finishVacating(vacatingTopics[i]) {
        if let page = pages.allocate(bytes: bytes) { return page }
      } else {
        i += 1
      }
    }
    for _ in 0..<Shard.pagesPerAttempt {
      guard giveUpOldest(isUrgent: true) else {
        return vacateRings(bytes, for: id, isDrained: true)
          ?? vacateRings(bytes, for: id, isDrained: false)
      }
      if let page = pages.allocate(bytes: bytes) { return page }
    }
    return nil
  }

  // MARK: Last pages

  /// How long those who have not had everything of a page may go on taking it before it is given up
  /// all the same: many turns of a busy broker.
  private static let leaveNs: UInt64 = 5_000_000

  /// Empties rings of one page until there is a page of `bytes`; each time from where the last time
  /// ended, and the ring that asks last.
  ///
  /// - Parameter isDrained: only rings of whose last page nobody has to be sent more than one
  ///   event, which is what can be seen from here.
  private func vacateRings(_ bytes: Int, for asking: UInt32, isDrained: Bool) -> Page? {
    var waiting = 0
    for i in 0..<vacatingTopics.count { waiting += topics[vacatingTopics[i]].ringBytes }
    // Those that other shards have yet to leave may be enough.
    guard waiting < 2 * bytes else { return nil }
    let count = ownedTopics.count
    for step in 0...count {
      var id = asking
      if step < count {
        reclaimHand = reclaimHand + 1 < count ? reclaimHand + 1 : 0
        id = ownedTopics[reclaimHand]
        if id == asking { continue }
      }
      guard topics[id].pageCount == 1, !topics[id].isVacating,
        !isDrained || lowestHold(id) >= topics[id].nextSequence - 1
      else { continue }
      if vacate(id) {
        if let page = pages.allocate(bytes: bytes) { return page }
      } else if topics[id].isVacating {
        waiting += topics[id].ringBytes
        if waiting >= 2 * bytes { return nil }
      }
    }
    return nil
  }

  /// Gives up the only page of a ring. Until all shards have left it the topic takes no events;
  /// they do so when their subscriptions have been sent what it holds, or when the time is over.
  /// - Returns: whether the page is free.
  private func vacate(_ id: UInt32) -> Bool {
    if topics[id].shared.settings.isBlock, lowestGate(id) < topics[id].totalBytes {
      press(id, upTo: topics[id].totalBytes)
      return false
    }
    guard lowestPin(id) >= topics[id].nextSequence else { return false }
    // From here on the topic's end is a place without a page.
    topics[id].tailPage = 0
    topics[id].isVacating = true
    topics[id].vacatedNs = nowNs
    vacatingTopics.append(id)
    topics[id].shared.publishTail(ownTail(id))
    for other in 0..<broker.shards where other != index {
      broker.tailBits[other].add(Int(id))
      wake(other)
    }
    moveTail(id, to: ownTail(id))
    updateHold(id)
    return finishVacating(id)
  }

  /// - Returns: whether every shard has left, so that the ring is empty.
  func finishVacating(_ id: UInt32) -> Bool {
    let end = topics[id].nextSequence
    if lowestHold(id) < end {
      guard nowNs - topics[id].vacatedNs >= Shard.leaveNs, moveAll(id, to: end) else {
        return false
      }
    }
    guard let page = Page(address: topics[id].headPage) else { return false }
    pages.free(page)
    topics[id].headPage = 0
    topics[id].pageCount = 0
    topics[id].ringBytes = 0
    topics[id].firstSequence = topics[id].nextSequence
    topics[id].isVacating = false
    vacatingTopics.removeValue(id)
    noteEmptied()
    counters.topicGrew(id, topics[id])
    return true
  }

  // MARK: Block topics under pressure

  /// How long ago a page may have been wanted at most for its topic to be pressed still: many times
  /// the pause after which a publisher that waits tries again.
  private static let pressedPauseNs: UInt64 = 100_000_000

  /// Somebody waits for pages of a block topic that a lossless subscription keeps.
  func press(_ id: UInt32, upTo bytes: UInt64) {
    if topics[id].pressedNs == 0 || nowNs - topics[id].pressedLastNs > Shard.pressedPauseNs {
      topics[id].pressedNs = max(1, nowNs)
      topics[id].pressedBytes = bytes
      listAsTimed(id)
    }
    topics[id].pressedLastNs = nowNs
  }

  /// When the first of the pressed topics must let go.
  func pressedDeadlineNs(_ id: UInt32) -> UInt64? {
    guard topics[id].pressedNs != 0 else { return nil }
    // The topic's own time is its publishers' affair; those who wait here are others.
    let timeoutNs = min(
      topics[id].shared.settings.blockTimeoutNs, UInt64(limits.blockTimeoutMs) * 1_000_000)
    return topics[id].pressedNs + timeoutNs
  }

  /// Lets go of what was kept too long while somebody waited for its pages.
  func releasePressed(_ id: UInt32) {
    guard let deadlineNs = pressedDeadlineNs(id) else { return }
    if lowestGate(id) >= topics[id].pressedBytes
      || nowNs - topics[id].pressedLastNs > Shard.pressedPauseNs
    {
      topics[id].pressedNs = 0
    } else if nowNs >= deadlineNs {
      topics[id].pressedNs = 0
      ungateEverywhere(id, upTo: topics[id].pressedBytes - 1)
      noteLifted()
    }
  }
}
