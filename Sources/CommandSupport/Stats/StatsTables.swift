import Counters

/// The tables of `stats` for people, with what somebody is looking for first.
extension StatsReport {
  struct Section {
    var title: String
    /// The foremost rows.
    var table: TextTable
    /// All the rows there are.
    var total: Int
  }

  func sections(rowsMax: Int?) -> [Section] {
    let limit = rowsMax ?? .max
    // The worst first: that is what somebody is looking for.
    let subscriptions = foremost(now.snapshot.subscriptions, limit) {
      (
        $0.isTorn || $0.ledger.breach == nil ? Double($0[.lagEvents]) : .infinity,
        rate($0, .deliveredEvents) ?? 0
      )
    }
    return [
      shardSection(), topicSection(limit), subscriptionSection(subscriptions),
      ledgerSection(subscriptions), topicTimeSection(limit), timeSection(limit),
      publisherSection(limit), connectionSection(limit), endedSection(),
    ]
  }

  /// The rows with the largest keys. Each key is made once: there may be many thousand rows.
  private func foremost<Row>(
    _ rows: [RowSnapshot<Row>], _ limit: Int, by key: (RowSnapshot<Row>) -> (Double, Double)
  ) -> [RowSnapshot<Row>] {
    let keys = rows.map(key)
    let order = rows.indices.sorted { keys[$0] == keys[$1] ? $0 < $1 : keys[$0] > keys[$1] }
    return order.prefix(limit).map { rows[$0] }
  }

  private func shardSection() -> Section {
    var table = TextTable([
      .init("shard"), .init("state", right: false, rank: 5), .init("busy"), .init("turns/s"),
      .init("conns"), .init("in/s"), .init("out/s"), .init("p50"), .init("p99"), .init("max"),
      .init("sends/s", rank: 3), .init("full", rank: 2), .init("pages", rank: 1),
      .init("stash", rank: 1), .init("cursors", rank: 4), .init("longest turn", rank: 6),
    ])
    for row in now.snapshot.shards {
      let recent = recentLatency(row).flatMap { $0.count > 0 ? $0 : nil } ?? row.latency
      table.add([
        "\(row[.index])", StatsNames.state(row[.state]),
        rate(row, .busyNs).map { "\(Int(($0 / 1e7).rounded())) %" } ?? "",
        short(rate(row, .turns)), HumanNumber.plain(row[.connections]),
        short(rate(row, .eventsIn)), short(rate(row, .eventsOut)),
        recent.percentile(0.5).map(HumanNumber.duration) ?? "",
        recent.percentile(0.99).map(HumanNumber.duration) ?? "",
        recent.count > 0 ? HumanNumber.duration(recent.maxNs) : "",
        short(rate(row, .sends)), HumanNumber.short(row[.sendWouldBlocks]),
        HumanNumber.size(row[.pageBytes]), HumanNumber.size(row[.stashBytes]),
        HumanNumber.short(row[.cursorsInUse]), HumanNumber.duration(row[.turnMaxNs]),
      ])
    }
    return Section(title: "SHARDS", table: table, total: now.snapshot.shards.count)
  }

  private func topicSection(_ limit: Int) -> Section {
    var table = TextTable([
      .init("topic", right: false, widthMin: 16), .init("events/s"), .init("bytes/s", rank: 1),
      .init("events"), .init("bytes", rank: 1), .init("first", rank: 3), .init("next", rank: 2),
      .init("ring"), .init("subs"), .init("pubs", rank: 1), .init("to ring p99", rank: 6),
      .init("fresh p50", rank: 5), .init("fresh p99", rank: 5), .init("shard", rank: 4),
    ])
    let rows = foremost(now.snapshot.topics, limit) {
      (rate($0, .eventsIn) ?? 0, Double($0[.eventsIn]))
    }
    for row in rows {
      table.add([
        TerminalText.text(row[.name], max: 64), short(rate(row, .eventsIn)),
        size(rate(row, .bytesIn)), HumanNumber.short(row[.eventsIn]),
        HumanNumber.size(row[.bytesIn]), "\(row[.firstSequence])", "\(row[.nextSequence])",
        HumanNumber.size(row[.ringBytes]), "\(subscriptions(of: row))",
        "\(publishers(of: row))", Self.text(readToRing(row), 0.99),
        Self.text(freshness(row), 0.5), Self.text(freshness(row), 0.99),
        "\(row[.shard])",
      ])
    }
    return Section(title: "TOPICS", table: table, total: now.snapshot.topics.count)
  }

  private func subscriptionSection(_ rows: [RowSnapshot<SubscriptionRow>]) -> Section {
    var table = TextTable([
      .init("subscription", right: false, widthMin: 16), .init("id"), .init("session", rank: 2),
      .init("policy", right: false, rank: 3), .init("events/s"), .init("bytes/s", rank: 4),
      .init("delivered"), .init("lag"), .init("lag bytes", rank: 1), .init("credit", rank: 1),
      .init("credit bytes", rank: 2), .init("lost"), .init("expired", rank: 5),
      .init("blocked", right: false),
    ])
    for row in rows {
      let ledger = row.ledger
      table.add([
        TerminalText.text(row[.pattern]) + (row.isTorn ? " (torn)" : ""), "\(row[.id])",
        session(row.shard, row[.connection]).map { "\($0)" } ?? "",
        StatsNames.policy(row[.policy]), short(rate(row, .deliveredEvents)),
        size(rate(row, .deliveredBytes)), HumanNumber.short(row[.deliveredEvents]),
        HumanNumber.short(row[.lagEvents]), HumanNumber.size(row[.lagBytes]),
        credit(row[.creditEvents], HumanNumber.short), credit(row[.creditBytes], HumanNumber.size),
        HumanNumber.short(ledger.dropped.events), HumanNumber.short(ledger.expired.events),
        blocked(row) == .none ? "" : "\(blocked(row))",
      ])
    }
    return Section(title: "SUBSCRIPTIONS", table: table, total: now.snapshot.subscriptions.count)
  }

  private func publisherSection(_ limit: Int) -> Section {
    var table = TextTable([
      .init("publisher of", right: false, widthMin: 16), .init("session", rank: 1),
      .init("events/s"), .init("bytes/s", rank: 1), .init("events"), .init("bytes", rank: 2),
      .init("events/batch", rank: 3), .init("acknowledged", rank: 4), .init("credit", rank: 2),
    ])
    let rows = foremost(now.snapshot.publishers, limit) {
      (rate($0, .events) ?? 0, Double($0[.events]))
    }
    for row in rows {
      let batches = row[.batches]
      table.add([
        TerminalText.text(topicName(row[.topic]), max: 64),
        session(row.shard, row[.connection]).map { "\($0)" } ?? "", short(rate(row, .events)),
        size(rate(row, .bytes)), HumanNumber.short(row[.events]), HumanNumber.size(row[.bytes]),
        batches == 0 ? "" : HumanNumber.short(Double(row[.events]) / Double(batches)),
        "\(row[.ackedThrough])", credit(row[.creditEvents], HumanNumber.short),
      ])
    }
    return Section(title: "PUBLISHERS", table: table, total: now.snapshot.publishers.count)
  }

  private func connectionSection(_ limit: Int) -> Section {
    var table = TextTable([
      .init("session"), .init("client", right: false, widthMin: 14),
      .init("peer", right: false, rank: 1), .init("in/s"), .init("out/s"),
      .init("bytes in/s", rank: 2), .init("bytes out/s", rank: 2), .init("events in", rank: 3),
      .init("events out", rank: 3), .init("stash", rank: 4), .init("rtt", rank: 4),
      .init("heard", rank: 5), .init("state", right: false, rank: 6),
    ])
    let rows = foremost(now.snapshot.connections, limit) {
      (Double($0[.stashBytes]), (rate($0, .bytesOut) ?? 0) + (rate($0, .bytesIn) ?? 0))
    }
    for row in rows {
      let heardNs = now.realtimeNs > row[.heardNs] ? now.realtimeNs - row[.heardNs] : 0
      table.add([
        "\(row[.session])", TerminalText.text(row[.client]), TerminalText.text(row[.peer]),
        short(rate(row, .eventsIn)), short(rate(row, .eventsOut)), size(rate(row, .bytesIn)),
        size(rate(row, .bytesOut)), HumanNumber.short(row[.eventsIn]),
        HumanNumber.short(row[.eventsOut]), HumanNumber.size(row[.stashBytes]),
        row[.rttNs] == 0 ? "" : HumanNumber.duration(row[.rttNs]),
        row[.heardNs] == 0 ? "" : HumanNumber.duration(heardNs),
        StatsNames.state(row[.state]) + (row.isTorn ? " (torn)" : ""),
      ])
    }
    return Section(title: "CONNECTIONS", table: table, total: now.snapshot.connections.count)
  }

  private func endedSection() -> Section {
    var table = TextTable([
      .init("sessions ended because", right: false), .init("sessions"),
    ])
    let shards = now.snapshot.shards.map { $0[.closed] }
    let sums = (shards.first ?? []).indices.map { index in
      (index, shards.reduce(0) { $0 &+ $1[index] })
    }
    for (index, sum) in sums.filter({ $0.1 > 0 }).sorted(by: { $0.1 > $1.1 }) {
      table.add([StatsNames.closeReason(index), HumanNumber.plain(sum)])
    }
    return Section(title: "ENDED", table: table, total: table.rowCount)
  }

  private func short(_ rate: Double?) -> String { rate.map(HumanNumber.short) ?? "" }

  private func size(_ rate: Double?) -> String { rate.map(HumanNumber.size) ?? "" }

  private func credit(_ left: UInt64, _ show: (UInt64) -> String) -> String {
    left == .max ? "∞" : show(left)
  }
}
