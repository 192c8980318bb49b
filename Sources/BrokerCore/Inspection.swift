// What tools and tests of this package may see of a shard: how much of everything is in use, and
// whether its tables agree with one another. Nothing here changes anything.

import Counters
package import WireFormat

/// How much of each thing a shard has in use.
package struct ShardUsage: Equatable, Sendable {
  package var connections = 0
  package var publishers = 0
  package var subscriptions = 0
  package var cursors = 0
  package var bounds = 0
  package var rests = 0
  package var patterns = 0
  package var links = 0
  package var writers = 0
  package var pins = 0
  package var requests = 0
  package var waiting = 0
  package var inputBytes = 0
  package var outputBytes = 0
  package var smallBytes = 0

  package init() {}
}

/// A topic as its owner sees it.
package struct TopicView: Sendable {
  /// The oldest that a subscription can begin with, and the oldest that the ring still holds.
  package var firstSequence: UInt64
  package var heldFrom: UInt64
  package var nextSequence: UInt64
}

extension Broker {
  /// Topics announced so far; their ids are 1 to this.
  package var announcedTopics: Int { topicCount }
  package func owner(ofTopic id: Int) -> Int { topic(id).owner }
  package func name(ofTopic id: Int) -> [UInt8] { unsafe Array(topic(id).name) }
}

extension Shard {
  package var usage: ShardUsage {
    var usage = ShardUsage()
    usage.connections = connections.used
    usage.publishers = publishers.used
    usage.subscriptions = subscriptions.used
    usage.cursors = cursors.used
    usage.bounds = bounds.used
    usage.rests = rests.used
    usage.patterns = patterns.used
    usage.links = links.used
    usage.writers = writers.used
    usage.pins = pins.used
    usage.requests = requests.used
    usage.waiting = waitingRequests.count + waitingCloses.count
    usage.inputBytes = inputPool.usedBytes
    usage.outputBytes = outputPool.usedBytes
    usage.smallBytes = smallPool.usedBytes
    return usage
  }

  /// A topic that this shard owns; nil where it has not noticed the topic yet.
  package func view(ofTopic id: Int) -> TopicView? {
    guard id < topics.highWater, topics[UInt32(id)].shared.owner == index else { return nil }
    let entry = topics[UInt32(id)]
    return TopicView(
      firstSequence: firstOffered(UInt32(id)), heldFrom: entry.firstSequence,
      nextSequence: entry.nextSequence)
  }

  /// The headers of a topic's batches from a sequence on, of a topic that this shard owns.
  package func forEachBatch(
    ofTopic id: UInt32, from sequence: UInt64, _ body: (BatchHeader) -> Void
  ) {
    var page = Page(address: topics[id].headPage)
    while let here = page {
      page = here.next
      guard here.endSequence > sequence else { continue }
      var offset = Page.headerBytes
      while offset < here.used {
        let batch = here.batch(at: offset)
        if batch.sequence >= sequence { body(unsafe BatchHeader(load: batch.start)) }
        offset += batch.paddedLength
      }
    }
  }

  /// What keeps the shard from sleeping, for people.
  package var reasonsToStayAwake: [String] {
    var reasons: [String] = []
    func note(_ holds: Bool, _ text: String) { if holds { reasons.append(text) } }
    note(transmitList != noSlot, "transmit")
    note(!movedTopics.isEmpty, "moved topics")
    note(!closedConnections.isEmpty, "closed connections")
    note(!grantTopics.isEmpty, "grants")
    note(!ackPublishers.isEmpty, "answers")
    note(!condemnedConnections.isEmpty, "condemned connections")
    note(!resumedConnections.isEmpty, "resumed connections")
    note(pausedCount > 0, "paused connections")
    note(isWaitingToSend, "requests that wait")
    for other in 0..<broker.shards where other != index {
      note(!broker.ring(from: other, to: index).isEmpty, "messages from \(other)")
    }
    note(!broker.requestBits[index].isEmpty, "answered requests")
    note(!broker.tailBits[index].isEmpty, "tails")
    note(!broker.floorBits[index].isEmpty, "floors")
    note(!broker.releaseBits[index].isEmpty, "releases")
    note(!broker.publisherBits[index].isEmpty, "publishers")
    note(!broker.unpinBits[index].isEmpty, "unpins")
    return reasons
  }

  /// One sentence for the first thing that does not hold between two turns, or nil.
  package func findFault() -> String? {
    faultOfSubscriptions() ?? faultOfConnections() ?? faultOfTopics() ?? faultOfPages()
  }

  private func faultOfSubscriptions() -> String? {
    for slot in 0..<UInt32(subscriptions.highWater) where subscriptions.isUsed(slot) {
      let entry = subscriptions[slot]
      var lag = Ledger.Amount()
      var count: UInt32 = 0
      var attaching: UInt32 = 0
      var hasGap = false
      var fault: String?
      forEach(from: entry.cursors, of: cursors, \.inSubscription) { cursor in
        count += 1
        let place = cursors[cursor]
        let tail = topics[place.topic].tail
        if place.isAttaching {
          attaching += 1
          return
        }
        if place.sequence > tail.sequence { fault = "a cursor is beyond its topic's tail" }
        if place.bytes > tail.bytes { fault = "a cursor's bytes are beyond its topic's tail" }
        lag.events += tail.sequence - min(tail.sequence, place.sequence) - booked(cursor).events
        lag.bytes += tail.bytes - min(tail.bytes, place.bytes) - booked(cursor).bytes
        if entry.isResting != (place.list != .following) {
          fault = "it rests, or a cursor of it does, and not both"
        }
        // What waits for an answer has no turn before that, a GAP that was taken back included.
        let isAsking = isAsking(cursor)
        if !isAsking, hasGapToTell(cursor) || isFilled(cursor) { hasGap = true }
        if !place.isReady, !isAsking { fault = "a cursor with something to send is not ready" }
        if cursorIndex.find(slot, place.topic) != cursor { fault = "a cursor is not in its index" }
      }
      if entry.isResting, entry.attaching > 0 { fault = "it rests and waits for owners" }
      if let fault = fault ?? faultOfResting(slot) { return "subscription \(slot): \(fault)" }
      let ledger = counters.ledger(slot)
      let isCondemned = connections[entry.connection].closeReason != 0
      // What has matched one that rests is booked later.
      let late = unbooked(slot)
      lag.events -= min(lag.events, late.events)
      lag.bytes -= min(lag.bytes, late.bytes)
      if ledger.lag != lag && !isCondemned {
        return "subscription \(slot): its account says \(ledger.lag), its cursors \(lag)"
      }
      if ledger.matched != ledger.sum { return "subscription \(slot): \(ledger)" }
      if counters.blocked(slot) != blockedCause(slot).rawValue && !isCondemned {
        return "subscription \(slot): it is held back by \(blockedCause(slot)), not as it says"
      }
      if count != entry.cursorCount { return "subscription \(slot): its count of cursors is wrong" }
      if attaching != entry.attaching {
        return "subscription \(slot): it waits for \(entry.attaching) owners, not \(attaching)"
      }
      if entry.ready != noSlot, entry.hasCredit || (hasGap && !entry.isResting),
        !entry.isServed, !isCondemned
      {
        return "subscription \(slot): it has something to send and no turn"
      }
      if entry.isResting, entry.isServed, connections[entry.connection].isWritable {
        return "subscription \(slot): it rests and has a turn"
      }
      if entry.isServed && entry.ready == noSlot {
        return "subscription \(slot): it has a turn and nothing to send"
      }
    }
    return nil
  }

  private func faultOfConnections() -> String? {
    for slot in 0..<UInt32(connections.highWater) where connections.isUsed(slot) {
      let entry = connections[slot]
      if entry.phase != .ended, entry.isWritable, hasOutput(slot), !entry.isListedForTransmit {
        return "connection \(slot): it has output and is not listed"
      }
      if entry.phase == .closing || entry.phase == .ended {
        if entry.subscriptions != noSlot || entry.publishers != noSlot {
          return "connection \(slot): it ends with subscriptions or publishers"
        }
        if entry.input.capacity != 0 { return "connection \(slot): it ends and keeps input" }
      }
    }
    return nil
  }

  private func faultOfTopics() -> String? {
    for id in 1..<UInt32(max(1, topics.highWater)) {
      let entry = topics[id]
      guard entry.isInterested else {
        if entry.shared.hold(shard: index) != .max && entry.links == noSlot {
          return "topic \(id): a hold without interest"
        }
        continue
      }
      let hold = entry.shared.hold(shard: index)
      if entry.tail.sequence < hold { return "topic \(id): its hold is beyond the tail" }
      var fault: String?
      for list in [entry.cursors, entry.resting] {
        forEach(from: list, of: cursors, \.inTopic) { cursor in
          if !cursors[cursor].isAttaching, !isOutOfRing(cursor), cursors[cursor].sequence < hold {
            fault = "topic \(id): a cursor is below the hold"
          }
        }
      }
      if entry.overrun != noSlot, entry.overrunAt.sequence < hold {
        fault = "topic \(id): what the ring ran over is below the hold"
      }
      if let fault { return fault }
    }
    return nil
  }

  /// One that rests is not told of new tails, so it must have a cursor wherever the tail has moved.
  private func faultOfResting(_ slot: UInt32) -> String? {
    guard subscriptions[slot].isResting else { return nil }
    var fault: String?
    forEach(from: patterns[subscriptions[slot].pattern].links, of: links, \.inPattern) { link in
      let id = links[link].topic
      guard links[link].restedThrough >= rests[subscriptions[slot].rest].number else { return }
      guard let cursor = findCursor(slot, id) else {
        fault = "it rests without a cursor in topic \(id)"
        return
      }
      if subscriptions[slot].policy == Policy.disconnect.rawValue,
        exceedsLag(slot, cursor, topics[id].tail),
        !connections[subscriptions[slot].connection].isListedAsBehind
      {
        fault = "it rests beyond its bounds in topic \(id)"
      }
    }
    return fault
  }

  private func faultOfPages() -> String? {
    var used = 0
    for i in 0..<ownedTopics.count {
      let id = ownedTopics[i]
      let entry = topics[id]
      var bytes = 0
      var count = 0
      var sequence = entry.firstSequence
      var page = Page(address: entry.headPage)
      while let here = page {
        if here.firstSequence != sequence { return "topic \(id): a page is missing" }
        sequence = here.endSequence
        bytes += here.bytes
        count += 1
        if here.next == nil && here.address != entry.tailPage && !entry.isVacating {
          return "topic \(id): the last page is not the tail's"
        }
        page = here.next
      }
      if sequence != entry.nextSequence { return "topic \(id): its pages end before it does" }
      if let index = entry.keys {
        if index.lastSequence + 1 != entry.nextSequence {
          return "topic \(id): its keys are known up to \(index.lastSequence)"
        }
        if index.count(after: 0, through: index.lastSequence) != index.count
          || index.count > limits.keysPerTopicMax || index.floor > index.lastSequence
        {
          return "topic \(id): \(index.count) keys are not what its order has"
        }
      }
      if bytes != entry.ringBytes || count != Int(entry.pageCount) {
        return "topic \(id): \(count) pages of \(bytes) bytes are not what it counts"
      }
      used += bytes
    }
    used += heldBackBytes
    return used == pages.usedBytes ? nil : "\(pages.usedBytes) bytes of pages, \(used) in rings"
  }
}
