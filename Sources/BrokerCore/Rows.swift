import WireFormat

// The rows of a shard's tables. All are plain values; lists run through slot numbers in the rows.

/// Identity of a connection to whoever moves its bytes: its slot, and how often that was used.
public struct ConnectionID: Equatable, Sendable {
  public let slot: UInt32
  public let generation: UInt32

  public init(slot: UInt32, generation: UInt32) {
    self.slot = slot
    self.generation = generation
  }

  /// Both in one word, for an event loop's user data.
  public var word: UInt64 { UInt64(generation) << 32 | UInt64(slot) }
  public init(word: UInt64) {
    slot = UInt32(truncatingIfNeeded: word)
    generation = UInt32(truncatingIfNeeded: word >> 32)
  }
}

/// A doubly linked list's place in a row.
struct Links: BitwiseCopyable {
  var next: UInt32 = noSlot
  var previous: UInt32 = noSlot
}

struct ConnectionEntry: BitwiseCopyable {
  enum Phase: UInt8 {
    /// Waits for HELLO. Next: open, closing.
    case handshake
    /// WELCOME is sent. Next: closing.
    case open
    /// Nothing more is read; what is due is sent, then the connection ends. Next: ended.
    case closing
    /// To be reported by `pollClosed`, then the slot is free.
    case ended
  }

  var generation: UInt32
  var phase = Phase.handshake
  /// The socket took everything so far.
  var isWritable = true
  var isListedForTransmit = false
  /// Closing: everything is written, and the peer has been told that nothing more comes.
  var isShut = false
  var isListedAsPaused = false
  /// Paused for a topic that takes no more before its subscriptions have been told.
  var isHeldBack = false
  /// A subscription of it with policy disconnect has come beyond its bounds.
  var isListedAsBehind = false
  var hasPingOutstanding = false
  /// A subscription of it has policy disconnect with a bound in time.
  var hasTimedPolicy = false
  /// Draining: a PUBLISH has come, behind which nothing is looked at.
  var isMuted = false
  /// Of the protocol.
  var version: UInt8 = 1
  var closeReason: UInt16 = 0
  var codecs: UInt32 = 0
  /// What the client accepts, and what it may send, in a header's terms.
  var outputLengthMax: UInt32 = 0
  var inputLengthMax: UInt32
  var subscriptionCount: UInt32 = 0
  var publisherCount: UInt32 = 0
  /// Cursors of its subscriptions.
  var cursorCount: UInt32 = 0
  /// Passes of its cursors that wait for an answer of another shard.
  var askingCount: UInt32 = 0
  /// Bytes of the body of a PUBLISH that waits which have been worked off.
  var frameDone: UInt32 = 0
  var subscriptions: UInt32 = noSlot
  var publishers: UInt32 = noSlot
  /// The ring of subscriptions that have something to send.
  var serving: UInt32 = noSlot
  /// The publisher that published last: most have one.
  var lastPublisherRef: UInt32 = 0
  var lastPublisher: UInt32 = noSlot
  /// The first topic that was named to the client, and the others as a set of bits.
  var announcedFirst: UInt32 = 0
  var heartbeatMs: UInt32
  var announced = Buffer()
  var control = Buffer()
  var stash = Buffer()
  var input = Buffer()
  var openedNs: UInt64
  var heardNs: UInt64
  /// When its socket last gave something.
  var readNs: UInt64 = 0
  /// Since when `input` holds the beginning of a frame.
  var unfinishedNs: UInt64 = 0
  /// Since when the socket takes nothing; 0 while it does.
  var stalledNs: UInt64 = 0
  var transmit = Links()
  var paused = Links()
}

struct PublisherEntry: BitwiseCopyable {
  var connection: UInt32
  var ref: UInt32
  var topic: UInt32
  /// The owner's row for it.
  var writer: UInt32 = noSlot
  var ackLevel: UInt8
  /// BlockedCause: why its batches are not taken.
  var stop = UInt8(0)
  /// Of the topic, once it is known: its options and its owner.
  var topicFlags: UInt8 = 0
  var owner: UInt8 = 0
  var isOpen = false
  var isClosing = false
  /// The connection is gone; the slot is freed when the owner has confirmed.
  var isOrphan = false
  var isListed = false
  var closeCorrelation: UInt32 = 0
  /// What its client is to be told, or has been, about such a stop; and since when it lasts.
  var notice: UInt32 = noSlot
  var stoppedNs: UInt64 = 0
  /// Of the next batch; 0 before the first.
  var nextPublisherSequence: UInt64 = 0
  var ackedThrough: UInt64 = 0
  var grantSent: UInt64 = 0
  var sentBytes: UInt64 = 0
  var inConnection = Links()

  /// It has published a batch.
  @inline(__always)
  mutating func note(_ batch: ValidBatch) {
    nextPublisherSequence = batch.nextPublisherSequence
    sentBytes += UInt64(batch.charge)
  }
}

struct SubscriptionEntry: BitwiseCopyable {
  var connection: UInt32
  var ref: UInt32
  var pattern: UInt32
  var generation: UInt32
  var policy: UInt8
  var weight: UInt8
  /// Frames it may still send before the next subscription's turn.
  var turns: UInt8
  var isServed = false
  /// SUBSCRIBED has been sent.
  var isConfirmed = false
  /// Topics whose owners have not yet said where it starts.
  var attaching: UInt32 = 0
  var correlation: UInt32
  var topicCount: UInt32 = 0
  var cursorCount: UInt32 = 0
  /// The ring of cursors that have something to send.
  var ready: UInt32 = noSlot
  /// All of its cursors.
  var cursors: UInt32 = noSlot
  var creditEvents: UInt64
  var creditBytes: UInt64
  var sentEvents: UInt64 = 0
  var sentBytes: UInt64 = 0
  /// How far it may fall behind; most have no bound, and no row. See `bounds(of:)`.
  var bounds: UInt32 = noSlot
  /// Under which number it is observed.
  var watch: UInt32 = noSlot
  /// It had no such number when something became of its events for the first time.
  var isWatchedLate = false
  /// What its client is to be told, or has been, about why it is held back.
  var notice: UInt32 = noSlot
  /// Since when it is held back for the reason that its counters say.
  var blockedNs: UInt64 = 0
  /// Nothing can be sent to it for a while now; see `rest(_:)`. New tails that have found it so
  /// before.
  var rest: UInt32 = noSlot
  var stalledTails: UInt32 = 0
  var inPattern = Links()
  var inConnection = Links()
  var serving = Links()

  var isResting: Bool { rest != noSlot }
  /// Both totals bind; what was overdrawn is a debt.
  var hasCredit: Bool { sentEvents < creditEvents && sentBytes < creditBytes }
}

/// How far a subscription may fall behind; 0 stands for no bound.
struct BoundsEntry: BitwiseCopyable, Equatable {
  var events: UInt64 = 0
  var bytes: UInt64 = 0
  /// Age in milliseconds beyond which an event is not delivered, or ends the session.
  var ageMs: UInt32 = 0
  /// With disconnect: how long it may be without credit while something is pending.
  var noCreditMs: UInt32 = 0
  /// With sample: events whose sequence is a multiple of it are delivered.
  var sampleEvery: UInt32 = 1
}

/// A subscription that rests.
struct RestEntry: BitwiseCopyable {
  /// Rises with each that goes to rest.
  var number: UInt64
  /// Of what has matched its pattern, how much is in its account.
  var bookedEvents: UInt64
  var bookedBytes: UInt64
}

/// Where a subscription stands in a topic in which it is not at the shard's tail.
struct CursorEntry: BitwiseCopyable {
  /// Which of its topic's lists it is in.
  enum List: UInt8 { case following, resting, overrun }

  var subscription: UInt32
  var topic: UInt32
  /// Address of the page, or 0 where the topic had none when it was made.
  var page: UInt
  var offset: UInt32
  /// Why the events from `gapFirst` to `sequence - 1` will not be delivered, or `noGap`.
  var gapCause: UInt8 = Self.noGap
  var isReady = false
  /// The owner has not yet said where it starts.
  var isAttaching = false
  /// A block topic waited for it too long: it gates no more until it has caught up.
  var isUngated = false
  /// It begins with the topic's state, once it knows where it starts.
  var wantsState = false
  /// What it is sent does not come from the ring, or not at first.
  var pass: UInt32 = noSlot
  var list = List.following
  /// Next sequence it wants.
  var sequence: UInt64
  /// Charged bytes of the topic before the batch at `offset`.
  var bytes: UInt64
  /// When a subscription that started in the past asked for it; what it had to wait before that is
  /// no time in the broker. 0 where it keeps up.
  var notBeforeNs: UInt64 = 0
  var gapFirst: UInt64 = 0
  var gapBytes: UInt64 = 0
  var inTopic = Links()
  var inSubscription = Links()
  var ready = Links()

  static let noGap: UInt8 = 0xFF
  var hasGap: Bool { gapCause != Self.noGap }
}

/// A pattern, once for all subscriptions that have it.
struct PatternEntry: BitwiseCopyable {
  var name: Buffer
  var isExact: Bool
  /// For want of a link it misses a topic: its subscriptions end, and it takes no new ones.
  var isIncomplete = false
  var subscriptionCount: UInt32 = 0
  var subscriptions: UInt32 = noSlot
  /// Subscriptions that rest, by when they began to, and what has matched while some did.
  var resting: UInt32 = noSlot
  var restingEvents: UInt64 = 0
  var restingBytes: UInt64 = 0
  var links: UInt32 = noSlot
  /// The next pattern whose name has the same hash.
  var sameHash: UInt32 = noSlot
  /// Among the patterns with wildcards.
  var wild = Links()
}

/// A pattern matches a topic.
struct LinkEntry: BitwiseCopyable {
  var pattern: UInt32
  var topic: UInt32
  /// Resting subscriptions of the pattern up to this number have a cursor in the topic.
  var restedThrough: UInt64 = 0
  var inTopic = Links()
  var inPattern = Links()
}

/// What a shard knows of a topic: as a reader of it, and, where it owns it, as its only writer.
struct TopicEntry: BitwiseCopyable {
  var shared: TopicShared

  // As a reader.
  var links: UInt32 = noSlot
  var cursors: UInt32 = noSlot
  /// Cursors of subscriptions that rest, the lowest place and gate of them, and how far the tail
  /// may come before one of policy disconnect is looked at.
  var resting: UInt32 = noSlot
  var isRestingStale = false
  var restingHold = UInt64.max
  var restingGate = UInt64.max
  var lagDueSequence = UInt64.max
  var lagDueBytes = UInt64.max
  /// Those that the ring ran over, and where they all stand.
  var overrun: UInt32 = noSlot
  var overrunAt = TopicShared.Tail()
  /// The row in which the time of its deliveries is kept.
  var delivery: UInt32 = noSlot
  /// Subscriptions here that match.
  var subscriptionCount: UInt32 = 0
  /// Those of them that are lossless.
  var losslessCount: UInt32 = 0
  /// This shard wants to hear of new tails, and its hold is in force.
  var isInterested = false
  var isListedAsMoved = false
  var isListedForHold = false
  /// How far subscriptions that keep up have been told.
  var tail = TopicShared.Tail()
  /// The last subscription that named a position in this topic, and which of its entries that is.
  var positionGeneration: UInt32 = 0
  var positionOffset: UInt32 = 0

  // As its owner.
  var headPage: UInt = 0
  var tailPage: UInt = 0
  var pageCount: UInt32 = 0
  var isListedAsGrown = false
  var isListedForGrant = false
  /// Its publishers wait, or somebody waits for its pages, for a bounded time.
  var isListedAsTimed = false
  /// The last look through all rings in which this one could not give up what it should.
  var reclaimBlockedIn: UInt32 = 0
  /// Its only page is being given up; the topic takes no events until all shards have left it.
  var isVacating = false
  var vacatedNs: UInt64 = 0
  var ringBytes = 0
  var firstSequence: UInt64 = 1
  var nextSequence: UInt64 = 1
  /// Up to where subscriptions have been told of it, and the bytes of its pages that came since.
  var offeredSequence: UInt64 = 1
  var freshBytes = 0
  var totalBytes: UInt64 = 0
  var batches: UInt64 = 0
  /// The newest record of each key, of a keyed topic.
  var keys: KeyIndex?
  var writers: UInt32 = noSlot
  var writerCount: UInt32 = 0
  var pins: UInt32 = noSlot
  /// On a block topic: since when publishers have waited for a subscription; 0 while none does.
  var blockedNs: UInt64 = 0
  /// On a block topic: since when, and until when, somebody waits for the pages before
  /// `pressedBytes`, which a subscription keeps; 0 while nobody does.
  var pressedNs: UInt64 = 0
  var pressedLastNs: UInt64 = 0
  var pressedBytes: UInt64 = 0

  /// Its owner has appended a batch.
  /// - Returns: whether it is the first since the topic was listed as grown.
  @inline(__always)
  mutating func grow(events: Int, charge: Int) -> Bool {
    nextSequence += UInt64(events)
    totalBytes += UInt64(charge)
    batches += 1
    let isFirst = !isListedAsGrown
    isListedAsGrown = true
    return isFirst
  }
}

/// A publisher as its topic's owner sees it.
struct WriterEntry: BitwiseCopyable {
  var topic: UInt32
  var shard: UInt32
  var publisher: UInt32
  var wantsAck: Bool
  var usedBytes: UInt64 = 0
  var grantedBytes: UInt64 = 0
  var inTopic = Links()
}

/// The owner keeps the pages from `sequence` on until a shard's own hold covers them.
struct PinEntry: BitwiseCopyable {
  var topic: UInt32
  var sequence: UInt64
  var inTopic = Links()
}
