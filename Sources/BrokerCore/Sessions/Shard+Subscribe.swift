import WireFormat

extension Shard {
  func receiveSubscribe(
    _ subscribe: Subscribe, frame: FrameView, in bytes: UnsafeRawBufferPointer, on slot: UInt32
  ) throws(WireError) -> FrameFate {
    if isScanningTooMuch { return .later }
    // What the client knows from elsewhere must not pass for a topic that comes later.
    _ = noticeTopics()
    let header = frame.header
    guard subscribe.positions.count == Int(subscribe.positionsCount) * Position.bytes else {
      throw WireError(
        .malformedFrame, offset: subscribe.positions.lowerBound,
        need: Int(subscribe.positionsCount) * Position.bytes, have: subscribe.positions.count)
    }
    guard let policy = subscribe.policy, let start = subscribe.start, header.ref != 0,
      subscribe.weight <= WireLimits.weightMax
    else { return refuse(slot, header, .invalidOption) }
    guard connections[slot].version >= Shard.versionMin(policy, start) else {
      return refuse(slot, header, .notSupported)
    }
    guard drain == nil else { return refuse(slot, header, .shuttingDown) }
    guard subscribe.pattern.isValidPattern else { return refuse(slot, header, .invalidPattern) }
    guard subscriptionIndex.find(slot, header.ref) == nil else {
      return refuse(slot, header, .duplicateRef)
    }
    guard connections[slot].subscriptionCount < limits.subscriptionsPerSessionMax,
      subscriptions.used < subscriptions.capacity
    else { return refuse(slot, header, .tooManySubscriptions) }
    // Topics of other shards answer one request each; there must be room to ask.
    let name = Array(subscribe.pattern.utf8)
    guard requests.capacity - requests.used > foreignMatches(name) else {
      return foreignMatches(name) >= requests.capacity
        ? refuse(slot, header, .memoryExhausted) : .later
    }
    guard let pattern = internPattern(name) else {
      return refuse(slot, header, .memoryExhausted)
    }
    generationCount &+= 1
    let entry = SubscriptionEntry(
      connection: slot, ref: header.ref, pattern: pattern, generation: generationCount,
      policy: policy.rawValue, weight: max(1, subscribe.weight), turns: max(1, subscribe.weight),
      correlation: header.correlation, creditEvents: subscribe.eventsTotal,
      creditBytes: subscribe.bytesTotal)
    guard let subscription = subscriptions.insert(entry) else {
      preconditionFailure("room for a subscription was checked")
    }
    setBounds(
      subscription, BoundsEntry(events: subscribe.lagEventsMax, bytes: subscribe.lagBytesMax))
    #if DEBUG
      if plants(.creditLeakedOnResume), subscribe.positionsCount > 0 {
        subscriptions[subscription].sentEvents = 1
      }
    #endif
    subscriptionIndex.insert(slot, header.ref, subscription)
    append(subscription, to: &connections[slot].subscriptions, of: subscriptions, \.inConnection)
    connections[slot].subscriptionCount += 1
    // From 1, and no two shards give the same.
    let id = openedSubscriptions * UInt64(broker.shards) + UInt64(index) + 1
    openedSubscriptions += 1
    counters.subscriptionOpened(
      subscription, entry, pattern: subscribe.pattern, id: id, realtimeNs: realtimeNs)

    let range = subscribe.positions
    let positions = unsafe UnsafeRawBufferPointer(
      rebasing: bytes[(frame.offset + range.lowerBound)..<(frame.offset + range.upperBound)])
    unsafe notePositions(positions, generation: entry.generation)
    forEach(from: patterns[pattern].links, of: links, \.inPattern) { link in
      let id = links[link].topic
      scansLeft -= 1
      var topicStart = start
      var value = subscribe.startValue
      if topics[id].positionGeneration == entry.generation {
        let sequence = unsafe Position.sequence(in: positions, at: topics[id].positionOffset)
        topicStart = .sequence
        value = sequence
        #if DEBUG
          if plants(.resumedLate) { value += 1 }
        #endif
      }
      beginAt(subscription, id, start: topicStart, value: value)
      joinTopic(subscription, id)
    }
    append(subscription, to: &patterns[pattern].subscriptions, of: subscriptions, \.inPattern)
    patterns[pattern].subscriptionCount += 1
    confirmIfReady(subscription)
    return .done
  }

  /// An entry of SUBSCRIBE's positions.
  private enum Position {
    static let bytes = 16

    static func topic(in entries: UnsafeRawBufferPointer, at offset: Int) -> UInt32 {
      unsafe entries.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
    }

    static func sequence(in entries: UnsafeRawBufferPointer, at offset: UInt32) -> UInt64 {
      unsafe entries.loadUnaligned(fromByteOffset: Int(offset) + 8, as: UInt64.self)
    }
  }

  /// Writes at the topics where their entries are, once for all: in whatever order a client names
  /// them, each entry is looked at once, and so is each topic. Of several for one the first counts.
  private func notePositions(_ entries: UnsafeRawBufferPointer, generation: UInt32) {
    for offset in stride(from: 0, to: entries.count, by: Position.bytes) {
      let id = unsafe Position.topic(in: entries, at: offset)
      guard id > 0, id < topics.highWater, topics[id].positionGeneration != generation else {
        continue
      }
      topics[id].positionGeneration = generation
      topics[id].positionOffset = UInt32(offset)
    }
  }

  /// A subscription counts among a topic's.
  func joinTopic(_ subscription: UInt32, _ id: UInt32) {
    subscriptions[subscription].topicCount += 1
    topics[id].subscriptionCount += 1
    if subscriptions[subscription].policy == Policy.lossless.rawValue {
      topics[id].losslessCount += 1
      // At once: publishers may go on later in this turn, and must see whom they wait for.
      if topics[id].shared.settings.isBlock { updateHold(id) }
    }
    counters.subscriptionJoined(
      subscription, topic: id, topics: subscriptions[subscription].topicCount)
  }

  private func leaveTopic(_ subscription: UInt32, _ id: UInt32) {
    topics[id].subscriptionCount -= 1
    counters.subscriptionLeft(topic: id)
    if subscriptions[subscription].policy == Policy.lossless.rawValue {
      topics[id].losslessCount -= 1
      listForHold(id)
    }
  }

  /// SUBSCRIBED, once every topic's owner has said where the subscription starts.
  func confirmIfReady(_ subscription: UInt32) {
    let entry = subscriptions[subscription]
    guard entry.attaching == 0, !entry.isConfirmed else { return }
    subscriptions[subscription].isConfirmed = true
    let answer = Subscribed(
      topics: entry.topicCount, policy: Policy(rawValue: entry.policy) ?? .lossless)
    sendControl(entry.connection) {
      answer.encode(into: &$0, ref: entry.ref, correlation: entry.correlation)
    }
  }

  func receiveUnsubscribe(_ header: FrameHeader, on slot: UInt32) -> FrameFate {
    if isScanningTooMuch { return .later }
    guard let subscription = subscriptionIndex.find(slot, header.ref) else {
      return refuse(slot, header, .unknownRef)
    }
    let account = endSubscription(subscription)
    return sendControl(slot) {
      account.encode(into: &$0, ref: header.ref, correlation: header.correlation)
    }
  }

  /// Ends a subscription. What is pending is booked as closed.
  @discardableResult
  func endSubscription(_ subscription: UInt32) -> Unsubscribed {
    rouse(subscription)
    while subscriptions[subscription].cursors != noSlot {
      let cursor = subscriptions[subscription].cursors
      closePending(subscription, cursor, before: topics[cursors[cursor].topic].tail)
      endCursor(cursor)
    }
    stopServing(subscription)
    let pattern = subscriptions[subscription].pattern
    let connection = subscriptions[subscription].connection
    forEach(from: patterns[pattern].links, of: links, \.inPattern) {
      leaveTopic(subscription, links[$0].topic)
    }
    remove(
      subscription, from: &patterns[pattern].subscriptions, of: subscriptions, \.inPattern)
    patterns[pattern].subscriptionCount -= 1
    if patterns[pattern].subscriptionCount == 0 { dropPattern(pattern) }
    remove(
      subscription, from: &connections[connection].subscriptions, of: subscriptions,
      \.inConnection)
    connections[connection].subscriptionCount -= 1
    subscriptionIndex.remove(connection, subscriptions[subscription].ref)
    endWatch(subscription)
    endNotice(&subscriptions[subscription].notice)
    endBounds(subscription)
    let account = counters.subscriptionClosed(subscription)
    subscriptions[subscription].generation = 0
    subscriptions.remove(subscription)
    return account
  }

  func receiveCredit(_ credit: Credit, header: FrameHeader, on slot: UInt32) -> FrameFate {
    guard let subscription = subscriptionIndex.find(slot, header.ref) else {
      return refuse(slot, header, .unknownRef)
    }
    // Totals only rise: a lower one is old news.
    subscriptions[subscription].creditEvents = max(
      subscriptions[subscription].creditEvents, credit.eventsTotal)
    subscriptions[subscription].creditBytes = max(
      subscriptions[subscription].creditBytes, credit.bytesTotal)
    counters.credited(subscription, subscriptions[subscription])
    #if DEBUG
      if plants(.creditOverdrawn), credit.eventsTotal < 1 << 40 {
        subscriptions[subscription].creditEvents += 1
      }
      if plants(.grantForgotten) { return .done }
    #endif
    noteEcho(subscription)
    if subscriptions[subscription].ready != noSlot, subscriptions[subscription].hasCredit {
      serve(subscription)
    }
    noteBlocked(subscription)
    return .done
  }
}
