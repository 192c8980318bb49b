import WireFormat

// Policies that leave events out: `latest` passes over the newest event of each key, `sample` over
// every n-th event. What a pass leaves out is told at its end, and must add up.

extension Checker {
  private func fail(_ watch: Watch, _ text: @autoclosure () -> String) {
    model.fail("\(watch.who): \(text())")
  }

  /// A batch of one event, chosen by the policy; `endFrame` follows the last one of a frame.
  func selected(_ watch: Watch, _ id: UInt32, _ header: BatchHeader, key: UInt8) {
    guard header.count == 1 else { return fail(watch, "\(header.count) events, selected at once") }
    let sequence = header.sequence
    model.hear(id, of: sequence)
    let hadCredit = watch.hasCredit
    watch.take(Amount(events: 1, bytes: UInt64(header.charge)))
    if !hadCredit && !watch.hadCreditBefore(frameOf: id) {
      fail(watch, "selected without credit: \(watch.delivered)")
    }
    if watch.topics[id] == nil {
      // The pass says at its end where it began.
      if !matches(watch, id) { fail(watch, "topic \(id) is none of its own") }
      watch.topics[id] = TopicWatch(first: 0)
    }
    if let event = model.event(id, at: sequence), let batch = model.batch(id, at: sequence) {
      let contents = model.contents(event)
      let publisherSequence = UInt64(event.publisher) << 32 | UInt64(event.number)
      let before =
        sequence > batch.first ? model.charge(id, batch.first, sequence - 1) ?? 0 : 0
      let isGone = isGone(id, header)
      let charge = isGone ? Self.removalCharge : UInt64(contents.charge)
      if header.publisherSequence != publisherSequence || contents.key != key
        || UInt64(header.charge) != charge || header.time != batch.time
        || header.bytesBefore != batch.bytesBefore + before || header.topic != id
        || !isGone && (header.ttlMs != batch.ttlMs || batch.dueNs < watch.askedNs)
      {
        fail(watch, "\(header), key \(key), is not \(event) of \(batch)")
      }
    } else if let fault = model.faultUnseen(id, header) {
      fail(watch, fault)
    }
    let place = watch.topics[id]!
    if place.owesReset { fail(watch, "\(sequence) of topic \(id) comes before STATE_RESET") }
    if place.first != 0, !place.isReset, sequence < place.next {
      fail(watch, "\(sequence) of topic \(id) comes where \(place.next) is next")
    }
    if place.selected.contains(sequence) { fail(watch, "\(sequence) of topic \(id) comes twice") }
    see(watch, id, key: key, sequence)
    watch.topics[id]!.selected.append(sequence)
    watch.topics[id]!.selectedBytes += UInt64(header.charge)
    if !hadCredit { watch.topics[id]!.isOverdrawn = true }
  }

  /// What the removal of a key is charged.
  private static let removalCharge: UInt64 = {
    var writer = BatchWriter()
    let key: [UInt8] = [UInt8(ascii: "k"), 1]
    let isIn = unsafe key.withUnsafeBytes {
      unsafe writer.append(
        payload: UnsafeRawBufferPointer(start: nil, count: 0), key: $0, tombstone: true)
    }
    precondition(isIn, "a removal fits a batch")
    return UInt64(writer.charge)
  }()

  /// Whether a batch of one event is the removal of its key, as the event's time to live is over.
  func isGone(_ id: UInt32, _ header: BatchHeader) -> Bool {
    guard header.ttlMs == 0 else { return false }
    // Of what nobody saw in the ring its size tells: every event of its own has a payload.
    guard let batch = model.batch(id, at: header.sequence) else {
      return UInt64(header.charge) == Self.removalCharge && model.topics[id]?.hasHoles == true
    }
    return batch.ttlMs != 0 && batch.dueNs < clock.latestNs && model.topics[id]?.isKeyed == true
  }

  /// What is known of the topic's keys is to be forgotten; the whole state follows.
  func reset(_ watch: Watch, _ id: UInt32) {
    if !matches(watch, id) { fail(watch, "topic \(id) is none of its own") }
    if watch.topics[id] == nil { watch.topics[id] = TopicWatch(first: 0) }
    watch.topics[id]!.keys = [:]
    watch.topics[id]!.selected = []
    watch.topics[id]!.selectedBytes = 0
    watch.topics[id]!.isOverdrawn = false
    watch.topics[id]!.isReset = true
    watch.topics[id]!.owesReset = false
  }

  /// What PASSED says.
  struct Pass {
    var isSample: Bool
    var first: UInt64
    var last: UInt64
    var leftOut: Amount
    var expired: Amount
  }

  /// A pass is over.
  func passed(_ watch: Watch, _ id: UInt32, _ pass: Pass) {
    let isState = pass.first == 0
    if watch.topics[id] == nil, !isState { begin(watch, id, at: pass.first) }
    guard var place = watch.topics[id] else { return fail(watch, "a state that nobody began") }
    if place.first == 0, !isState {
      if place.isReset { fail(watch, "a state that is no state: \(pass)") }
      let selected = place
      watch.topics[id] = nil
      begin(watch, id, at: pass.first)
      place.first = pass.first
      place.next = pass.first
      place.latestSince = pass.first
      place.selected = selected.selected
    }
    if place.owesReset { fail(watch, "\(pass) comes before STATE_RESET") }
    if isState != place.isReset {
      fail(watch, "\(pass) ends \(place.isReset ? "a state" : "a pass")")
    }
    if pass.last + 1 < place.next { fail(watch, "\(pass) ends before \(place.next)") }
    model.hear(id, of: pass.last)
    if !isState {
      if pass.first != place.next { fail(watch, "\(pass) begins before \(place.next)") }
      checkSum(watch, id, pass, place)
    }
    for sequence in place.selected where sequence > pass.last {
      fail(watch, "\(pass) has \(sequence)")
    }
    if pass.isSample {
      // It comes out of the ring, as DELIVER does: nothing is asked for before.
      if place.isOverdrawn { fail(watch, "\(pass): sampled without credit") }
      checkSample(watch, id, pass, place)
    } else if model.topics[id]?.isKeyed == true {
      place.owesReset = endsEarly(watch, id, pass, place)
    }
    if pass.isSample { watch.sampledOut += pass.leftOut } else { watch.conflated += pass.leftOut }
    watch.expired += pass.expired
    place.selected = []
    place.selectedBytes = 0
    place.isOverdrawn = false
    place.isReset = false
    if place.first == 0 { place.first = pass.last + 1 }
    // What a sample left out is nobody's to bring when the policy is latest again.
    if isState { place.hasWholeState = true }
    if pass.isSample, pass.leftOut.events > 0 { place.hasWholeState = false }
    place.next = pass.last + 1
    watch.topics[id] = place
  }

  /// Every event of a pass came, was left out, or was too old.
  private func checkSum(_ watch: Watch, _ id: UInt32, _ pass: Pass, _ place: TopicWatch) {
    let came = Amount(events: UInt64(place.selected.count), bytes: place.selectedBytes)
    let sum = came + pass.leftOut + pass.expired
    if sum.events != pass.last + 1 - pass.first {
      fail(watch, "\(pass) and \(place.selected.count) events are not all there are")
    }
    // A batch in whose middle it began is charged as a whole.
    let batch = model.batch(id, at: pass.first)
    let partBytes =
      pass.first == place.first && pass.first > (batch?.first ?? .max)
      ? model.charge(id, batch!.first, pass.first - 1) ?? 0 : 0
    if let bytes = model.charge(id, pass.first, pass.last), bytes + partBytes != sum.bytes {
      fail(watch, "\(pass) and \(place.selectedBytes) bytes are not the \(bytes) there are")
    }
    if model.charge(id, pass.first, pass.last) != nil {
      let old = model.batches(id, pass.first, pass.last).reduce(UInt64(0)) { sum, batch in
        let first = max(batch.first, pass.first)
        let next = min(batch.next, pass.last + 1)
        let isOld = pass.isSample ? isTooOld(watch, batch) : isPastBound(watch, batch)
        return isOld ? sum + next - first : sum
      }
      if pass.expired.events > old { fail(watch, "\(pass): \(old) events are too old") }
    }
  }

  private func checkSample(_ watch: Watch, _ id: UInt32, _ pass: Pass, _ place: TopicWatch) {
    if zip(place.selected, place.selected.dropFirst()).contains(where: { $0 >= $1 }) {
      fail(watch, "\(pass): the sample does not rise")
    }
    let every = UInt64(max(1, watch.terms.sampleEvery))
    guard !watch.isChanging, watch.terms.policy == .sample else { return }
    for sequence in place.selected where sequence % every != 0 {
      fail(watch, "\(pass): \(sequence) is no multiple of \(every)")
    }
    let wanted = pass.last / every - (pass.first - 1) / every
    if UInt64(place.selected.count) > wanted
      || UInt64(place.selected.count) + pass.expired.events < wanted
    {
      fail(watch, "\(pass): \(place.selected.count) of \(wanted) came")
    }
  }

  /// Each key's newest event of the pass came, unless a newer one will, or it is too old.
  /// - Returns: true where some did not since the broker had forgotten one of them, as it may; then
  ///   the whole state must be next.
  private func endsEarly(
    _ watch: Watch, _ id: UInt32, _ pass: Pass, _ place: TopicWatch
  ) -> Bool {
    guard let topic = model.topics[id] else { return false }
    let came = Set(place.selected)
    var isLacking = false
    for key in topic.keys.keys.sorted() {
      guard let newest = model.newest(id, key: key, upTo: pass.last) else { continue }
      if came.contains(newest) { continue }
      if newest < pass.first { continue }
      // A newer one is for the next pass.
      if model.newest(id, key: key) != newest { continue }
      if pass.first == 0, isRemoval(id, newest) { continue }
      guard let batch = model.batch(id, at: newest) else { continue }
      if isPastBound(watch, batch) { continue }
      if pass.first == 0, mayBeUnknown(id, newest) { continue }
      // With the first that is forgotten of what a pass had yet to bring it ends.
      if pass.first != 0, pass.first <= keysFloor(id) || newest < topic.seenFrom {
        isLacking = isLacking || newest >= topic.seenFrom
        continue
      }
      fail(watch, "\(pass): key \(key) has \(newest), which did not come")
    }
    for sequence in place.selected {
      guard let event = model.event(id, at: sequence) else { continue }
      let key = model.contents(event).key
      if model.newest(id, key: key, upTo: pass.last) != sequence {
        fail(watch, "\(pass): \(sequence) was not the newest of key \(key)")
      }
    }
    return isLacking
  }

  /// Whether an event says that its key is gone, or has come to say so as its time is over.
  private func isRemoval(_ id: UInt32, _ sequence: UInt64) -> Bool {
    isTombstone(id, sequence)
      || (model.batch(id, at: sequence)?.dueNs ?? .max) < clock.latestNs
  }

  func isTombstone(_ id: UInt32, _ sequence: UInt64) -> Bool {
    model.event(id, at: sequence).map { model.contents($0).isTombstone } ?? true
  }

  /// Whether the broker may have had to forget an event, or the model does not know a newer one of
  /// its key.
  private func mayBeUnknown(_ id: UInt32, _ sequence: UInt64) -> Bool {
    if sequence < model.topics[id]?.seenFrom ?? .max { return true }
    // What is there goes only for want of room; that a key is gone may be forgotten at any time.
    return sequence <= keysFloor(id) && (isRemoval(id, sequence) || model.topics[id]!.lacksKeys)
  }

  /// Whether an event need not come any more; true where it is not known.
  private func isTooOld(_ watch: Watch, _ id: UInt32, _ sequence: UInt64) -> Bool {
    model.batch(id, at: sequence).map { isTooOld(watch, $0) } ?? true
  }

  private func isTooOld(_ watch: Watch, _ batch: Model.Batch) -> Bool {
    batch.dueNs < clock.latestNs || isPastBound(watch, batch)
  }

  /// Whether an event is older than its subscription may want it.
  private func isPastBound(_ watch: Watch, _ batch: Model.Batch) -> Bool {
    // A pass that was asked for before a change may come behind it.
    watch.allTerms.contains {
      $0.lagMsMax != 0 && batch.time + UInt64($0.lagMsMax) * 1_000_000 < clock.latestNs
    }
  }

  // MARK: Changes

  /// A client asks for another policy.
  func asks(_ watch: Watch, for terms: PolicyTerms) {
    if !watch.formerTerms.contains(watch.terms) { watch.formerTerms.append(watch.terms) }
    watch.terms = terms
    watch.isChanging = true
    watch.changes += 1
  }

  /// POLICY_SET has come: what comes behind it is by the new policy.
  func changed(_ watch: Watch, to policy: Policy) {
    watch.changes -= 1
    if watch.changes == 0, policy != watch.terms.policy {
      fail(watch, "\(policy) where \(watch.terms) were asked for")
    }
    if watch.changes == 0 { watch.isChanging = false }
    for id in watch.topics.keys { watch.topics[id]!.latestSince = watch.topics[id]!.next }
  }

  // MARK: State

  /// Events of a batch that came as they lie in the ring.
  func fold(
    _ watch: Watch, _ id: UInt32, _ first: UInt64, _ last: UInt64, _ batch: Model.Batch
  ) {
    guard model.topics[id]?.isKeyed == true else { return }
    for sequence in first...last {
      let number = batch.number + UInt32(sequence - batch.first)
      let event = Model.Event(publisher: batch.publisher, number: number)
      see(watch, id, key: model.contents(event).key, sequence)
    }
  }

  private func see(_ watch: Watch, _ id: UInt32, key: UInt8, _ sequence: UInt64) {
    guard key != 0 else { return }
    if let before = watch.topics[id]?.keys[key], before >= sequence {
      fail(watch, "key \(key) of topic \(id) goes from \(before) to \(sequence)")
    }
    watch.topics[id]?.keys[key] = sequence
  }

  /// What a subscription of the newest events has seen in the end is what the publishers left.
  func checkState(_ watch: Watch, _ id: UInt32, _ place: TopicWatch) {
    guard watch.terms.policy == .latest, !watch.isChanging, let topic = model.topics[id],
      topic.isKeyed
    else { return }
    for key in topic.keys.keys.sorted() {
      guard let newest = model.newest(id, key: key),
        place.hasWholeState || newest >= place.latestSince
      else { continue }
      if place.keys[key] == newest || isTooOld(watch, id, newest) { continue }
      if isTombstone(id, newest), place.keys[key] == nil { continue }
      // What the broker has forgotten a client forgets as well, and does not go on with older
      // things. It may have what the witness has not seen.
      if mayBeUnknown(id, newest), place.keys[key].map({ $0 > newest }) ?? true { continue }
      fail(watch, "\(topic.name): key \(key) ends with \(newest), not \(place.keys[key] ?? 0)")
    }
  }
}
