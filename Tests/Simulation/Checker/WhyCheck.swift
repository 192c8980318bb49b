import BrokerCore
import CommandSupport
import Counters
import WireFormat

/// Holds what `galleon why` answers to what the frames say that became of an event.
struct WhyCheck {
  let model: Model
  let clock: SimulatedClock
  let region: CountersRegion
  /// Answers by fate.
  private(set) var seen: [String: Int] = [:]

  init(model: Model, clock: SimulatedClock, region: CountersRegion) {
    self.model = model
    self.clock = clock
    self.region = region
  }

  func snapshot() -> CountersSnapshot? {
    try? CountersSnapshot(tables: [.topic, .subscription, .observation]) {
      region.memory.bytes(at: $0, count: $1)
    }
  }

  /// Asks about one event that a subscription matches, of a shard between two turns.
  mutating func ask(
    _ sequence: UInt64, _ place: PlaceView, _ view: SubscriptionView, _ account: Tap.Account?,
    shard: Int, _ snapshot: CountersSnapshot
  ) {
    guard let topic = model.topics[place.topic], sequence >= topic.seenFrom else { return }
    // Of a batch that hides what it has in it nobody knows a key.
    if model.batch(place.topic, at: sequence)?.isLie == true { return }
    let row = region.subscriptions(shard: shard)[Int(view.slot)]
    let id = row.get(.id)
    guard
      var answer = WhyAnswer(
        WhyAnswer.Question(subscription: id, topic: topic.name, sequence: sequence), snapshot)
    else { return model.fail("why does not know subscription \(id)") }
    if answer.newestUpTo != nil, let batch = model.batch(place.topic, at: sequence) {
      let contents = model.event(place.topic, at: sequence).map { model.contents($0) }
      answer.found(
        WhyAnswer.Own(
          timeNs: batch.time, timeToLive: batch.ttlMs == 0 ? nil : .milliseconds(Int64(batch.ttlMs)),
          isTombstone: contents?.isTombstone ?? false),
        next: next(of: sequence, in: place.topic).map {
          WhyAnswer.Next(sequence: $0, timeNs: model.batch(place.topic, at: $0)?.time ?? 0)
        })
    }
    seen["why \(answer.fate.rawValue)", default: 0] += 1
    let observation = snapshot.observations.first { $0[.id] == id }
    let question = Question(
      sequence: sequence, place: place, fates: account?.fates[place.topic] ?? SentFates(),
      mayHaveExpired: model.batch(place.topic, at: sequence).map { $0.dueNs < clock.latestNs } ?? true,
      isAlone: row.get(.topics) == 1, hasAllRuns: observation?.hasAllRuns ?? false,
      isSteady: view.late.events == 0 && place.booked.events == 0
        && region.topics[Int(place.topic)].get(.nextSequence) == place.tail)
    if !isRight(answer, question) {
      let run = question.fates.run(of: sequence).map { "\($0)" } ?? "nothing"
      let newer = next(of: sequence, in: place.topic).map {
        "\($0) at \(model.batch(place.topic, at: $0)?.time ?? 0)"
      }
      model.fail(
        "why says: \(answer.line) It was \(run), then came \(newer ?? "nothing"), at \(place)")
    }
  }

  /// The next event with the same key.
  private func next(of sequence: UInt64, in id: UInt32) -> UInt64? {
    guard let event = model.event(id, at: sequence),
      let sequences = model.topics[id]?.keys[model.contents(event).key]
    else { return nil }
    let i = sequences.partition { $0 > sequence }
    return i < sequences.count ? sequences[i] : nil
  }

  /// Whether an answer is what became of the event.
  private func isRight(_ answer: WhyAnswer, _ question: Question) -> Bool {
    let sequence = question.sequence
    let place = question.place
    let fates = question.fates
    let run = fates.run(of: sequence)
    // What is lost is known before its GAP is sent.
    let isUntold = place.gapFirst.map { $0 <= sequence && sequence < place.next } ?? false
    let isPending = run == nil && sequence >= place.next
    let isLeftOut = run.map { !$0.selected.contains(sequence) } ?? false
    // A whole state stands for all that was before it, lost or not, and before the subscription.
    let isPass =
      run?.fate == .passed(isSample: false)
      || fates.runs.contains { $0.isState && sequence <= $0.last }
    switch answer.fate {
    case .delivered: return fates.hasSent(sequence) || isPass && question.mayHaveExpired
    case .sampledOut: return isLeftOut && run?.fate == .passed(isSample: true)
    case .conflated: return isPass && !fates.hasSent(sequence)
    case .expired:
      return isUntold || isPass || run?.fate == .lost(.expired) || run?.fate == .lost(.several)
    case .dropped:
      // A whole state may bring what was lost, and what was there before the subscription.
      guard case .lost(let cause) = run?.fate else { return isUntold || run?.isState == true }
      return cause == .several || cause != .expired && answer.cause == "\(cause.name)"
    case .pending:
      // Of one topic of several nothing tells where the subscription began.
      return isPending || run == nil && !isUntold && fates.runs.isEmpty && !question.isAlone
    case .neverMatched:
      if let run { return run.isState }
      return sequence < place.next && !isUntold || isPending && !question.isSteady
    case .notPublished: return run == nil && !question.isSteady
    case .unknown:
      // A state that is begun anew has brought some, or none, of what was before the subscription.
      return !question.hasAllRuns || isPass || isPending && !question.isSteady
        || answer.cause == "brokenPass"
    }
  }

  private struct Question {
    var sequence: UInt64
    var place: PlaceView
    var fates: SentFates
    /// Its time to live was over by one of the shards' clocks, which jump apart.
    var mayHaveExpired: Bool
    /// The subscription is in no other topic.
    var isAlone: Bool
    /// The record is there, and has everything that ever was in it.
    var hasAllRuns: Bool
    /// The counters of all shards say the same of what is pending.
    var isSteady: Bool
  }
}
