import Counters
import GalleonClient
import LinuxIO

/// The state of a hunt at one moment, in numbers for people.
struct Reading: Sendable {
  struct Row: Sendable {
    var name: String
    var pattern: String
    var policy: String
    var events: UInt64
    var conflated: UInt64
    var missing: UInt64
    var gaps: UInt64
    /// Events that were published and that it has not accounted for.
    var lag: UInt64
    var latency: LatencyHistogram
  }

  /// When this was read, on the monotonic clock.
  var atNs: UInt64
  var elapsedNs: UInt64
  var stage: Hunt.Stage
  var published: UInt64
  var rows: [Row]
  var latenessNs: UInt64
  var treasuresLying: Int
  var rewards: RewardSums
  var best: [(player: UInt32, points: UInt64)]
  /// Resident memory of the broker, where its process is known.
  var brokerBytes: UInt64?

  var delivered: UInt64 { rows.reduce(0) { $0 + $1.events } }
  var conflated: UInt64 { rows.reduce(0) { $0 + $1.conflated } }
  var missing: UInt64 { rows.reduce(0) { $0 + $1.missing } }

  init(of hunt: Hunt) {
    // Who watches is read before what is published, so that a lag is never below zero for long.
    let seen = hunt.watchers.map { ($0.settings, $0.snapshot) }
    let sums = Sums(published: hunt.published, watched: [])
    atNs = Clock.monotonicNs()
    elapsedNs = hunt.elapsedNs
    stage = hunt.stage
    published = sums.published.reduce(0) { $0 + $1.published }
    rows = seen.map { settings, state in
      let due = sums.published(matching: settings.pattern)
      let done = state.accounted
      return Row(
        name: settings.name, pattern: settings.pattern, policy: settings.policy.shortName,
        events: state.events, conflated: state.conflated, missing: state.missing,
        gaps: state.gaps,
        lag: due > done ? due - done : 0, latency: state.latency)
    }
    latenessNs = hunt.latenessNs
    treasuresLying = hunt.treasuresLying
    rewards = hunt.board.sums
    best = hunt.board.best(3)
    brokerBytes = hunt.options.brokerProcess.flatMap {
      (try? System.residentMemoryBytes(of: $0)).map(UInt64.init)
    }
  }
}

extension DeliveryPolicy {
  var shortName: String {
    switch self {
    case .lossless: "lossless"
    case .dropOldest: "drop-oldest"
    case .latest: "latest"
    case .sample: "sample"
    case .disconnect: "disconnect"
    }
  }
}
