import WireFormat

/// Every bound of a broker, chosen at start. Everything that grows has one; `validate` says which
/// relation between them is broken.
public struct BrokerLimits: Sendable {
  /// Ring memory of the whole broker in bytes, divided evenly among the shards: its ceiling.
  public var ringBytes = 192 << 20
  /// What keyed topics keep of their keys, of the whole broker in bytes, divided evenly among the
  /// shards: their ceiling. A key with a record of 100 bytes takes about 250.
  public var stateBytes = 64 << 20
  /// Keys of one topic, removed ones that are remembered included.
  public var keysPerTopicMax = 1 << 20
  /// Bytes of frames that have not arrived whole, per shard. 64 MiB is 256 sessions that each send
  /// a largest frame slowly.
  public var inputBytes = 64 << 20
  /// Bytes that wait for sockets outside the rings (cut frames, control frames), per shard.
  public var outputBytes = 64 << 20
  /// Control frames that may wait for one session, in bytes: room for a few answers to STATS, the
  /// largest answer, and for thousands of small ones.
  public var controlBytesPerSession = 512 << 10
  /// Connections of one shard. 20,000 descriptors is a usual hard limit of a process.
  public var connectionsMax = 20_000
  /// Subscriptions of one shard.
  public var subscriptionsMax = 65_536
  /// Subscriptions of one shard whose events are followed, for `why` and the histograms of stages:
  /// the first ones that are sent something. Each takes 2.3 KB of counters.
  public var observationsMax = 2048
  /// Publishers of one shard.
  public var publishersMax = 65_536
  /// Topics of the broker. Each takes 0.7 KB of counters, and 1.3 KB for every shard that
  /// delivers it.
  public var topicsMax = 16_384
  /// Lagging pairs of subscription and topic of one shard.
  public var cursorsMax = 262_144
  /// Pairs of pattern and topic of one shard.
  public var linksMax = 1_048_576
  /// Requests of one shard that wait for another one: one for each topic that a pattern matches,
  /// and some thousands of others.
  public var requestsMax = 16_384 + Self.otherRequests
  public var subscriptionsPerSessionMax = WireLimits.subscriptionsPerSessionMax
  public var publishersPerSessionMax = WireLimits.publishersPerSessionMax
  /// Largest frame in the header's terms.
  public var frameLengthMax = WireLimits.frameLengthMax
  /// Largest decoded size of a batch's records in bytes.
  public var batchBytesMax = WireLimits.batchBytesMax
  /// Ring memory of a topic that was created without a bound of its own, in bytes.
  public var topicRetentionBytes = WireLimits.topicRetentionBytes
  public var heartbeatMs = WireLimits.heartbeatMs
  public var handshakeTimeoutMs = WireLimits.handshakeTimeoutMs
  /// How long a lossless subscription may hold back the publishers of a block topic that was
  /// created without a bound of its own.
  public var blockTimeoutMs = WireLimits.blockTimeoutMs
  /// Bytes of one ring between two shards: several largest frames.
  public var meshBytes = 4 << 20

  /// What `ringBytes` and `stateBytes` are together: the ceiling that an operator chooses.
  public var memoryBytes: Int { ringBytes + stateBytes }

  /// Divides a ceiling: a quarter is for what keyed topics keep of their keys, and less where the
  /// rings would have less than their shards must.
  ///
  /// - Precondition: `bytes` is at least `memoryBytesMin(shards:)`.
  public mutating func divideMemory(_ bytes: Int, shards: Int) {
    precondition(bytes >= Self.memoryBytesMin(shards: shards), "room for both")
    let ringsMin = shards * PagePool.pageBytesMax
    let stateMin = shards * StateMemory.bytesMin
    ringBytes = min(max(bytes / 4 * 3 + bytes % 4, ringsMin), bytes - stateMin)
    stateBytes = bytes - ringBytes
  }

  /// The least that can be divided, in bytes.
  public static func memoryBytesMin(shards: Int) -> Int {
    shards * (PagePool.pageBytesMax + StateMemory.bytesMin)
  }

  /// For tests of a pool that runs out: ring memory of each shard that nobody is given, but for a
  /// power of two; 0 for none.
  package var ringBytesLeft = 0

  /// New tails that find a subscription stalled before it rests, which is fewer in tests. Going to
  /// rest and waking cost as much as being told of a few tails.
  package var stalledTailsMin: UInt32 = 16

  public init() {}

  /// Requests beyond those of the widest pattern: publishers that open and close.
  private static let otherRequests = 4096

  /// Makes room for the requests of a pattern that matches every topic. One that matches more than
  /// `linksMax` is refused anyway.
  public mutating func fitRequests() {
    let widest = min(topicsMax, linksMax, Self.requestsLimit - Self.otherRequests)
    requestsMax = max(requestsMax, widest + Self.otherRequests)
  }

  private static let requestsLimit = 1 << 20
  /// Rows of a table. Far beyond what is sensible; a slot number and a shard fit one word.
  static let rowsMax = 1 << 24 - 1
  /// Bytes of one kind of memory, 1 TiB: sums of them cannot overflow.
  static let bytesMax = 1 << 40
  /// The largest control frames but for pieces of counters, which are cut to fit: TOPIC_INFO and
  /// CLOSE with longest texts, in a room that is tried in powers of four.
  static let controlBytesMin = 1024
  /// A day: no interval of a session or topic that an operator can mean is longer.
  static let intervalMsMax = 86_400_000

  /// Nil, or one sentence that says what the operator should change.
  public func validate(shards: Int) -> String? {
    guard shards >= 1, shards <= 64 else { return "shards must be between 1 and 64" }
    let bytes = 1...Self.bytesMax
    let rows = 1...Self.rowsMax
    let session = 1...(1 << 20)
    let bounds: [(String, Int, ClosedRange<Int>, String)] = [
      ("the largest batch", batchBytesMax, 1024...WireLimits.batchBytesCeiling, " bytes"),
      ("ring memory", ringBytes, bytes, " bytes"),
      ("the memory of keyed topics", stateBytes, bytes, " bytes"),
      ("keys of a topic", keysPerTopicMax, 1...StateMemory.keysLimit, ""),
      ("input memory", inputBytes, bytes, " bytes"),
      ("output memory", outputBytes, bytes, " bytes"),
      (
        "control frames of a session", controlBytesPerSession,
        Self.controlBytesMin...(1 << 22), " bytes"
      ),
      ("the retention of a topic", topicRetentionBytes, bytes, " bytes"),
      ("connections", connectionsMax, rows, ""),
      ("topics", topicsMax, rows, ""),
      ("subscriptions", subscriptionsMax, rows, ""),
      ("observed subscriptions", observationsMax, rows, ""),
      (
        "publishers of all shards",
        publishersMax.multipliedReportingOverflow(by: shards).partialValue,
        shards...Self.rowsMax, ""
      ),
      ("lagging subscriptions", cursorsMax, rows, ""),
      ("pairs of pattern and topic", linksMax, rows, ""),
      ("requests between shards", requestsMax, 2...Self.requestsLimit, ""),
      ("subscriptions of a session", subscriptionsPerSessionMax, session, ""),
      ("publishers of a session", publishersPerSessionMax, session, ""),
      (
        "the heartbeat interval", heartbeatMs,
        WireLimits.heartbeatMsMin...WireLimits.heartbeatMsMax, " milliseconds"
      ),
      ("the handshake's time", handshakeTimeoutMs, 1...Self.intervalMsMax, " milliseconds"),
      ("the time of a block topic", blockTimeoutMs, 1...Self.intervalMsMax, " milliseconds"),
      ("rings between shards", meshBytes, 1...(1 << 30), " bytes"),
    ]
    for (what, value, range, unit) in bounds where !range.contains(value) {
      return "\(what) must be between \(range.lowerBound) and \(range.upperBound)\(unit)"
    }
    guard publishersMax >= 1, publishersMax <= Self.rowsMax else {
      return "publishers must be between 1 and \(Self.rowsMax)"
    }
    return validateRelations(shards: shards)
  }

  /// What must hold between values that are each within their bounds.
  private func validateRelations(shards: Int) -> String? {
    guard frameLengthMax >= batchBytesMax + 256, frameLengthMax <= 4 << 20 else {
      return "the largest frame must be at least 256 bytes over the largest batch and at most 4 MiB"
    }
    guard ringBytes / shards >= PagePool.pageBytesMax else {
      return "ring memory must be at least \(PagePool.pageBytesMax >> 20) MiB a shard"
    }
    guard stateBytes / shards >= StateMemory.bytesMin,
      stateBytes / shards <= StateMemory.bytesMax
    else {
      return "the memory of keyed topics must be \(StateMemory.bytesMin >> 10) KiB to "
        + "\(StateMemory.bytesMax >> 30) GiB a shard"
    }
    guard inputBytes >= frameLengthMax * 2, outputBytes >= controlBytesPerSession * 2 else {
      return "input and output memory must each have room for two sessions"
    }
    guard meshBytes & (meshBytes - 1) == 0, meshBytes >= 4 * (batchBytesMax + 1024) else {
      return "rings between shards must be a power of two and hold four largest batches"
    }
    return nil
  }
}
