import WireFormat

/// What a run shall do: who talks to which server, how much, how fast, for how long.
///
/// Publisher `j` publishes to topic `j mod topics` and subscriber `i` subscribes to topic
/// `i mod topics`, each on a connection of its own.
public struct LoadPlan: Sendable {
  /// The protocols that the generator speaks.
  public enum Peer: String, Sendable, CaseIterable {
    case galleon, nats, redis, relay
  }

  /// When events are sent.
  public enum Pace: Sendable, Equatable {
    /// As fast as the slowest subscriber takes them, with a bounded number in flight, so that no
    /// server has to cut anybody off. `nil` takes `LoadPlan.defaultWindow`.
    case flatOut(window: Int?)
    /// At a fixed rate of events per second over all publishers, whatever comes back (open loop).
    /// Latencies count from the time at which an event was due.
    case rate(Double)
    /// Publish so many events, wait until every subscriber has all of them, repeat; on one topic.
    /// Only whole rounds are measured, at least one.
    case rounds(events: Int)
    /// No events: hold the connections open.
    case idle
  }

  public var peer: Peer
  /// Loopback IPv4 only: a client elsewhere measures the network.
  public var port: UInt16
  public var publishers = 1
  public var subscribers = 1
  public var topics = 1
  /// Connections that subscribe to topic 0 and never read.
  public var stalledSubscribers = 0
  /// How often these come, stay for a measurement and go again, each time between two measurements
  /// without them: what they change is then seen within seconds, in one process, on one connection.
  /// 0 has them throughout.
  public var besideRounds = 0
  /// How long they are given to fill their sockets before that measurement.
  public var stallSeconds = 0.3
  /// Measurements one after the other each time, beside them and without; each is a
  /// ``BesideRound`` of its own. A quantile is better taken of many short measurements, of which
  /// something else on the machine disturbs some, than of few long ones that are all disturbed.
  public var besideMeasurements = 1
  /// The policy that these ask for where the protocol has policies, by its name, and how far they
  /// may lag with one that has a bound.
  public var stalledPolicy = "lossless"
  public var stalledLagEventsMax = 0
  /// Keys of the events of a topic, which then is a keyed one; 0 for events without keys.
  public var keys = 0
  /// Connections that subscribe to topic 0 with policy latest, and grant so little that they are
  /// always behind: `laggardRate` events a second each.
  public var laggards = 0
  public var laggardRate = 1000.0
  /// Bytes of a payload; at least `payloadBytesMin`.
  public var payloadBytes = 128
  /// Events in one batch, where the protocol has batches.
  public var batch = 64
  public var pace = Pace.flatOut(window: nil)
  /// Seconds before and during the measurement.
  public var warmupSeconds = 0.3
  public var seconds = 2.0
  /// How long setting up, and emptying the pipe at the end, may go without progress.
  public var patienceSeconds = 10.0
  /// Congestion control of the generator's sockets; nil leaves the machine's default.
  public var congestionControl: String?
  /// First part of the names of topics. A server that is used for several runs should hear a new
  /// one each time: a topic that is there keeps the retention it was created with, which may be
  /// less than what this run has in flight.
  public var topicPrefix = "bench."

  public init(peer: Peer, port: UInt16) {
    self.peer = peer
    self.port = port
  }

  /// The stamp that every payload starts with.
  public static let payloadBytesMin = EventStamp.byteCount
  /// So that a payload with its frame fits into every buffer of the generator.
  public static let payloadBytesMax = 32 * 1024
  /// What a broker keeps of a topic by default.
  public static let keysMax = 1 << 20
  /// A process on the test machine may hold 20,000 descriptors.
  public static let connectionsMax = 19_950
  /// Bounds of the default window: events, bytes towards one subscriber, bytes towards all.
  public static let windowEventsMax = 16_384
  public static let windowBytesPerSubscriberMax = 8 << 20
  public static let windowBytesMax = 256 << 20
  public static let windowEventsMin = 256

  /// Events of one topic that may be in flight when running flat out.
  public var defaultWindow: Int {
    let perTopic = Self.windowEventsMax / max(1, topics)
    let perSubscriber = Self.windowBytesPerSubscriberMax / payloadBytes
    let total = Self.windowBytesMax / (payloadBytes * max(1, subscribers))
    return max(Self.windowEventsMin, min(perTopic, perSubscriber, total))
  }

  /// Events of one topic in flight at most, as far as the pace bounds them.
  var window: Int? {
    switch pace {
    case .flatOut(let window): window ?? defaultWindow
    case .rounds(let events): events
    case .rate, .idle: nil
    }
  }

  /// Twice what is in flight with its headers, so that a subscriber never loses an event to the
  /// retention; at a fixed rate the server's default.
  private var retentionBytes: Int {
    guard let window else { return 0 }
    return max(Self.retentionBytesMin, 2 * window * (payloadBytes + Self.headerBytesMax))
  }

  static let retentionBytesMin = 4 << 20
  /// The most that a batch of one event adds to its payload.
  static let headerBytesMax = 112

  var shape: EventShape {
    EventShape(
      payloadBytes: payloadBytes, batch: batch, topics: topics, topicPrefix: topicPrefix,
      stalledPolicy: stalledPolicy, stalledLagEventsMax: UInt64(stalledLagEventsMax),
      retentionBytes: retentionBytes, keys: keys)
  }

  /// Throws `.plan` when numbers contradict each other.
  func validate() throws(LoadError) {
    func require(_ condition: Bool, _ reason: String) throws(LoadError) {
      if !condition { throw .plan(reason) }
    }
    try require(port != 0, "a port is needed")
    try require(topics >= 1, "at least one topic is needed")
    try require(
      subscribers >= topics && subscribers % topics == 0,
      "the number of subscribers must be a multiple of the number of topics")
    try require(
      publishers >= topics && publishers % topics == 0 || pace == .idle,
      "the number of publishers must be a multiple of the number of topics")
    try require(stalledSubscribers >= 0, "the number of stalled subscribers is negative")
    try require(
      besideRounds >= 0 && (besideRounds == 0 || laggards == 0 && pace != .idle),
      "rounds of stalled subscribers need events, and no laggards")
    try require(
      keys == 0 || peer == .galleon && publishers == topics,
      "keys are for one publisher of a topic, and for this broker")
    try require(keys >= 0 && keys <= Self.keysMax, "there are at most \(Self.keysMax) keys")
    try require(
      laggards == 0 || keys > 0 && topics == 1 && laggards > 0 && laggardRate > 0,
      "laggards need keys, one topic and a rate")
    try require(
      publishers + subscribers + stalledSubscribers + laggards <= Self.connectionsMax,
      "more than \(Self.connectionsMax) connections do not fit into one process")
    try require(
      payloadBytes >= Self.payloadBytesMin && payloadBytes <= Self.payloadBytesMax,
      "a payload has \(Self.payloadBytesMin) to \(Self.payloadBytesMax) bytes")
    try require(
      stalledLagEventsMax >= 0 && Policy(name: stalledPolicy) != nil,
      "there is no policy \(stalledPolicy)")
    try require(batch >= 1, "a batch has at least one event")
    try require(
      seconds > 0 && warmupSeconds >= 0 && stallSeconds >= 0, "times must be positive")
    try require(besideMeasurements >= 1, "there must be a measurement each time")
    switch pace {
    case .flatOut(let window): try require(window ?? 1 >= 1, "the window must be positive")
    case .rate(let rate):
      try require(rate > 0 && rate <= 1e9, "the rate must be above 0 and at most 10^9")
    case .rounds(let events):
      try require(events >= 1, "a round has at least one event")
      try require(topics == 1, "rounds are made on one topic")
    case .idle: break
    }
  }
}

/// Points of a run at which the caller may look at the server.
public enum LoadMoment: Sendable, Equatable {
  /// All subscribers are connected and their subscriptions confirmed.
  case subscribed
  /// Publishers too.
  case connected
  /// A measurement beside stalled subscribers is over, and these are still there.
  case beside
  /// The measurement is over and nothing is in flight any more; connections are still open.
  case drained
}
