// When ring memory runs out. A publisher may have to wait for a page, but never for ever: whatever
// is in the pool can be had back in bounded time.
//
//  - Pages before a ring's last one go first, those of larger rings before others.
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
    if pages.usedBytes > pages.capacityBytes / 4 * 3, nowNs >= reclaimAfterNs {
      if !reclaim(to: reclaimTarget, isUrgent: false) { reclaimAfterNs = nowNs + reclaimPauseNs }
    }
    if let page = pages.allocate(bytes: wanted) ?? pages.allocate(bytes: least) { return page }
    return reclaimUrgently(least, for: id)
  }

  /// Rings give pages up beyond what made the pool run low, so that one look through all of them is
  /// for a sixteenth of the pool, and not for one page.
  private var reclaimTarget: Int { pages.capacityBytes / 16 * 11 }

  /// After a vain look through all rings the next one is not before this much later: about a
  /// hundredth of the time goes into looking, however many rings there are.
  private var reclaimPauseNs: UInt64 {
    min(max(1_000_000, UInt64(ownedTopics.count) * 1000), Shard.pressedPauseNs / 2)
  }

  /// Looks through all rings in one attempt, each for those that could not give up what they
  /// should.
  private static let reclaimRounds = 4

  /// Makes room in the pool until no more than `target` bytes are used: all rings above one size
  /// give up their oldest pages down to it, and every ring keeps its last page.
  /// - Returns: whether there is as much room as that.
  private func reclaim(to target: Int, isUrgent: Bool) -> Bool {
    reclaimEpoch &+= 1
    var round = 0
    while pages.usedBytes > target, round < Shard.reclaimRounds,
      let level = levelOfRings(for: target)
    {
      let usedBytes = pages.usedBytes
      for i in 0..<ownedTopics.count where pages.usedBytes > target {
        let id = ownedTopics[i]
        guard canGiveUp(id), topics[id].ringBytes > level else { continue }
        giveUp(id, downTo: level, isUrgent: isUrgent)
        // Others, or time, must go on before there is more to be had of it.
        if topics[id].ringBytes > level { topics[id].reclaimBlockedIn = reclaimEpoch }
      }
      if pages.usedBytes == usedBytes { break }
      round += 1
    }
    return pages.usedBytes <= target
  }

  @inline(__always)
  private func canGiveUp(_ id: UInt32) -> Bool {
    topics[id].pageCount > 1 && topics[id].reclaimBlockedIn != reclaimEpoch
  }

  /// The size that no ring may pass for `target` bytes to be used in all, or a little less; nil
  /// where no ring can give anything up.
  private func levelOfRings(for target: Int) -> Int? {
    var sum = 0
    var count = 0
    for i in 0..<ownedTopics.count where canGiveUp(ownedTopics[i]) {
      sum += topics[ownedTopics[i]].ringBytes
      count += 1
    }
    guard count > 0 else { return nil }
    let share = target - (pages.usedBytes - sum)
    guard share > 0 else { return 0 }
    // What rings below the level leave of their share is for those above it.
    var level = share / count
    for _ in 0..<Shard.reclaimRounds {
      var left = share
      var above = 0
      for i in 0..<ownedTopics.count where canGiveUp(ownedTopics[i]) {
        let bytes = topics[ownedTopics[i]].ringBytes
        if bytes > level { above += 1 } else { left -= bytes }
      }
      guard above > 0, left / above > level else { break }
      level = left / above
    }
    return level
  }

  /// Gives up the oldest pages of a ring until it has no more than `bytes`, as far as what looks at
  /// them can be moved on; see `giveUp(_:head:next:)`.
  private func giveUp(_ id: UInt32, downTo bytes: Int, isUrgent: Bool) {
    let isBlock = topics[id].shared.settings.isBlock
    let gate = isBlock ? lowestGate(id) : .max
    let pin = isBlock ? lowestPin(id) : .max
    var left = topics[id].ringBytes
    var floor: UInt64 = 0
    var page = Page(address: topics[id].headPage)
    while left > bytes, let here = page, let next = here.next {
      if gate < next.firstBytes {
        if isUrgent { press(id, upTo: next.firstBytes) }
        break
      }
      if pin < next.firstSequence { break }
      left -= here.bytes
      floor = next.firstSequence
      page = next
    }
    guard floor > 0 else { return }
    let isLeft = moveAll(id, to: floor)
    let end = isLeft ? floor : min(floor, lowestHold(id))
    while let head = Page(address: topics[id].headPage), let next = head.next,
      next.firstSequence <= end
    {
      freeHead(id, head, next)
    }
  }

  /// A page of at least `bytes` when there is none: gives up what must be given up for it.
  /// - Returns: nil where other shards, or time, have to go on first.
  private func reclaimUrgently(_ bytes: Int, for id: UInt32) -> Page? {
    var i = 0
    while i < vacatingTopics.count {
      if finishVacating(vacatingTopics[i]) {
        if let page = pages.allocate(bytes: bytes) { return page }
      } else {
        i += 1
      }
    }
    if nowNs >= urgentAfterNs {
      // Where there is room, and all of it in pieces, some more.
      let target = min(reclaimTarget, pages.usedBytes - max(bytes, pages.capacityBytes / 64))
      // A look that found too little was for this page, and what else there is are last pages.
      if !reclaim(to: target, isUrgent: true) { urgentAfterNs = nowNs + reclaimPauseNs }
      if let page = pages.allocate(bytes: bytes) { return page }
    }
    return vacateRings(bytes, for: id, isDrained: true)
      ?? vacateRings(bytes, for: id, isDrained: false)
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
    // What was not there before in this turn is not there now.
    if isDrained, noneDrainedNs == nowNs { return nil }
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
    if isDrained { noneDrainedNs = nowNs }
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
      guard nowNs - topics[id].vacatedNs >= Shard.leaveNs else { return false }
      guard moveAll(id, to: end) else {
        // A subscription that has become lossless since then keeps the page, for as long as it may.
        if topics[id].shared.settings.isBlock, lowestGate(id) < topics[id].totalBytes {
          press(id, upTo: topics[id].totalBytes)
        }
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
  static let pressedPauseNs: UInt64 = 100_000_000

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
