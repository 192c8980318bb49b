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
  }

  struct SubscriptionState {
    enum State { case opening, open, closing }
    var pattern: String
    var policy: Policy
    var start: Start
    var value: UInt64
    var positions: [UInt32: UInt64]
    var state = State.opening
    var correlation: UInt32
    var creditEvents: UInt64
    var creditBytes: UInt64
    var deliveredEvents: UInt64 = 0
    var deliveredBytes: UInt64 = 0
    var gapEvents: UInt64 = 0
    /// Next sequence by topic.
    var next: [UInt32: UInt64] = [:]
    /// First sequence by topic.
    var first: [UInt32: UInt64] = [:]
    /// Firsts and ends of the topics there were when it was asked for, and when it was confirmed.
    var before: [UInt32: (first: UInt64, next: UInt64)] = [:]
    var confirmed: [UInt32: (first: UInt64, next: UInt64)] = [:]
  }

  var state = State.greeting
  var codecs: CodecSet
  var frameLengthMax: UInt32
  var inbox: UInt64 = 0
  var publishers: [UInt32: PublisherState] = [:]
  var subscriptions: [UInt32: SubscriptionState] = [:]
  var named: Set<UInt32> = []
  var nextRef: UInt32 = 1
  var nextCorrelation: UInt32 = 1
  /// It broke a rule, so that it may be closed with any reason.
  var isHostile = false
  var input: [UInt8] = []
  var closeReason: CloseReason?
  var refs: [UInt32] = []

  mutating func newRef() -> UInt32 {
    nextRef += 1
    return nextRef
  }
  mutating func newCorrelation() -> UInt32 {
    nextCorrelation += 1
    return nextCorrelation
  }
}
