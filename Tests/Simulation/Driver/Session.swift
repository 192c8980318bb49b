import WireFormat

/// What a client knows of one session.
struct Session {
  enum State { case greeting, open, over }

  struct PublisherState {
    enum State { case opening, open, closing }
    var uid: UInt32
    var topic: String
    var id: UInt32 = 0
    var state = State.opening
    var isBlock = false
    var isKeyed = false
    var wantsAck: Bool
    var correlation: UInt32
    var sentBytes: UInt64 = 0
    var creditBytes: UInt64 = 0
    /// What BLOCKED has told of it.
    var stop = BlockedBy.none
  }

  struct SubscriptionState {
    enum State { case opening, open, closing }
    var state = State.opening
    var correlation: UInt32
    let watch: Watch
    /// What BLOCKED has told of it.
    var stop = BlockedBy.none
  }

  var state = State.greeting
  var version: UInt16 = 1
  var codecs: CodecSet
  var frameLengthMax: UInt32
  var inbox: UInt64 = 0
  var publishers: [UInt32: PublisherState] = [:]
  var subscriptions: [UInt32: SubscriptionState] = [:]
  var named: Set<UInt32> = []
  var nextCorrelation: UInt32 = 1
  /// It broke a rule, so that it may be closed with any reason.
  var isHostile = false
  var input: [UInt8] = []
  var closeReason: CloseReason?

  mutating func newCorrelation() -> UInt32 {
    nextCorrelation += 1
    return nextCorrelation
  }
}

/// What a client keeps of a subscription when its session is over, to go on with in the next.
struct Resumption {
  var pattern: String
  var terms: PolicyTerms
  var start: Start
  var value: UInt64
  var positions: [UInt32: UInt64]

  /// - Parameter nowNs: the time since which new topics count, where nothing else is known.
  init(_ watch: Watch, nowNs: UInt64) {
    pattern = watch.pattern
    terms = watch.terms
    terms.sampleEvery = 1
    terms.lagMsMax = 0
    start = watch.start == .latest ? .time : watch.start
    value = watch.start == .latest ? nowNs : watch.value
    positions = watch.isResumed ? watch.positions : [:]
    // Whoever has no place yet, as in a state that comes first, asks for what it asked for.
    for (id, topic) in watch.topics where topic.first != 0 { positions[id] = topic.next }
  }
}
