import Counters

/// `stats --slow`: who is behind, and why.
extension StatsReport {
  /// A subscription that is behind, or a publisher that waits.
  private struct Slow {
    /// What it holds up: the larger, the sooner it is told.
    var bytes: UInt64
    var sentence: String
  }

  /// A sentence for each, the worst first, and no more than `rowsMax`; one where there is none.
  public func slowLines(rowsMax: Int?) -> [String] {
    let clients = Dictionary(
      now.snapshot.connections.map { (RowIdentity(shard: $0.shard ?? -1, slot: $0.slot, use: 0), $0) },
      uniquingKeysWith: { first, _ in first })
    func who(_ shard: Int?, _ connection: UInt32) -> String {
      let id = RowIdentity(shard: shard ?? -1, slot: Int(connection), use: 0)
      guard let row = clients[id] else { return "a connection that is gone" }
      let name = TerminalText.text(row[.client])
      return (name.isEmpty ? "" : "\(name), ") + "session \(row[.session])"
    }
    var slow: [Slow] = []
    let splits = splits
    for row in now.snapshot.subscriptions {
      let split = splits[row[.id]].flatMap { $0.p99Ns >= Self.slowNs ? $0 : nil }
      let times = split.map { " Of what it was sent: \($0.sentence)." } ?? ""
      guard row[.lagEvents] > 0 else {
        if let split {
          slow.append(
            Slow(
              bytes: 0,
              sentence: "Subscription \(row[.id]) to \(TerminalText.text(row[.pattern])) ("
                + "\(who(row.shard, row[.connection]))): \(split.sentence)."))
        }
        continue
      }
      slow.append(
        Slow(
          bytes: row[.lagBytes],
          sentence: "Subscription \(row[.id]) to \(TerminalText.text(row[.pattern])) ("
            + "\(who(row.shard, row[.connection]))) has \(HumanNumber.short(row[.lagEvents])) events, "
            + "\(HumanNumber.size(row[.lagBytes])), pending: \(why(row))\(progress(row)).\(times)"))
    }
    for row in now.snapshot.publishers {
      guard let cause = BlockedCause(rawValue: row[.blocked]), cause != .none else { continue }
      slow.append(
        Slow(
          bytes: 0,
          sentence: "The publisher of \(TerminalText.text(topicName(row[.topic]), max: 64)) ("
            + "\(who(row.shard, row[.connection]))) is not heard: \(Self.why(publisher: cause))."))
    }
    if slow.isEmpty {
      return ["Nobody is slow: every subscription has what there is."]
    }
    let order = slow.indices.sorted { (slow[$1].bytes, $0) < (slow[$0].bytes, $1) }
    let told = order.prefix(rowsMax ?? .max).map { slow[$0].sentence }
    let more = slow.count - told.count
    return told + (more > 0 ? ["… and \(HumanNumber.plain(UInt64(more))) more"] : [])
  }

  private static func why(publisher cause: BlockedCause) -> String {
    switch cause {
    case .subscriber: "its topic waits for a lossless subscription"
    case .memory: "there is no ring memory for its batch"
    case .draining: "the broker is shutting down"
    default: "\(cause)"
    }
  }

  private func why(_ row: RowSnapshot<SubscriptionRow>) -> String {
    switch blocked(row) {
    case .none: "nothing holds it back"
    case .creditEvents: "its reader has not granted credit for more events"
    case .creditBytes: "its reader has not granted credit for more bytes"
    case .socket: "its socket is full, so its reader or the network takes nothing more"
    case .turn: "others are being served before it"
    case .attaching: "it is being told where it starts"
    case .memory, .subscriber, .draining: "\(blocked(row))"
    }
  }

  /// Whether it catches up, where there are rates.
  private func progress(_ row: RowSnapshot<SubscriptionRow>) -> String {
    guard let out = rate(row, .deliveredEvents), let matched = rate(row, .matchedEvents) else {
      return ""
    }
    if out == 0 { return "; it is sent nothing" }
    let speed = "; it is sent \(HumanNumber.short(out)) events/s"
    if out <= matched { return speed + " and falls behind, as \(HumanNumber.short(matched)) come" }
    let leftNs = Double(row[.lagEvents]) / (out - matched) * 1e9
    return speed + " and will have caught up in \(HumanNumber.duration(UInt64(min(leftNs, 1e18))))"
  }
}
