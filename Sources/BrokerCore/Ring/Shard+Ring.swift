import WireFormat

// The rings of the topics that this shard owns: growing them, and giving pages back.

extension Shard {
  /// First page of a topic, and the factor by which pages grow while a topic is busy, up to the
  /// largest usual one. A topic that carries a few events costs 2 KiB, a busy one is appended to
  /// with a page change every few hundred microseconds.
  private static let firstPageBytes = 2048
  private static let usualPageBytesMax = 64 << 10

  /// Appends validated batches to a topic that this shard owns.
  ///
  /// - Parameters:
  ///   - batch: one batch with its padding.
  ///   - opened: the records of a compressed batch, where they have been decoded already.
  /// - Returns: the sequence of its first event, or nil where there is no page to be had now.
  func appendBatch(
    _ id: UInt32, _ batch: UnsafeRawBufferPointer, count: Int, charge: Int,
    opened: UnsafeRawBufferPointer? = nil
  ) -> UInt64? {
    var page: Page
    if let tail = Page(address: topics[id].tailPage), tail.bytes - tail.used >= batch.count {
      page = tail
    } else {
      guard let fresh = addPage(id, forBytes: batch.count) else { return nil }
      page = fresh
    }
    let sequence = topics[id].nextSequence
    let used = page.used
    let place = unsafe page.start + used
    unsafe place.copyMemory(from: batch.baseAddress!, byteCount: batch.count)
    unsafe Batch.stamp(
      place, sequence: sequence, time: realtimeNs, bytesBefore: topics[id].totalBytes, topic: id)
    if topics[id].shared.settings.isKeyed {
      unsafe noteKeys(id, UnsafeRawPointer(place), opened: opened)
    }
    page.grow(to: used + batch.count, endSequence: sequence + UInt64(count), time: realtimeNs)
    if topics[id].grow(events: count, charge: charge) { grownTopics.append(id) }
    return sequence
  }

  /// Puts a page with room for `bytes` at the end of a ring.
  private func addPage(_ id: UInt32, forBytes bytes: Int) -> Page? {
    if topics[id].isVacating, !finishVacating(id) { return nil }
    trim(id)
    // What lies here must have been offered before it gives way. After this turn's fan-out it has.
    if topics[id].freshBytes > 0, isAwaited(id),
      topics[id].freshBytes + bytes > Int(clamping: topics[id].shared.settings.retentionBytes / 2)
    {
      isHeldBack = true
      return nil
    }
    let usual =
      Page(address: topics[id].tailPage).map { min($0.bytes * 4, Shard.usualPageBytesMax) }
      ?? Shard.firstPageBytes
    let least = bytes + Page.headerBytes
    guard let page = allocatePage(max(usual, least), least: least, for: id) else { return nil }
    page.firstSequence = topics[id].nextSequence
    page.endSequence = topics[id].nextSequence
    page.firstBytes = topics[id].totalBytes
    page.firstTime = realtimeNs
    page.lastTime = realtimeNs
    // Looked at only now: for want of any other page the ring may have given up its own last one.
    if let previous = Page(address: topics[id].tailPage) {
      previous.next = page
    } else {
      precondition(topics[id].pageCount == 0, "a ring goes on past its last page")
      topics[id].headPage = page.address
      topics[id].shared.firstPage = page.address
    }
    topics[id].tailPage = page.address
    topics[id].pageCount += 1
    topics[id].ringBytes += page.bytes
    topics[id].freshBytes += page.bytes
    return page
  }

  /// Somebody subscribes to a topic that this shard owns.
  private func isAwaited(_ id: UInt32) -> Bool {
    topics[id].isInterested || topics[id].shared.interest != 0
  }

  // MARK: Giving pages back

  /// Gives up pages beyond the topic's retention.
  func trim(_ id: UInt32) {
    let settings = topics[id].shared.settings
    raiseFloor(id)
    while topics[id].pageCount > 1, let head = Page(address: topics[id].headPage),
      let next = head.next
    {
      let kept = topics[id].nextSequence - next.firstSequence
      let isOver =
        topics[id].ringBytes > Int(clamping: settings.retentionBytes)
        || (settings.retentionEvents != 0 && kept >= settings.retentionEvents)
        || (settings.retentionNs != 0
          && realtimeNs - min(realtimeNs, head.lastTime) > settings.retentionNs)
      guard isOver, head.endSequence <= topics[id].offeredSequence || !isAwaited(id),
        giveUp(id, head: head, next: next)
      else { return }
    }
  }

  /// Asks the other shards at once for everything beyond the retention in bytes. Page by page each
  /// would cost a round between the shards, and the ring would outgrow its retention meanwhile.
  private func raiseFloor(_ id: UInt32) {
    let shared = topics[id].shared
    guard broker.shards > 1, !shared.settings.isBlock else { return }
    let retention = Int(clamping: shared.settings.retentionBytes)
    var bytes = topics[id].ringBytes
    var floor: UInt64 = 0
    var page = Page(address: topics[id].headPage)
    while bytes > retention, let here = page, let next = here.next,
      here.endSequence <= topics[id].offeredSequence
    {
      bytes -= here.bytes
      floor = next.firstSequence
      page = next
    }
    guard floor > shared.floor else { return }
    // They must be able to go there, so they are told the end first.
    shared.publishTail(ownTail(id))
    shared.floor = floor
  }

  /// Ages of topics are looked at with the sweep.
  /// - Returns: whether there are topics with a bound for it.
  func trimByAge() -> Bool {
    guard !agingTopics.isEmpty else { return false }
    for i in 0..<agingTopics.count { trim(agingTopics[i]) }
    return true
  }

  /// Tries to free the oldest page of a ring. Cursors in it are moved on first, here at once, in
  /// other shards as soon as they look; a block topic's gating cursors are left alone.
  /// - Returns: whether it is free.
  func giveUp(_ id: UInt32, head: Page, next: Page) -> Bool {
    let shared = topics[id].shared
    let floor = next.firstSequence
    if shared.settings.isBlock {
      // A subscription that is about to begin gates as soon as it has; its pin stands for it.
      if lowestGate(id) < next.firstBytes || lowestPin(id) < floor { return false }
    }
    guard moveAll(id, to: floor) else { return false }
    freeHead(id, head, next)
    return true
  }

  /// Frees the first page of a ring, at which nobody looks any more.
  func freeHead(_ id: UInt32, _ head: Page, _ next: Page) {
    topics[id].headPage = next.address
    topics[id].pageCount -= 1
    topics[id].ringBytes -= head.bytes
    topics[id].firstSequence = next.firstSequence
    pages.free(head)
  }

  /// Moves what looks at a ring below `floor` on: here at once, other shards' as soon as they look.
  /// - Returns: whether nothing does any more.
  func moveAll(_ id: UInt32, to floor: UInt64) -> Bool {
    let shared = topics[id].shared
    if broker.shards > 1 {
      if shared.floor < floor {
        // They must be able to go there, so they are told the end first.
        shared.publishTail(ownTail(id))
        shared.floor = floor
      }
      // Each time, since a subscription may have begun below the floor after it was told.
      for other in 0..<broker.shards where other != index && shared.hold(shard: other) < floor {
        broker.floorBits[other].add(Int(id))
        wake(other)
      }
    }
    if shared.hold(shard: index) < floor { leavePages(id, below: floor, end: ownTail(id)) }
    return lowestHold(id) >= floor
  }

  /// The lowest sequence that any shard may look at.
  func lowestHold(_ id: UInt32) -> UInt64 {
    let shared = topics[id].shared
    var lowest = lowestPin(id)
    #if DEBUG
      if plants(.pageFreedEarly) { return min(lowest, shared.hold(shard: index)) }
    #endif
    for shard in 0..<broker.shards { lowest = min(lowest, shared.hold(shard: shard)) }
    return lowest
  }

  func lowestPin(_ id: UInt32) -> UInt64 {
    var lowest = UInt64.max
    forEach(from: topics[id].pins, of: pins, \.inTopic) { lowest = min(lowest, pins[$0].sequence) }
    return lowest
  }

  // MARK: Publishing the end

  /// Publishes the tails of the topics that grew in this turn: to this shard's own subscriptions,
  /// and to the other shards that want to know.
  func publishTails() {
    var i = 0
    while i < grownTopics.count {
      let id = grownTopics[i]
      i += 1
      topics[id].isListedAsGrown = false
      topics[id].offeredSequence = topics[id].nextSequence
      topics[id].freshBytes = 0
      counters.topicGrew(id, topics[id])
      if topics[id].isInterested { listAsMoved(id) }
      guard broker.shards > 1 else { continue }
      let shared = topics[id].shared
      shared.publishTail(ownTail(id))
      var interested = shared.interest & ~(1 << UInt64(index))
      while interested != 0 {
        let other = interested.trailingZeroBitCount
        interested &= interested - 1
        broker.tailBits[other].add(Int(id))
        wake(other)
      }
    }
    grownTopics.removeAll()
  }

  /// The end of a topic that this shard owns, at this moment.
  func ownTail(_ id: UInt32) -> TopicShared.Tail {
    TopicShared.Tail(
      page: topics[id].tailPage, offset: Page(address: topics[id].tailPage)?.used ?? 0,
      sequence: topics[id].nextSequence, bytes: topics[id].totalBytes)
  }

  // MARK: Finding a place

  /// The oldest sequence that a subscription can still begin with.
  func firstOffered(_ id: UInt32) -> UInt64 {
    topics[id].isVacating ? topics[id].nextSequence : topics[id].firstSequence
  }

  /// Where a subscription that starts somewhere else than at the end begins in a topic that this
  /// shard owns. The place is in the ring; the sequence may be in the middle of a batch.
  func locate(_ id: UInt32, start: Start, value: UInt64) -> TopicShared.Tail {
    let end = ownTail(id)
    // What is being given up is not offered any more.
    guard !topics[id].isVacating, var page = Page(address: topics[id].headPage) else { return end }
    var wanted: UInt64
    switch start {
    case .latest, .state: return end
    case .earliest: wanted = topics[id].firstSequence
    case .sequence: wanted = value
    case .time: wanted = 0
    }
    if start != .time {
      if wanted >= end.sequence { return end }
      wanted = max(wanted, topics[id].firstSequence)
      while let next = page.next, page.endSequence <= wanted { page = next }
    } else {
      while let next = page.next, page.lastTime < value { page = next }
    }
    var offset = Page.headerBytes
    while offset < page.used {
      let batch = page.batch(at: offset)
      let isHere =
        start == .time
        ? batch.time >= value : batch.sequence + UInt64(batch.count) > wanted
      if isHere {
        return TopicShared.Tail(
          page: page.address, offset: offset,
          sequence: start == .time ? batch.sequence : max(wanted, batch.sequence),
          bytes: batch.bytesBefore)
      }
      offset += batch.paddedLength
    }
    return end
  }
}
