import WireFormat

/// What is counted: who publishes what in which way, and who listens how.
struct Scenario {
  var name: String
  /// Events that are counted; half as many come before, to warm up. 0: only turns.
  var events = 100_000
  /// Events to a batch.
  var batch = 1
  var topics = 1
  var subscribers = 1
  /// Subscribe to `hunt.>` in place of the topic's name.
  var isWildcard = false
  var ackLevel = AckLevel.none
  /// Publishers wait for subscriptions.
  var isBlock = false
  /// Events that a subscription allows beyond what it has; 0 allows all. Renewed every turn.
  var window: UInt64 = 0
  var policy = Policy.lossless
  var lagEventsMax: UInt64 = 0
  /// Every such subscriber's socket takes half of what it is offered and then nothing for some
  /// turns; 0 none.
  var cutEvery = 0
  /// Every such subscriber grants its credit only each 16th turn; 0 none.
  var slowEvery = 0
  /// Subscriptions beside them that never grant any credit, a thousand to a connection; and as many
  /// again whose sockets take nothing.
  var stalled = 0
  /// Bytes that one read brings.
  var readBytes = 64 << 10
  /// How batches are compressed. Subscribers cannot read that, so they are framed anew for them.
  var codec = Codec.none
  /// Every event has one of so many keys, at random; 0: none has a key.
  var keys = 0
  var isKeyed: Bool { keys > 0 }
  /// Every such event removes its key; 0 none.
  var removeEvery = 0
  /// 2: the topics belong to shard 0, the publisher is at shard 1, subscribers are at both.
  var shards = 1

  static let payloadBytes = 128

  /// Whole batches.
  var countedEvents: Int { events / batch * batch }
  /// Compressed batches differ in size, so it takes longer until every size has been seen once.
  var warmEvents: Int { codec == .none ? events / 2 / batch * batch : countedEvents }

  static let all: [Scenario] = [
    Scenario(name: "idle turns", events: 0),
    Scenario(name: "1 to 1"),
    Scenario(name: "1 to 1, batches of 64", batch: 64),
    Scenario(name: "1 to 1, reads of 1000 bytes", events: 50_000, readBytes: 1000),
    Scenario(name: "1 to 100", subscribers: 100),
    Scenario(name: "1 to 100, batches of 64", batch: 64, subscribers: 100),
    Scenario(name: "acknowledged", subscribers: 4, ackLevel: .accepted),
    Scenario(name: "credit renewed", subscribers: 10, window: 512),
    Scenario(name: "wildcard over 16 topics", topics: 16, subscribers: 10, isWildcard: true),
    Scenario(name: "keyed topic", batch: 8, subscribers: 4, keys: 64),
    Scenario(name: "keyed topic, 20,000 keys", batch: 64, keys: 20_000, removeEvery: 10),
    Scenario(name: "lz4 decoded for subscribers", batch: 64, subscribers: 4, codec: .lz4),
    Scenario(name: "zstd decoded for subscribers", batch: 64, subscribers: 4, codec: .zstd),
    Scenario(name: "keyed topic, zstd", batch: 64, subscribers: 4, codec: .zstd, keys: 64),
    Scenario(name: "keyed topic, two shards", batch: 8, subscribers: 4, keys: 500, shards: 2),
    Scenario(
      name: "keyed topic, zstd, two shards", batch: 64, subscribers: 4, codec: .zstd, keys: 500,
      shards: 2),
    Scenario(
      name: "block topic", batch: 8, subscribers: 4, ackLevel: .accepted, isBlock: true,
      window: 2048),
    Scenario(name: "sockets that cut", subscribers: 10, cutEvery: 2, readBytes: 8192),
    Scenario(
      name: "losses told", subscribers: 10, window: 256, policy: .dropOldest, lagEventsMax: 1024,
      slowEvery: 2),
    Scenario(name: "1 to 1 beside 0 stalled", events: 20_000, readBytes: 1000),
    Scenario(name: "1 to 1 beside 100 stalled", events: 20_000, stalled: 50, readBytes: 1000),
    Scenario(name: "1 to 1 beside 1000 stalled", events: 20_000, stalled: 500, readBytes: 1000),
    Scenario(name: "1 to 1 beside 10000 stalled", events: 20_000, stalled: 5000, readBytes: 1000),
    Scenario(
      name: "wildcard beside 1000 stalled", events: 20_000, topics: 16, isWildcard: true, stalled: 500,
      readBytes: 1000),
    Scenario(name: "two shards", subscribers: 4, ackLevel: .accepted, shards: 2),
    Scenario(
      name: "two shards, batches of 64", batch: 64, subscribers: 100, ackLevel: .accepted,
      shards: 2),
    Scenario(
      name: "two shards, block topic", batch: 8, subscribers: 4, ackLevel: .accepted,
      isBlock: true, window: 2048, shards: 2),
  ]
}

/// What was counted.
struct Outcome {
  var name: String
  var events: Int
  var deliveries: UInt64
  var turns: Int
  var counts: Counts
  /// What did not go as it should; nil where all did.
  var problem: String?

  /// One line, for whoever compares it with the thresholds.
  var json: String {
    "{\"name\": \"\(name)\", \"events\": \(events), \"deliveries\": \(deliveries), "
      + "\"turns\": \(turns), \"allocations\": \(counts.allocations), "
      + "\"frees\": \(counts.frees), \"retains\": \(counts.retains), "
      + "\"releases\": \(counts.releases), \"accesses\": \(counts.accesses)}"
  }
}
