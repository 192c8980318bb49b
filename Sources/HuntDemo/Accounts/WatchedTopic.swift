import GalleonClient

/// What one subscription saw of one topic: it counts events and gaps, and checks that each begins
/// where the last one ended.
struct WatchedTopic: Sendable, Equatable {
  private(set) var events: UInt64 = 0
  /// Events that gaps say are missing, by cause.
  private(set) var missing: [GapCause: UInt64] = [:]
  /// Gaps there were, by cause.
  private(set) var gaps: [GapCause: UInt64] = [:]
  /// Events in whose place a newer one of their key was sent.
  private(set) var conflated: UInt64 = 0
  /// The first few places where the order was not kept, or a gap did not fit, as sentences.
  private(set) var faults: [String] = []
  private(set) var faultCount: UInt64 = 0

  /// The sequence that comes next; nil before the first, which may be any.
  private var next: UInt64?

  /// Sentences kept for one topic; what is wrong more often than that is only counted.
  static let faultsMax = 5

  var missingCount: UInt64 { missing.values.reduce(0, +) }
  var gapCount: UInt64 { gaps.values.reduce(0, +) }
  /// Events, and those that gaps and conflation account for.
  var accounted: UInt64 { events + missingCount + conflated }

  mutating func take(sequence: UInt64) {
    if let next, sequence != next {
      fault("event \(sequence) came where \(next) was due")
    }
    next = sequence &+ 1
    events += 1
  }

  /// An event of a subscription that conflates: between keys there is no order.
  mutating func takeInAnyOrder() { events += 1 }

  mutating func take(_ leftOut: LeftOut) {
    conflated += leftOut.count
    if leftOut.cause != .conflated || leftOut.expiredCount > 0 {
      fault("from \(leftOut.first) to \(leftOut.last) something else than older values is left out")
    }
  }

  mutating func take(_ gap: Gap) {
    gaps[gap.cause, default: 0] += 1
    missing[gap.cause, default: 0] += gap.count
    if gap.count == 0 || gap.last < gap.first || gap.last - gap.first + 1 != gap.count {
      fault("a gap (\(gap.cause)) of \(gap.count) events from \(gap.first) to \(gap.last)")
    }
    if let next, gap.first != next {
      fault("a gap from \(gap.first) came where \(next) was due")
    }
    next = gap.last &+ 1
  }

  mutating func fault(_ sentence: String) {
    faultCount += 1
    if faults.count < Self.faultsMax { faults.append(sentence) }
  }
}
