import BrokerCore
import Counters

/// Holds the accounts of a shard's subscriptions to what the taps have counted and to what the
/// model has in the topics, in events and in bytes.
struct LedgerCheck {
  /// Where a subscription began in a topic.
  private struct Begin {
    var sequence: UInt64
    /// Nil where batches before it were given up unseen.
    var bytes: UInt64?
    /// False where a state that was told came before the first look.
    var isKnown = true
  }

  /// By the generation of the subscription, then by topic.
  private var begins: [UInt32: [UInt32: Begin]] = [:]
  private var seen: Set<UInt32> = []

  /// Looks at all subscriptions of a shard, between two turns.
  /// - Parameter tap: of a connection, and whether a frame waits there that no byte was sent of.
  mutating func check(
    _ shard: Shard, _ model: Model, tap: (ConnectionID) -> (tap: Tap, isBehind: Bool)?
  ) {
    seen.removeAll(keepingCapacity: true)
    shard.forEachSubscription { view in
      seen.insert(view.generation)
      guard !view.isCondemned, let (tap, isBehind) = tap(view.connection) else { return }
      if let fault = check(shard, model, view, tap.accounts[view.ref], isBehind) {
        model.fail("shard \(shard.index), subscription \(view.slot), ref \(view.ref): \(fault)")
      }
    }
    if begins.count > 2 * seen.count + 16 { begins = begins.filter { seen.contains($0.key) } }
  }

  private mutating func check(
    _ shard: Shard, _ model: Model, _ view: SubscriptionView, _ account: Tap.Account?,
    _ isBehind: Bool
  ) -> String? {
    // What waits in part has been booked before its first byte is sent.
    if isBehind { return view.account.breach.map { "the account does not balance by \($0)" } }
    let account = account ?? Tap.Account()
    var matched = Amount()
    var pending = Amount()
    var untold = Amount()
    var areBytesKnown = true
    var areBeginsKnown = true
    var fault: String?
    shard.forEachPlace(of: view.slot) { place in
      let told = account.topics[place.topic]
      let begin = begin(view.generation, place, told, model)
      let next = place.gapFirst ?? place.next
      if !begin.isKnown { areBeginsKnown = false }
      if let first = told?.first, begin.isKnown, first != begin.sequence {
        fault = "it began at \(first) of topic \(place.topic), not \(begin.sequence)"
      }
      let wasNext = told?.next ?? begin.sequence
      if wasNext > next || wasNext < next {
        fault = "it is at \(next) of topic \(place.topic), and was sent all before \(wasNext)"
      }
      if let bytes = model.bytesBefore(place.topic, place.tail), bytes != place.tailBytes {
        fault = "\(place.tailBytes) bytes before \(place.tail) of \(place.topic), not \(bytes)"
      }
      matched.events += place.tail - begin.sequence
      if let bytes = begin.bytes { matched.bytes &+= place.tailBytes &- bytes }
      if begin.bytes == nil { areBytesKnown = false }
      for (sequence, charge) in account.early[place.topic] ?? [] where sequence < begin.sequence {
        matched += Amount(events: 1, bytes: charge)
      }
      pending += Amount(
        events: place.tail - place.next - place.booked.events,
        bytes: place.tailBytes - place.nextBytes - place.booked.bytes)
      untold += Amount(
        events: place.next - next + place.untold.events, bytes: place.gapBytes + place.untold.bytes)
    }
    if let fault { return fault }
    matched += account.repeated
    for part in account.passedTwice {
      guard let bytes = model.charge(part.topic, part.first, part.last) else {
        areBytesKnown = false
        continue
      }
      matched.bytes += bytes
    }
    var said = view.account
    if let breach = said.breach { return "the account does not balance by \(breach): \(said)" }
    said.matched = said.matched + view.late
    said.lag = said.lag + view.late
    let lost = account.lost + untold
    let counted: [(String, Ledger.Amount, Amount)] = [
      ("matched", said.matched, matched), ("delivered", said.delivered, account.delivered),
      ("lost", said.dropped + said.expired, lost), ("conflated", said.conflated, account.conflated),
      ("sampled out", said.sampled, account.sampledOut), ("pending", said.lag, pending),
      ("closed", said.closed, Amount()),
    ]
    // What has matched is the sum of the others, as the account balances.
    for (term, said, counted) in counted where areBeginsKnown || term != "matched" {
      if said.events != counted.events || areBytesKnown && said.bytes != counted.bytes {
        return "\(term) are \(counted), not as in \(view.account)"
      }
    }
    return nil
  }

  private mutating func begin(
    _ generation: UInt32, _ place: PlaceView, _ told: Tap.Place?, _ model: Model
  ) -> Begin {
    if let known = begins[generation]?[place.topic] { return known }
    var begin = Begin(
      sequence: place.gapFirst ?? place.next, bytes: place.nextBytes - place.gapBytes)
    if let told {
      begin.sequence = told.first ?? told.next
      begin.isKnown = told.first != nil
      begin.bytes = told.firstBytes ?? model.bytesBefore(place.topic, begin.sequence)
      if let gap = told.gap {
        // A GAP may say anything.
        begin.bytes = model.bytesBefore(place.topic, gap.next).map { $0 &- gap.bytes }
      }
    }
    begins[generation, default: [:]][place.topic] = begin
    return begin
  }
}

extension Model {
  /// Charged bytes before an event with which a batch begins, or before the end.
  func bytesBefore(_ id: UInt32, _ sequence: UInt64) -> UInt64? {
    guard let topic = topics[id] else { return nil }
    if sequence == topic.next { return topic.bytes }
    return batch(id, at: sequence)?.bytesBefore
  }
}
