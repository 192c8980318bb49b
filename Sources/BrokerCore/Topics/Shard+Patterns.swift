import WireFormat

// Which topics match which patterns. A pattern stands once however many subscriptions have it; a
// pattern without wildcards is found by its name alone when a topic comes.

extension Shard {
  /// Names compared in one turn: some milliseconds at most. A peer that asks for more, however it
  /// asks, waits for the next turn, and with it all who ask for such work.
  static let scansPerTurn = 65_536

  /// Whether what compares names has had its share of this turn.
  var isScanningTooMuch: Bool { scansLeft <= 0 }

  /// The pattern's row, made and linked to the topics it matches if it is new; nil where a table or
  /// the memory for names is full.
  func internPattern(_ name: [UInt8]) -> UInt32? {
    if let pattern = unsafe name.withUnsafeBytes({ unsafe findPattern($0) }) {
      return patterns[pattern].isIncomplete ? nil : pattern
    }
    guard var storage = smallPool.take(name.count) else { return nil }
    unsafe name.withUnsafeBytes { unsafe storage.append($0) }
    let star = UInt8(ascii: "*")
    let greater = UInt8(ascii: ">")
    let isExact = !name.contains(star) && !name.contains(greater)
    guard let pattern = patterns.insert(PatternEntry(name: storage, isExact: isExact)) else {
      smallPool.give(&storage)
      return nil
    }
    indexPattern(pattern)
    if !isExact { append(pattern, to: &wildPatterns, of: patterns, \.wild) }
    var isFull = false
    if isExact {
      if let id = topicIDs[name] { isFull = !link(pattern, id) }
    } else {
      scansLeft -= topics.highWater
      for id in 1..<UInt32(max(1, topics.highWater)) where matches(pattern, id) {
        if !link(pattern, id) { isFull = true }
      }
    }
    if isFull {
      dropPattern(pattern)
      return nil
    }
    return pattern
  }

  private func matches(_ pattern: UInt32, _ id: UInt32) -> Bool {
    unsafe patternMatches(pattern: patterns[pattern].name.bytes, name: topics[id].shared.name)
  }

  /// How many topics of other shards a pattern would have to ask about.
  func foreignMatches(_ name: [UInt8]) -> Int {
    guard broker.shards > 1 else { return 0 }
    guard name.contains(UInt8(ascii: "*")) || name.contains(UInt8(ascii: ">")) else { return 1 }
    scansLeft -= topics.highWater
    var count = 0
    for id in 1..<UInt32(max(1, topics.highWater)) where topics[id].shared.owner != index {
      if unsafe name.withUnsafeBytes({
        unsafe patternMatches(pattern: $0, name: topics[id].shared.name)
      }) {
        count += 1
      }
    }
    return count
  }

  private func link(_ pattern: UInt32, _ id: UInt32) -> Bool {
    guard let link = links.insert(LinkEntry(pattern: pattern, topic: id)) else { return false }
    append(link, to: &topics[id].links, of: links, \.inTopic)
    append(link, to: &patterns[pattern].links, of: links, \.inPattern)
    return true
  }

  /// The last subscription with a pattern is gone.
  func dropPattern(_ pattern: UInt32) {
    forEach(from: patterns[pattern].links, of: links, \.inPattern) { link in
      let id = links[link].topic
      scansLeft -= 1
      remove(link, from: &topics[id].links, of: links, \.inTopic)
      links.remove(link)
      if topics[id].links == noSlot { loseInterest(id) }
    }
    if !patterns[pattern].isExact { remove(pattern, from: &wildPatterns, of: patterns, \.wild) }
    unindexPattern(pattern)
    smallPool.give(&patterns[pattern].name)
    patterns.remove(pattern)
  }

  // MARK: Topics come

  /// Takes note of the topics that have been announced, in the order of their ids.
  /// - Returns: how many.
  func noticeTopics() -> Int {
    var count = 0
    while topics.highWater - 1 < broker.topicCount {
      let shared = broker.topic(topics.highWater)
      guard let id = topics.insert(TopicEntry(shared: shared)), id == shared.id else {
        preconditionFailure("topics come in the order of their ids")
      }
      topicIDs[unsafe [UInt8](shared.name)] = id
      if shared.owner == index {
        ownedTopics.append(id)
        if shared.settings.retentionNs != 0 {
          agingTopics.append(id)
          sweep(atNs: nowNs + Shard.sweepNs)
        }
        counters.topicOwned()
      }
      matchTopic(id)
      count += 1
    }
    return count
  }

  /// A topic that is new to this shard: until now the shard counted as standing at its first event.
  private func matchTopic(_ id: UInt32) {
    let shared = topics[id].shared
    if let exact = unsafe findPattern(shared.name), patterns[exact].isExact {
      linkLate(exact, id)
    }
    forEach(from: wildPatterns, of: patterns, \.wild) { pattern in
      scansLeft -= 1
      if matches(pattern, id) { linkLate(pattern, id) }
    }
    if topics[id].links == noSlot {
      letGo(id)
    } else {
      topics[id].isInterested = true
      if shared.owner != index { shared.addInterest(shard: index) }
      listForHold(id)
      listAsMoved(id)
    }
  }

  /// Links a new topic; without a row for it the pattern's subscriptions must not go on as if
  /// nothing were missing.
  private func linkLate(_ pattern: UInt32, _ id: UInt32) {
    let isLinked = link(pattern, id)
    if !isLinked { patterns[pattern].isIncomplete = true }
    for list in [patterns[pattern].subscriptions, patterns[pattern].resting] {
      forEach(from: list, of: subscriptions, \.inPattern) {
        if isLinked {
          joinTopic($0, id)
        } else {
          condemn(subscriptions[$0].connection, .cursorMemory)
        }
      }
    }
  }

  private func loseInterest(_ id: UInt32) {
    guard topics[id].isInterested else { return }
    let shared = topics[id].shared
    topics[id].isInterested = false
    if shared.owner != index { shared.removeInterest(shard: index) }
    letGo(id)
  }

  /// This shard keeps nothing of a topic, and holds none of its publishers back.
  private func letGo(_ id: UInt32) {
    let shared = topics[id].shared
    shared.setHold(.max, shard: index)
    shared.setGate(.max, shard: index)
    if shared.settings.isBlock {
      if shared.owner == index {
        listForGrant(id)
      } else {
        broker.releaseBits[shared.owner].add(Int(id))
        wake(shared.owner)
      }
    }
  }
}
