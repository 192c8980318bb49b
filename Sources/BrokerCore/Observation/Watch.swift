import Counters

/// What a shard keeps to observe a subscription, besides the row that readers see; both have the
/// same number.
struct WatchEntry: BitwiseCopyable {
  var subscription: UInt32
  /// It has waited for credit or its socket since it last was up to date.
  var hasWaited = false
  /// The number of events is known that it was granted before it was sent any.
  var knowsFirstGrant = false
  /// Since when its counters say what they say about why nothing is sent; while `hasWaited`.
  var sinceNs: UInt64 = 0
  /// When it began to wait for the first time since it was up to date.
  var behindNs: UInt64 = 0
  var credit = Waits()
  var socket = Waits()
  var firstGrant: UInt64 = 0
  /// The credit that shows that a delivery has been dealt with, of which topic that was, and when
  /// it was sent; 0 for none.
  var echoEvents: UInt64 = 0
  var echoNs: UInt64 = 0
  var echoTopic: UInt32 = 0
  /// Where in `why` the last run of a topic may be, by the topic's low bits.
  var places = InlineArray<16, UInt8>(repeating: 0)
}

/// The times in which a subscription that is behind waited for one thing: the last one, and how
/// long those before it were together.
struct Waits: BitwiseCopyable {
  private var fromNs: UInt64 = 0
  private var toNs: UInt64 = 0
  private var earlierNs: UInt64 = 0

  mutating func add(from: UInt64, to: UInt64) {
    // Within one turn nobody has waited.
    guard to > from else { return }
    earlierNs += toNs - fromNs
    fromNs = from
    toNs = to
  }

  /// How much of the time from `start` to `end` was such waiting; the earlier ones as if they had
  /// been spread evenly since `behindNs`.
  func overlap(_ start: UInt64, _ end: UInt64, behindNs: UInt64) -> UInt64 {
    let from = max(start, fromNs)
    let to = min(end, toNs)
    var ns = to > from ? to - from : 0
    if earlierNs > 0, start < fromNs, behindNs < fromNs {
      let share = Double(fromNs - max(start, behindNs)) / Double(fromNs - behindNs)
      ns += UInt64(Double(earlierNs) * share)
    }
    return ns
  }
}

extension BlockedCause {
  /// Waiting that is none of the broker's doing.
  var isWait: Bool { self == .creditEvents || self == .creditBytes || self == .socket }
}
