import WireFormat

// Block topics: publishers wait for lossless subscriptions, within the topic's own memory and for a
// bounded time.
//
// Half of the topic's retention is the window W. Publishers have credit while the topic's end is
// less than W past the slowest lossless subscription (the gate, over all shards). Each of n
// publishers may be granted up to W / n ahead of what it has used, so the end can pass the gate by
// 2 W and one batch a publisher, which is what the ring keeps. A publisher that does not use its
// grant keeps nobody else from theirs.

extension Shard {
  func listForGrant(_ id: UInt32) {
    guard topics[id].shared.owner == index, !topics[id].isListedForGrant else { return }
    topics[id].isListedForGrant = true
    grantTopics.append(id)
  }

  func hasGatingSubscription(_ id: UInt32) -> Bool { topics[id].losslessCount > 0 }

  func isGating(_ cursor: UInt32) -> Bool {
    !cursors[cursor].isUngated
      && subscriptions[cursors[cursor].subscription].policy == Policy.lossless.rawValue
  }

  /// The lowest gate of all shards; `UInt64.max` where nobody holds publishers back.
  func lowestGate(_ id: UInt32) -> UInt64 {
    let shared = topics[id].shared
    var lowest = UInt64.max
    for shard in 0..<broker.shards { lowest = min(lowest, shared.gate(shard: shard)) }
    return lowest
  }

  private func window(_ id: UInt32) -> UInt64 {
    max(1, topics[id].shared.settings.retentionBytes / 2)
  }

  /// Grants what has become free on the topics that changed.
  func sendGrants() {
    var i = 0
    while i < grantTopics.count {
      let id = grantTopics[i]
      i += 1
      // While it counts as listed, a gate that moves here does not list it again.
      updateHold(id)
      topics[id].isListedForGrant = false
      grant(id)
    }
    grantTopics.removeAll()
  }

  private func grant(_ id: UInt32) {
    let window = window(id)
    let end = topics[id].totalBytes
    let gate = min(lowestGate(id), end)
    let free = gate + window > end ? gate + window - end : 0
    guard topics[id].writerCount > 0 else {
      topics[id].blockedNs = 0
      return
    }
    guard free > 0 else {
      if topics[id].blockedNs == 0 {
        topics[id].blockedNs = max(1, nowNs)
        listAsTimed(id)
      }
      return
    }
    topics[id].blockedNs = 0
    let share = max(1, min(window / UInt64(topics[id].writerCount), free))
    forEach(from: topics[id].writers, of: writers, \.inTopic) { writer in
      let used = writers[writer].usedBytes
      let granted = writers[writer].grantedBytes
      let ahead = granted > used ? granted - used : 0
      guard ahead < (share + 1) / 2 else { return }
      writers[writer].grantedBytes = used + share
      let shard = Int(writers[writer].shard)
      let publisher = writers[writer].publisher
      broker.publisherWords[shard].grant(publisher, used + share)
      if shard == index {
        listForAnswer(publisher)
      } else {
        broker.publisherBits[shard].add(Int(publisher))
        wake(shard)
      }
    }
  }

  // MARK: The time is bounded

  /// A topic for which a time runs. Those for which none does cost a turn nothing.
  func listAsTimed(_ id: UInt32) {
    guard !topics[id].isListedAsTimed else { return }
    topics[id].isListedAsTimed = true
    timedTopics.append(id)
  }

  /// When the first subscription has held publishers back for as long as its topic allows.
  var blockDeadlineNs: UInt64? {
    var deadline: UInt64?
    for i in 0..<timedTopics.count {
      let id = timedTopics[i]
      if let due = pressedDeadlineNs(id) { deadline = min(deadline ?? due, due) }
      guard topics[id].blockedNs != 0 else { continue }
      let due = topics[id].blockedNs + topics[id].shared.settings.blockTimeoutNs
      deadline = min(deadline ?? due, due)
    }
    return deadline
  }

  /// Lets publishers go on past subscriptions that have held them back too long: these are gated on
  /// no more until they have caught up, and lose what the ring then runs over.
  func checkBlocked() {
    // From the end, since one whose time runs no more leaves its place to the last.
    var i = timedTopics.count
    while i > 0 {
      i -= 1
      let id = timedTopics[i]
      releasePressed(id)
      if topics[id].blockedNs == 0, topics[id].pressedNs == 0 {
        topics[id].isListedAsTimed = false
        timedTopics.remove(at: i)
        continue
      }
      guard topics[id].blockedNs != 0,
        nowNs >= topics[id].blockedNs + topics[id].shared.settings.blockTimeoutNs
      else { continue }
      topics[id].blockedNs = nowNs
      let window = window(id)
      let end = topics[id].totalBytes
      ungateEverywhere(id, upTo: end > window ? end - window : 0)
    }
  }

  /// Cursors of all shards at or before a place gate no more.
  func ungateEverywhere(_ id: UInt32, upTo wanted: UInt64) {
    let shared = topics[id].shared
    let position = max(wanted, shared.ungate)
    shared.ungate = position
    ungate(id, upTo: position)
    for other in 0..<broker.shards where other != index && shared.gate(shard: other) <= position {
      broker.floorBits[other].add(Int(id))
      wake(other)
    }
  }

  /// Cursors of this shard at or before a place gate no more.
  func ungate(_ id: UInt32, upTo position: UInt64) {
    guard topics[id].shared.settings.isBlock else { return }
    moveTail(id, to: currentTail(id))
    forEach(from: topics[id].cursors, of: cursors, \.inTopic) { cursor in
      // Those with another policy never gated; what they lose they lose for other reasons.
      if !cursors[cursor].isAttaching, isGating(cursor), cursors[cursor].bytes <= position {
        cursors[cursor].isUngated = true
      }
    }
    forEach(from: topics[id].resting, of: cursors, \.inTopic) { cursor in
      if isGating(cursor), cursors[cursor].bytes <= position {
        cursors[cursor].isUngated = true
        topics[id].isRestingStale = true
      }
    }
    updateHold(id)
    listForGrant(id)
  }
}
