import Counters
import WireFormat

// The rows of subscriptions: their accounts above all, which balance at every moment.

extension ShardCounters {
  func subscriptionOpened(
    _ slot: UInt32, _ entry: SubscriptionEntry, pattern: String, id: UInt64, realtimeNs: UInt64
  ) {
    let row = subscriptions.activate(Int(slot))
    row.beginUpdate()
    row.set(.id, id)
    row.set(.openedNs, realtimeNs)
    row.set(.connection, entry.connection)
    row.set(.ref, entry.ref)
    row.set(.policy, UInt32(entry.policy))
    row.setText(.pattern, pattern)
    row.endUpdate()
    credited(slot, entry)
    shard.add(.subscriptions, 1)
  }

  func subscriptionJoined(_ slot: UInt32, topic: UInt32, topics count: UInt32) {
    subscriptions[Int(slot)].set(.topics, count)
    topics[Int(topic)].addSubscriptions(1)
  }

  func policySet(_ slot: UInt32, _ policy: Policy) {
    subscriptions[Int(slot)].set(.policy, UInt32(policy.rawValue))
  }

  func subscriptionLeft(topic: UInt32) { topics[Int(topic)].addSubscriptions(UInt64.max) }

  func blocked(_ slot: UInt32, _ cause: BlockedCause) {
    subscriptions[Int(slot)].set(.blocked, cause.rawValue)
  }

  func blocked(_ slot: UInt32) -> UInt32 { subscriptions[Int(slot)].get(.blocked) }

  func credited(_ slot: UInt32, _ entry: SubscriptionEntry) {
    let row = subscriptions[Int(slot)]
    row.set(.creditEvents, left(entry.creditEvents, entry.sentEvents))
    row.set(.creditBytes, left(entry.creditBytes, entry.sentBytes))
  }

  /// Until the next CREDIT makes it exact again; overdrawn is none.
  private func spend(_ row: SubscriptionRow, _ field: SubscriptionRow.Word, _ amount: UInt64) {
    let held = row.get(field)
    if held != .max { row.set(field, held > amount ? held - amount : 0) }
  }

  private func left(_ total: UInt64, _ used: UInt64) -> UInt64 {
    total == .max ? .max : total > used ? total - used : 0
  }

  @inline(__always)
  func matched(_ slot: UInt32, events: UInt64, bytes: UInt64) {
    guard Self.isOn else { return }
    let row = subscriptions[Int(slot)]
    row.beginUpdate()
    row.add(.matchedEvents, events)
    row.add(.matchedBytes, bytes)
    row.add(.lagEvents, events)
    row.add(.lagBytes, bytes)
    row.endUpdate()
  }

  #if DEBUG
    /// For a canary: what is lost next has not matched.
    func unmatched(_ slot: UInt32, events: UInt64, bytes: UInt64) {
      let row = subscriptions[Int(slot)]
      row.add(.matchedEvents, 0 &- events)
      row.add(.matchedBytes, 0 &- bytes)
      row.add(.droppedEvents, at: Int(GapCause.expired.rawValue), 0 &- events)
      row.add(.expiredBytes, 0 &- bytes)
    }
  #endif

  func lost(_ slot: UInt32, cause: GapCause, events: UInt64, bytes: UInt64) {
    let row = subscriptions[Int(slot)]
    row.beginUpdate()
    row.add(.droppedEvents, at: Int(cause.rawValue), events)
    row.add(cause == .expired ? .expiredBytes : .droppedBytes, bytes)
    row.add(.lagEvents, 0 &- events)
    row.add(.lagBytes, 0 &- bytes)
    row.endUpdate()
    shard.add(.droppedEvents, events)
  }

  @inline(__always)
  func delivered(_ connection: UInt32, _ frame: TransmitPlan.Frame, nowNs: UInt64) {
    guard Self.isOn else { return }
    let frames = 1 &+ UInt64(frame.joinedFrames)
    connections[Int(connection)].add(.framesOut, frames)
    shard.add(.framesOut, frames)
    let row = subscriptions[Int(frame.subscription)]
    if frame.isGap {
      row.add(.gaps, 1)
      shard.add(.gapsSent, 1)
      return
    }
    row.beginUpdate()
    row.add(.deliveredEvents, frame.events)
    row.add(.deliveredBytes, frame.charge)
    spend(row, .creditEvents, frame.events)
    spend(row, .creditBytes, frame.charge)
    row.add(.lagEvents, 0 &- frame.events)
    row.add(.lagBytes, 0 &- frame.charge)
    row.endUpdate()
    guard frame.events > 0 else { return }
    connections[Int(connection)].add(.eventsOut, frame.events)
    shard.add(.eventsOut, frame.events)
    shard.add(.batchesOut, UInt64(frame.batches))
    shard.recordLatency(ns: nowNs > frame.time ? nowNs - frame.time : 0, frames: frames)
  }

  func closedPending(_ slot: UInt32, events: UInt64, bytes: UInt64) {
    let row = subscriptions[Int(slot)]
    row.beginUpdate()
    row.add(.closedEvents, events)
    row.add(.closedBytes, bytes)
    row.add(.lagEvents, 0 &- events)
    row.add(.lagBytes, 0 &- bytes)
    row.endUpdate()
  }

  /// What a policy left out of what a subscription is sent, but told it of.
  func leftOut(_ slot: UInt32, conflated: Ledger.Amount, sampled: Ledger.Amount) {
    let row = subscriptions[Int(slot)]
    row.beginUpdate()
    row.add(.conflatedEvents, conflated.events)
    row.add(.conflatedBytes, conflated.bytes)
    row.add(.sampledEvents, sampled.events)
    row.add(.sampledBytes, sampled.bytes)
    row.add(.lagEvents, 0 &- conflated.events &- sampled.events)
    row.add(.lagBytes, 0 &- conflated.bytes &- sampled.bytes)
    row.endUpdate()
  }

  /// The account of a subscription as it stands.
  func ledger(_ slot: UInt32) -> Ledger { subscriptions[Int(slot)].ledger }

  /// Events that are pending by that account.
  func lagEvents(_ slot: UInt32) -> UInt64 { subscriptions[Int(slot)].get(.lagEvents) }

  func subscriptionClosed(_ slot: UInt32) -> Unsubscribed {
    let ledger = ledger(slot)
    subscriptions[Int(slot)].retire()
    shard.add(.subscriptions, UInt64.max)
    return Unsubscribed(
      matchedEvents: ledger.matched.events, deliveredEvents: ledger.delivered.events,
      droppedEvents: ledger.dropped.events, expiredEvents: ledger.expired.events,
      closedEvents: ledger.closed.events)
  }
}
