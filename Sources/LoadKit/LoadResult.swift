/// What a run measured, and whether what arrived was what was sent.
public struct LoadResult: Sendable {
  /// Whether every subscriber got every event of its topic once and in order.
  public enum Verdict: Sendable, Equatable {
    case exact
    /// What was wrong, in one sentence.
    case faulty(String)
  }

  /// Length of the measurement.
  public var seconds = 0.0
  /// Events that were delivered to a subscriber, per second of the measurement.
  public var deliveriesPerSecond = 0.0
  /// Events published and seen by all their subscribers, per second.
  public var eventsPerSecond = 0.0
  /// Payload bytes delivered per second.
  public var bytesPerSecond = 0.0
  /// Of every delivery in the measurement at a fixed rate; of one for each receive otherwise.
  public var latency: LatencySummary?
  /// Over the whole run, warm-up included.
  public var published: UInt64 = 0
  public var delivered: UInt64 = 0
  /// Of these, before the measurement began.
  public var warmupDeliveries: UInt64 = 0
  /// Events that the server said it left out.
  public var announcedGaps: UInt64 = 0
  /// The age of what laggards were sent, from when it was meant to be published.
  public var freshness: LatencySummary?
  /// Events that all laggards were sent, and that their policy left out, over the whole run.
  public var laggardDeliveries: UInt64 = 0
  public var laggardLeftOut: UInt64 = 0
  public var verdict = Verdict.exact
  /// From the first connection until the last subscription was confirmed.
  public var setupSeconds = 0.0
  /// Where stalled subscribers came and went: what was measured each time. The figures above are
  /// then those of the last measurement without them.
  public var besideRounds: [BesideRound] = []
  /// Calls of receive, which tell how much arrived at once.
  public var receives: UInt64 = 0

  public init() {}
}

/// One measurement of a run.
public struct LoadPhase: Sendable {
  /// Its length.
  public var seconds = 0.0
  /// As in `LoadResult`.
  public var deliveriesPerSecond = 0.0
  public var eventsPerSecond = 0.0
  public var latency: LatencySummary?
}

/// What subscribers got beside stalled ones, and just before and after.
public struct BesideRound: Sendable {
  public var before: LoadPhase
  public var beside: LoadPhase
  public var after: LoadPhase

  /// The rate beside them as a share of the mean of the two without; nil where nothing came then.
  public var shareOfRate: Double? {
    let alone = (before.deliveriesPerSecond + after.deliveriesPerSecond) / 2
    return alone > 0 ? beside.deliveriesPerSecond / alone : nil
  }
}
