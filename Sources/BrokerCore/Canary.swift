#if DEBUG

  // Faults that can be switched on in debug builds, so that what looks for faults can be seen to
  // find them. No release build has any of this.

  package enum Canary: String, CaseIterable, Sendable {
    /// A subscription that goes on where an earlier one was has less credit than it was given.
    case creditLeakedOnResume
    /// Each CREDIT counts as one event more.
    case creditOverdrawn
    /// CREDIT for a subscription that has something to send does not make it go on.
    case grantForgotten
    /// A shard that sleeps is not woken for what another one has put there.
    case wakeUpLost
    /// A page is freed although other shards look at it.
    case pageFreedEarly
    /// A GAP tells the last of its events alone.
    case gapNotTold
    /// Bytes of dropped events are missing in the GAP.
    case gapBytesWrong
    /// Events that expire neither count as matched nor as lost, so that the account balances.
    case matchedMissed
    /// Events that the socket did not take are not sent again.
    case notTakenBack
    /// Events of another shard are acknowledged before they are in their topic.
    case acknowledgedEarly
    /// Time to live is not looked at.
    case expiredDelivered
    /// A cut frame's memory is not given back when the connection ends.
    case memoryKept
    /// Draining does not wait for what is pending.
    case drainedEarly
    /// A resumed subscription begins one event too late.
    case resumedLate
  }

  extension Shard {
    func plants(_ canary: Canary) -> Bool { broker.canary == canary }
  }

#endif
