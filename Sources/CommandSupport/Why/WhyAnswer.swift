public import Counters
import WireFormat

/// What became of one event for one subscription, as its counters tell.
public struct WhyAnswer: Sendable, Equatable {
  /// Who asks about what. Sequences in counters and events are the same numbers.
  public struct Question: Sendable, Equatable {
    public var subscription: UInt64
    public var topic: String
    public var sequence: UInt64

    public init(subscription: UInt64, topic: String, sequence: UInt64) {
      self.subscription = subscription
      self.topic = topic
      self.sequence = sequence
    }
  }

  public enum Fate: String, Sendable {
    case delivered, conflated, sampledOut, expired, dropped, pending, neverMatched, notPublished
    case unknown
  }

  public var question: Question
  public var fate: Fate
  /// Why, in words that follow "It was ...".
  public var sentence: String
  /// GapCause, BlockedCause or the like, in one word.
  public var cause: String?
  /// When, in ns since the Unix epoch: at some time from the one to the other.
  public var timesNs: ClosedRange<UInt64>?
  /// The event that stands for it. Where that is nil and `newestUpTo` is not, the next event with
  /// the same key, if it comes no later than that, is the one; and without any it was delivered.
  public var into: UInt64?
  public var newestUpTo: UInt64?
  /// The last event of the topic.
  public var topicEnd: UInt64 = 0
  /// Up to here newest events may have been given up, as there was no memory for their keys.
  var evictedThrough: UInt64 = 0
  /// It was in one of several passes.
  var isOfSeveralPasses = false
  /// The whole state was sent, which is without keys whose deletion the broker has forgotten.
  var isOfState = false
  /// Of newest events, how old they were delivered at most, in milliseconds; nil for any age.
  var ageMsMax: UInt64?

  init(
    _ question: Question, _ fate: Fate, _ sentence: String, cause: String? = nil,
    timesNs: ClosedRange<UInt64>? = nil, newestUpTo: UInt64? = nil, ageMsMax: UInt64? = nil
  ) {
    self.question = question
    self.fate = fate
    self.sentence = sentence
    self.cause = cause
    self.timesNs = timesNs
    self.newestUpTo = newestUpTo
    self.ageMsMax = ageMsMax
  }

  /// An event of the same key that came later.
  public struct Next: Sendable {
    public var sequence: UInt64
    /// When the broker accepted it.
    public var timeNs: UInt64

    public init(sequence: UInt64, timeNs: UInt64) {
      self.sequence = sequence
      self.timeNs = timeNs
    }
  }

  /// The event that is asked about, as somebody found it who has read the topic.
  public struct Own: Sendable {
    /// When the broker accepted it.
    public var timeNs: UInt64
    /// How long it is to be delivered from then on; nil for ever.
    public var timeToLive: Duration?
    public var isTombstone: Bool

    public init(timeNs: UInt64, timeToLive: Duration?, isTombstone: Bool) {
      self.timeNs = timeNs
      self.timeToLive = timeToLive
      self.isTombstone = isTombstone
    }
  }

  /// Whether the topic is to be read on behind this event, for the next one of the key.
  public func readsOn(behind sequence: UInt64, timeNs: UInt64) -> Bool {
    guard let newestUpTo, sequence < topicEnd else { return false }
    // What came while the pass was under way may have kept an older value from being sent.
    return sequence < newestUpTo || timeNs <= timesNs?.upperBound ?? 0
  }

  /// What somebody who has read the topic from the event on found: the event itself, and the next
  /// one of its key.
  public mutating func found(_ own: Own, next: Next?) {
    guard let limit = newestUpTo else { return }
    newestUpTo = nil
    let when = Self.when(timesNs)
    if let next, next.sequence <= limit {
      into = next.sequence
      sentence = "was conflated into sequence \(next.sequence), which has the same key"
      if isOfSeveralPasses {
        fate = .unknown
        sentence +=
          ", or was delivered before that came: the passes \(when) cannot be told apart any more"
      }
      return
    }
    if let next, next.timeNs <= timesNs?.upperBound ?? 0 {
      into = next.sequence
      fate = .unknown
      sentence =
        "was delivered \(when), or was conflated into sequence \(next.sequence), which has the "
        + "same key and came meanwhile: which of them cannot be told"
      return
    }
    if isOfState && own.isTombstone {
      fate = .unknown
      sentence =
        "deletes its key: it was delivered \(when), or the state of the topic that was sent then "
        + "was without the key, which says the same"
      return
    }
    if question.sequence <= evictedThrough {
      fate = .unknown
      sentence =
        "was delivered \(when), as the newest of its key, or had been given up by then, as the "
        + "broker had no memory for more keys: which of them cannot be told"
      return
    }
    // It was too old from then on; when its turn came is known within a time.
    let ages = [ageMsMax.map { Duration.milliseconds(Int64($0)) }, own.timeToLive].compactMap { $0 }
    let tooOldNs = ages.min().map { own.timeNs &+ UInt64($0 / .nanoseconds(1)) }
    guard let tooOldNs, let timesNs, timesNs.upperBound > tooOldNs else {
      fate = .delivered
      sentence = "was delivered \(when), as the newest of its key"
      return
    }
    if timesNs.lowerBound > tooOldNs {
      fate = .expired
      sentence = "expired: it was the newest of its key, but too old when its turn came, \(when)"
    } else {
      fate = .unknown
      sentence =
        "was the newest of its key \(when), and was delivered or by then too old: which of them "
        + "cannot be told"
    }
  }

  public var line: String {
    "Event \(question.sequence) of \(TerminalText.text(question.topic)) \(sentence)."
  }

  public func write(to json: inout JSONWriter) {
    json.object { json in
      json.field("subscription", question.subscription)
      json.field("topic", question.topic)
      json.field("sequence", question.sequence)
      json.field("fate", fate.rawValue)
      json.field("cause", cause)
      json.field("notBefore", timesNs.map { RFC3339.text(ns: $0.lowerBound) })
      json.field("notAfter", timesNs.map { RFC3339.text(ns: $0.upperBound) })
      json.field("into", into)
      json.field("sentence", line)
    }
  }

  static func when(_ timesNs: ClosedRange<UInt64>?) -> String {
    guard let timesNs else { return "at a time that is not known" }
    let first = RFC3339.text(ns: timesNs.lowerBound)
    let last = RFC3339.text(ns: timesNs.upperBound)
    return first == last ? "at \(first)" : "between \(first) and \(last)"
  }
}

extension WhyAnswer {
  /// - Returns: nil where there is no such subscription.
  public init?(_ question: Question, _ snapshot: CountersSnapshot) {
    guard let row = snapshot.subscriptions.first(where: { $0[.id] == question.subscription })
    else { return nil }
    let pattern = row[.pattern]
    // One that was cut ends so, and cannot be compared.
    if !pattern.hasSuffix("…"), !pattern.matches(topicName: question.topic) {
      self.init(
        question, .neverMatched,
        "never matched: the subscription's pattern is \(TerminalText.text(pattern))",
        cause: "pattern")
      return
    }
    guard let topic = snapshot.topics.first(where: { $0[.name] == question.topic }) else {
      self.init(question, .notPublished, "has not been published: there is no such topic yet")
      return
    }
    guard question.sequence < topic[.nextSequence] else {
      self.init(
        question, .notPublished,
        "has not been published yet: the topic's next event will be \(topic[.nextSequence])")
      return
    }
    let observation = snapshot.observations.first { $0[.id] == question.subscription }
    self.init(question, row, topic, observation)
    topicEnd = topic[.nextSequence] - 1
    evictedThrough = topic[.evictedThrough]
  }

  private init(
    _ question: Question, _ row: RowSnapshot<SubscriptionRow>, _ topic: RowSnapshot<TopicRow>,
    _ observation: RowSnapshot<ObservationRow>?
  ) {
    let sequence = question.sequence
    let id = topic[.id]
    let runs = (observation?.whyRuns ?? []).filter { $0.topic == id }
    // A whole state covers events of which something became before, and brings what had been lost.
    let own = runs.filter { $0.sequences.contains(sequence) }
    if let run = own.last(where: { $0.hasSent(sequence) }) ?? own.first(where: \.isOfPasses)
      ?? own.last
    {
      self.init(question, run)
      // Of what became of an event before such a state nothing may be kept any more.
      if isOfState && observation?.hasAllRuns != true { isOfSeveralPasses = true }
      if own.contains(where: { $0.fate == .broken }) { isOfSeveralPasses = true }
      return
    }
    let settled = runs.map(\.sequences.upperBound).max()
    // Of one topic alone, what is pending are its last events.
    let isAlone = row[.topics] == 1
    let firstPending = topic[.nextSequence] - min(topic[.nextSequence], row[.lagEvents])
    let mayWait = row[.lagEvents] > 0 && (!isAlone || sequence >= firstPending)
    let began = observation.flatMap { $0[.beganTopic] == id ? $0[.beganSequence] : nil }
    let hasAll = observation.map(\.hasAllRuns) ?? (row[.deliveredEvents] == 0)
    // Nothing has become of any of the topic's events: they are pending, or were there before.
    let isFirst = runs.isEmpty && hasAll && sequence >= firstPending
    // What is pending may be booked late, but what was sent is known at once.
    if settled.map({ sequence > $0 }) ?? (mayWait && (isAlone || isFirst)) {
      let cause = BlockedCause(rawValue: row[.blocked]) ?? .none
      let condition = isAlone || settled != nil ? "" : ", if it came after the subscription"
      self.init(
        question, .pending, "has not been sent yet\(condition): \(Self.reason(cause))",
        cause: "\(cause)")
      return
    }
    let first = began ?? (hasAll ? runs.map(\.sequences.lowerBound).min() : nil)
    if let first, sequence < first {
      self.init(
        question, .neverMatched, "never matched: the subscription began with \(first)",
        cause: "began")
    } else if runs.isEmpty, hasAll {
      self.init(
        question, .neverMatched, "never matched: the subscription began later", cause: "began")
    } else if observation == nil {
      self.init(
        question, .unknown,
        "cannot be told: the broker has no room to follow this subscription's events")
    } else {
      self.init(
        question, .unknown, "was dealt with too long ago to tell: only the last "
          + "\(ObservationRow.whyRuns) runs of a subscription's events are kept")
    }
  }

  private init(_ question: Question, _ run: EventRun) {
    let times = min(run.firstNs, run.lastNs)...max(run.firstNs, run.lastNs)
    let when = Self.when(times)
    switch run.fate {
    case .delivered:
      self.init(question, .delivered, "was delivered \(when)", timesNs: times)
    case .sampled where question.sequence % max(1, UInt64(run.detail)) == 0:
      self.init(question, .delivered, "was delivered \(when), as a sample", timesNs: times)
    case .sampled:
      self.init(
        question, .sampledOut,
        "was sampled out \(when): the subscription takes every \(run.detail)th event",
        timesNs: times)
    case .conflated, .passes:
      self.init(
        question, .conflated,
        "was conflated \(when) into a later event with the same key, or was itself the newest",
        timesNs: times, newestUpTo: run.sequences.upperBound,
        ageMsMax: run.detail > 0 ? UInt64(run.detail) : nil)
      isOfSeveralPasses = run.fate == .passes
      isOfState = run.sequences.lowerBound == 1
    case .broken:
      self.init(
        question, .unknown,
        "was in a pass that was broken off \(when), and was sent or not: the whole state follows",
        cause: "brokenPass", timesNs: times)
    case .expired:
      self.init(
        question, .expired, "expired: its time was over when its turn came, \(when)",
        timesNs: times)
    case .dropped:
      let cause = StatsNames.gapCause(Int(run.detail))
      self.init(
        question, .dropped, "was dropped \(when) (\(cause))", cause: cause,
        timesNs: times)
    }
  }

  /// Why nothing is sent, for people.
  static func reason(_ cause: BlockedCause) -> String {
    switch cause {
    case .none: "it is about to be"
    case .creditEvents: "the subscription's client grants no credit for more events"
    case .creditBytes: "the subscription's client grants no credit for more bytes"
    case .socket: "the connection's socket is full"
    case .turn: "others are being served, it is next"
    case .attaching: "the subscription is being told where it starts"
    case .memory, .subscriber, .draining: "\(cause)"
    }
  }
}

extension EventRun {
  fileprivate var isOfPasses: Bool { fate == .conflated || fate == .passes }

  /// Whether it says that an event of its was sent.
  fileprivate func hasSent(_ sequence: UInt64) -> Bool {
    fate == .delivered || fate == .sampled && sequence % max(1, UInt64(detail)) == 0
  }
}
