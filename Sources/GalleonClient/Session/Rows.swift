import WireFormat

/// What a session knows of one publisher. Used by the client's thread alone.
final class PublisherRow {
  enum Phase {
    /// No session, or not asked for yet.
    case idle
    case opening
    case open
    case closing
    /// Refused for the time being; asked for again at the session's `reopenAtNs`.
    case waiting
  }

  let core: PublisherCore
  var phase = Phase.idle
  /// Whoever waits for the first TOPIC.
  var opened: Promise<Void>?
  /// Whoever waits for TOPIC_CLOSED; set once the publisher is to be closed.
  var closed: Promise<Void>?
  /// Asked for again after it was open once: an existing topic is then no error.
  var hasBeenOpen = false

  /// Sealed for an earlier session and not known to have arrived.
  var resend = Queue<PublishBlock>()
  /// Written, not acknowledged. Only with acknowledgements.
  var inFlight = Queue<PublishBlock>()
  var nextSequence: UInt64 = 1
  /// The last event whose frame was written whole.
  var writtenThrough: UInt64 = 0
  /// The last event that is known to be with the broker.
  var confirmedThrough: UInt64 = 0
  /// Somebody waits until everything up to this event is confirmed.
  var flushThrough: UInt64 = 0
  /// Stands in the session's round.
  var isReady = false

  /// The topic's publishers wait for credit.
  var needsCredit = false
  var creditEvents: UInt64 = 0
  var creditBytes: UInt64 = 0
  var sentEvents: UInt64 = 0
  var sentBytes: UInt64 = 0

  init(_ core: PublisherCore) {
    self.core = core
  }

  var isAcknowledged: Bool { core.options.acknowledgement != .none }
  var hasCredit: Bool {
    !needsCredit || (sentEvents < creditEvents && sentBytes < creditBytes)
  }
  var isOpen: Bool { if case .open = phase { true } else { false } }
  /// Everything that was taken in has been written and its fate is known.
  var isSettled: Bool {
    resend.isEmpty && core.isDrained && confirmedThrough >= nextSequence - 1
  }
}

/// A policy that a user has asked for and waits for.
struct PolicyChange {
  /// Of the SET_POLICY; 0 where the next SUBSCRIBE brings it.
  var correlation: UInt32
  let policy: PolicyWish
  let promise: Promise<Void>
}

/// What a session knows of one subscription. Used by the client's thread alone.
final class SubscriptionRow {
  enum Phase {
    case idle
    case opening
    case open
    case closing
    /// Refused for the time being; asked for again at the session's `reopenAtNs`.
    case waiting
  }

  let core: SubscriptionCore
  var phase = Phase.idle
  /// Whoever waits for the first SUBSCRIBED.
  var opened: Promise<Void>?
  /// Whoever waits for UNSUBSCRIBED; set once the subscription is to be closed.
  var closed: Promise<SubscriptionAccount>?
  var hasBeenOpen = false

  /// What is in force, or is to be asked for with the next SUBSCRIBE.
  var policy: PolicyWish
  /// Changes of it that users wait for, in their order.
  var changes: [PolicyChange] = []
  /// Of the SET_POLICY that followed SUBSCRIBE at once; 0 where there was none, or it was answered.
  var firstPolicyCorrelation: UInt32 = 0

  /// Where to start in topics that nothing has come from yet.
  var start: StartPosition
  /// The next sequence of each topic that something has come from, by the topic's id.
  var next: [UInt32: UInt64] = [:]
  /// Topics whose whole state is on its way, and where they stood before, 0 where that was nowhere:
  /// what comes of the state may lie before `next`.
  var resets: [UInt32: UInt64] = [:]

  /// Delivered by all sessions, and by those before this one.
  var deliveredEvents: UInt64 = 0
  var deliveredBytes: UInt64 = 0
  var earlierEvents: UInt64 = 0
  var earlierBytes: UInt64 = 0
  /// The totals that this session's broker was told last.
  var grantedEvents: UInt64 = 0
  var grantedBytes: UInt64 = 0

  /// Of this turn; handed over at its end.
  var deliveries: [Delivery] = []

  init(_ core: SubscriptionCore) {
    self.core = core
    start = core.options.start
    policy = PolicyWish(core.options.policy)
  }

  /// The totals to grant, which a session counts from its own beginning. What earlier sessions
  /// delivered and nobody has consumed yet takes up its part of the window.
  func grant(consumedEvents: UInt64, consumedBytes: UInt64) -> Credit {
    func total(_ consumed: UInt64, _ window: UInt64, _ earlier: UInt64) -> UInt64 {
      if window == .max { return .max }
      let sum = saturatingSum(consumed, window)
      return sum > earlier ? sum - earlier : 0
    }
    return Credit(
      eventsTotal: total(consumedEvents, core.options.windowEvents, earlierEvents),
      bytesTotal: total(consumedBytes, core.options.windowBytes, earlierBytes))
  }
}
