import WireFormat

// What a GAP may give as its cause.

extension Checker {
  /// Whether a subscription may have lost these events for this cause.
  func isJust(_ watch: Watch, _ gap: Gap, _ cause: GapCause) -> Bool {
    guard let topic = model.topics[gap.topic] else { return false }
    let isBegin = watch.topics[gap.topic] == nil
    let wanted =
      watch.positions[gap.topic] ?? (watch.start == .sequence ? watch.value : nil)
    // What was given up before it was asked for is told as just that, or as one cause of several.
    if isBegin, wanted != nil, cause != .notRetained, cause != .several,
      gap.first < watch.before[gap.topic]?.first ?? 0
    {
      return false
    }
    switch cause {
    case .notRetained: return isBegin && wanted != nil && gap.last < floor(gap.topic)
    case .ringOverrun where topic.isKeyed && watch.allTerms.allSatisfy { $0.policy == .latest }:
      // It is sent what is known of the keys, however far behind it is; unless there was no memory
      // to know any.
      return topic.lacksKeys
    case .several:
      // Each for a part.
      let others = GapCause.allCases.filter { $0 != .several }
      return others.filter { mayHaveLost(watch, gap, $0, isBegin: isBegin && wanted != nil) }
        .count > 1
    default: return watch.allTerms.contains { isJust(gap, cause, $0, topic) }
    }
  }

  /// The same with certain terms: one that was pending when the policy changed is told behind that.
  private func isJust(
    _ gap: Gap, _ cause: GapCause, _ terms: PolicyTerms, _ topic: Model.Topic
  ) -> Bool {
    switch cause {
    case .ringOverrun:
      // What a policy leaves out of the ring comes back to it as it can.
      if terms.policy == .latest { return true }
      return gap.last < floor(gap.topic) && !(topic.isBlock && terms.policy == .lossless)
    case .blockTimeout:
      return topic.isBlock && terms.policy == .lossless && gap.last < floor(gap.topic)
    case .dropOldest:
      guard terms.policy == .dropOldest || terms.policy == .latest else { return false }
      guard let batch = model.batch(gap.topic, at: gap.last) else {
        return gap.last < topic.seenFrom
      }
      let oldest = clock.latestNs - UInt64(terms.lagMsMax) * 1_000_000
      return terms.lagEventsMax != 0 && topic.next - batch.first > terms.lagEventsMax
        || terms.lagBytesMax != 0
          && (topic.bytes ?? .max) - batch.bytesBefore > terms.lagBytesMax
        || terms.lagMsMax != 0 && batch.time < oldest
    case .expired:
      return model.batches(gap.topic, gap.first, gap.last).allSatisfy { isOver($0, terms) }
    case .corrupt:
      return model.batches(gap.topic, gap.first, gap.last).allSatisfy { $0.isLie }
    case .notRetained, .several, .newEpoch: return false
    }
  }

  /// Whether a batch need not come any more.
  private func isOver(_ batch: Model.Batch, _ terms: PolicyTerms) -> Bool {
    let lagNs = UInt64(terms.lagMsMax) * 1_000_000
    let hasBound = lagNs != 0 && (terms.policy == .sample || terms.policy == .latest)
    return batch.dueNs < clock.latestNs || hasBound && batch.time + lagNs < clock.latestNs
  }

  /// Whether a cause may be that of some of a gap's events. The first was furthest behind: what
  /// comes of being behind is true of it, or of none.
  private func mayHaveLost(_ watch: Watch, _ gap: Gap, _ cause: GapCause, isBegin: Bool) -> Bool {
    guard let topic = model.topics[gap.topic] else { return false }
    if cause == .notRetained { return isBegin && gap.first < floor(gap.topic) }
    var first = gap
    first.last = gap.first
    let batches = model.batches(gap.topic, gap.first, gap.last)
    return watch.allTerms.contains { terms in
      switch cause {
      // What lies in a hole may have been anything.
      case .expired: gap.first < topic.seenFrom || batches.contains { isOver($0, terms) }
      case .corrupt: gap.first < topic.seenFrom || batches.contains { $0.isLie }
      default: isJust(first, cause, terms, topic)
      }
    }
  }
}
