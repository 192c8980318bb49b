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
  /// Of newest events, how old they were delivered at most, in milliseconds; nil where none was too
  /// old.
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

  /// What somebody who has read the topic from the event on found: the next event of its key.
  ///
  /// - Parameter timeNs: when the broker accepted the event itself.
  public mutating func found(next: UInt64?, timeNs: UInt64) {
    guard let limit = newestUpTo else { return }
    if let next, next <= limit {
      into = next
      sentence = "was conflated into sequence \(next), which has the same key"
      return
    }
    newestUpTo = nil
    let when = Self.when(timesNs)
    // It was too old from then on; when its turn came is known within a time.
    let tooOldNs = ageMsMax.map { timeNs &+ $0 &* 1_000_000 }
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
  }

  private init(
    _ question: Question, _ row: RowSnapshot<SubscriptionRow>, _ topic: RowSnapshot<TopicRow>,
    _ observation: RowSnapshot<ObservationRow>?
  ) {
    let sequence = question.sequence
    let id = topic[.id]
    let runs = (observation?.whyRuns ?? []).filter { $0.topic == id }
    if let run = runs.last(where: { $0.sequences.contains(sequence) }) {
      self.init(question, run)
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
    if mayWait, settled.map({ sequence > $0 }) ?? (isAlone || isFirst) {
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
    case .conflated:
      self.init(
        question, .conflated,
        "was conflated \(when) into a later event with the same key, or was itself the newest",
        timesNs: times, newestUpTo: run.sequences.upperBound,
        ageMsMax: run.detail > 0 ? UInt64(run.detail) : nil)
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
