public import Counters
import WireFormat

/// One reading of a broker's counters, and how it was come by.
public struct StatsReading: Sendable {
  /// Where the bytes came from.
  public enum Source: Sendable, Equatable {
    /// A mapped file, and how its broker's process is.
    case file(path: String, process: Process)
    case network(url: String)
  }

  public enum Process: Sendable, Equatable {
    case runs
    /// By a signal or a debugger.
    case isStopped
    case gone
  }

  public let snapshot: CountersSnapshot
  public let source: Source
  /// Monotonic, for rates.
  public let takenNs: UInt64
  /// Since the Unix epoch.
  public let realtimeNs: UInt64

  public init(
    snapshot: CountersSnapshot, source: Source, takenNs: UInt64, realtimeNs: UInt64
  ) {
    self.snapshot = snapshot
    self.source = source
    self.takenNs = takenNs
    self.realtimeNs = realtimeNs
  }

  /// How the broker is, as far as its counters and its process tell.
  public enum Health: Equatable, Sendable {
    case starting
    case serving
    case draining
    /// It ended in order; these are its last counters.
    case ended
    /// Its process is gone and it did not end in order; these are its last counters.
    case died
    /// Its process is stopped, by a signal or a debugger.
    case stopped
    /// A shard's turn has lasted this long.
    case hangs(shard: Int, forNs: UInt64)

    public var name: String {
      switch self {
      case .starting: "starting"
      case .serving: "serving"
      case .draining: "draining"
      case .ended: "ended"
      case .died: "died"
      case .stopped: "stopped"
      case .hangs: "hangs"
      }
    }
  }

  /// A turn that lasts longer is no turn: shards look at everything within milliseconds, and a
  /// machine that is short of processor time rarely takes one away for seconds.
  static let hangNs: UInt64 = 5_000_000_000

  public var health: Health {
    let isOver = snapshot.broker.state == .retired
    if case .file(_, let process) = source {
      if process == .gone { return isOver ? .ended : .died }
      if process == .isStopped { return .stopped }
    }
    for shard in snapshot.shards {
      let started = shard[.turnStartedNs]
      if started != 0, realtimeNs > started, realtimeNs - started > Self.hangNs {
        return .hangs(shard: shard.shard ?? 0, forNs: realtimeNs - started)
      }
    }
    switch snapshot.broker.state {
    case .draining: return .draining
    case .retired: return .ended
    case .active: return .serving
    default: return .starting
    }
  }

  /// A sentence for people where the broker is not well.
  public var warning: String? {
    switch health {
    case .died:
      "The broker (process \(snapshot.header.processID)) has died. These are its last counters."
    case .ended:
      "The broker (process \(snapshot.header.processID)) has ended. These are its last counters."
    case .stopped:
      "The broker (process \(snapshot.header.processID)) is stopped, by a signal or a debugger."
    case .hangs(let shard, let forNs):
      "The broker hangs: the present turn of shard \(shard) has lasted "
        + "\(HumanNumber.duration(forNs))."
    case .starting, .serving, .draining: nil
    }
  }
}

/// Names a row for as long as it stands for the same thing.
struct RowIdentity: Hashable {
  var shard: Int
  var slot: Int
  var use: UInt64
}

/// Two readings of one broker, which make rates; or one, which makes none.
public struct StatsReport: Sendable {
  public let now: StatsReading
  let seconds: Double
  /// The earlier values by table and identity.
  let before: StatsReading?
  private let topicsBefore: [RowIdentity: RowSnapshot<TopicRow>]
  private let connectionsBefore: [RowIdentity: RowSnapshot<ConnectionRow>]
  private let publishersBefore: [RowIdentity: RowSnapshot<PublisherRow>]
  private let subscriptionsBefore: [RowIdentity: RowSnapshot<SubscriptionRow>]
  private let sessions: [RowIdentity: UInt64]
  private let topicNames: [UInt32: String]
  private let publishersByTopic: [UInt32: UInt64]
  private let subscriptionsByPattern: [String: UInt64]
  private let times: [UInt32: DeliveryTimes]
  private let timesBefore: [UInt32: DeliveryTimes]

  /// - Parameter before: an earlier reading; ignored where it is of another broker.
  public init(_ now: StatsReading, since before: StatsReading? = nil) {
    self.now = now
    let isSame = before?.snapshot.header.instance == now.snapshot.header.instance
    let before = isSame && (before?.takenNs ?? .max) < now.takenNs ? before : nil
    self.before = before
    seconds = before.map { Double(now.takenNs - $0.takenNs) / 1e9 } ?? 0
    sessions = Self.sessions(now.snapshot)
    let sessionsBefore = before.map { Self.sessions($0.snapshot) } ?? [:]
    func index<Row>(
      _ rows: [RowSnapshot<Row>]?, _ identity: (RowSnapshot<Row>) -> RowIdentity
    ) -> [RowIdentity: RowSnapshot<Row>] {
      Dictionary((rows ?? []).map { (identity($0), $0) }, uniquingKeysWith: { first, _ in first })
    }
    topicsBefore = index(before?.snapshot.topics) { Self.identity($0) }
    connectionsBefore = index(before?.snapshot.connections) { Self.identity($0) }
    publishersBefore = index(before?.snapshot.publishers) { Self.identity($0, sessionsBefore) }
    subscriptionsBefore = index(before?.snapshot.subscriptions) {
      Self.identity($0, sessionsBefore)
    }
    publishersByTopic = now.snapshot.publishers.reduce(into: [:]) {
      $0[$1[.topic], default: 0] += 1
    }
    subscriptionsByPattern = now.snapshot.subscriptions.reduce(into: [:]) {
      $0[$1[.pattern], default: 0] += 1
    }
    times = now.snapshot.deliveryTimesOfTopics
    timesBefore = before?.snapshot.deliveryTimesOfTopics ?? [:]
    topicNames = Dictionary(
      now.snapshot.topics.map { ($0[.id], $0[.name]) }, uniquingKeysWith: { first, _ in first })
  }

  /// Whether there are rates.
  public var hasRates: Bool { before != nil }

  // MARK: Rates

  func perSecond(_ now: UInt64, _ before: UInt64?) -> Double? {
    guard let before, seconds > 0 else { return nil }
    // A counter that fell belongs to something else now.
    return now >= before ? Double(now - before) / seconds : nil
  }

  func rate(_ row: RowSnapshot<ShardRow>, _ field: ShardRow.Word) -> Double? {
    let earlier = before?.snapshot.shards.first { $0.shard == row.shard }
    return perSecond(row[field], earlier?[field])
  }

  func rate(_ row: RowSnapshot<TopicRow>, _ field: TopicRow.Word) -> Double? {
    let earlier = topicsBefore[Self.identity(row)]
    // What was not there at the first reading has counted from 0 since.
    return perSecond(row[field], before == nil ? nil : earlier?[field] ?? 0)
  }

  func rate(_ row: RowSnapshot<ConnectionRow>, _ field: ConnectionRow.Word) -> Double? {
    let earlier = connectionsBefore[Self.identity(row)]
    return perSecond(row[field], before == nil ? nil : earlier?[field] ?? 0)
  }

  func rate(_ row: RowSnapshot<PublisherRow>, _ field: PublisherRow.Word) -> Double? {
    let earlier = publishersBefore[Self.identity(row, sessions)]
    return perSecond(row[field], before == nil ? nil : earlier?[field] ?? 0)
  }

  func rate(_ row: RowSnapshot<SubscriptionRow>, _ field: SubscriptionRow.Word) -> Double? {
    let earlier = subscriptionsBefore[Self.identity(row, sessions)]
    return perSecond(row[field], before == nil ? nil : earlier?[field] ?? 0)
  }

  /// The sum over all shards.
  func total(_ field: ShardRow.Word) -> UInt64 {
    now.snapshot.shards.reduce(0) { $0 &+ $1[field] }
  }

  func totalRate(_ field: ShardRow.Word) -> Double? {
    perSecond(total(field), before?.snapshot.shards.reduce(0) { $0 &+ $1[field] })
  }

  /// Latency of what was sent between the readings; nil where there is one reading only.
  var recentLatency: LatencyHistogram? {
    before.map { now.snapshot.latency.since($0.snapshot.latency) }
  }

  func recentLatency(_ row: RowSnapshot<ShardRow>) -> LatencyHistogram? {
    before?.snapshot.shards.first { $0.shard == row.shard }.map { row.latency.since($0.latency) }
  }

  // MARK: What follows from other counters

  /// Ring memory in use: every shard counts its own pages.
  var memoryUsedBytes: UInt64 { total(.pageBytes) }

  var topicsInUse: UInt64 { UInt64(now.snapshot.topics.count) }

  /// Why nothing is sent to a subscription that is behind: what the broker says, or what its credit
  /// and its connection's socket tell.
  func blocked(_ row: RowSnapshot<SubscriptionRow>) -> BlockedCause {
    if let said = BlockedCause(rawValue: row[.blocked]), said != .none { return said }
    if row[.lagEvents] == 0 { return .none }
    if row[.creditEvents] == 0 { return .creditEvents }
    if row[.creditBytes] == 0 { return .creditBytes }
    // With credit and something to send, only a full socket keeps it from moving.
    return rate(row, .deliveredEvents) == 0 ? .socket : .none
  }

  /// About a second of comparing patterns with names.
  private static let comparisonsMax = 2_000_000

  /// How many subscriptions match a topic.
  func subscriptions(of topic: RowSnapshot<TopicRow>) -> UInt64 {
    // Where that would take long, what the broker itself has counted.
    if subscriptionsByPattern.count * now.snapshot.topics.count > Self.comparisonsMax {
      return topic[.subscriptions]
    }
    let name = topic[.name]
    return subscriptionsByPattern.reduce(0) { sum, entry in
      entry.key == name || entry.key.matches(topicName: name) ? sum + entry.value : sum
    }
  }

  func publishers(of topic: RowSnapshot<TopicRow>) -> UInt64 {
    publishersByTopic[topic[.id]] ?? 0
  }

  /// The same topic in the earlier reading.
  func earlier(_ topic: RowSnapshot<TopicRow>) -> RowSnapshot<TopicRow>? {
    topicsBefore[Self.identity(topic)]
  }

  /// Where the time of a topic's events went, since the start and up to the earlier reading; nil
  /// where nothing of it was delivered.
  func times(_ topic: RowSnapshot<TopicRow>) -> (all: DeliveryTimes, before: DeliveryTimes?)? {
    times[topic[.id]].map { ($0, timesBefore[topic[.id]]) }
  }

  // MARK: Names

  func topicName(_ id: UInt32) -> String { topicNames[id] ?? "#\(id)" }

  func session(_ shard: Int?, _ connection: UInt32) -> UInt64? {
    sessions[RowIdentity(shard: shard ?? -1, slot: Int(connection), use: 0)]
  }

  private static func sessions(_ snapshot: CountersSnapshot) -> [RowIdentity: UInt64] {
    Dictionary(
      snapshot.connections.map {
        (RowIdentity(shard: $0.shard ?? -1, slot: $0.slot, use: 0), $0[.session])
      }, uniquingKeysWith: { first, _ in first })
  }

  private static func identity(_ row: RowSnapshot<TopicRow>) -> RowIdentity {
    RowIdentity(shard: -1, slot: row.slot, use: row[.epoch])
  }

  private static func identity(_ row: RowSnapshot<ConnectionRow>) -> RowIdentity {
    RowIdentity(shard: row.shard ?? -1, slot: row.slot, use: row[.session] ^ row[.connectedNs])
  }

  private static func identity(
    _ row: RowSnapshot<PublisherRow>, _ sessions: [RowIdentity: UInt64]
  ) -> RowIdentity {
    identity(row.shard, row.slot, row[.connection], row[.ref], sessions)
  }

  private static func identity(
    _ row: RowSnapshot<SubscriptionRow>, _ sessions: [RowIdentity: UInt64]
  ) -> RowIdentity {
    identity(row.shard, row.slot, row[.connection], row[.ref], sessions)
  }

  private static func identity(
    _ shard: Int?, _ slot: Int, _ connection: UInt32, _ ref: UInt32,
    _ sessions: [RowIdentity: UInt64]
  ) -> RowIdentity {
    let session = sessions[RowIdentity(shard: shard ?? -1, slot: Int(connection), use: 0)] ?? 0
    return RowIdentity(shard: shard ?? -1, slot: slot, use: session << 32 ^ UInt64(ref))
  }
}
