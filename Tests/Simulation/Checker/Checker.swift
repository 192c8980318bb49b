import WireFormat

/// Judges what comes to clients by what the model says is true. It knows nothing of the broker's
/// inside, and does nothing.
final class Checker {
  let model: Model
  let clock: SimulatedClock
  /// Up to where events of a topic may have been given up; the one thing of the broker's that no
  /// client can know.
  var floor: (UInt32) -> UInt64 = { _ in .max }

  /// Up to where records of a topic's keys may have been given up for want of room: likewise.
  var keysFloor: (UInt32) -> UInt64 = { _ in 0 }

  init(model: Model, clock: SimulatedClock) {
    self.model = model
    self.clock = clock
  }

  private func fail(_ watch: Watch, _ text: @autoclosure () -> String) {
    model.fail("\(watch.who): \(text())")
  }

  func matches(_ watch: Watch, _ topic: UInt32) -> Bool {
    if let known = watch.matching[topic] { return known }
    let matches = plainlyMatches(watch.pattern, model.topics[topic]?.name ?? "")
    watch.matching[topic] = matches
    return matches
  }

  // MARK: What comes

  /// A DELIVER is about to be looked at, batch by batch.
  func delivered(_ watch: Watch, _ id: UInt32, _ header: BatchHeader, skip: UInt64) {
    let count = UInt64(header.count)
    guard skip < count else { return fail(watch, "a skip of \(skip) of \(count) events") }
    guard watch.hasCredit else {
      return fail(watch, "delivered without credit: \(watch.delivered), \(watch.creditEvents)")
    }
    let first = header.sequence + skip
    let next = header.sequence + count
    model.hear(id, of: next - 1)
    let batch = model.batch(id, at: header.sequence)
    if let fault = fault(of: header, batch, in: id) { fail(watch, fault) }
    goOn(watch, id, at: first, to: next)
    if let batch { fold(watch, id, first, next - 1, batch) }
    watch.take(Amount(events: next - first, bytes: UInt64(header.charge)))
    watch.endFrame(of: id)
  }

  /// Whether a batch is what the model has at its place, where the model knows.
  private func fault(of header: BatchHeader, _ batch: Model.Batch?, in id: UInt32) -> String? {
    if header.topic != id { return "a batch of topic \(header.topic) for \(id)" }
    guard let batch else { return model.faultUnseen(id, header) }
    let publisherSequence = UInt64(batch.publisher) << 32 | UInt64(batch.number)
    let isSame =
      header.sequence == batch.first && header.count == batch.count
      && header.bytesBefore == batch.bytesBefore && header.time == batch.time
      && header.ttlMs == batch.ttlMs && header.publisherSequence == publisherSequence
    return isSame ? nil : "\(header) is not \(batch)"
  }

  func lost(_ watch: Watch, _ gap: Gap, isNamed: Bool) {
    guard gap.last >= gap.first, gap.first > 0, gap.count == gap.last - gap.first + 1,
      let cause = gap.cause
    else { return fail(watch, "a GAP that contradicts itself: \(gap)") }
    if !isNamed { fail(watch, "a GAP of a topic that was not named: \(gap)") }
    model.hear(gap.topic, of: gap.last)
    if !isJust(watch, gap, cause) { fail(watch, "there is no reason for \(gap), \(watch.terms)") }
    goOn(watch, gap.topic, at: gap.first, to: gap.last + 1)
    if cause != .expired {
      watch.topics[gap.topic]?.latestSince = gap.last + 1
      watch.topics[gap.topic]?.hasWholeState = false
    }
    watch.lost[cause, default: Amount()] += Amount(events: gap.count, bytes: gap.bytes)
  }

  // MARK: Where it goes on

  /// A subscription goes on in a topic exactly where it was, or begins where it may.
  func goOn(_ watch: Watch, _ id: UInt32, at first: UInt64, to next: UInt64) {
    if let topic = watch.topics[id] {
      if !topic.selected.isEmpty || topic.isReset {
        fail(watch, "a pass in topic \(id) does not end")
      }
      if topic.owesReset { fail(watch, "topic \(id) goes on before STATE_RESET") }
      if first != topic.next {
        fail(watch, "topic \(id) goes on at \(first), not \(topic.next)")
      }
      watch.topics[id]!.next = next
      return
    }
    begin(watch, id, at: first)
    watch.topics[id]?.next = next
  }

  /// The first that comes of a topic.
  func begin(_ watch: Watch, _ id: UInt32, at first: UInt64) {
    if !matches(watch, id) { fail(watch, "topic \(id) is none of its own") }
    if let fault = faultOfStart(watch, id, first) { fail(watch, "topic \(id): \(fault)") }
    watch.topics[id] = TopicWatch(first: first)
  }

  private func faultOfStart(_ watch: Watch, _ id: UInt32, _ first: UInt64) -> String? {
    // Whoever comes back misses nothing, whenever that is.
    if watch.isResumed, let place = watch.positions[id] {
      return first == place ? nil : "goes on at \(first), not \(place)"
    }
    if watch.isConfirmed, watch.confirmed[id] == nil {
      return first == 1 ? nil : "a later topic begins at \(first)"
    }
    let now = (first: UInt64(1), next: model.topics[id]?.next ?? 1)
    let latest = watch.confirmed[id] ?? (first: floor(id), next: now.next)
    // Where the topic may not have been there yet, it may count as a later one.
    guard let earliest = watch.before[id] else { return nil }
    let wanted = watch.positions[id] ?? (watch.start == .sequence ? watch.value : nil)
    if let wanted {
      let place = max(1, wanted)
      if first == place && place <= latest.next { return nil }
      if first >= earliest.next && first <= latest.next && first <= place { return nil }
      return "begins at \(first), \(place) was wanted of \(earliest) to \(latest)"
    }
    var place = (least: earliest.next, most: latest.next)
    switch watch.start {
    case .earliest: place = (earliest.first, latest.first)
    case .time:
      let log = model.topics[id]?.log ?? []
      let i = log.partition { $0.time >= watch.value }
      let found = i < log.count ? log[i].first : now.next
      place = (min(found, earliest.next), max(min(found, latest.next), latest.first))
      place.least = max(place.least, min(earliest.first, earliest.next))
    case .state: return nil
    case .latest, .sequence: break
    }
    return first < place.least || first > place.most
      ? "\(watch.start) is \(first) of \(earliest) to \(latest)" : nil
  }

  // MARK: The end

  /// What a subscription's closing account says.
  func closed(_ watch: Watch, _ account: Unsubscribed) {
    let passed = watch.conflated.events + watch.sampledOut.events
    let sum =
      account.deliveredEvents + account.droppedEvents + account.expiredEvents
      + account.closedEvents
    if account.matchedEvents != sum + passed {
      fail(watch, "an account that does not balance: \(account), \(passed) left out")
    }
    if account.deliveredEvents != watch.delivered.events {
      fail(watch, "\(account.deliveredEvents) events delivered, \(watch.delivered) came")
    }
    let lost = watch.lostInAll.events
    if account.droppedEvents + account.expiredEvents < lost + watch.expired.events {
      fail(watch, "\(lost) events in gaps, the account has fewer: \(account)")
    }
    if lost + watch.delivered.events + passed + account.closedEvents > account.matchedEvents {
      fail(watch, "more came than matched: \(account)")
    }
  }

  /// All has been sent that could be: a subscription has everything there is, or has no credit.
  func atRest(_ watch: Watch, after occasion: String) {
    if !watch.hasCredit { return }
    for (id, topic) in model.topics where matches(watch, id) {
      let end = topic.next
      if let place = watch.topics[id] {
        if place.owesReset { fail(watch, "\(occasion): no STATE_RESET of \(topic.name)") }
        if !place.selected.isEmpty {
          fail(watch, "\(occasion): a pass in \(topic.name) does not end")
        }
        if place.next != end {
          fail(watch, "\(occasion): \(topic.name) ends at \(end), \(place.next) was to come")
        }
        checkState(watch, id, place)
      } else if watch.isResumed, let wanted = watch.positions[id] {
        if wanted < end {
          fail(watch, "\(occasion): nothing of \(topic.name) came, \(wanted) to \(end)")
        }
      } else if let confirmed = watch.confirmed[id] {
        if confirmed.next < end {
          fail(watch, "\(occasion): nothing of \(topic.name) came, \(confirmed.next) to \(end)")
        }
      } else if end > 1 {
        fail(watch, "\(occasion): nothing of the later \(topic.name) came")
      }
    }
  }
}
