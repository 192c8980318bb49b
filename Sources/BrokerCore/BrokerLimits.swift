import WireFormat

/// Every bound of a broker, chosen at start. Everything that grows has one; `validate` says which
/// relation between them is broken.
public struct BrokerLimits: Sendable {
  /// Ring memory of the whole broker in bytes, divided evenly among the shards: its ceiling.
  public var ringBytes = 256 << 20
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
  /// Publishers of one shard.
  public var publishersMax = 65_536
  /// Topics of the broker.
  public var topicsMax = 16_384
  /// Lagging pairs of subscription and topic of one shard.
  public var cursorsMax = 262_144
  /// Pairs of pattern and topic of one shard.
  public var linksMax = 1_048_576
  /// Requests of one shard that wait for another one.
  public var requestsMax = 4096
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

  public init() {}

  /// Nil, or one sentence that says what the operator should change.
  public func validate(shards: Int) -> String? {
    guard batchBytesMax >= 1024, batchBytesMax <= WireLimits.batchBytesCeiling else {
      return "the largest batch must be between 1 KiB and \(WireLimits.batchBytesCeiling) bytes"
    }
    guard frameLengthMax >= batchBytesMax + 256, frameLengthMax <= 4 << 20 else {
      return "the largest frame must be at least 256 bytes over the largest batch and at most 4 MiB"
    }
    guard ringBytes / shards >= PagePool.pageBytesMax else {
      return "ring memory must be at least \(PagePool.pageBytesMax >> 20) MiB a shard"
    }
    guard connectionsMax > 0, connectionsMax < 1 << 24 else {
      return "connections must be between 1 and \(1 << 24 - 1)"
    }
    guard topicsMax > 0, topicsMax < 1 << 24 else {
      return "topics must be between 1 and \(1 << 24 - 1)"
    }
    guard subscriptionsMax > 0, publishersMax > 0, cursorsMax > 0, linksMax > 0 else {
      return "subscriptions, publishers, cursors and links must each be at least 1"
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
