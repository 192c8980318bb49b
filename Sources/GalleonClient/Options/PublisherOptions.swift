/// What a publisher promises, and what its topic is made with where it does not exist yet.
public struct PublisherOptions: Sendable {
  /// What the broker confirms.
  public var acknowledgement = Acknowledgement.none

  /// What to do about a topic that exists or does not.
  public var mode = TopicMode.openOrCreate

  /// Every event of the topic must have a key. Counts where the topic is created.
  public var isKeyed = false

  /// Publishers of the topic wait for its lossless subscriptions. Counts where it is created.
  public var blocks = false

  /// How long a subscription may hold back the publishers of a topic that blocks; nil takes the
  /// broker's default. Counts where the topic is created.
  public var blockTimeout: Duration?

  /// How much of the topic the broker keeps. Counts where the topic is created.
  public var retention = Retention()

  /// How each batch is compressed, where the broker can pass that on and it makes it smaller.
  public var compression = Compression.none

  /// Events older than this are not delivered any more; nil for no limit. `publish` can overrule it
  /// for an event.
  public var timeToLive: Duration?

  /// Bytes of a batch after which the next event starts a new one. Larger batches compress better;
  /// a batch is never held back to be filled.
  public var batchBytes = 16 * 1024

  /// The most bytes that wait to be sent, or to be acknowledged where acknowledgements were asked
  /// for. `publish` suspends while there are more.
  public var bufferBytes = 1024 * 1024

  /// Whether batches that were not acknowledged when the connection broke are sent again. Then
  /// nothing is lost and some events may be published twice. Without acknowledgements it has no
  /// meaning: what was under way may be lost and is counted in ``Publisher/lost``.
  public var resends = true

  /// Called on the client's own thread when ``Publisher/blocked`` changes. It must return soon:
  /// while it runs, nothing is sent or received.
  public var onBlocked: (@Sendable (Blocked?) -> Void)?

  public init() {}

  public init(
    acknowledgement: Acknowledgement = .none, isKeyed: Bool = false, blocks: Bool = false,
    retention: Retention = Retention(), compression: Compression = .none,
    timeToLive: Duration? = nil
  ) {
    self.acknowledgement = acknowledgement
    self.isKeyed = isKeyed
    self.blocks = blocks
    self.retention = retention
    self.compression = compression
    self.timeToLive = timeToLive
  }
}

/// What the broker confirms of what is published.
public enum Acknowledgement: Hashable, Sendable {
  /// Nothing. `flush` still waits until the broker has read everything.
  case none
  /// That the events have their place in the topic's order, in the broker's memory.
  case accepted
}

/// What to do about a topic that exists or does not.
public enum TopicMode: Hashable, Sendable {
  case openOrCreate
  /// Else refused with `topicNotFound`.
  case mustExist
  /// Else refused with `topicExists`.
  case mustCreate
}

/// How much of a topic the broker keeps for subscriptions that come later or fall behind.
public struct Retention: Hashable, Sendable {
  /// Events; nil for no bound of this kind.
  public var events: UInt64?
  /// Bytes; nil for the broker's default.
  public var bytes: UInt64?
  /// Age; nil for no bound of this kind.
  public var age: Duration?

  public init(events: UInt64? = nil, bytes: UInt64? = nil, age: Duration? = nil) {
    self.events = events
    self.bytes = bytes
    self.age = age
  }
}

/// How batches are compressed.
public enum Compression: Hashable, Sendable {
  case none
  /// Fast, about half the size for text.
  case lz4
  /// Smaller and slower than LZ4.
  case zstd
}
