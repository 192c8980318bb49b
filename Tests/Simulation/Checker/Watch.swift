import WireFormat

/// What is known of one subscription: what it was asked for, and what has come of it.
final class Watch {
  let who: String
  let pattern: String
  let start: Start
  let value: UInt64
  /// Where it goes on: of a session that came back what it has not had yet.
  let positions: [UInt32: UInt64]
  /// These are its own, of a session that is over.
  let isResumed: Bool
  /// What was asked for last, and what may still be in force.
  var terms: PolicyTerms
  var formerTerms: [PolicyTerms] = []
  var allTerms: [PolicyTerms] { formerTerms + [terms] }
  /// A change of them has not shown yet.
  var isChanging = false
  var changes = 0
  /// Correlations of the requests to change them.
  var policyRequests: Set<UInt32> = []
  var creditEvents: UInt64
  var creditBytes: UInt64
  /// What every shard's clock showed at least when it was asked for.
  var askedNs: UInt64 = 0
  /// What the account of a new subscription begins with.
  var isConfirmed = false
  /// The broker has closed it, or its session is over.
  var isOver = false

  var delivered = Amount()
  /// What each batch that came cost, in order; and how many had come when the last events of a
  /// topic had.
  private var costs: [Amount] = []
  private var costsBefore: [UInt32: Int] = [:]
  /// Told by GAPs, by cause, and by PASSED.
  var lost: [GapCause: Amount] = [:]
  var conflated = Amount()
  var sampledOut = Amount()
  var expired = Amount()
  var topics: [UInt32: TopicWatch] = [:]
  /// Topics that it matches.
  var matching: [UInt32: Bool] = [:]
  /// First and next of the topics there were when it was asked for, and when it was confirmed.
  var before: [UInt32: (first: UInt64, next: UInt64)] = [:]
  var confirmed: [UInt32: (first: UInt64, next: UInt64)] = [:]

  init(
    who: String, pattern: String, terms: PolicyTerms, start: Start, value: UInt64,
    positions: [UInt32: UInt64], isResumed: Bool, creditEvents: UInt64, creditBytes: UInt64
  ) {
    self.who = who
    self.pattern = pattern
    self.terms = terms
    self.start = start
    self.value = value
    self.positions = positions
    self.isResumed = isResumed
    self.creditEvents = creditEvents
    self.creditBytes = creditBytes
  }

  /// It may be sent something.
  var hasCredit: Bool { delivered.events < creditEvents && delivered.bytes < creditBytes }

  /// A batch has come.
  func take(_ cost: Amount) {
    delivered += cost
    costs.append(cost)
  }

  /// Events of a topic have come, and their frame is over.
  func endFrame(of topic: UInt32) { costsBefore[topic] = costs.count }

  /// Whether what has come of a topic in this frame may be there. Its credit may have been taken off
  /// before other batches were sent, the last of which overdrew; but not before the topic's last
  /// frame was sent, so that the batch which overdrew has come since then.
  func hadCreditBefore(frameOf topic: UInt32) -> Bool {
    costs[costsBefore[topic, default: 0]...].contains {
      delivered.events - $0.events < creditEvents && delivered.bytes - $0.bytes < creditBytes
    }
  }

  var lostInAll: Amount { lost.values.reduce(Amount()) { $0 + $1 } }
}

/// What happens to a subscription that falls behind.
struct PolicyTerms: Equatable {
  var policy: Policy
  var sampleEvery: UInt32 = 1
  var lagEventsMax: UInt64 = 0
  var lagBytesMax: UInt64 = 0
  var lagMsMax: UInt32 = 0
}

/// Events and their charged bytes.
struct Amount: Equatable {
  var events: UInt64 = 0
  var bytes: UInt64 = 0

  static func + (a: Amount, b: Amount) -> Amount {
    Amount(events: a.events + b.events, bytes: a.bytes + b.bytes)
  }
  static func += (a: inout Amount, b: Amount) { a = a + b }
}

/// Where a subscription is in a topic.
struct TopicWatch {
  init(first: UInt64) {
    self.first = first
    next = first
    latestSince = first
  }

  /// The first event that counted, and the next to come.
  var first: UInt64
  var next: UInt64
  /// On a keyed topic, with policy latest: the newest event of each key that has come.
  var keys: [UInt8: UInt64] = [:]
  /// A pass of which something has come: its events, and what they were charged.
  var selected: [UInt64] = []
  var selectedBytes: UInt64 = 0
  /// Some of it came when the credit was used up.
  var isOverdrawn = false
  /// The state is being told from the start; it has been told once.
  var isReset = false
  /// A pass ended early, as the broker has forgotten what it had yet to bring.
  var owesReset = false
  var hasWholeState = false
  /// From here on the newest event of each key comes.
  var latestSince: UInt64
}
