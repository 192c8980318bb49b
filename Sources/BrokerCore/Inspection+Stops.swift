// What the simulator may see of who is stopped, and of what BLOCKED has told of that. Nothing here
// changes anything.

import Counters
package import WireFormat

/// A subscription or publisher of a session that is told of stops, between two turns.
package struct StopView: Sendable {
  package var side: BlockedSide
  package var slot: UInt32
  package var connection: ConnectionID
  package var ref: UInt32
  /// Why it is stopped, as the shard's own table says, and since when by `turnNs`.
  package var cause: BlockedBy
  package var sinceNs: UInt64
  /// What its client was told last.
  package var told: BlockedBy
  /// So much waits for the client that it is told nothing more of stops.
  package var isMuffled: Bool
  /// Its session is about to end, so that its account may be closed in part.
  package var isCondemned: Bool
}

extension Shard {
  package func forEachStop(_ body: (StopView) -> Void) {
    for slot in 0..<UInt32(subscriptions.highWater) where subscriptions.isUsed(slot) {
      let entry = subscriptions[slot]
      show(
        .subscription, slot, entry.connection, ref: entry.ref,
        cause: UInt8(blockedCause(slot).rawValue), sinceNs: entry.blockedNs, entry.notice, body)
    }
    for slot in 0..<UInt32(publishers.highWater) where publishers.isUsed(slot) {
      let entry = publishers[slot]
      // Its row in the counters is another's before it is open.
      if !entry.isOpen || entry.isOrphan { continue }
      show(
        .publisher, slot, entry.connection, ref: entry.ref, cause: entry.stop,
        sinceNs: entry.stoppedNs, entry.notice, body)
    }
  }

  private func show(
    _ side: BlockedSide, _ slot: UInt32, _ connection: UInt32, ref: UInt32, cause: UInt8,
    sinceNs: UInt64, _ notice: UInt32, _ body: (StopView) -> Void
  ) {
    let entry = connections[connection]
    guard entry.version >= 2, entry.phase == .open,
      let cause = BlockedBy(rawValue: cause),
      let told = BlockedBy(rawValue: notice == noSlot ? 0 : notices[notice].told)
    else { return }
    body(
      StopView(
        side: side, slot: slot,
        connection: ConnectionID(slot: connection, generation: entry.generation), ref: ref,
        cause: cause, sinceNs: sinceNs, told: told,
        isMuffled: entry.control.count >= limits.controlBytesPerSession / 4,
        isCondemned: entry.closeReason != 0))
  }

  /// When its turn began, by the clock that only rises.
  package var turnNs: UInt64 { nowNs }
}
