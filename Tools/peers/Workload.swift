import LoadKit

/// One row group of the comparison: what is done, what is measured, and what we want to reach.
struct Workload: Sendable {
  /// What the number is, and so which direction is better.
  enum Measure: Sendable {
    case eventsPerSecond
    case deliveriesPerSecond
    /// Events per second, and the age of what laggards are sent.
    case freshness
    /// Quantiles of the latency; the median of the p50 is compared, and the p99 beside it.
    case latency
    /// Time from start to listening; with the memory of a server that does nothing.
    case start
    /// Bytes that a subscriber costs who does nothing.
    case bytesPerSubscriber

    var isLowerBetter: Bool {
      switch self {
      case .eventsPerSecond, .deliveriesPerSecond, .freshness: false
      case .latency, .start, .bytesPerSubscriber: true
      }
    }
  }

  /// What Galleon shall reach.
  enum Goal: Sendable {
    /// At least so many times another's number; `contender` is the one of ours that is meant.
    case times(Double, of: String, contender: String)
    /// p50 and p99 no higher than another's.
    case latencyNotAbove(String, contender: String)
    /// At least this share of the same server's number in another workload.
    case share(Double, ofWorkload: String, contender: String)
    /// At least this share of what it is without the stalled subscribers, just before and after.
    case shareOfAlone(Double, contender: String)
    /// A p99 of at most so many times the one without them.
    case tailOfAlone(Double, contender: String)
    /// At most this, in the measure's unit.
    case atMost(Double, contender: String)
    /// At most so many bytes of resident memory.
    case memoryAtMost(Double, contender: String)
  }

  let name: String
  let about: String
  let measure: Measure
  var goals: [Goal] = []
  var contenders = ["galleon", "galleon-1", "nats", "redis", "relay"]
  var publishers = 1
  var subscribers = 1
  var topics = 1
  var stalled = 0
  var stalledPolicy = "lossless"
  /// How often these come and go again within one run; 0 has them throughout.
  var besideRounds = 0
  var stallSeconds = 0.3
  var besideMeasurements = 1
  var keys = 0
  var laggards = 0
  /// Workloads of one group are measured in turn, repetition by repetition, so that what they are
  /// compared by is of one time.
  var group: String?
  var payloadBytes = 128
  var pace = LoadPlan.Pace.flatOut(window: nil)
  /// Seconds without progress that are still no failure.
  var patienceSeconds = 10.0

  func plan(_ contender: Contender, port: UInt16, _ options: Options) -> LoadPlan {
    var plan = LoadPlan(peer: contender.peer, port: port)
    plan.publishers = publishers
    plan.subscribers = subscribers
    plan.topics = topics
    plan.stalledSubscribers = stalled
    plan.stalledPolicy = stalledPolicy
    plan.stalledLagEventsMax = Self.stalledLagEventsMax
    plan.besideRounds = besideRounds
    plan.stallSeconds = stallSeconds
    plan.besideMeasurements = besideMeasurements
    plan.keys = keys
    plan.laggards = laggards
    plan.payloadBytes = payloadBytes
    plan.pace = pace
    plan.batch = min(contender.batch, Self.batchBytes / payloadBytes)
    plan.seconds = options.seconds
    plan.warmupSeconds = options.warmupSeconds
    plan.patienceSeconds = patienceSeconds
    plan.congestionControl = options.congestionControl
    return plan
  }

  /// A batch of large events has fewer of them; what fits into a batch with room for its records.
  private static let batchBytes = 61_440

  static let all: [Workload] = [
    oneToOne(16, [.times(8, of: "nats", contender: "galleon")]),
    oneToOne(
      128,
      [
        .times(4, of: "nats", contender: "galleon"),
        .times(3, of: "nats", contender: "galleon-1"),
      ]),
    oneToOne(512, []),
    oneToOne(4096, []),
    Workload(
      name: "1to100", about: "1 publisher, 100 subscribers", measure: .deliveriesPerSecond,
      goals: [.times(4, of: "nats", contender: "galleon")], subscribers: 100),
    Workload(
      name: "1to1000", about: "1 publisher, 1000 subscribers", measure: .deliveriesPerSecond,
      goals: [.times(4, of: "nats", contender: "galleon")], subscribers: 1000),
    Workload(
      name: "8to8", about: "8 publishers to 8 subscribers on 8 topics",
      measure: .eventsPerSecond, goals: [.times(3, of: "nats", contender: "galleon")],
      publishers: 8, subscribers: 8, topics: 8),
    latency("latency-10k", 10_000, []),
    latency("latency-100k", 100_000, [.latencyNotAbove("redis", contender: "galleon")]),
    Workload(
      name: "start", about: "from start to listening, with the memory of an idle server",
      measure: .start,
      goals: [
        .atMost(6e6, contender: "galleon"), .memoryAtMost(8e6, contender: "galleon"),
      ],
      contenders: ["galleon", "nats", "redis"]),
    Workload(
      name: "idle-19800", about: "memory of a subscriber who does nothing",
      measure: .bytesPerSubscriber, goals: [.atMost(1024, contender: "galleon")],
      contenders: ["galleon", "nats", "redis"], subscribers: 19_800, pace: .idle),
    Workload(
      name: "1to19800", about: "64 events in flight to 19,800 subscribers",
      measure: .deliveriesPerSecond, goals: [.times(3, of: "nats", contender: "galleon")],
      subscribers: 19_800, pace: .rounds(events: 64), patienceSeconds: 20),
    latest(0),
    latest(100),
  ] + isolation

  private static func oneToOne(_ payloadBytes: Int, _ goals: [Goal]) -> Workload {
    Workload(
      name: "1to1-\(payloadBytes)", about: "1 publisher, 1 subscriber, \(payloadBytes) bytes",
      measure: .eventsPerSecond, goals: goals, payloadBytes: payloadBytes)
  }

  private static func latency(_ name: String, _ rate: Double, _ goals: [Goal]) -> Workload {
    Workload(
      name: name, about: "\(Int(rate)) events a second whatever comes back", measure: .latency,
      goals: goals, contenders: ["galleon", "nats", "redis", "relay"], pace: .rate(rate))
  }

  /// A keyed topic at a fixed rate, with one subscriber that is sent all of it, beside laggards of
  /// policy latest that grant a five-hundredth of that. The p99 is the age of what these are sent.
  private static func latest(_ laggards: Int) -> Workload {
    Workload(
      name: "latest-\(laggards)",
      about: "\(latestKeys) keys, \(Int(latestRate)) events a second, \(laggards) laggards",
      measure: .freshness,
      goals: laggards == 0 ? [] : [.share(0.9, ofWorkload: "latest-0", contender: "galleon")],
      contenders: ["galleon"], keys: latestKeys, laggards: laggards, group: "latest",
      pace: .rate(latestRate))
  }

  private static let latestKeys = 100_000
  private static let latestRate = 500_000.0

  // MARK: Isolation

  /// The policies of those that never read. One more is one word more.
  static let stalledPolicies = ["lossless", "dropOldest", "disconnect", "latest", "sample"]
  /// Far enough that the ring runs over some of them, and that those with a bound pass it.
  private static let stalledLagEventsMax = 100_000
  /// What a broker may hold in all: the ceiling of ring memory that it has by default.
  private static let ceilingBytes: Double = 256 * 1024 * 1024
  private static let isolationRate = 50_000.0

  /// Each run has so many rounds. More repetitions start the server anew.
  private static let isolationRounds = 5
  /// With so many each one is sent so little that its socket takes some seconds to fill.
  private static let manyStallSeconds = 4.0
  /// After a window has closed the kernel probes it 0.2 s later, and then after pauses that double:
  /// a hundred that were filled together make one burst of it each time, which is not the broker's
  /// and of which a p99 over half a second would be made (`nstat TcpExtTCPWinProbe`). The fourth
  /// comes after some 3 s, and the next when the measurements are over.
  private static let tailStallSeconds = 3.5
  /// Every third measurement or so is disturbed by what else the machine does, and only a median of
  /// many leaves those out on both sides.
  private static let tailMeasurements = 6
  /// Policy latest is for topics with keys.
  private static func keys(_ policy: String) -> Int { policy == "latest" ? 1000 : 0 }

  /// One healthy subscriber, and beside it ever more that connect, subscribe and never read; and
  /// nine thousand, with a thousand beside them, so that then one in ten of all is stalled. Those
  /// beside none show how far the same comes out twice.
  static let isolation: [Workload] =
    [beside(0, stalledPolicies[0]), besideTail(0, stalledPolicies[0])]
    + stalledPolicies.flatMap { policy in
      [1, 10, 100].flatMap { [beside($0, policy), besideTail($0, policy)] }
    } + stalledPolicies.map { many(1000, $0) }

  private static func name(_ base: String, _ count: Int, _ policy: String) -> String {
    count == 0 ? "\(base)-0" : "\(base)-\(count)-\(policy)"
  }

  /// Only ours has policies; the others are measured once.
  private static func contenders(_ policy: String) -> [String] {
    policy == stalledPolicies[0] ? ["galleon", "nats", "redis"] : ["galleon"]
  }

  private static func beside(_ count: Int, _ policy: String) -> Workload {
    Workload(
      name: name("beside", count, policy),
      about: "one healthy subscriber beside \(count) that never read, \(policy)",
      measure: .eventsPerSecond,
      goals: [
        .shareOfAlone(0.95, contender: "galleon"),
        .memoryAtMost(ceilingBytes, contender: "galleon"),
      ],
      contenders: contenders(policy), stalled: count, stalledPolicy: policy,
      besideRounds: isolationRounds, keys: keys(policy))
  }

  private static func besideTail(_ count: Int, _ policy: String) -> Workload {
    Workload(
      name: name("beside-p99", count, policy),
      about: "the same at \(Int(isolationRate)) events a second", measure: .latency,
      goals: [.tailOfAlone(1.1, contender: "galleon")],
      contenders: contenders(policy), stalled: count, stalledPolicy: policy,
      besideRounds: isolationRounds, stallSeconds: tailStallSeconds,
      besideMeasurements: tailMeasurements, keys: keys(policy), pace: .rate(isolationRate))
  }

  private static func many(_ count: Int, _ policy: String = stalledPolicies[0]) -> Workload {
    Workload(
      name: name("9000-beside", count, policy),
      about: "9000 healthy subscribers beside \(count) that never read, \(policy)",
      measure: .deliveriesPerSecond,
      goals: [
        .shareOfAlone(0.95, contender: "galleon"),
        .memoryAtMost(ceilingBytes, contender: "galleon"),
      ],
      contenders: contenders(policy), subscribers: 9000, stalled: count, stalledPolicy: policy,
      besideRounds: isolationRounds, stallSeconds: manyStallSeconds, keys: keys(policy),
      pace: .rounds(events: 64), patienceSeconds: 20)
  }
}
