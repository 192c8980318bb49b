import WireFormat

// What happens to a subscription that falls behind, and the change of that while it runs.

extension Shard {
  /// Since which version of the protocol a session may choose a policy, or a start.
  static func versionMin(_ policy: Policy, _ start: Start) -> UInt8 {
    switch policy {
    case .latest, .sample: 2
    case .lossless, .dropOldest, .disconnect: start == .state ? 2 : 1
    }
  }

  func receiveSetPolicy(_ wanted: SetPolicy, header: FrameHeader, on slot: UInt32) -> FrameFate {
    if isScanningTooMuch { return .later }
    guard connections[slot].version >= 2 else { return refuse(slot, header, .notSupported) }
    guard let policy = wanted.policy else { return refuse(slot, header, .invalidOption) }
    guard let subscription = subscriptionIndex.find(slot, header.ref) else {
      return refuse(slot, header, .unknownRef)
    }
    setPolicy(subscription, wanted, policy)
    return sendControl(slot) {
      PolicySet(policy: policy).encode(
        into: &$0, ref: header.ref, correlation: header.correlation)
    }
  }

  func bounds(of subscription: UInt32) -> BoundsEntry {
    let row = subscriptions[subscription].bounds
    return row == noSlot ? BoundsEntry() : bounds[row]
  }

  func setBounds(_ subscription: UInt32, _ wanted: BoundsEntry) {
    let row = subscriptions[subscription].bounds
    if row != noSlot {
      bounds[row] = wanted
    } else if wanted != BoundsEntry() {
      guard let fresh = bounds.insert(wanted) else {
        preconditionFailure("more subscriptions with bounds than subscriptions")
      }
      subscriptions[subscription].bounds = fresh
    }
  }

  func endBounds(_ subscription: UInt32) {
    let row = subscriptions[subscription].bounds
    if row != noSlot { bounds.remove(row) }
    subscriptions[subscription].bounds = noSlot
  }

  private func setPolicy(_ subscription: UInt32, _ wanted: SetPolicy, _ policy: Policy) {
    rouse(subscription)
    scansLeft -= Int(subscriptions[subscription].cursorCount)
    let was = subscriptions[subscription].policy
    subscriptions[subscription].policy = policy.rawValue
    setBounds(
      subscription,
      BoundsEntry(
        events: wanted.lagEventsMax, bytes: wanted.lagBytesMax, ageMs: wanted.lagMsMax,
        noCreditMs: wanted.noCreditMsMax, sampleEvery: max(1, wanted.sampleEvery)))
    if policy == .disconnect, wanted.lagMsMax != 0 || wanted.noCreditMsMax != 0 {
      connections[subscriptions[subscription].connection].hasTimedPolicy = true
      sweep(atNs: nowNs + Shard.sweepNs)
    }
    counters.policySet(subscription, policy)
    let lossless = Policy.lossless.rawValue
    if (was == lossless) != (policy == .lossless) {
      forEach(from: patterns[subscriptions[subscription].pattern].links, of: links, \.inPattern) {
        let id = links[$0].topic
        scansLeft -= 1
        if policy == .lossless {
          topics[id].losslessCount += 1
        } else {
          topics[id].losslessCount -= 1
        }
        guard topics[id].shared.settings.isBlock else { return }
        // At once: publishers may go on later in this turn, and must see whom they wait for.
        updateHold(id)
      }
    }
    // What it lags by already counts.
    forEach(from: subscriptions[subscription].cursors, of: cursors, \.inSubscription) {
      if !cursors[$0].isAttaching { checkLag(subscription, $0, topics[cursors[$0].topic].tail) }
    }
  }
}
