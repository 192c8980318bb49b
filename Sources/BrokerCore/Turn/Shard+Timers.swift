import WireFormat

extension Shard {
  /// Sessions are looked at this often for silence: a second is fine enough for heartbeats of a
  /// second and more, and a handful of loads a second for each session costs nothing.
  static let sweepNs: UInt64 = 500_000_000
  /// Turns come more often than this wherever there are connections. One that comes later was held
  /// up: the process was stopped, or the machine slept.
  static let pauseNs: UInt64 = 1_000_000_000
  /// How long peers then have to be heard; what they have sent lies in their sockets.
  static let graceNs: UInt64 = 2_000_000_000
  /// Rows looked at in one turn, so that 20,000 sessions do not hold up the turn's events.
  private static let sweepRows: UInt32 = 4096

  /// When `beginTurn` must come again at the latest; `UInt64.max` where nothing is due.
  public var nextDeadlineNs: UInt64 {
    var deadline = UInt64.max
    if pausedCount > 0 || isWaitingToSend || stuckRings != 0 { deadline = nowNs + Shard.retryNs }
    if connections.used > 0 { deadline = min(deadline, max(nextSweepNs, nowNs)) }
    if let blockDeadlineNs { deadline = min(deadline, blockDeadlineNs) }
    if let bookingDeadlineNs { deadline = min(deadline, max(bookingDeadlineNs, nowNs)) }
    if dueNotices != noSlot { deadline = min(deadline, notices[dueNotices].dueNs) }
    if drain != nil { deadline = min(deadline, nowNs + Shard.drainStepNs) }
    return deadline
  }

  /// What waits for room in another shard is tried again this soon.
  private static let retryNs: UInt64 = 200_000
  private static let drainStepNs: UInt64 = 5_000_000

  func runTimers() {
    if drain != nil { continueDrain() }
    checkBlocked()
    bookAccounts()
    tellNotices()
    guard connections.used > 0, nowNs >= nextSweepNs else { return }
    let end = min(sweepSlot + Shard.sweepRows, UInt32(connections.highWater))
    while sweepSlot < end {
      if connections.isUsed(sweepSlot) { checkSilence(sweepSlot) }
      sweepSlot += 1
    }
    if sweepSlot >= UInt32(connections.highWater) {
      sweepSlot = 0
      nextSweepNs = nowNs + Shard.sweepNs
      trimByAge()
    }
  }

  /// Ends what has been silent too long, and asks what has been silent for a while.
  private func checkSilence(_ slot: UInt32) {
    switch connections[slot].phase {
    case .handshake, .open:
      if nowNs < graceUntilNs { return }
    case .closing, .ended: break
    }
    switch connections[slot].phase {
    case .handshake:
      if nowNs - connections[slot].openedNs > UInt64(limits.handshakeTimeoutMs) * 1_000_000 {
        close(slot, .handshakeTimeout)
      }
    case .open:
      if connections[slot].hasTimedPolicy, isBehindTooLong(slot) {
        close(slot, .slowSubscriber)
        return
      }
      // What waits for room here is not read, so that nothing can be heard.
      if connections[slot].isListedAsPaused {
        connections[slot].heardNs = nowNs
        return
      }
      let silentNs = nowNs - connections[slot].heardNs
      let heartbeatNs = UInt64(connections[slot].heartbeatMs) * 1_000_000
      if silentNs > heartbeatNs * 5 / 2 {
        close(slot, .heartbeatTimeout)
      } else if silentNs > heartbeatNs && !connections[slot].hasPingOutstanding {
        connections[slot].hasPingOutstanding = true
        let now = nowNs
        sendControl(slot) { Ping(time: now).encode(into: &$0, ref: 0, correlation: 0) }
      }
    case .closing:
      if nowNs - connections[slot].stalledNs > Shard.closingGraceNs { end(slot) }
    case .ended:
      break
    }
  }
}
