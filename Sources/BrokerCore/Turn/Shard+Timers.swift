import WireFormat

extension Shard {
  /// Sessions are looked at for silence when something may be due, and no more often than this,
  /// which is fine enough for heartbeats of a second and more.
  static let sweepNs: UInt64 = 500_000_000
  /// A turn that comes so long after the last one, and so late, was held up: the process was
  /// stopped, or the machine slept.
  static let pauseNs: UInt64 = 1_000_000_000
  static let lateNs: UInt64 = 100_000_000
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
    if connections.used > 0, nowNs >= nextSweepNs { sweepOn() }
    // Last: what is told is what the counters say at the end of the turn.
    tellNotices()
  }

  /// Looks at some more sessions, and with the last of them at the age of what topics keep.
  private func sweepOn() {
    let end = min(sweepSlot + Shard.sweepRows, UInt32(connections.highWater))
    while sweepSlot < end {
      if connections.isUsed(sweepSlot) {
        checkSilence(sweepSlot)
        laterSweepNs = min(laterSweepNs, silenceDueNs(sweepSlot))
      }
      sweepSlot += 1
    }
    if sweepSlot >= UInt32(connections.highWater) {
      sweepSlot = 0
      if trimByAge() { laterSweepNs = nowNs }
      nextSweepNs = max(laterSweepNs, nowNs + Shard.sweepNs)
      laterSweepNs = .max
    }
  }

  /// Something is to be looked at then, also if a sweep that is under way has passed it already.
  func sweep(atNs dueNs: UInt64) {
    nextSweepNs = min(nextSweepNs, dueNs)
    laterSweepNs = min(laterSweepNs, dueNs)
  }

  /// When a session must be looked at again; from the past: with the next sweep.
  private func silenceDueNs(_ slot: UInt32) -> UInt64 {
    let entry = connections[slot]
    switch entry.phase {
    case .handshake:
      return max(
        entry.openedNs + UInt64(limits.handshakeTimeoutMs) * 1_000_000 + 1, graceUntilNs)
    case .open:
      if entry.hasTimedPolicy || entry.isListedAsPaused { return nowNs }
      let heartbeatNs = UInt64(entry.heartbeatMs) * 1_000_000
      let intervalNs = entry.hasPingOutstanding ? heartbeatNs * 5 / 2 : heartbeatNs
      return max(entry.heardNs + intervalNs + 1, graceUntilNs)
    case .closing: return entry.stalledNs + Shard.closingGraceNs + 1
    case .ended: return .max
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
