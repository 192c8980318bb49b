import Counters
import WireFormat

// The end of a broker: nothing more is accepted, and everything that was accepted is acknowledged
// and delivered as far as credit and time allow. Then every session hears CLOSE.
//
// What was accepted may still be between shards when they are told to drain, one before the other:
// a batch on its way to its topic's owner, a tail that a subscriber's shard has not looked at. A
// shard therefore closes no session before all of them have taken two steps together: first nobody
// reads PUBLISH any more, so that nothing new comes between them; then every owner has taken what
// was on its way, and has told the others. After that one look at what the others told is enough.

extension Shard {
  /// What a broker that shuts down does with its sessions.
  struct Drain {
    /// When sessions that could still be sent something hear CLOSE.
    var closeNs: UInt64
    /// When those end that have not taken it.
    var deadlineNs: UInt64
    var retryAfterMs: UInt32
    var spreadMs: UInt32
    var step = DrainStep.stopped
    /// All shards had come as far as this one when its last turn ended.
    var isTogether = false
  }

  /// How far a shard has come; others see it in `Broker.drainStep`.
  enum DrainStep: UInt64 {
    /// It reads no PUBLISH.
    case stopped = 1
    /// It has taken what was on its way to it when nobody read PUBLISH any more, and told others.
    case emptied
    /// It has seen what the others told: what has no output now gets none.
    case settled
  }

  /// Of the time that a drain has, a fifth is left for reading CLOSE, but not more than a session
  /// has at other times.
  private static let closingShare: UInt64 = 5

  /// Stops taking events; every session gets what its credit allows, then CLOSE. At the deadline
  /// all of them have ended.
  public func commandDrain(deadlineNs: UInt64, retryAfterMs: UInt32, spreadMs: UInt32) {
    guard drain == nil else { return }
    let leftNs = deadlineNs > nowNs ? deadlineNs - nowNs : 0
    let closeNs = deadlineNs - min(Shard.closingGraceNs, leftNs / Shard.closingShare)
    drain = Drain(
      closeNs: closeNs, deadlineNs: deadlineNs, retryAfterMs: retryAfterMs, spreadMs: spreadMs)
    counters.draining(realtimeNs)
    noteDrainStep(.stopped)
  }

  /// A PUBLISH that came after the broker was told to stop: nothing more is taken from its session.
  func mute(_ slot: UInt32) {
    flushTally()
    connections[slot].isMuted = true
    connections[slot].frameDone = 0
    forEach(from: connections[slot].publishers, of: publishers, \.inConnection) {
      // One that is not open yet is none to its client, and never will be.
      if publishers[$0].isOpen { notePublisher($0, .draining) }
    }
    inputPool.give(&connections[slot].input)
  }

  /// At the end of a turn: goes on to the next step, and closes the sessions to which nothing more
  /// can be sent, or all when the time is over.
  func continueDrain() {
    advanceDrain()
    guard let drain else { return }
    let isOver = nowNs >= drain.closeNs
    for slot in 0..<UInt32(connections.highWater) where connections.isUsed(slot) {
      switch connections[slot].phase {
      case .open:
        #if DEBUG
          if plants(.drainedEarly) { close(slot, .draining) }
        #endif
        // What it has sent and has yet to be looked at may be credit.
        guard isOver || (drain.step == .settled && !hasOutput(slot)
          && connections[slot].askingCount == 0 && !connections[slot].isListedAsPaused)
        else { continue }
        close(slot, .draining, retryAfterMs: drain.retryAfterMs, spreadMs: drain.spreadMs)
      case .handshake:
        close(slot, .draining, retryAfterMs: drain.retryAfterMs, spreadMs: drain.spreadMs)
      case .closing:
        if nowNs >= drain.deadlineNs { end(slot) }
      case .ended: break
      }
    }
  }

  private func advanceDrain() {
    guard let step = drain?.step, step != .settled else { return }
    // A whole turn lies between the sight of the others' step and one's own next one: what they had
    // put there before it has been looked at.
    guard drain?.isTogether == true else {
      drain?.isTogether = (0..<broker.shards).allSatisfy { broker.drainStep($0) >= step.rawValue }
      // Alone there is nobody whose messages could be on their way.
      if broker.shards == 1 { drain?.step = .settled }
      return
    }
    switch step {
    case .stopped:
      for other in 0..<broker.shards where other != index {
        guard broker.ring(from: other, to: index).isEmpty else { return }
      }
      noteDrainStep(.emptied)
    case .emptied: noteDrainStep(.settled)
    case .settled: break
    }
  }

  private func noteDrainStep(_ step: DrainStep) {
    drain?.step = step
    drain?.isTogether = false
    broker.setDrainStep(step.rawValue, shard: index)
    for other in 0..<broker.shards where other != index { wake(other) }
  }
}
