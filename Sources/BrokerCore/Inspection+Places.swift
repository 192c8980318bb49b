// What the simulator may see of a shard: where its subscriptions stand, what their accounts say,
// and what others look at. Nothing here changes anything.

package import Counters
import WireFormat

/// A subscription as its shard sees it, between two turns.
package struct SubscriptionView: Sendable {
  package var slot: UInt32
  package var connection: ConnectionID
  package var ref: UInt32
  /// Never the same for two subscriptions of a shard.
  package var generation: UInt32
  /// Its session is about to end, so that its account may be closed in part.
  package var isCondemned: Bool
  /// Its account, as it says.
  package var account: Ledger
  /// What has matched it and is not in its account yet, since it rests.
  package var late: Ledger.Amount
}

/// Where a subscription stands in a topic.
package struct PlaceView: Sendable {
  package var topic: UInt32
  package var tail: UInt64
  package var tailBytes: UInt64
  package var next: UInt64
  package var nextBytes: UInt64
  /// The first event of a GAP that is still to be told.
  package var gapFirst: UInt64?
  package var gapBytes: UInt64
  /// What a pass that is under way has booked of what lies before the place, and what of that, too
  /// old, is told at its end.
  package var booked: Ledger.Amount
  package var untold: Ledger.Amount
}

extension Shard {
  package func forEachSubscription(_ body: (SubscriptionView) -> Void) {
    for slot in 0..<UInt32(subscriptions.highWater) where subscriptions.isUsed(slot) {
      let entry = subscriptions[slot]
      let connection = connections[entry.connection]
      body(
        SubscriptionView(
          slot: slot,
          connection: ConnectionID(slot: entry.connection, generation: connection.generation),
          ref: entry.ref, generation: entry.generation,
          isCondemned: connection.closeReason != 0 || connection.phase != .open,
          account: counters.ledger(slot), late: unbooked(slot)))
    }
  }

  /// The topics that a subscription is in, but for those whose owners have not said where it
  /// starts.
  package func forEachPlace(of slot: UInt32, _ body: (PlaceView) -> Void) {
    forEach(from: patterns[subscriptions[slot].pattern].links, of: links, \.inPattern) { link in
      let id = links[link].topic
      let tail = topics[id].tail
      var place = PlaceView(
        topic: id, tail: tail.sequence, tailBytes: tail.bytes, next: tail.sequence,
        nextBytes: tail.bytes, gapFirst: nil, gapBytes: 0, booked: Ledger.Amount(),
        untold: Ledger.Amount())
      if let cursor = cursorIndex.find(slot, id) {
        let entry = cursors[cursor]
        if entry.isAttaching { return }
        place.next = entry.sequence
        place.nextBytes = entry.bytes
        place.gapFirst = entry.hasGap ? entry.gapFirst : nil
        place.gapBytes = entry.gapBytes
        if entry.pass != noSlot {
          let pass = passes[entry.pass]
          place.booked = Ledger.Amount(events: pass.bookedEvents, bytes: pass.bookedBytes)
          place.untold = Ledger.Amount(events: pass.expiredEvents, bytes: pass.expiredBytes)
        }
      }
      body(place)
    }
  }

  /// A connection has bytes of a cut or a re-framed frame that its socket has not taken.
  package func hasStash(_ id: ConnectionID) -> Bool {
    connections.isUsed(id.slot) && connections[id.slot].generation == id.generation
      && !connections[id.slot].stash.isEmpty
  }

  /// Before which a topic's events are, as far as this shard knows.
  package func tail(ofTopic id: UInt32) -> UInt64 { topics[id].tail.sequence }

  /// Up to where the owner of a topic has given pages up, or has told others to leave them.
  package func floor(ofTopic id: UInt32) -> UInt64 {
    max(topics[id].shared.floor, firstOffered(id))
  }

  /// Up to where the owner of a keyed topic has given up records of keys for want of room, or
  /// forgotten that they are gone, or has seen none.
  package func keysFloor(ofTopic id: UInt32) -> UInt64 { topics[id].keys?.floor ?? .max }

  /// Whether it has given up records for want of room, or had none to begin with. The latter shows
  /// until something is forgotten.
  package func lacksKeys(ofTopic id: UInt32) -> Bool {
    guard let keys = topics[id].keys else { return topics[id].nextSequence > 1 }
    return keys.evicted > 0 || keys.floor > 0 && keys.forgotten == 0
  }

  /// A shard that looks at pages which the owner of a topic, this shard, has given up; nil where
  /// there is none.
  package func findReaderOfFreedPages(ofTopic id: UInt32) -> Int? {
    let first = topics[id].firstSequence
    for shard in 0..<broker.shards where topics[id].shared.hold(shard: shard) < first {
      return shard
    }
    return lowestPin(id) < first ? index : nil
  }

  /// There is something for this shard that another one has put there.
  package var isAwaitedByOthers: Bool { hasInbound }
  /// The shards, by bit, that this one will wake when its turn ends.
  package var wakesOwed: UInt64 { wakeMask }
  /// The time that its turn goes by.
  package var turnRealtimeNs: UInt64 { realtimeNs }
}
