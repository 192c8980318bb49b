import WireFormat

// What policies leave out. DELIVER_SELECTED brings events and does not move the subscription:
// within a pass their order is free. PASSED does, so that a pass which the end of a connection
// interrupts is begun again. What DELIVER_SELECTED has in common with DELIVER is in
// `ClientSession+Deliver`.
extension ClientSession {
  /// Whether an event that ends before `next` was passed before. While the whole state of the topic
  /// is on its way, none was.
  func isBehind(_ row: SubscriptionRow, _ topic: DeliveredTopic, _ next: UInt64) -> Bool {
    row.resets[topic.id] == nil && next <= row.next[topic.id] ?? 0
  }

  func receive(_ passed: Passed, _ ref: UInt32) throws(WireError) {
    guard let row = subscriptions[ref] else { return }
    let topic = try topic(passed.topic)
    guard passed.first <= passed.last, passed.last < .max else {
      throw WireError(.malformedFrame, need: Int(truncatingIfNeeded: passed.first))
    }
    let expected = row.next[topic.id]
    let isState = passed.first == 0
    if !isState { explain(row, topic, upTo: passed.first) }
    row.next[topic.id] = max(expected ?? 0, passed.last + 1)
    if passed.events > 0 || passed.expiredEvents > 0 {
      let leftOut = LeftOut(
        topic: topic.name, cause: LeftOutCause(passed.kind),
        first: isState ? expected ?? 0 : passed.first, last: passed.last, count: passed.events,
        bytes: passed.bytes, expiredCount: passed.expiredEvents,
        expiredBytes: passed.expiredBytes)
      add(.leftOut(leftOut), to: row)
    }
    if isState {
      row.resets[topic.id] = nil
      add(.stateComplete(topic: topic.name, last: passed.last), to: row)
    }
  }

  func receive(_ reset: StateReset, _ ref: UInt32) throws(WireError) {
    guard let row = subscriptions[ref] else { return }
    let topic = try topic(reset.topic)
    // One that comes before the last was complete begins it anew.
    if row.resets[topic.id] == nil { row.resets[topic.id] = row.next[topic.id] ?? 0 }
    add(.stateReset(topic: topic.name), to: row)
  }
}

extension LeftOutCause {
  fileprivate init(_ wire: WireFormat.LeftOut?) {
    self =
      switch wire {
      case .conflated: .conflated
      case .sampledOut: .sampledOut
      case nil: .other
      }
  }
}
