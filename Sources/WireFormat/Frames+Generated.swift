// Generated from Protocol/frames.json by Tools/wiregen. Not to be edited.

/// What the two sides of a connection must agree on before anything else.
public enum ProtocolVersion {
  /// The highest version that this module speaks.
  public static var version: UInt16 { @_noLocks get { 2 } }
  /// The lowest version that this module speaks.
  public static var versionMin: UInt16 { @_noLocks get { 1 } }
  /// The first four bytes of a HELLO's body.
  public static var magic: UInt32 { @_noLocks get { 0x4E4F_4C47 } }
  /// TCP port of a broker that is not told one.
  public static var defaultPort: UInt16 { @_noLocks get { 4747 } }
}

/// Numbers that bound what a peer may send; the reason stands beside each.
public enum WireLimits {
  /// A stranger gets no more of the broker's memory than a HELLO with a long name needs. In bytes.
  public static var frameLengthMaxBeforeWelcome: Int { @_noLocks get { 8192 } }
  /// Default largest frame: a few batches of the default largest size, and a bound for a session
  /// that sends half a frame. In bytes.
  public static var frameLengthMax: Int { @_noLocks get { 262_144 } }
  /// Default largest decoded size of a batch's records. In bytes.
  public static var batchBytesMax: Int { @_noLocks get { 65_536 } }
  /// The most that an operator may raise batchBytesMax to. In bytes.
  public static var batchBytesCeiling: Int { @_noLocks get { 1_048_576 } }
  /// A DELIVER frame grows to about this size where batches allow, so that a control frame never
  /// waits for more. In bytes.
  public static var deliverTargetBytes: Int { @_noLocks get { 16_384 } }
  /// Charged for each event beside its decoded bytes: what a receiver spends on an event of no
  /// size.
  public static var eventCharge: Int { @_noLocks get { 32 } }
  /// Longest name or pattern. In bytes.
  public static var topicNameBytesMax: Int { @_noLocks get { 255 } }
  /// Most tokens of a name or pattern; matching cost is bounded by it.
  public static var topicTokensMax: Int { @_noLocks get { 32 } }
  /// Longest key. In bytes.
  public static var keyBytesMax: Int { @_noLocks get { 1024 } }
  /// Most headers of an event.
  public static var headersMax: Int { @_noLocks get { 64 } }
  /// Longest name of a header. In bytes.
  public static var headerNameBytesMax: Int { @_noLocks get { 128 } }
  /// Longest client name. In bytes.
  public static var clientNameBytesMax: Int { @_noLocks get { 64 } }
  /// Longest text of CLOSE and ERROR. In bytes.
  public static var textBytesMax: Int { @_noLocks get { 256 } }
  /// Largest piece of counters in one answer. In bytes.
  public static var statsPageBytesMax: Int { @_noLocks get { 65_536 } }
  /// Default subscriptions of one session.
  public static var subscriptionsPerSessionMax: Int { @_noLocks get { 1024 } }
  /// Default publishers of one session.
  public static var publishersPerSessionMax: Int { @_noLocks get { 1024 } }
  /// Default heartbeat interval. In milliseconds.
  public static var heartbeatMs: Int { @_noLocks get { 15_000 } }
  /// Shortest heartbeat interval a client may ask for. In milliseconds.
  public static var heartbeatMsMin: Int { @_noLocks get { 1000 } }
  /// Longest heartbeat interval a client may ask for. In milliseconds.
  public static var heartbeatMsMax: Int { @_noLocks get { 300_000 } }
  /// A stop that is shorter is not told by BLOCKED. In milliseconds.
  public static var blockedNoticeMs: Int { @_noLocks get { 100 } }
  /// How long a stranger may take to say HELLO. In milliseconds.
  public static var handshakeTimeoutMs: Int { @_noLocks get { 5000 } }
  /// Default time that a subscription may hold back publishers of a block topic. In milliseconds.
  public static var blockTimeoutMs: Int { @_noLocks get { 1000 } }
  /// Default bytes that a topic's ring keeps.
  public static var topicRetentionBytes: Int { @_noLocks get { 16_777_216 } }
  /// Largest weight of a subscription.
  public static var weightMax: Int { @_noLocks get { 16 } }
}

/// Which frame; the fifth byte of every frame.
public enum FrameType: UInt8, CaseIterable, Sendable {
  /// The first frame of a client.
  case hello = 0x01
  /// The broker's answer to HELLO; the session is open.
  case welcome = 0x02
  /// Are you there? Answered with PONG at once.
  case ping = 0x03
  /// The answer to PING.
  case pong = 0x04
  /// The last frame of a session. The sender closes its side after it.
  case close = 0x05
  /// A request was refused. The session goes on.
  case error = 0x06
  /// Opens a publisher on a topic; ref is the number the client gives it.
  case openTopic = 0x10
  /// The publisher is open.
  case topic = 0x11
  /// A run of one or more batches for the publisher's topic.
  case publish = 0x12
  /// All events of the publisher up to and with through are accepted. Cumulative.
  case ack = 0x13
  /// What the publisher may have sent in all since it was opened.
  case publishCredit = 0x14
  /// Closes the publisher. What it published before stays published.
  case closeTopic = 0x15
  /// The publisher is closed; every event before CLOSE_TOPIC is accepted, and ACKs that were due
  /// have been sent.
  case topicClosed = 0x16
  /// Opens a subscription; ref is the number the client gives it.
  case subscribe = 0x20
  /// The subscription is open; every event published from now on to a topic it matches counts.
  case subscribed = 0x21
  /// Closes the subscription.
  case unsubscribe = 0x22
  /// The subscription is closed, and nothing of it follows. Its closing account: matched =
  /// delivered + dropped + expired + closed + what PASSED has told.
  case unsubscribed = 0x23
  /// What the subscription may have been delivered in all since it was opened.
  case credit = 0x24
  /// A run of one or more batches of one topic, in the topic's order, with no gap between them.
  case deliver = 0x25
  /// Events that matched and will not be delivered, at their place in the order.
  case gap = 0x26
  /// Names a topic id, before the first DELIVER or GAP of the session that uses it. May be
  /// repeated.
  case topicInfo = 0x27
  /// Changes the subscription's policy and its bounds, from where it stands.
  case setPolicy = 0x28
  /// The policy is in force for everything that follows.
  case policySet = 0x29
  /// Batches of one topic of which the policy has left events out; each has its own sequence, and
  /// PASSED closes the account.
  case deliverSelected = 0x2a
  /// The subscription is through with these sequences of a topic: what DELIVER_SELECTED did not
  /// bring of them will not come.
  case passed = 0x2b
  /// What is known of a topic's keys is to be forgotten: its whole state follows as
  /// DELIVER_SELECTED, up to a PASSED whose first is 0.
  case stateReset = 0x2c
  /// A subscription is sent nothing, or a publisher's batches are not taken, for blockedNoticeMs
  /// already, and why; with cause none: it goes on.
  case blocked = 0x2d
  /// From a client: the answer to a request that carried a reply address. From the broker: such an
  /// answer, for this session. One batch of one event, not compressed. If the address is gone the
  /// client hears ERROR noReceiver with its correlation.
  case reply = 0x30
  /// Asks for a piece of the counters; their layout is in counters.md.
  case stats = 0x31
  /// A piece of the counters.
  case statsPage = 0x32

  /// Nil where the number is not defined.
  @_noLocks public init?(rawValue: UInt8) {
    switch rawValue {
    case 0x01: self = .hello
    case 0x02: self = .welcome
    case 0x03: self = .ping
    case 0x04: self = .pong
    case 0x05: self = .close
    case 0x06: self = .error
    case 0x10: self = .openTopic
    case 0x11: self = .topic
    case 0x12: self = .publish
    case 0x13: self = .ack
    case 0x14: self = .publishCredit
    case 0x15: self = .closeTopic
    case 0x16: self = .topicClosed
    case 0x20: self = .subscribe
    case 0x21: self = .subscribed
    case 0x22: self = .unsubscribe
    case 0x23: self = .unsubscribed
    case 0x24: self = .credit
    case 0x25: self = .deliver
    case 0x26: self = .gap
    case 0x27: self = .topicInfo
    case 0x28: self = .setPolicy
    case 0x29: self = .policySet
    case 0x2A: self = .deliverSelected
    case 0x2B: self = .passed
    case 0x2C: self = .stateReset
    case 0x2D: self = .blocked
    case 0x30: self = .reply
    case 0x31: self = .stats
    case 0x32: self = .statsPage
    default: return nil
    }
  }
}

/// Who may send a frame.
public enum FrameSender: UInt8, Sendable {
  case client, broker, both
}

extension FrameType {
  /// Who may send it; the other side's is `wrongDirection`.
  public var sender: FrameSender {
    @_noLocks get {
      switch self {
      case .hello, .openTopic, .publish, .closeTopic, .subscribe, .unsubscribe, .credit,
        .setPolicy, .stats:
        .client
      case .welcome, .error, .topic, .ack, .publishCredit, .topicClosed, .subscribed,
        .unsubscribed, .deliver, .gap, .topicInfo, .policySet, .deliverSelected, .passed,
        .stateReset, .blocked, .statsPage:
        .broker
      case .ping, .pong, .close, .reply:
        .both
      }
    }
  }

  /// Whether it may come before WELCOME.
  public var isAllowedBeforeWelcome: Bool {
    @_noLocks get {
      switch self {
      case .hello, .close:
        true
      default:
        false
      }
    }
  }

  /// The frame's name as the protocol writes it.
  public var name: StaticString {
    switch self {
    case .hello: "HELLO"
    case .welcome: "WELCOME"
    case .ping: "PING"
    case .pong: "PONG"
    case .close: "CLOSE"
    case .error: "ERROR"
    case .openTopic: "OPEN_TOPIC"
    case .topic: "TOPIC"
    case .publish: "PUBLISH"
    case .ack: "ACK"
    case .publishCredit: "PUBLISH_CREDIT"
    case .closeTopic: "CLOSE_TOPIC"
    case .topicClosed: "TOPIC_CLOSED"
    case .subscribe: "SUBSCRIBE"
    case .subscribed: "SUBSCRIBED"
    case .unsubscribe: "UNSUBSCRIBE"
    case .unsubscribed: "UNSUBSCRIBED"
    case .credit: "CREDIT"
    case .deliver: "DELIVER"
    case .gap: "GAP"
    case .topicInfo: "TOPIC_INFO"
    case .setPolicy: "SET_POLICY"
    case .policySet: "POLICY_SET"
    case .deliverSelected: "DELIVER_SELECTED"
    case .passed: "PASSED"
    case .stateReset: "STATE_RESET"
    case .blocked: "BLOCKED"
    case .reply: "REPLY"
    case .stats: "STATS"
    case .statsPage: "STATS_PAGE"
    }
  }
}

/// How the records of a batch are compressed.
public enum Codec: UInt8, CaseIterable, Sendable {
  /// Records as they are.
  case none = 0
  /// One LZ4 block (not the LZ4 frame format).
  case lz4 = 1
  /// One Zstandard frame.
  case zstd = 2

  /// Nil where the number is not defined.
  @_noLocks public init?(rawValue: UInt8) {
    switch rawValue {
    case 0: self = .none
    case 1: self = .lz4
    case 2: self = .zstd
    default: return nil
    }
  }

  /// The name as the protocol writes it.
  public var name: StaticString {
    switch self {
    case .none: "none"
    case .lz4: "lz4"
    case .zstd: "zstd"
    }
  }
}

/// What happens to a subscription that falls behind.
public enum Policy: UInt8, CaseIterable, Sendable {
  /// It waits at its cursor; only a ring that ran over it costs it events, as a GAP.
  case lossless = 0
  /// Beyond its lag bounds the oldest events are dropped, as a GAP.
  case dropOldest = 1
  /// Behind, only the newest event of each key of a keyed topic; on a topic without keys it acts as
  /// drop-oldest. Since version 2; before, answered with notSupported.
  case latest = 2
  /// Every n-th event, by sequence; SET_POLICY says n, which is 1 until then. Since version 2;
  /// before, answered with notSupported.
  case sample = 3
  /// Beyond its lag bounds, or where the ring ran over it, the session ends with slowSubscriber.
  case disconnect = 4

  /// Nil where the number is not defined.
  @_noLocks public init?(rawValue: UInt8) {
    switch rawValue {
    case 0: self = .lossless
    case 1: self = .dropOldest
    case 2: self = .latest
    case 3: self = .sample
    case 4: self = .disconnect
    default: return nil
    }
  }

  /// The name as the protocol writes it.
  public var name: StaticString {
    switch self {
    case .lossless: "lossless"
    case .dropOldest: "drop-oldest"
    case .latest: "latest"
    case .sample: "sample"
    case .disconnect: "disconnect"
    }
  }
}

/// Where a subscription starts in a topic that exists when it subscribes. A topic created later is
/// delivered from its first event.
public enum Start: UInt8, CaseIterable, Sendable {
  /// With the next event.
  case latest = 0
  /// With the oldest event that the ring still holds.
  case earliest = 1
  /// With the sequence in start_value; what the ring no longer holds is a GAP.
  case sequence = 2
  /// With the first batch whose broker time is at or after start_value, in nanoseconds since the
  /// Unix epoch.
  case time = 3
  /// With the newest event of every key of a keyed topic, then with the next one; on a topic
  /// without keys like latest. Since version 2.
  case state = 4

  /// Nil where the number is not defined.
  @_noLocks public init?(rawValue: UInt8) {
    switch rawValue {
    case 0: self = .latest
    case 1: self = .earliest
    case 2: self = .sequence
    case 3: self = .time
    case 4: self = .state
    default: return nil
    }
  }

  /// The name as the protocol writes it.
  public var name: StaticString {
    switch self {
    case .latest: "latest"
    case .earliest: "earliest"
    case .sequence: "sequence"
    case .time: "time"
    case .state: "state"
    }
  }
}

/// What OPEN_TOPIC does about a topic that is there or is not.
public enum OpenMode: UInt8, CaseIterable, Sendable {
  /// Create the topic with the options given, or open it as it is.
  case openOrCreate = 0
  /// Only open; else topicNotFound.
  case mustExist = 1
  /// Only create; else topicExists.
  case mustCreate = 2

  /// Nil where the number is not defined.
  @_noLocks public init?(rawValue: UInt8) {
    switch rawValue {
    case 0: self = .openOrCreate
    case 1: self = .mustExist
    case 2: self = .mustCreate
    default: return nil
    }
  }

  /// The name as the protocol writes it.
  public var name: StaticString {
    switch self {
    case .openOrCreate: "openOrCreate"
    case .mustExist: "mustExist"
    case .mustCreate: "mustCreate"
    }
  }
}

/// What an acknowledgement promises.
public enum AckLevel: UInt8, CaseIterable, Sendable {
  /// No acknowledgements are sent.
  case none = 0
  /// The events are in the topic's ring, in their place in its order, in the broker's memory.
  case accepted = 1
  /// Reserved: the events are on stable storage. Answered with notSupported in this version.
  case persisted = 2

  /// Nil where the number is not defined.
  @_noLocks public init?(rawValue: UInt8) {
    switch rawValue {
    case 0: self = .none
    case 1: self = .accepted
    case 2: self = .persisted
    default: return nil
    }
  }

  /// The name as the protocol writes it.
  public var name: StaticString {
    switch self {
    case .none: "none"
    case .accepted: "accepted"
    case .persisted: "persisted"
    }
  }
}

/// Why events that matched a subscription were not delivered.
public enum GapCause: UInt8, CaseIterable, Sendable {
  /// More than one of the causes below.
  case several = 0
  /// The topic's retention or the memory ceiling took the events before the subscription did.
  case ringOverrun = 1
  /// The subscription's own lag bounds, with policy drop-oldest.
  case dropOldest = 2
  /// The batch's time to live was over before the subscription took it.
  case expired = 3
  /// The subscription held back the publishers of a block topic for longer than the topic allows;
  /// they went on, and the ring ran over it.
  case blockTimeout = 4
  /// The batch could not be decoded to the count and size that its header states.
  case corrupt = 5
  /// The subscription asked to start at a sequence that the ring no longer held.
  case notRetained = 6
  /// The topic's sequence space began anew; how many events were missed cannot be known, and count
  /// is 0.
  case newEpoch = 7

  /// Nil where the number is not defined.
  @_noLocks public init?(rawValue: UInt8) {
    switch rawValue {
    case 0: self = .several
    case 1: self = .ringOverrun
    case 2: self = .dropOldest
    case 3: self = .expired
    case 4: self = .blockTimeout
    case 5: self = .corrupt
    case 6: self = .notRetained
    case 7: self = .newEpoch
    default: return nil
    }
  }

  /// The name as the protocol writes it.
  public var name: StaticString {
    switch self {
    case .several: "several"
    case .ringOverrun: "ringOverrun"
    case .dropOldest: "dropOldest"
    case .expired: "expired"
    case .blockTimeout: "blockTimeout"
    case .corrupt: "corrupt"
    case .notRetained: "notRetained"
    case .newEpoch: "newEpoch"
    }
  }
}

/// Why a policy has left events out. Since version 2.
public enum LeftOut: UInt8, CaseIterable, Sendable {
  /// A later event with the same key was delivered, or will be.
  case conflated = 1
  /// Its sequence is no multiple of the subscription's n.
  case sampledOut = 2

  /// Nil where the number is not defined.
  @_noLocks public init?(rawValue: UInt8) {
    switch rawValue {
    case 1: self = .conflated
    case 2: self = .sampledOut
    default: return nil
    }
  }

  /// The name as the protocol writes it.
  public var name: StaticString {
    switch self {
    case .conflated: "conflated"
    case .sampledOut: "sampledOut"
    }
  }
}

/// What BLOCKED's ref is the number of. Since version 2.
public enum BlockedSide: UInt8, CaseIterable, Sendable {
  /// A subscription.
  case subscription = 0
  /// A publisher.
  case publisher = 1

  /// Nil where the number is not defined.
  @_noLocks public init?(rawValue: UInt8) {
    switch rawValue {
    case 0: self = .subscription
    case 1: self = .publisher
    default: return nil
    }
  }

  /// The name as the protocol writes it.
  public var name: StaticString {
    switch self {
    case .subscription: "subscription"
    case .publisher: "publisher"
    }
  }
}

/// Why a subscription is sent nothing, or a publisher's batches are not taken. The same values as
/// BlockedCause of the counters. Since version 2.
public enum BlockedBy: UInt8, CaseIterable, Sendable {
  /// It goes on.
  case none = 0
  /// No credit in events.
  case creditEvents = 1
  /// No credit in bytes.
  case creditBytes = 2
  /// The connection's socket takes nothing.
  case socket = 3
  /// It waits for its turn.
  case turn = 4
  /// It waits to hear where it starts in a topic.
  case attaching = 5
  /// A publisher: the broker waits for ring memory that subscriptions still read.
  case memory = 6
  /// A publisher of a block topic: it waits for a lossless subscription.
  case subscriber = 7
  /// A publisher: the broker is shutting down.
  case draining = 8

  /// Nil where the number is not defined.
  @_noLocks public init?(rawValue: UInt8) {
    switch rawValue {
    case 0: self = .none
    case 1: self = .creditEvents
    case 2: self = .creditBytes
    case 3: self = .socket
    case 4: self = .turn
    case 5: self = .attaching
    case 6: self = .memory
    case 7: self = .subscriber
    case 8: self = .draining
    default: return nil
    }
  }

  /// The name as the protocol writes it.
  public var name: StaticString {
    switch self {
    case .none: "none"
    case .creditEvents: "creditEvents"
    case .creditBytes: "creditBytes"
    case .socket: "socket"
    case .turn: "turn"
    case .attaching: "attaching"
    case .memory: "memory"
    case .subscriber: "subscriber"
    case .draining: "draining"
    }
  }
}

/// Options of a topic.
public struct TopicOptions: OptionSet, Sendable {
  public var rawValue: UInt8

  @_noLocks public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// Whether all of these are set. What `contains` says, without generic code.
  @_noLocks public func has(_ flags: TopicOptions) -> Bool {
    rawValue & flags.rawValue == flags.rawValue
  }

  /// Every event of the topic must have a key.
  public static var keyed: TopicOptions { @_noLocks get { TopicOptions(rawValue: 1) } }
  /// Publishers need credit and wait for the topic's lossless subscriptions.
  public static var block: TopicOptions { @_noLocks get { TopicOptions(rawValue: 2) } }
  /// Every flag that is defined; other bits are not.
  public static var all: TopicOptions { @_noLocks get { TopicOptions(rawValue: 3) } }
}

/// A set of codecs: bit n stands for the codec numbered n. Bit 0 (none) is always understood.
public struct CodecSet: OptionSet, Sendable {
  public var rawValue: UInt32

  @_noLocks public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// Whether all of these are set. What `contains` says, without generic code.
  @_noLocks public func has(_ flags: CodecSet) -> Bool {
    rawValue & flags.rawValue == flags.rawValue
  }

  /// LZ4 blocks.
  public static var lz4: CodecSet { @_noLocks get { CodecSet(rawValue: 2) } }
  /// Zstandard frames.
  public static var zstd: CodecSet { @_noLocks get { CodecSet(rawValue: 4) } }
  /// Every flag that is defined; other bits are not.
  public static var all: CodecSet { @_noLocks get { CodecSet(rawValue: 6) } }
}

/// The top byte of a record's first word.
public struct RecordFlags: OptionSet, Sendable {
  public var rawValue: UInt8

  @_noLocks public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// Whether all of these are set. What `contains` says, without generic code.
  @_noLocks public func has(_ flags: RecordFlags) -> Bool {
    rawValue & flags.rawValue == flags.rawValue
  }

  /// The record has a key.
  public static var key: RecordFlags { @_noLocks get { RecordFlags(rawValue: 1) } }
  /// The record has headers.
  public static var headers: RecordFlags { @_noLocks get { RecordFlags(rawValue: 2) } }
  /// The record has a reply address.
  public static var replyTo: RecordFlags { @_noLocks get { RecordFlags(rawValue: 4) } }
  /// The record deletes its key; its payload is empty.
  public static var tombstone: RecordFlags { @_noLocks get { RecordFlags(rawValue: 8) } }
  /// Every flag that is defined; other bits are not.
  public static var all: RecordFlags { @_noLocks get { RecordFlags(rawValue: 15) } }
}

/// Why a session ended.
public enum CloseReason: UInt16, CaseIterable, Sendable {
  /// The client sent CLOSE.
  case clientClosed = 1
  /// The other side ended the connection without CLOSE. Not sent; counters have it.
  case disconnected = 2
  /// The connection broke. Not sent; counters have it.
  case connectionReset = 3
  /// The broker is shutting down.
  case draining = 4
  /// No HELLO came in time.
  case handshakeTimeout = 5
  /// Nothing came for two and a half heartbeat intervals.
  case heartbeatTimeout = 6
  /// HELLO does not start with the magic number: not a Galleon client.
  case badMagic = 7
  /// No protocol version is spoken by both sides.
  case unsupportedVersion = 8
  /// A frame other than HELLO or CLOSE came before WELCOME.
  case handshakeRequired = 9
  /// A second HELLO.
  case duplicateHello = 10
  /// A frame's length is over the limit.
  case frameTooLarge = 11
  /// A frame's length is less than the header's 12.
  case frameTooShort = 12
  /// A frame's body is cut, has bytes left over, or has a field outside its range.
  case malformedFrame = 13
  /// A frame of an unknown type, not marked as ignorable.
  case unknownFrame = 14
  /// A frame that only the other side may send.
  case wrongDirection = 15
  /// A batch whose lengths, counts or records contradict each other.
  case malformedBatch = 16
  /// A batch whose CRC32C is wrong.
  case checksumMismatch = 17
  /// A batch whose decoded size is over the limit.
  case batchTooLarge = 18
  /// A batch compressed with a codec that the session has not agreed on.
  case codecNotNegotiated = 19
  /// PUBLISH for a publisher that is not open.
  case unknownPublisher = 20
  /// A batch does not continue its publisher's sequence.
  case publisherSequence = 21
  /// More was published to a block topic than its credit allows.
  case publishCreditExceeded = 22
  /// An event without a key on a keyed topic.
  case keyRequired = 23
  /// The memory for frames that have not arrived whole is used up.
  case inputMemory = 24
  /// The memory for frames cut by full sockets is used up; this session was stalled longest.
  case outputMemory = 25
  /// The client does not read, and answers for it pile up.
  case controlOverflow = 26
  /// A subscription with policy disconnect fell too far behind.
  case slowSubscriber = 27
  /// The broker's limit of connections is reached.
  case tooManyConnections = 28
  /// The memory for places of lagging subscriptions, or for what patterns match, is used up.
  case cursorMemory = 29
  /// A rule was broken that has no name of its own; the text says which.
  case protocolViolation = 30

  /// Nil where the number is not defined.
  @_noLocks public init?(rawValue: UInt16) {
    switch rawValue {
    case 1: self = .clientClosed
    case 2: self = .disconnected
    case 3: self = .connectionReset
    case 4: self = .draining
    case 5: self = .handshakeTimeout
    case 6: self = .heartbeatTimeout
    case 7: self = .badMagic
    case 8: self = .unsupportedVersion
    case 9: self = .handshakeRequired
    case 10: self = .duplicateHello
    case 11: self = .frameTooLarge
    case 12: self = .frameTooShort
    case 13: self = .malformedFrame
    case 14: self = .unknownFrame
    case 15: self = .wrongDirection
    case 16: self = .malformedBatch
    case 17: self = .checksumMismatch
    case 18: self = .batchTooLarge
    case 19: self = .codecNotNegotiated
    case 20: self = .unknownPublisher
    case 21: self = .publisherSequence
    case 22: self = .publishCreditExceeded
    case 23: self = .keyRequired
    case 24: self = .inputMemory
    case 25: self = .outputMemory
    case 26: self = .controlOverflow
    case 27: self = .slowSubscriber
    case 28: self = .tooManyConnections
    case 29: self = .cursorMemory
    case 30: self = .protocolViolation
    default: return nil
    }
  }

  /// Whether the same attempt may succeed later.
  public var retryable: Bool {
    @_noLocks get {
      switch self {
      case .clientClosed, .disconnected, .connectionReset, .draining, .handshakeTimeout,
        .heartbeatTimeout, .inputMemory, .outputMemory, .controlOverflow, .slowSubscriber,
        .tooManyConnections, .cursorMemory:
        true
      default:
        false
      }
    }
  }

  /// A sentence for people.
  public var about: StaticString {
    switch self {
    case .clientClosed: "The client sent CLOSE."
    case .disconnected:
      "The other side ended the connection without CLOSE. Not sent; counters have it."
    case .connectionReset: "The connection broke. Not sent; counters have it."
    case .draining: "The broker is shutting down."
    case .handshakeTimeout: "No HELLO came in time."
    case .heartbeatTimeout: "Nothing came for two and a half heartbeat intervals."
    case .badMagic: "HELLO does not start with the magic number: not a Galleon client."
    case .unsupportedVersion: "No protocol version is spoken by both sides."
    case .handshakeRequired: "A frame other than HELLO or CLOSE came before WELCOME."
    case .duplicateHello: "A second HELLO."
    case .frameTooLarge: "A frame's length is over the limit."
    case .frameTooShort: "A frame's length is less than the header's 12."
    case .malformedFrame:
      "A frame's body is cut, has bytes left over, or has a field outside its range."
    case .unknownFrame: "A frame of an unknown type, not marked as ignorable."
    case .wrongDirection: "A frame that only the other side may send."
    case .malformedBatch: "A batch whose lengths, counts or records contradict each other."
    case .checksumMismatch: "A batch whose CRC32C is wrong."
    case .batchTooLarge: "A batch whose decoded size is over the limit."
    case .codecNotNegotiated: "A batch compressed with a codec that the session has not agreed on."
    case .unknownPublisher: "PUBLISH for a publisher that is not open."
    case .publisherSequence: "A batch does not continue its publisher's sequence."
    case .publishCreditExceeded: "More was published to a block topic than its credit allows."
    case .keyRequired: "An event without a key on a keyed topic."
    case .inputMemory: "The memory for frames that have not arrived whole is used up."
    case .outputMemory:
      "The memory for frames cut by full sockets is used up; this session was stalled longest."
    case .controlOverflow: "The client does not read, and answers for it pile up."
    case .slowSubscriber: "A subscription with policy disconnect fell too far behind."
    case .tooManyConnections: "The broker's limit of connections is reached."
    case .cursorMemory:
      "The memory for places of lagging subscriptions, or for what patterns match, is used up."
    case .protocolViolation: "A rule was broken that has no name of its own; the text says which."
    }
  }

  /// The name as the protocol writes it.
  public var name: StaticString {
    switch self {
    case .clientClosed: "clientClosed"
    case .disconnected: "disconnected"
    case .connectionReset: "connectionReset"
    case .draining: "draining"
    case .handshakeTimeout: "handshakeTimeout"
    case .heartbeatTimeout: "heartbeatTimeout"
    case .badMagic: "badMagic"
    case .unsupportedVersion: "unsupportedVersion"
    case .handshakeRequired: "handshakeRequired"
    case .duplicateHello: "duplicateHello"
    case .frameTooLarge: "frameTooLarge"
    case .frameTooShort: "frameTooShort"
    case .malformedFrame: "malformedFrame"
    case .unknownFrame: "unknownFrame"
    case .wrongDirection: "wrongDirection"
    case .malformedBatch: "malformedBatch"
    case .checksumMismatch: "checksumMismatch"
    case .batchTooLarge: "batchTooLarge"
    case .codecNotNegotiated: "codecNotNegotiated"
    case .unknownPublisher: "unknownPublisher"
    case .publisherSequence: "publisherSequence"
    case .publishCreditExceeded: "publishCreditExceeded"
    case .keyRequired: "keyRequired"
    case .inputMemory: "inputMemory"
    case .outputMemory: "outputMemory"
    case .controlOverflow: "controlOverflow"
    case .slowSubscriber: "slowSubscriber"
    case .tooManyConnections: "tooManyConnections"
    case .cursorMemory: "cursorMemory"
    case .protocolViolation: "protocolViolation"
    }
  }
}

/// Why a request was refused; the session goes on.
public enum ErrorCode: UInt16, CaseIterable, Sendable {
  /// Not a topic's name.
  case invalidTopicName = 100
  /// Not a pattern.
  case invalidPattern = 101
  /// The topic must exist and does not.
  case topicNotFound = 102
  /// The topic must be new and is not.
  case topicExists = 103
  /// A field's value is not among those that are defined.
  case invalidOption = 104
  /// Defined, but not in this version of the broker.
  case notSupported = 105
  /// The broker's limit of topics is reached.
  case tooManyTopics = 106
  /// The session's or the broker's limit of subscriptions is reached.
  case tooManySubscriptions = 107
  /// The session's or the broker's limit of publishers is reached.
  case tooManyPublishers = 108
  /// Another publisher, or another subscription, of this session has this number.
  case duplicateRef = 109
  /// No open subscription or publisher of this session has this number.
  case unknownRef = 110
  /// The session that asked is gone, or does not take its replies.
  case noReceiver = 111
  /// The broker has no memory left for so many patterns and topics.
  case memoryExhausted = 112
  /// The broker is draining.
  case shuttingDown = 113

  /// Nil where the number is not defined.
  @_noLocks public init?(rawValue: UInt16) {
    switch rawValue {
    case 100: self = .invalidTopicName
    case 101: self = .invalidPattern
    case 102: self = .topicNotFound
    case 103: self = .topicExists
    case 104: self = .invalidOption
    case 105: self = .notSupported
    case 106: self = .tooManyTopics
    case 107: self = .tooManySubscriptions
    case 108: self = .tooManyPublishers
    case 109: self = .duplicateRef
    case 110: self = .unknownRef
    case 111: self = .noReceiver
    case 112: self = .memoryExhausted
    case 113: self = .shuttingDown
    default: return nil
    }
  }

  /// Whether the same attempt may succeed later.
  public var retryable: Bool {
    @_noLocks get {
      switch self {
      case .topicNotFound, .tooManyTopics, .tooManySubscriptions, .tooManyPublishers,
        .memoryExhausted, .shuttingDown:
        true
      default:
        false
      }
    }
  }

  /// A sentence for people.
  public var about: StaticString {
    switch self {
    case .invalidTopicName: "Not a topic's name."
    case .invalidPattern: "Not a pattern."
    case .topicNotFound: "The topic must exist and does not."
    case .topicExists: "The topic must be new and is not."
    case .invalidOption: "A field's value is not among those that are defined."
    case .notSupported: "Defined, but not in this version of the broker."
    case .tooManyTopics: "The broker's limit of topics is reached."
    case .tooManySubscriptions: "The session's or the broker's limit of subscriptions is reached."
    case .tooManyPublishers: "The session's or the broker's limit of publishers is reached."
    case .duplicateRef:
      "Another publisher, or another subscription, of this session has this number."
    case .unknownRef: "No open subscription or publisher of this session has this number."
    case .noReceiver: "The session that asked is gone, or does not take its replies."
    case .memoryExhausted: "The broker has no memory left for so many patterns and topics."
    case .shuttingDown: "The broker is draining."
    }
  }

  /// The name as the protocol writes it.
  public var name: StaticString {
    switch self {
    case .invalidTopicName: "invalidTopicName"
    case .invalidPattern: "invalidPattern"
    case .topicNotFound: "topicNotFound"
    case .topicExists: "topicExists"
    case .invalidOption: "invalidOption"
    case .notSupported: "notSupported"
    case .tooManyTopics: "tooManyTopics"
    case .tooManySubscriptions: "tooManySubscriptions"
    case .tooManyPublishers: "tooManyPublishers"
    case .duplicateRef: "duplicateRef"
    case .unknownRef: "unknownRef"
    case .noReceiver: "noReceiver"
    case .memoryExhausted: "memoryExhausted"
    case .shuttingDown: "shuttingDown"
    }
  }
}

/// The batch header. The bytes from 8 to 39 are stamped by the broker and lie outside the checksum;
/// a publisher sends them as 0. Offsets from its start.
public enum BatchField {
  /// Bytes of the header.
  public static var size: Int { @_noLocks get { 72 } }
  /// Where the bytes that the checksum covers begin.
  public static var checksumFrom: Int { @_noLocks get { 40 } }
  /// Bytes of the batch with this header, without padding.
  public static var length: Int { @_noLocks get { 0 } }
  /// CRC32C of the bytes from 40 to length.
  public static var crc32c: Int { @_noLocks get { 4 } }
  /// Topic sequence of the first event.
  public static var sequence: Int { @_noLocks get { 8 } }
  /// When the broker accepted the batch. In nanoseconds since the Unix epoch.
  public static var time: Int { @_noLocks get { 16 } }
  /// Charged bytes of all events of the topic before this batch.
  public static var bytesBefore: Int { @_noLocks get { 24 } }
  /// The topic's id.
  public static var topic: Int { @_noLocks get { 32 } }
  /// Number of events, 1 or more.
  public static var count: Int { @_noLocks get { 40 } }
  /// Size of the records when decoded. In bytes.
  public static var decodedLength: Int { @_noLocks get { 44 } }
  /// Codec.
  public static var codec: Int { @_noLocks get { 48 } }
  /// Time to live from the broker's time; 0 for none. In milliseconds.
  public static var ttlMs: Int { @_noLocks get { 52 } }
  /// The publisher's clock when the first event was published. In nanoseconds since the Unix epoch.
  public static var publishTime: Int { @_noLocks get { 56 } }
  /// The publisher's own number of the first event: 1 or more for its first, then without a gap.
  public static var publisherSequence: Int { @_noLocks get { 64 } }
}

/// HELLO: The first frame of a client.
public struct Hello: Equatable, Sendable {
  public static var type: FrameType { @_noLocks get { .hello } }
  /// Bytes of a frame up to its first field of varying size, with the header.
  public static var prefixSize: Int { @_noLocks get { 40 } }

  /// The protocol's magic number, the bytes G L O N.
  public var magic: UInt32
  /// Lowest protocol version the client speaks.
  public var versionMin: UInt16
  /// Highest protocol version the client speaks.
  public var versionMax: UInt16
  /// CodecSet that the client can decode.
  public var codecs: CodecSet
  /// Largest frame, in length's terms, that the client accepts, or 0 for the broker's own limit. At
  /// least batch_bytes_max plus 128, else the session ends with malformedFrame. In bytes.
  public var frameLengthMax: UInt32
  /// Heartbeat interval that the client wishes, brought within heartbeatMsMin and heartbeatMsMax; 0
  /// for the broker's default. In milliseconds.
  public var heartbeatMs: UInt32
  /// 0 in this version; unknown bits are ignored.
  public var features: UInt32
  /// What operators see this client as.
  public var clientName: String

  public init(
    magic: UInt32, versionMin: UInt16, versionMax: UInt16, codecs: CodecSet,
    frameLengthMax: UInt32 = 0, heartbeatMs: UInt32 = 0, features: UInt32 = 0, clientName: String
  ) {
    self.magic = magic
    self.versionMin = versionMin
    self.versionMax = versionMax
    self.codecs = codecs
    self.frameLengthMax = frameLengthMax
    self.heartbeatMs = heartbeatMs
    self.features = features
    self.clientName = clientName
  }

  /// Reads the body, which must have these fields and no more.
  public init(reader: inout FrameReader) throws(WireError) {
    let at = try reader.take(24)
    magic = reader.loadUInt32(at)
    versionMin = reader.loadUInt16(at + 4)
    versionMax = reader.loadUInt16(at + 6)
    codecs = CodecSet(rawValue: reader.loadUInt32(at + 8))
    frameLengthMax = reader.loadUInt32(at + 12)
    heartbeatMs = reader.loadUInt32(at + 16)
    features = reader.loadUInt32(at + 20)
    clientName = try reader.string16(max: 64)
    try reader.finish()
  }

  /// Writes the frame. False where it does not fit; then nothing is written.
  public func encode(
    into writer: inout FrameWriter, ref: UInt32 = 0, correlation: UInt32 = 0
  ) -> Bool {
    writer.beginFrame(Self.type, ref: ref, correlation: correlation)
    writer.append(magic)
    writer.append(versionMin)
    writer.append(versionMax)
    writer.append(codecs.rawValue)
    writer.append(frameLengthMax)
    writer.append(heartbeatMs)
    writer.append(features)
    writer.append(string16: clientName, max: 64, clip: true)
    return writer.endFrame()
  }
}

/// WELCOME: The broker's answer to HELLO; the session is open.
public struct Welcome: Equatable, Sendable {
  public static var type: FrameType { @_noLocks get { .welcome } }
  /// Bytes of a frame up to its first field of varying size, with the header.
  public static var prefixSize: Int { @_noLocks get { 80 } }

  /// Protocol version of this session.
  public var version: UInt16
  /// CodecSet for both directions: what both sides have.
  public var codecs: CodecSet
  /// Largest frame, in length's terms, that the broker accepts. In bytes.
  public var frameLengthMax: UInt32
  /// Largest decoded size of a batch's records; at most batchBytesCeiling. In bytes.
  public var batchBytesMax: UInt32
  /// Heartbeat interval of this session, for both sides. In milliseconds.
  public var heartbeatMs: UInt32
  /// Subscriptions that one session may have.
  public var subscriptionsMax: UInt32
  /// Publishers that one session may have.
  public var publishersMax: UInt32
  /// 0 in this version.
  public var features: UInt32
  /// Identity of this run of the broker. Topic ids and sequences of memory topics mean nothing
  /// under another one.
  public var instance: UInt64
  /// Identity of this session within the instance.
  public var session: UInt64
  /// Address to which replies to this session's requests are sent.
  public var inbox: UInt64
  /// The broker's clock when it answered. In nanoseconds since the Unix epoch.
  public var time: UInt64
  /// Name and version of the broker.
  public var brokerName: String

  public init(
    version: UInt16, codecs: CodecSet, frameLengthMax: UInt32, batchBytesMax: UInt32,
    heartbeatMs: UInt32, subscriptionsMax: UInt32, publishersMax: UInt32, features: UInt32 = 0,
    instance: UInt64, session: UInt64, inbox: UInt64, time: UInt64, brokerName: String
  ) {
    self.version = version
    self.codecs = codecs
    self.frameLengthMax = frameLengthMax
    self.batchBytesMax = batchBytesMax
    self.heartbeatMs = heartbeatMs
    self.subscriptionsMax = subscriptionsMax
    self.publishersMax = publishersMax
    self.features = features
    self.instance = instance
    self.session = session
    self.inbox = inbox
    self.time = time
    self.brokerName = brokerName
  }

  /// Reads the body, which must have these fields and no more.
  public init(reader: inout FrameReader) throws(WireError) {
    let at = try reader.take(64)
    version = reader.loadUInt16(at)
    codecs = CodecSet(rawValue: reader.loadUInt32(at + 4))
    frameLengthMax = reader.loadUInt32(at + 8)
    batchBytesMax = reader.loadUInt32(at + 12)
    heartbeatMs = reader.loadUInt32(at + 16)
    subscriptionsMax = reader.loadUInt32(at + 20)
    publishersMax = reader.loadUInt32(at + 24)
    features = reader.loadUInt32(at + 28)
    instance = reader.loadUInt64(at + 32)
    session = reader.loadUInt64(at + 40)
    inbox = reader.loadUInt64(at + 48)
    time = reader.loadUInt64(at + 56)
    brokerName = try reader.string16(max: 64)
    try reader.finish()
  }

  /// Writes the frame. False where it does not fit; then nothing is written.
  public func encode(
    into writer: inout FrameWriter, ref: UInt32 = 0, correlation: UInt32 = 0
  ) -> Bool {
    writer.beginFrame(Self.type, ref: ref, correlation: correlation)
    writer.append(version)
    writer.append(0 as UInt16)
    writer.append(codecs.rawValue)
    writer.append(frameLengthMax)
    writer.append(batchBytesMax)
    writer.append(heartbeatMs)
    writer.append(subscriptionsMax)
    writer.append(publishersMax)
    writer.append(features)
    writer.append(instance)
    writer.append(session)
    writer.append(inbox)
    writer.append(time)
    writer.append(string16: brokerName, max: 64, clip: true)
    return writer.endFrame()
  }
}

/// PING: Are you there? Answered with PONG at once.
public struct Ping: Equatable, Sendable {
  public static var type: FrameType { @_noLocks get { .ping } }
  /// Bytes of a frame up to its first field of varying size, with the header.
  public static var prefixSize: Int { @_noLocks get { 24 } }

  /// The sender's own clock, any origin. In nanoseconds.
  public var time: UInt64

  @_noLocks public init(time: UInt64) {
    self.time = time
  }

  /// Reads the body, which must have these fields and no more.
  @_noLocks public init(reader: inout FrameReader) throws(WireError) {
    let at = try reader.take(8)
    time = reader.loadUInt64(at)
    try reader.finish()
  }

  /// Writes the frame. False where it does not fit; then nothing is written.
  public func encode(
    into writer: inout FrameWriter, ref: UInt32 = 0, correlation: UInt32 = 0
  ) -> Bool {
    writer.beginFrame(Self.type, ref: ref, correlation: correlation)
    writer.append(time)
    return writer.endFrame()
  }

  /// Writes `prefixSize` bytes: the frame, with its header. The memory is the caller's business.
  @unsafe
  @_noLocks public func store(
    to memory: UnsafeMutableRawPointer, ref: UInt32 = 0, correlation: UInt32 = 0
  ) {
    let header = FrameHeader(
      length: 20, typeRaw: 0x03, ref: ref, correlation: correlation)
    unsafe header.store(to: memory)
    unsafe memory.store(time, at: 16)
  }
}

/// PONG: The answer to PING.
public struct Pong: Equatable, Sendable {
  public static var type: FrameType { @_noLocks get { .pong } }
  /// Bytes of a frame up to its first field of varying size, with the header.
  public static var prefixSize: Int { @_noLocks get { 24 } }

  /// The time of the PING, unchanged. In nanoseconds.
  public var time: UInt64

  @_noLocks public init(time: UInt64) {
    self.time = time
  }

  /// Reads the body, which must have these fields and no more.
  @_noLocks public init(reader: inout FrameReader) throws(WireError) {
    let at = try reader.take(8)
    time = reader.loadUInt64(at)
    try reader.finish()
  }

  /// Writes the frame. False where it does not fit; then nothing is written.
  public func encode(
    into writer: inout FrameWriter, ref: UInt32 = 0, correlation: UInt32 = 0
  ) -> Bool {
    writer.beginFrame(Self.type, ref: ref, correlation: correlation)
    writer.append(time)
    return writer.endFrame()
  }

  /// Writes `prefixSize` bytes: the frame, with its header. The memory is the caller's business.
  @unsafe
  @_noLocks public func store(
    to memory: UnsafeMutableRawPointer, ref: UInt32 = 0, correlation: UInt32 = 0
  ) {
    let header = FrameHeader(
      length: 20, typeRaw: 0x04, ref: ref, correlation: correlation)
    unsafe header.store(to: memory)
    unsafe memory.store(time, at: 16)
  }
}

/// CLOSE: The last frame of a session. The sender closes its side after it.
public struct Close: Equatable, Sendable {
  public static var type: FrameType { @_noLocks get { .close } }
  /// Bytes of a frame up to its first field of varying size, with the header.
  public static var prefixSize: Int { @_noLocks get { 28 } }

  /// A close reason.
  public var reasonRaw: UInt16
  /// 1 where the same client may try again, else 0.
  public var retryable: Bool
  /// Not before this time. In milliseconds.
  public var retryAfterMs: UInt32
  /// Add a random time up to this, so that not all clients return at once. In milliseconds.
  public var spreadMs: UInt32
  /// A sentence for people.
  public var text: String

  /// Nil where the number that was received is not defined.
  public var reason: CloseReason? { @_noLocks get { CloseReason(rawValue: reasonRaw) } }

  public init(
    reason: CloseReason, retryable: Bool, retryAfterMs: UInt32 = 0, spreadMs: UInt32 = 0,
    text: String
  ) {
    self.reasonRaw = reason.rawValue
    self.retryable = retryable
    self.retryAfterMs = retryAfterMs
    self.spreadMs = spreadMs
    self.text = text
  }

  /// Reads the body, which must have these fields and no more.
  public init(reader: inout FrameReader) throws(WireError) {
    let at = try reader.take(12)
    reasonRaw = reader.loadUInt16(at)
    retryable = try reader.loadBool(at + 2)
    retryAfterMs = reader.loadUInt32(at + 4)
    spreadMs = reader.loadUInt32(at + 8)
    text = try reader.string16(max: 256)
    try reader.finish()
  }

  /// Writes the frame. False where it does not fit; then nothing is written.
  public func encode(
    into writer: inout FrameWriter, ref: UInt32 = 0, correlation: UInt32 = 0
  ) -> Bool {
    writer.beginFrame(Self.type, ref: ref, correlation: correlation)
    writer.append(reasonRaw)
    writer.append(retryable ? 1 : 0 as UInt8)
    writer.append(0 as UInt8)
    writer.append(retryAfterMs)
    writer.append(spreadMs)
    writer.append(string16: text, max: 256, clip: true)
    return writer.endFrame()
  }
}

/// ERROR: A request was refused. The session goes on.
public struct ErrorFrame: Equatable, Sendable {
  public static var type: FrameType { @_noLocks get { .error } }
  /// Bytes of a frame up to its first field of varying size, with the header.
  public static var prefixSize: Int { @_noLocks get { 20 } }

  /// An error code.
  public var codeRaw: UInt16
  /// 1 where the same request may succeed later, else 0.
  public var retryable: Bool
  /// A sentence for people.
  public var text: String

  /// Nil where the number that was received is not defined.
  public var code: ErrorCode? { @_noLocks get { ErrorCode(rawValue: codeRaw) } }

  public init(code: ErrorCode, retryable: Bool, text: String) {
    self.codeRaw = code.rawValue
    self.retryable = retryable
    self.text = text
  }

  /// Reads the body, which must have these fields and no more.
  public init(reader: inout FrameReader) throws(WireError) {
    let at = try reader.take(4)
    codeRaw = reader.loadUInt16(at)
    retryable = try reader.loadBool(at + 2)
    text = try reader.string16(max: 256)
    try reader.finish()
  }

  /// Writes the frame. False where it does not fit; then nothing is written.
  public func encode(into writer: inout FrameWriter, ref: UInt32, correlation: UInt32 = 0) -> Bool {
    writer.beginFrame(Self.type, ref: ref, correlation: correlation)
    writer.append(codeRaw)
    writer.append(retryable ? 1 : 0 as UInt8)
    writer.append(0 as UInt8)
    writer.append(string16: text, max: 256, clip: true)
    return writer.endFrame()
  }
}

/// OPEN_TOPIC: Opens a publisher on a topic; ref is the number the client gives it.
public struct OpenTopic: Equatable, Sendable {
  public static var type: FrameType { @_noLocks get { .openTopic } }
  /// Bytes of a frame up to its first field of varying size, with the header.
  public static var prefixSize: Int { @_noLocks get { 48 } }

  /// OpenMode.
  public var modeRaw: UInt8
  /// TopicOptions, where the topic is created.
  public var options: TopicOptions
  /// AckLevel for this publisher.
  public var ackLevelRaw: UInt8
  /// How long a subscription may hold back publishers of a block topic; 0 for the broker's default,
  /// which is blockTimeoutMs unless its operator says otherwise. In milliseconds.
  public var blockTimeoutMs: UInt32
  /// Events the ring keeps; 0 for no bound of this kind.
  public var retentionEvents: UInt64
  /// Bytes the ring keeps; 0 for the broker's default, which is topicRetentionBytes unless its
  /// operator says otherwise.
  public var retentionBytes: UInt64
  /// Age up to which the ring keeps events; 0 for no bound of this kind. In milliseconds.
  public var retentionMs: UInt64
  /// The topic's name.
  public var topic: String

  /// Nil where the number that was received is not defined.
  public var mode: OpenMode? { @_noLocks get { OpenMode(rawValue: modeRaw) } }

  /// Nil where the number that was received is not defined.
  public var ackLevel: AckLevel? { @_noLocks get { AckLevel(rawValue: ackLevelRaw) } }

  public init(
    mode: OpenMode, options: TopicOptions, ackLevel: AckLevel, blockTimeoutMs: UInt32 = 0,
    retentionEvents: UInt64 = 0, retentionBytes: UInt64 = 0, retentionMs: UInt64 = 0,
    topic: String
  ) {
    self.modeRaw = mode.rawValue
    self.options = options
    self.ackLevelRaw = ackLevel.rawValue
    self.blockTimeoutMs = blockTimeoutMs
    self.retentionEvents = retentionEvents
    self.retentionBytes = retentionBytes
    self.retentionMs = retentionMs
    self.topic = topic
  }

  /// Reads the body, which must have these fields and no more.
  public init(reader: inout FrameReader) throws(WireError) {
    let at = try reader.take(32)
    modeRaw = reader.loadUInt8(at)
    options = TopicOptions(rawValue: reader.loadUInt8(at + 1))
    ackLevelRaw = reader.loadUInt8(at + 2)
    blockTimeoutMs = reader.loadUInt32(at + 4)
    retentionEvents = reader.loadUInt64(at + 8)
    retentionBytes = reader.loadUInt64(at + 16)
    retentionMs = reader.loadUInt64(at + 24)
    topic = try reader.string16(max: 255)
    try reader.finish()
  }

  /// Writes the frame. False where it does not fit; then nothing is written.
  public func encode(into writer: inout FrameWriter, ref: UInt32, correlation: UInt32 = 0) -> Bool {
    writer.beginFrame(Self.type, ref: ref, correlation: correlation)
    writer.append(modeRaw)
    writer.append(options.rawValue)
    writer.append(ackLevelRaw)
    writer.append(0 as UInt8)
    writer.append(blockTimeoutMs)
    writer.append(retentionEvents)
    writer.append(retentionBytes)
    writer.append(retentionMs)
    writer.append(string16: topic, max: 255)
    return writer.endFrame()
  }
}

/// TOPIC: The publisher is open.
public struct Topic: Equatable, Sendable {
  public static var type: FrameType { @_noLocks get { .topic } }
  /// Bytes of a frame up to its first field of varying size, with the header.
  public static var prefixSize: Int { @_noLocks get { 48 } }

  /// The topic's id.
  public var topic: UInt32
  /// TopicOptions in force. With block, the publisher waits for PUBLISH_CREDIT.
  public var options: TopicOptions
  /// 1 where this request created the topic, else 0.
  public var created: Bool
  /// Identity of the topic's sequence space.
  public var epoch: UInt64
  /// Oldest sequence in the ring.
  public var firstSequence: UInt64
  /// Sequence that the next event will get.
  public var nextSequence: UInt64

  @_noLocks public init(
    topic: UInt32, options: TopicOptions, created: Bool, epoch: UInt64, firstSequence: UInt64,
    nextSequence: UInt64
  ) {
    self.topic = topic
    self.options = options
    self.created = created
    self.epoch = epoch
    self.firstSequence = firstSequence
    self.nextSequence = nextSequence
  }

  /// Reads the body, which must have these fields and no more.
  @_noLocks public init(reader: inout FrameReader) throws(WireError) {
    let at = try reader.take(32)
    topic = reader.loadUInt32(at)
    options = TopicOptions(rawValue: reader.loadUInt8(at + 4))
    created = try reader.loadBool(at + 5)
    epoch = reader.loadUInt64(at + 8)
    firstSequence = reader.loadUInt64(at + 16)
    nextSequence = reader.loadUInt64(at + 24)
    try reader.finish()
  }

  /// Writes the frame. False where it does not fit; then nothing is written.
  public func encode(into writer: inout FrameWriter, ref: UInt32, correlation: UInt32 = 0) -> Bool {
    writer.beginFrame(Self.type, ref: ref, correlation: correlation)
    writer.append(topic)
    writer.append(options.rawValue)
    writer.append(created ? 1 : 0 as UInt8)
    writer.append(0 as UInt16)
    writer.append(epoch)
    writer.append(firstSequence)
    writer.append(nextSequence)
    return writer.endFrame()
  }

  /// Writes `prefixSize` bytes: the frame, with its header. The memory is the caller's business.
  @unsafe
  @_noLocks public func store(
    to memory: UnsafeMutableRawPointer, ref: UInt32, correlation: UInt32 = 0
  ) {
    let header = FrameHeader(
      length: 44, typeRaw: 0x11, ref: ref, correlation: correlation)
    unsafe header.store(to: memory)
    unsafe memory.store(topic, at: 16)
    unsafe memory.store(options.rawValue, at: 20)
    unsafe memory.store(created ? 1 : 0 as UInt8, at: 21)
    unsafe memory.store(0 as UInt16, at: 22)
    unsafe memory.store(epoch, at: 24)
    unsafe memory.store(firstSequence, at: 32)
    unsafe memory.store(nextSequence, at: 40)
  }
}

/// PUBLISH: A run of one or more batches for the publisher's topic.
public struct Publish: Equatable, Sendable {
  public static var type: FrameType { @_noLocks get { .publish } }
  /// Bytes of a frame up to its first field of varying size, with the header.
  public static var prefixSize: Int { @_noLocks get { 16 } }

  /// Batches, each padded with zero bytes to a multiple of 8. As offsets from the start of the
  /// frame.
  public var batches: Range<Int>

  @_noLocks public init() {
    self.batches = 0..<0
  }

  /// Reads the body, which must have these fields and no more.
  @_noLocks public init(reader: inout FrameReader) throws(WireError) {
    batches = reader.takeRest()
    try reader.finish()
  }

  /// Writes the frame. False where it does not fit; then nothing is written.
  public func encode(
    into writer: inout FrameWriter, ref: UInt32, correlation: UInt32 = 0, batches: RawSpan
  ) -> Bool {
    writer.beginFrame(Self.type, ref: ref, correlation: correlation)
    writer.append(batches)
    return writer.endFrame()
  }

  /// Writes everything before `batches` and a header that counts `restCount` bytes after it, which
  /// the caller sends from where they are. False where it does not fit.
  public func encodePrefix(
    into writer: inout FrameWriter, ref: UInt32, correlation: UInt32 = 0, restCount: Int
  ) -> Bool {
    writer.beginFrame(Self.type, ref: ref, correlation: correlation)
    return writer.endFrame(followedBy: restCount)
  }

  /// Writes `prefixSize` bytes: the frame up to `batches`, with a header that counts `restCount`
  /// bytes after it. The memory is the caller's business.
  @unsafe
  @_noLocks public func store(
    to memory: UnsafeMutableRawPointer, ref: UInt32, correlation: UInt32 = 0, restCount: Int
  ) {
    let header = FrameHeader(
      length: UInt32(12 + restCount), typeRaw: 0x12, ref: ref, correlation: correlation)
    unsafe header.store(to: memory)
  }
}

/// ACK: All events of the publisher up to and with through are accepted. Cumulative.
public struct Ack: Equatable, Sendable {
  public static var type: FrameType { @_noLocks get { .ack } }
  /// Bytes of a frame up to its first field of varying size, with the header.
  public static var prefixSize: Int { @_noLocks get { 40 } }

  /// AckLevel.
  public var levelRaw: UInt8
  /// Publisher sequence of the last event that is acknowledged.
  public var through: UInt64
  /// The topic sequence that this event got.
  public var sequence: UInt64

  /// Nil where the number that was received is not defined.
  public var level: AckLevel? { @_noLocks get { AckLevel(rawValue: levelRaw) } }

  @_noLocks public init(level: AckLevel, through: UInt64, sequence: UInt64) {
    self.levelRaw = level.rawValue
    self.through = through
    self.sequence = sequence
  }

  /// Reads the body, which must have these fields and no more.
  @_noLocks public init(reader: inout FrameReader) throws(WireError) {
    let at = try reader.take(24)
    levelRaw = reader.loadUInt8(at)
    through = reader.loadUInt64(at + 8)
    sequence = reader.loadUInt64(at + 16)
    try reader.finish()
  }

  /// Writes the frame. False where it does not fit; then nothing is written.
  public func encode(into writer: inout FrameWriter, ref: UInt32, correlation: UInt32 = 0) -> Bool {
    writer.beginFrame(Self.type, ref: ref, correlation: correlation)
    writer.append(levelRaw)
    writer.append(0 as UInt8)
    writer.append(0 as UInt16)
    writer.append(0 as UInt32)
    writer.append(through)
    writer.append(sequence)
    return writer.endFrame()
  }

  /// Writes `prefixSize` bytes: the frame, with its header. The memory is the caller's business.
  @unsafe
  @_noLocks public func store(
    to memory: UnsafeMutableRawPointer, ref: UInt32, correlation: UInt32 = 0
  ) {
    let header = FrameHeader(
      length: 36, typeRaw: 0x13, ref: ref, correlation: correlation)
    unsafe header.store(to: memory)
    unsafe memory.store(levelRaw, at: 16)
    unsafe memory.store(0 as UInt8, at: 17)
    unsafe memory.store(0 as UInt16, at: 18)
    unsafe memory.store(0 as UInt32, at: 20)
    unsafe memory.store(through, at: 24)
    unsafe memory.store(sequence, at: 32)
  }
}

/// PUBLISH_CREDIT: What the publisher may have sent in all since it was opened.
public struct PublishCredit: Equatable, Sendable {
  public static var type: FrameType { @_noLocks get { .publishCredit } }
  /// Bytes of a frame up to its first field of varying size, with the header.
  public static var prefixSize: Int { @_noLocks get { 32 } }

  /// Events, as a running total that only rises.
  public var eventsTotal: UInt64
  /// Charged bytes, as a running total that only rises.
  public var bytesTotal: UInt64

  @_noLocks public init(eventsTotal: UInt64, bytesTotal: UInt64) {
    self.eventsTotal = eventsTotal
    self.bytesTotal = bytesTotal
  }

  /// Reads the body, which must have these fields and no more.
  @_noLocks public init(reader: inout FrameReader) throws(WireError) {
    let at = try reader.take(16)
    eventsTotal = reader.loadUInt64(at)
    bytesTotal = reader.loadUInt64(at + 8)
    try reader.finish()
  }

  /// Writes the frame. False where it does not fit; then nothing is written.
  public func encode(into writer: inout FrameWriter, ref: UInt32, correlation: UInt32 = 0) -> Bool {
    writer.beginFrame(Self.type, ref: ref, correlation: correlation)
    writer.append(eventsTotal)
    writer.append(bytesTotal)
    return writer.endFrame()
  }

  /// Writes `prefixSize` bytes: the frame, with its header. The memory is the caller's business.
  @unsafe
  @_noLocks public func store(
    to memory: UnsafeMutableRawPointer, ref: UInt32, correlation: UInt32 = 0
  ) {
    let header = FrameHeader(
      length: 28, typeRaw: 0x14, ref: ref, correlation: correlation)
    unsafe header.store(to: memory)
    unsafe memory.store(eventsTotal, at: 16)
    unsafe memory.store(bytesTotal, at: 24)
  }
}

/// CLOSE_TOPIC: Closes the publisher. What it published before stays published.
public struct CloseTopic: Equatable, Sendable {
  public static var type: FrameType { @_noLocks get { .closeTopic } }
  /// Bytes of a frame up to its first field of varying size, with the header.
  public static var prefixSize: Int { @_noLocks get { 16 } }

  @_noLocks public init() {
  }

  /// Reads the body, which must have these fields and no more.
  @_noLocks public init(reader: inout FrameReader) throws(WireError) {
    try reader.finish()
  }

  /// Writes the frame. False where it does not fit; then nothing is written.
  public func encode(into writer: inout FrameWriter, ref: UInt32, correlation: UInt32 = 0) -> Bool {
    writer.beginFrame(Self.type, ref: ref, correlation: correlation)
    return writer.endFrame()
  }

  /// Writes `prefixSize` bytes: the frame, with its header. The memory is the caller's business.
  @unsafe
  @_noLocks public func store(
    to memory: UnsafeMutableRawPointer, ref: UInt32, correlation: UInt32 = 0
  ) {
    let header = FrameHeader(
      length: 12, typeRaw: 0x15, ref: ref, correlation: correlation)
    unsafe header.store(to: memory)
  }
}

/// TOPIC_CLOSED: The publisher is closed; every event before CLOSE_TOPIC is accepted, and ACKs that
/// were due have been sent.
public struct TopicClosed: Equatable, Sendable {
  public static var type: FrameType { @_noLocks get { .topicClosed } }
  /// Bytes of a frame up to its first field of varying size, with the header.
  public static var prefixSize: Int { @_noLocks get { 16 } }

  @_noLocks public init() {
  }

  /// Reads the body, which must have these fields and no more.
  @_noLocks public init(reader: inout FrameReader) throws(WireError) {
    try reader.finish()
  }

  /// Writes the frame. False where it does not fit; then nothing is written.
  public func encode(into writer: inout FrameWriter, ref: UInt32, correlation: UInt32 = 0) -> Bool {
    writer.beginFrame(Self.type, ref: ref, correlation: correlation)
    return writer.endFrame()
  }

  /// Writes `prefixSize` bytes: the frame, with its header. The memory is the caller's business.
  @unsafe
  @_noLocks public func store(
    to memory: UnsafeMutableRawPointer, ref: UInt32, correlation: UInt32 = 0
  ) {
    let header = FrameHeader(
      length: 12, typeRaw: 0x16, ref: ref, correlation: correlation)
    unsafe header.store(to: memory)
  }
}

/// SUBSCRIBE: Opens a subscription; ref is the number the client gives it.
public struct Subscribe: Equatable, Sendable {
  public static var type: FrameType { @_noLocks get { .subscribe } }
  /// Bytes of a frame up to its first field of varying size, with the header.
  public static var prefixSize: Int { @_noLocks get { 64 } }

  /// Policy.
  public var policyRaw: UInt8
  /// Start.
  public var startRaw: UInt8
  /// Share of turns among the session's subscriptions, 1 to 16; 0 is 1.
  public var weight: UInt8
  /// Number of entries in positions, which has exactly so many.
  public var positionsCount: UInt32
  /// A sequence or a time, as start says; else 0.
  public var startValue: UInt64
  /// Lag bound in events for drop-oldest and disconnect; 0 for none.
  public var lagEventsMax: UInt64
  /// Lag bound in charged bytes for drop-oldest and disconnect; 0 for none.
  public var lagBytesMax: UInt64
  /// First credit, in events.
  public var eventsTotal: UInt64
  /// First credit, in charged bytes.
  public var bytesTotal: UInt64
  /// Which topics.
  public var pattern: String
  /// For a resumed subscription, per topic where to go on: entries of topic u32, reserved u32 (0),
  /// sequence u64 (the next one wanted). They overrule start. As offsets from the start of the
  /// frame.
  public var positions: Range<Int>

  /// Nil where the number that was received is not defined.
  public var policy: Policy? { @_noLocks get { Policy(rawValue: policyRaw) } }

  /// Nil where the number that was received is not defined.
  public var start: Start? { @_noLocks get { Start(rawValue: startRaw) } }

  public init(
    policy: Policy, start: Start, weight: UInt8 = 0, positionsCount: UInt32 = 0,
    startValue: UInt64 = 0, lagEventsMax: UInt64 = 0, lagBytesMax: UInt64 = 0,
    eventsTotal: UInt64, bytesTotal: UInt64, pattern: String
  ) {
    self.policyRaw = policy.rawValue
    self.startRaw = start.rawValue
    self.weight = weight
    self.positionsCount = positionsCount
    self.startValue = startValue
    self.lagEventsMax = lagEventsMax
    self.lagBytesMax = lagBytesMax
    self.eventsTotal = eventsTotal
    self.bytesTotal = bytesTotal
    self.pattern = pattern
    self.positions = 0..<0
  }

  /// Reads the body, which must have these fields and no more.
  public init(reader: inout FrameReader) throws(WireError) {
    let at = try reader.take(48)
    policyRaw = reader.loadUInt8(at)
    startRaw = reader.loadUInt8(at + 1)
    weight = reader.loadUInt8(at + 2)
    positionsCount = reader.loadUInt32(at + 4)
    startValue = reader.loadUInt64(at + 8)
    lagEventsMax = reader.loadUInt64(at + 16)
    lagBytesMax = reader.loadUInt64(at + 24)
    eventsTotal = reader.loadUInt64(at + 32)
    bytesTotal = reader.loadUInt64(at + 40)
    pattern = try reader.string16(max: 255)
    positions = reader.takeRest()
    try reader.expect(positions, Int(positionsCount), of: 16)
    try reader.finish()
  }

  /// Writes the frame. False where it does not fit; then nothing is written.
  public func encode(
    into writer: inout FrameWriter, ref: UInt32, correlation: UInt32 = 0, positions: RawSpan
  ) -> Bool {
    writer.beginFrame(Self.type, ref: ref, correlation: correlation)
    writer.append(policyRaw)
    writer.append(startRaw)
    writer.append(weight)
    writer.append(0 as UInt8)
    writer.append(positionsCount)
    writer.append(startValue)
    writer.append(lagEventsMax)
    writer.append(lagBytesMax)
    writer.append(eventsTotal)
    writer.append(bytesTotal)
    writer.append(string16: pattern, max: 255)
    writer.append(positions)
    return writer.endFrame()
  }

  /// Writes everything before `positions` and a header that counts `restCount` bytes after it,
  /// which the caller sends from where they are. False where it does not fit.
  public func encodePrefix(
    into writer: inout FrameWriter, ref: UInt32, correlation: UInt32 = 0, restCount: Int
  ) -> Bool {
    writer.beginFrame(Self.type, ref: ref, correlation: correlation)
    writer.append(policyRaw)
    writer.append(startRaw)
    writer.append(weight)
    writer.append(0 as UInt8)
    writer.append(positionsCount)
    writer.append(startValue)
    writer.append(lagEventsMax)
    writer.append(lagBytesMax)
    writer.append(eventsTotal)
    writer.append(bytesTotal)
    writer.append(string16: pattern, max: 255)
    return writer.endFrame(followedBy: restCount)
  }
}

/// SUBSCRIBED: The subscription is open; every event published from now on to a topic it matches
/// counts.
public struct Subscribed: Equatable, Sendable {
  public static var type: FrameType { @_noLocks get { .subscribed } }
  /// Bytes of a frame up to its first field of varying size, with the header.
  public static var prefixSize: Int { @_noLocks get { 24 } }

  /// Topics that match now.
  public var topics: UInt32
  /// Policy in force.
  public var policyRaw: UInt8

  /// Nil where the number that was received is not defined.
  public var policy: Policy? { @_noLocks get { Policy(rawValue: policyRaw) } }

  @_noLocks public init(topics: UInt32, policy: Policy) {
    self.topics = topics
    self.policyRaw = policy.rawValue
  }

  /// Reads the body, which must have these fields and no more.
  @_noLocks public init(reader: inout FrameReader) throws(WireError) {
    let at = try reader.take(8)
    topics = reader.loadUInt32(at)
    policyRaw = reader.loadUInt8(at + 4)
    try reader.finish()
  }

  /// Writes the frame. False where it does not fit; then nothing is written.
  public func encode(into writer: inout FrameWriter, ref: UInt32, correlation: UInt32 = 0) -> Bool {
    writer.beginFrame(Self.type, ref: ref, correlation: correlation)
    writer.append(topics)
    writer.append(policyRaw)
    writer.append(0 as UInt8)
    writer.append(0 as UInt16)
    return writer.endFrame()
  }

  /// Writes `prefixSize` bytes: the frame, with its header. The memory is the caller's business.
  @unsafe
  @_noLocks public func store(
    to memory: UnsafeMutableRawPointer, ref: UInt32, correlation: UInt32 = 0
  ) {
    let header = FrameHeader(
      length: 20, typeRaw: 0x21, ref: ref, correlation: correlation)
    unsafe header.store(to: memory)
    unsafe memory.store(topics, at: 16)
    unsafe memory.store(policyRaw, at: 20)
    unsafe memory.store(0 as UInt8, at: 21)
    unsafe memory.store(0 as UInt16, at: 22)
  }
}

/// UNSUBSCRIBE: Closes the subscription.
public struct Unsubscribe: Equatable, Sendable {
  public static var type: FrameType { @_noLocks get { .unsubscribe } }
  /// Bytes of a frame up to its first field of varying size, with the header.
  public static var prefixSize: Int { @_noLocks get { 16 } }

  @_noLocks public init() {
  }

  /// Reads the body, which must have these fields and no more.
  @_noLocks public init(reader: inout FrameReader) throws(WireError) {
    try reader.finish()
  }

  /// Writes the frame. False where it does not fit; then nothing is written.
  public func encode(into writer: inout FrameWriter, ref: UInt32, correlation: UInt32 = 0) -> Bool {
    writer.beginFrame(Self.type, ref: ref, correlation: correlation)
    return writer.endFrame()
  }

  /// Writes `prefixSize` bytes: the frame, with its header. The memory is the caller's business.
  @unsafe
  @_noLocks public func store(
    to memory: UnsafeMutableRawPointer, ref: UInt32, correlation: UInt32 = 0
  ) {
    let header = FrameHeader(
      length: 12, typeRaw: 0x22, ref: ref, correlation: correlation)
    unsafe header.store(to: memory)
  }
}

/// UNSUBSCRIBED: The subscription is closed, and nothing of it follows. Its closing account:
/// matched = delivered + dropped + expired + closed + what PASSED has told.
public struct Unsubscribed: Equatable, Sendable {
  public static var type: FrameType { @_noLocks get { .unsubscribed } }
  /// Bytes of a frame up to its first field of varying size, with the header.
  public static var prefixSize: Int { @_noLocks get { 56 } }

  /// Events that matched.
  public var matchedEvents: UInt64
  /// Events delivered.
  public var deliveredEvents: UInt64
  /// Events lost, all causes but expiry; each was in a GAP.
  public var droppedEvents: UInt64
  /// Events whose time to live was over; each was in a GAP.
  public var expiredEvents: UInt64
  /// Events that were still pending.
  public var closedEvents: UInt64

  @_noLocks public init(
    matchedEvents: UInt64, deliveredEvents: UInt64, droppedEvents: UInt64, expiredEvents: UInt64,
    closedEvents: UInt64
  ) {
    self.matchedEvents = matchedEvents
    self.deliveredEvents = deliveredEvents
    self.droppedEvents = droppedEvents
    self.expiredEvents = expiredEvents
    self.closedEvents = closedEvents
  }

  /// Reads the body, which must have these fields and no more.
  @_noLocks public init(reader: inout FrameReader) throws(WireError) {
    let at = try reader.take(40)
    matchedEvents = reader.loadUInt64(at)
    deliveredEvents = reader.loadUInt64(at + 8)
    droppedEvents = reader.loadUInt64(at + 16)
    expiredEvents = reader.loadUInt64(at + 24)
    closedEvents = reader.loadUInt64(at + 32)
    try reader.finish()
  }

  /// Writes the frame. False where it does not fit; then nothing is written.
  public func encode(into writer: inout FrameWriter, ref: UInt32, correlation: UInt32 = 0) -> Bool {
    writer.beginFrame(Self.type, ref: ref, correlation: correlation)
    writer.append(matchedEvents)
    writer.append(deliveredEvents)
    writer.append(droppedEvents)
    writer.append(expiredEvents)
    writer.append(closedEvents)
    return writer.endFrame()
  }

  /// Writes `prefixSize` bytes: the frame, with its header. The memory is the caller's business.
  @unsafe
  @_noLocks public func store(
    to memory: UnsafeMutableRawPointer, ref: UInt32, correlation: UInt32 = 0
  ) {
    let header = FrameHeader(
      length: 52, typeRaw: 0x23, ref: ref, correlation: correlation)
    unsafe header.store(to: memory)
    unsafe memory.store(matchedEvents, at: 16)
    unsafe memory.store(deliveredEvents, at: 24)
    unsafe memory.store(droppedEvents, at: 32)
    unsafe memory.store(expiredEvents, at: 40)
    unsafe memory.store(closedEvents, at: 48)
  }
}

/// CREDIT: What the subscription may have been delivered in all since it was opened.
public struct Credit: Equatable, Sendable {
  public static var type: FrameType { @_noLocks get { .credit } }
  /// Bytes of a frame up to its first field of varying size, with the header.
  public static var prefixSize: Int { @_noLocks get { 32 } }

  /// Events, as a running total that only rises.
  public var eventsTotal: UInt64
  /// Charged bytes, as a running total that only rises.
  public var bytesTotal: UInt64

  @_noLocks public init(eventsTotal: UInt64, bytesTotal: UInt64) {
    self.eventsTotal = eventsTotal
    self.bytesTotal = bytesTotal
  }

  /// Reads the body, which must have these fields and no more.
  @_noLocks public init(reader: inout FrameReader) throws(WireError) {
    let at = try reader.take(16)
    eventsTotal = reader.loadUInt64(at)
    bytesTotal = reader.loadUInt64(at + 8)
    try reader.finish()
  }

  /// Writes the frame. False where it does not fit; then nothing is written.
  public func encode(into writer: inout FrameWriter, ref: UInt32, correlation: UInt32 = 0) -> Bool {
    writer.beginFrame(Self.type, ref: ref, correlation: correlation)
    writer.append(eventsTotal)
    writer.append(bytesTotal)
    return writer.endFrame()
  }

  /// Writes `prefixSize` bytes: the frame, with its header. The memory is the caller's business.
  @unsafe
  @_noLocks public func store(
    to memory: UnsafeMutableRawPointer, ref: UInt32, correlation: UInt32 = 0
  ) {
    let header = FrameHeader(
      length: 28, typeRaw: 0x24, ref: ref, correlation: correlation)
    unsafe header.store(to: memory)
    unsafe memory.store(eventsTotal, at: 16)
    unsafe memory.store(bytesTotal, at: 24)
  }
}

/// DELIVER: A run of one or more batches of one topic, in the topic's order, with no gap between
/// them.
public struct Deliver: Equatable, Sendable {
  public static var type: FrameType { @_noLocks get { .deliver } }
  /// Bytes of a frame up to its first field of varying size, with the header.
  public static var prefixSize: Int { @_noLocks get { 24 } }

  /// The topic's id, which a TOPIC_INFO has named before.
  public var topic: UInt32
  /// How many events at the start of the first batch are not part of this delivery.
  public var skip: UInt32
  /// Batches, each padded with zero bytes to a multiple of 8. As offsets from the start of the
  /// frame.
  public var batches: Range<Int>

  @_noLocks public init(topic: UInt32, skip: UInt32 = 0) {
    self.topic = topic
    self.skip = skip
    self.batches = 0..<0
  }

  /// Reads the body, which must have these fields and no more.
  @_noLocks public init(reader: inout FrameReader) throws(WireError) {
    let at = try reader.take(8)
    topic = reader.loadUInt32(at)
    skip = reader.loadUInt32(at + 4)
    batches = reader.takeRest()
    try reader.finish()
  }

  /// Writes the frame. False where it does not fit; then nothing is written.
  public func encode(
    into writer: inout FrameWriter, ref: UInt32, correlation: UInt32 = 0, batches: RawSpan
  ) -> Bool {
    writer.beginFrame(Self.type, ref: ref, correlation: correlation)
    writer.append(topic)
    writer.append(skip)
    writer.append(batches)
    return writer.endFrame()
  }

  /// Writes everything before `batches` and a header that counts `restCount` bytes after it, which
  /// the caller sends from where they are. False where it does not fit.
  public func encodePrefix(
    into writer: inout FrameWriter, ref: UInt32, correlation: UInt32 = 0, restCount: Int
  ) -> Bool {
    writer.beginFrame(Self.type, ref: ref, correlation: correlation)
    writer.append(topic)
    writer.append(skip)
    return writer.endFrame(followedBy: restCount)
  }

  /// Writes `prefixSize` bytes: the frame up to `batches`, with a header that counts `restCount`
  /// bytes after it. The memory is the caller's business.
  @unsafe
  @_noLocks public func store(
    to memory: UnsafeMutableRawPointer, ref: UInt32, correlation: UInt32 = 0, restCount: Int
  ) {
    let header = FrameHeader(
      length: UInt32(20 + restCount), typeRaw: 0x25, ref: ref, correlation: correlation)
    unsafe header.store(to: memory)
    unsafe memory.store(topic, at: 16)
    unsafe memory.store(skip, at: 20)
  }
}

/// GAP: Events that matched and will not be delivered, at their place in the order.
public struct Gap: Equatable, Sendable {
  public static var type: FrameType { @_noLocks get { .gap } }
  /// Bytes of a frame up to its first field of varying size, with the header.
  public static var prefixSize: Int { @_noLocks get { 56 } }

  /// The topic's id.
  public var topic: UInt32
  /// GapCause.
  public var causeRaw: UInt8
  /// First sequence that is missing.
  public var first: UInt64
  /// Last sequence that is missing.
  public var last: UInt64
  /// How many events are missing.
  public var count: UInt64
  /// Their charged bytes; 0 where they are not known (notRetained).
  public var bytes: UInt64

  /// Nil where the number that was received is not defined.
  public var cause: GapCause? { @_noLocks get { GapCause(rawValue: causeRaw) } }

  @_noLocks public init(
    topic: UInt32, cause: GapCause, first: UInt64, last: UInt64, count: UInt64, bytes: UInt64
  ) {
    self.topic = topic
    self.causeRaw = cause.rawValue
    self.first = first
    self.last = last
    self.count = count
    self.bytes = bytes
  }

  /// Reads the body, which must have these fields and no more.
  @_noLocks public init(reader: inout FrameReader) throws(WireError) {
    let at = try reader.take(40)
    topic = reader.loadUInt32(at)
    causeRaw = reader.loadUInt8(at + 4)
    first = reader.loadUInt64(at + 8)
    last = reader.loadUInt64(at + 16)
    count = reader.loadUInt64(at + 24)
    bytes = reader.loadUInt64(at + 32)
    try reader.finish()
  }

  /// Writes the frame. False where it does not fit; then nothing is written.
  public func encode(into writer: inout FrameWriter, ref: UInt32, correlation: UInt32 = 0) -> Bool {
    writer.beginFrame(Self.type, ref: ref, correlation: correlation)
    writer.append(topic)
    writer.append(causeRaw)
    writer.append(0 as UInt8)
    writer.append(0 as UInt16)
    writer.append(first)
    writer.append(last)
    writer.append(count)
    writer.append(bytes)
    return writer.endFrame()
  }

  /// Writes `prefixSize` bytes: the frame, with its header. The memory is the caller's business.
  @unsafe
  @_noLocks public func store(
    to memory: UnsafeMutableRawPointer, ref: UInt32, correlation: UInt32 = 0
  ) {
    let header = FrameHeader(
      length: 52, typeRaw: 0x26, ref: ref, correlation: correlation)
    unsafe header.store(to: memory)
    unsafe memory.store(topic, at: 16)
    unsafe memory.store(causeRaw, at: 20)
    unsafe memory.store(0 as UInt8, at: 21)
    unsafe memory.store(0 as UInt16, at: 22)
    unsafe memory.store(first, at: 24)
    unsafe memory.store(last, at: 32)
    unsafe memory.store(count, at: 40)
    unsafe memory.store(bytes, at: 48)
  }
}

/// TOPIC_INFO: Names a topic id, before the first DELIVER or GAP of the session that uses it. May
/// be repeated.
public struct TopicInfo: Equatable, Sendable {
  public static var type: FrameType { @_noLocks get { .topicInfo } }
  /// Bytes of a frame up to its first field of varying size, with the header.
  public static var prefixSize: Int { @_noLocks get { 32 } }

  /// The topic's id.
  public var topic: UInt32
  /// TopicOptions.
  public var options: TopicOptions
  /// Identity of the topic's sequence space.
  public var epoch: UInt64
  /// The topic's name.
  public var name: String

  public init(topic: UInt32, options: TopicOptions, epoch: UInt64, name: String) {
    self.topic = topic
    self.options = options
    self.epoch = epoch
    self.name = name
  }

  /// Reads the body, which must have these fields and no more.
  public init(reader: inout FrameReader) throws(WireError) {
    let at = try reader.take(16)
    topic = reader.loadUInt32(at)
    options = TopicOptions(rawValue: reader.loadUInt8(at + 4))
    epoch = reader.loadUInt64(at + 8)
    name = try reader.string16(max: 255)
    try reader.finish()
  }

  /// Writes the frame. False where it does not fit; then nothing is written.
  public func encode(
    into writer: inout FrameWriter, ref: UInt32 = 0, correlation: UInt32 = 0
  ) -> Bool {
    writer.beginFrame(Self.type, ref: ref, correlation: correlation)
    writer.append(topic)
    writer.append(options.rawValue)
    writer.append(0 as UInt8)
    writer.append(0 as UInt16)
    writer.append(epoch)
    writer.append(string16: name, max: 255)
    return writer.endFrame()
  }
}

/// SET_POLICY: Changes the subscription's policy and its bounds, from where it stands.
public struct SetPolicy: Equatable, Sendable {
  public static var type: FrameType { @_noLocks get { .setPolicy } }
  /// Bytes of a frame up to its first field of varying size, with the header.
  public static var prefixSize: Int { @_noLocks get { 48 } }

  /// Policy.
  public var policyRaw: UInt8
  /// With sample: events whose sequence is a multiple of it are delivered; 0 is 1.
  public var sampleEvery: UInt32
  /// As in SUBSCRIBE.
  public var lagEventsMax: UInt64
  /// As in SUBSCRIBE. In charged bytes.
  public var lagBytesMax: UInt64
  /// Age of an event beyond which drop-oldest drops it, latest and sample do not deliver it, and
  /// disconnect ends the session where nothing can be sent; 0 for none. In milliseconds.
  public var lagMsMax: UInt32
  /// With disconnect: how long the subscription may be without credit while something is pending; 0
  /// for no bound. In milliseconds.
  public var noCreditMsMax: UInt32

  /// Nil where the number that was received is not defined.
  public var policy: Policy? { @_noLocks get { Policy(rawValue: policyRaw) } }

  @_noLocks public init(
    policy: Policy, sampleEvery: UInt32 = 0, lagEventsMax: UInt64 = 0, lagBytesMax: UInt64 = 0,
    lagMsMax: UInt32 = 0, noCreditMsMax: UInt32 = 0
  ) {
    self.policyRaw = policy.rawValue
    self.sampleEvery = sampleEvery
    self.lagEventsMax = lagEventsMax
    self.lagBytesMax = lagBytesMax
    self.lagMsMax = lagMsMax
    self.noCreditMsMax = noCreditMsMax
  }

  /// Reads the body, which must have these fields and no more.
  @_noLocks public init(reader: inout FrameReader) throws(WireError) {
    let at = try reader.take(32)
    policyRaw = reader.loadUInt8(at)
    sampleEvery = reader.loadUInt32(at + 4)
    lagEventsMax = reader.loadUInt64(at + 8)
    lagBytesMax = reader.loadUInt64(at + 16)
    lagMsMax = reader.loadUInt32(at + 24)
    noCreditMsMax = reader.loadUInt32(at + 28)
    try reader.finish()
  }

  /// Writes the frame. False where it does not fit; then nothing is written.
  public func encode(into writer: inout FrameWriter, ref: UInt32, correlation: UInt32 = 0) -> Bool {
    writer.beginFrame(Self.type, ref: ref, correlation: correlation)
    writer.append(policyRaw)
    writer.append(0 as UInt8)
    writer.append(0 as UInt16)
    writer.append(sampleEvery)
    writer.append(lagEventsMax)
    writer.append(lagBytesMax)
    writer.append(lagMsMax)
    writer.append(noCreditMsMax)
    return writer.endFrame()
  }

  /// Writes `prefixSize` bytes: the frame, with its header. The memory is the caller's business.
  @unsafe
  @_noLocks public func store(
    to memory: UnsafeMutableRawPointer, ref: UInt32, correlation: UInt32 = 0
  ) {
    let header = FrameHeader(
      length: 44, typeRaw: 0x28, ref: ref, correlation: correlation)
    unsafe header.store(to: memory)
    unsafe memory.store(policyRaw, at: 16)
    unsafe memory.store(0 as UInt8, at: 17)
    unsafe memory.store(0 as UInt16, at: 18)
    unsafe memory.store(sampleEvery, at: 20)
    unsafe memory.store(lagEventsMax, at: 24)
    unsafe memory.store(lagBytesMax, at: 32)
    unsafe memory.store(lagMsMax, at: 40)
    unsafe memory.store(noCreditMsMax, at: 44)
  }
}

/// POLICY_SET: The policy is in force for everything that follows.
public struct PolicySet: Equatable, Sendable {
  public static var type: FrameType { @_noLocks get { .policySet } }
  /// Bytes of a frame up to its first field of varying size, with the header.
  public static var prefixSize: Int { @_noLocks get { 20 } }

  /// Policy in force.
  public var policyRaw: UInt8

  /// Nil where the number that was received is not defined.
  public var policy: Policy? { @_noLocks get { Policy(rawValue: policyRaw) } }

  @_noLocks public init(policy: Policy) {
    self.policyRaw = policy.rawValue
  }

  /// Reads the body, which must have these fields and no more.
  @_noLocks public init(reader: inout FrameReader) throws(WireError) {
    let at = try reader.take(4)
    policyRaw = reader.loadUInt8(at)
    try reader.finish()
  }

  /// Writes the frame. False where it does not fit; then nothing is written.
  public func encode(into writer: inout FrameWriter, ref: UInt32, correlation: UInt32 = 0) -> Bool {
    writer.beginFrame(Self.type, ref: ref, correlation: correlation)
    writer.append(policyRaw)
    writer.append(0 as UInt8)
    writer.append(0 as UInt16)
    return writer.endFrame()
  }

  /// Writes `prefixSize` bytes: the frame, with its header. The memory is the caller's business.
  @unsafe
  @_noLocks public func store(
    to memory: UnsafeMutableRawPointer, ref: UInt32, correlation: UInt32 = 0
  ) {
    let header = FrameHeader(
      length: 16, typeRaw: 0x29, ref: ref, correlation: correlation)
    unsafe header.store(to: memory)
    unsafe memory.store(policyRaw, at: 16)
    unsafe memory.store(0 as UInt8, at: 17)
    unsafe memory.store(0 as UInt16, at: 18)
  }
}

/// DELIVER_SELECTED: Batches of one topic of which the policy has left events out; each has its own
/// sequence, and PASSED closes the account.
public struct DeliverSelected: Equatable, Sendable {
  public static var type: FrameType { @_noLocks get { .deliverSelected } }
  /// Bytes of a frame up to its first field of varying size, with the header.
  public static var prefixSize: Int { @_noLocks get { 24 } }

  /// The topic's id, which a TOPIC_INFO has named before.
  public var topic: UInt32
  /// Uncompressed batches of one event, each padded with zero bytes to a multiple of 8. As offsets
  /// from the start of the frame.
  public var batches: Range<Int>

  @_noLocks public init(topic: UInt32) {
    self.topic = topic
    self.batches = 0..<0
  }

  /// Reads the body, which must have these fields and no more.
  @_noLocks public init(reader: inout FrameReader) throws(WireError) {
    let at = try reader.take(8)
    topic = reader.loadUInt32(at)
    batches = reader.takeRest()
    try reader.finish()
  }

  /// Writes the frame. False where it does not fit; then nothing is written.
  public func encode(
    into writer: inout FrameWriter, ref: UInt32, correlation: UInt32 = 0, batches: RawSpan
  ) -> Bool {
    writer.beginFrame(Self.type, ref: ref, correlation: correlation)
    writer.append(topic)
    writer.append(0 as UInt32)
    writer.append(batches)
    return writer.endFrame()
  }

  /// Writes everything before `batches` and a header that counts `restCount` bytes after it, which
  /// the caller sends from where they are. False where it does not fit.
  public func encodePrefix(
    into writer: inout FrameWriter, ref: UInt32, correlation: UInt32 = 0, restCount: Int
  ) -> Bool {
    writer.beginFrame(Self.type, ref: ref, correlation: correlation)
    writer.append(topic)
    writer.append(0 as UInt32)
    return writer.endFrame(followedBy: restCount)
  }

  /// Writes `prefixSize` bytes: the frame up to `batches`, with a header that counts `restCount`
  /// bytes after it. The memory is the caller's business.
  @unsafe
  @_noLocks public func store(
    to memory: UnsafeMutableRawPointer, ref: UInt32, correlation: UInt32 = 0, restCount: Int
  ) {
    let header = FrameHeader(
      length: UInt32(20 + restCount), typeRaw: 0x2A, ref: ref, correlation: correlation)
    unsafe header.store(to: memory)
    unsafe memory.store(topic, at: 16)
    unsafe memory.store(0 as UInt32, at: 20)
  }
}

/// PASSED: The subscription is through with these sequences of a topic: what DELIVER_SELECTED did
/// not bring of them will not come.
public struct Passed: Equatable, Sendable {
  public static var type: FrameType { @_noLocks get { .passed } }
  /// Bytes of a frame up to its first field of varying size, with the header.
  public static var prefixSize: Int { @_noLocks get { 72 } }

  /// The topic's id.
  public var topic: UInt32
  /// Why events were left out.
  public var kindRaw: UInt8
  /// First sequence; 0 where DELIVER_SELECTED has brought the whole state of the topic.
  public var first: UInt64
  /// Last sequence; the subscription goes on behind it.
  public var last: UInt64
  /// How many events that were pending have been left out.
  public var events: UInt64
  /// Their charged bytes.
  public var bytes: UInt64
  /// How many more were too old to be delivered.
  public var expiredEvents: UInt64
  /// Their charged bytes.
  public var expiredBytes: UInt64

  /// Nil where the number that was received is not defined.
  public var kind: LeftOut? { @_noLocks get { LeftOut(rawValue: kindRaw) } }

  @_noLocks public init(
    topic: UInt32, kind: LeftOut, first: UInt64, last: UInt64, events: UInt64, bytes: UInt64,
    expiredEvents: UInt64, expiredBytes: UInt64
  ) {
    self.topic = topic
    self.kindRaw = kind.rawValue
    self.first = first
    self.last = last
    self.events = events
    self.bytes = bytes
    self.expiredEvents = expiredEvents
    self.expiredBytes = expiredBytes
  }

  /// Reads the body, which must have these fields and no more.
  @_noLocks public init(reader: inout FrameReader) throws(WireError) {
    let at = try reader.take(56)
    topic = reader.loadUInt32(at)
    kindRaw = reader.loadUInt8(at + 4)
    first = reader.loadUInt64(at + 8)
    last = reader.loadUInt64(at + 16)
    events = reader.loadUInt64(at + 24)
    bytes = reader.loadUInt64(at + 32)
    expiredEvents = reader.loadUInt64(at + 40)
    expiredBytes = reader.loadUInt64(at + 48)
    try reader.finish()
  }

  /// Writes the frame. False where it does not fit; then nothing is written.
  public func encode(into writer: inout FrameWriter, ref: UInt32, correlation: UInt32 = 0) -> Bool {
    writer.beginFrame(Self.type, ref: ref, correlation: correlation)
    writer.append(topic)
    writer.append(kindRaw)
    writer.append(0 as UInt8)
    writer.append(0 as UInt16)
    writer.append(first)
    writer.append(last)
    writer.append(events)
    writer.append(bytes)
    writer.append(expiredEvents)
    writer.append(expiredBytes)
    return writer.endFrame()
  }

  /// Writes `prefixSize` bytes: the frame, with its header. The memory is the caller's business.
  @unsafe
  @_noLocks public func store(
    to memory: UnsafeMutableRawPointer, ref: UInt32, correlation: UInt32 = 0
  ) {
    let header = FrameHeader(
      length: 68, typeRaw: 0x2B, ref: ref, correlation: correlation)
    unsafe header.store(to: memory)
    unsafe memory.store(topic, at: 16)
    unsafe memory.store(kindRaw, at: 20)
    unsafe memory.store(0 as UInt8, at: 21)
    unsafe memory.store(0 as UInt16, at: 22)
    unsafe memory.store(first, at: 24)
    unsafe memory.store(last, at: 32)
    unsafe memory.store(events, at: 40)
    unsafe memory.store(bytes, at: 48)
    unsafe memory.store(expiredEvents, at: 56)
    unsafe memory.store(expiredBytes, at: 64)
  }
}

/// STATE_RESET: What is known of a topic's keys is to be forgotten: its whole state follows as
/// DELIVER_SELECTED, up to a PASSED whose first is 0.
public struct StateReset: Equatable, Sendable {
  public static var type: FrameType { @_noLocks get { .stateReset } }
  /// Bytes of a frame up to its first field of varying size, with the header.
  public static var prefixSize: Int { @_noLocks get { 24 } }

  /// The topic's id.
  public var topic: UInt32

  @_noLocks public init(topic: UInt32) {
    self.topic = topic
  }

  /// Reads the body, which must have these fields and no more.
  @_noLocks public init(reader: inout FrameReader) throws(WireError) {
    let at = try reader.take(8)
    topic = reader.loadUInt32(at)
    try reader.finish()
  }

  /// Writes the frame. False where it does not fit; then nothing is written.
  public func encode(into writer: inout FrameWriter, ref: UInt32, correlation: UInt32 = 0) -> Bool {
    writer.beginFrame(Self.type, ref: ref, correlation: correlation)
    writer.append(topic)
    writer.append(0 as UInt32)
    return writer.endFrame()
  }

  /// Writes `prefixSize` bytes: the frame, with its header. The memory is the caller's business.
  @unsafe
  @_noLocks public func store(
    to memory: UnsafeMutableRawPointer, ref: UInt32, correlation: UInt32 = 0
  ) {
    let header = FrameHeader(
      length: 20, typeRaw: 0x2C, ref: ref, correlation: correlation)
    unsafe header.store(to: memory)
    unsafe memory.store(topic, at: 16)
    unsafe memory.store(0 as UInt32, at: 20)
  }
}

/// BLOCKED: A subscription is sent nothing, or a publisher's batches are not taken, for
/// blockedNoticeMs already, and why; with cause none: it goes on.
public struct Blocked: Equatable, Sendable {
  public static var type: FrameType { @_noLocks get { .blocked } }
  /// Bytes of a frame up to its first field of varying size, with the header.
  public static var prefixSize: Int { @_noLocks get { 40 } }

  /// What ref is the number of.
  public var sideRaw: UInt8
  /// Why.
  public var byRaw: UInt8
  /// Of a subscription: events that wait.
  public var pendingEvents: UInt64
  /// Of a subscription: their charged bytes.
  public var pendingBytes: UInt64

  /// Nil where the number that was received is not defined.
  public var side: BlockedSide? { @_noLocks get { BlockedSide(rawValue: sideRaw) } }

  /// Nil where the number that was received is not defined.
  public var by: BlockedBy? { @_noLocks get { BlockedBy(rawValue: byRaw) } }

  @_noLocks public init(
    side: BlockedSide, by: BlockedBy, pendingEvents: UInt64, pendingBytes: UInt64
  ) {
    self.sideRaw = side.rawValue
    self.byRaw = by.rawValue
    self.pendingEvents = pendingEvents
    self.pendingBytes = pendingBytes
  }

  /// Reads the body, which must have these fields and no more.
  @_noLocks public init(reader: inout FrameReader) throws(WireError) {
    let at = try reader.take(24)
    sideRaw = reader.loadUInt8(at)
    byRaw = reader.loadUInt8(at + 1)
    pendingEvents = reader.loadUInt64(at + 8)
    pendingBytes = reader.loadUInt64(at + 16)
    try reader.finish()
  }

  /// Writes the frame. False where it does not fit; then nothing is written.
  public func encode(into writer: inout FrameWriter, ref: UInt32, correlation: UInt32 = 0) -> Bool {
    writer.beginFrame(Self.type, ref: ref, correlation: correlation)
    writer.append(sideRaw)
    writer.append(byRaw)
    writer.append(0 as UInt16)
    writer.append(0 as UInt32)
    writer.append(pendingEvents)
    writer.append(pendingBytes)
    return writer.endFrame()
  }

  /// Writes `prefixSize` bytes: the frame, with its header. The memory is the caller's business.
  @unsafe
  @_noLocks public func store(
    to memory: UnsafeMutableRawPointer, ref: UInt32, correlation: UInt32 = 0
  ) {
    let header = FrameHeader(
      length: 36, typeRaw: 0x2D, ref: ref, correlation: correlation)
    unsafe header.store(to: memory)
    unsafe memory.store(sideRaw, at: 16)
    unsafe memory.store(byRaw, at: 17)
    unsafe memory.store(0 as UInt16, at: 18)
    unsafe memory.store(0 as UInt32, at: 20)
    unsafe memory.store(pendingEvents, at: 24)
    unsafe memory.store(pendingBytes, at: 32)
  }
}

/// REPLY: From a client: the answer to a request that carried a reply address. From the broker:
/// such an answer, for this session. One batch of one event, not compressed. If the address is gone
/// the client hears ERROR noReceiver with its correlation.
public struct Reply: Equatable, Sendable {
  public static var type: FrameType { @_noLocks get { .reply } }
  /// Bytes of a frame up to its first field of varying size, with the header.
  public static var prefixSize: Int { @_noLocks get { 32 } }

  /// The reply address's inbox.
  public var inbox: UInt64
  /// The reply address's token, which is the asker's own business.
  public var token: UInt64
  /// One batch of one event, padded with zero bytes to a multiple of 8. As offsets from the start
  /// of the frame.
  public var batch: Range<Int>

  @_noLocks public init(inbox: UInt64, token: UInt64) {
    self.inbox = inbox
    self.token = token
    self.batch = 0..<0
  }

  /// Reads the body, which must have these fields and no more.
  @_noLocks public init(reader: inout FrameReader) throws(WireError) {
    let at = try reader.take(16)
    inbox = reader.loadUInt64(at)
    token = reader.loadUInt64(at + 8)
    batch = reader.takeRest()
    try reader.finish()
  }

  /// Writes the frame. False where it does not fit; then nothing is written.
  public func encode(
    into writer: inout FrameWriter, ref: UInt32 = 0, correlation: UInt32 = 0, batch: RawSpan
  ) -> Bool {
    writer.beginFrame(Self.type, ref: ref, correlation: correlation)
    writer.append(inbox)
    writer.append(token)
    writer.append(batch)
    return writer.endFrame()
  }

  /// Writes everything before `batch` and a header that counts `restCount` bytes after it, which
  /// the caller sends from where they are. False where it does not fit.
  public func encodePrefix(
    into writer: inout FrameWriter, ref: UInt32 = 0, correlation: UInt32 = 0, restCount: Int
  ) -> Bool {
    writer.beginFrame(Self.type, ref: ref, correlation: correlation)
    writer.append(inbox)
    writer.append(token)
    return writer.endFrame(followedBy: restCount)
  }

  /// Writes `prefixSize` bytes: the frame up to `batch`, with a header that counts `restCount`
  /// bytes after it. The memory is the caller's business.
  @unsafe
  @_noLocks public func store(
    to memory: UnsafeMutableRawPointer, ref: UInt32 = 0, correlation: UInt32 = 0, restCount: Int
  ) {
    let header = FrameHeader(
      length: UInt32(28 + restCount), typeRaw: 0x30, ref: ref, correlation: correlation)
    unsafe header.store(to: memory)
    unsafe memory.store(inbox, at: 16)
    unsafe memory.store(token, at: 24)
  }
}

/// STATS: Asks for a piece of the counters; their layout is in counters.md.
public struct Stats: Equatable, Sendable {
  public static var type: FrameType { @_noLocks get { .stats } }
  /// Bytes of a frame up to its first field of varying size, with the header.
  public static var prefixSize: Int { @_noLocks get { 28 } }

  /// From where. In bytes.
  public var offset: UInt64
  /// How much; the answer may be shorter, at most statsPageBytesMax. In bytes.
  public var count: UInt32

  @_noLocks public init(offset: UInt64, count: UInt32) {
    self.offset = offset
    self.count = count
  }

  /// Reads the body, which must have these fields and no more.
  @_noLocks public init(reader: inout FrameReader) throws(WireError) {
    let at = try reader.take(12)
    offset = reader.loadUInt64(at)
    count = reader.loadUInt32(at + 8)
    try reader.finish()
  }

  /// Writes the frame. False where it does not fit; then nothing is written.
  public func encode(
    into writer: inout FrameWriter, ref: UInt32 = 0, correlation: UInt32 = 0
  ) -> Bool {
    writer.beginFrame(Self.type, ref: ref, correlation: correlation)
    writer.append(offset)
    writer.append(count)
    return writer.endFrame()
  }

  /// Writes `prefixSize` bytes: the frame, with its header. The memory is the caller's business.
  @unsafe
  @_noLocks public func store(
    to memory: UnsafeMutableRawPointer, ref: UInt32 = 0, correlation: UInt32 = 0
  ) {
    let header = FrameHeader(
      length: 24, typeRaw: 0x31, ref: ref, correlation: correlation)
    unsafe header.store(to: memory)
    unsafe memory.store(offset, at: 16)
    unsafe memory.store(count, at: 24)
  }
}

/// STATS_PAGE: A piece of the counters.
public struct StatsPage: Equatable, Sendable {
  public static var type: FrameType { @_noLocks get { .statsPage } }
  /// Bytes of a frame up to its first field of varying size, with the header.
  public static var prefixSize: Int { @_noLocks get { 32 } }

  /// Size of the whole. In bytes.
  public var total: UInt64
  /// Where this piece starts. In bytes.
  public var offset: UInt64
  /// The piece; empty where offset is beyond the end. As offsets from the start of the frame.
  public var bytes: Range<Int>

  @_noLocks public init(total: UInt64, offset: UInt64) {
    self.total = total
    self.offset = offset
    self.bytes = 0..<0
  }

  /// Reads the body, which must have these fields and no more.
  @_noLocks public init(reader: inout FrameReader) throws(WireError) {
    let at = try reader.take(16)
    total = reader.loadUInt64(at)
    offset = reader.loadUInt64(at + 8)
    bytes = reader.takeRest()
    try reader.finish()
  }

  /// Writes the frame. False where it does not fit; then nothing is written.
  public func encode(
    into writer: inout FrameWriter, ref: UInt32 = 0, correlation: UInt32 = 0, bytes: RawSpan
  ) -> Bool {
    writer.beginFrame(Self.type, ref: ref, correlation: correlation)
    writer.append(total)
    writer.append(offset)
    writer.append(bytes)
    return writer.endFrame()
  }

  /// Writes everything before `bytes` and a header that counts `restCount` bytes after it, which
  /// the caller sends from where they are. False where it does not fit.
  public func encodePrefix(
    into writer: inout FrameWriter, ref: UInt32 = 0, correlation: UInt32 = 0, restCount: Int
  ) -> Bool {
    writer.beginFrame(Self.type, ref: ref, correlation: correlation)
    writer.append(total)
    writer.append(offset)
    return writer.endFrame(followedBy: restCount)
  }

  /// Writes `prefixSize` bytes: the frame up to `bytes`, with a header that counts `restCount`
  /// bytes after it. The memory is the caller's business.
  @unsafe
  @_noLocks public func store(
    to memory: UnsafeMutableRawPointer, ref: UInt32 = 0, correlation: UInt32 = 0, restCount: Int
  ) {
    let header = FrameHeader(
      length: UInt32(28 + restCount), typeRaw: 0x32, ref: ref, correlation: correlation)
    unsafe header.store(to: memory)
    unsafe memory.store(total, at: 16)
    unsafe memory.store(offset, at: 24)
  }
}
