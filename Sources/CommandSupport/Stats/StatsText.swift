import Counters

/// `stats` for people.
extension StatsReport {
  /// A part of the screen: a title line and rows, of which the first ones matter most.
  struct Section {
    var title: String
    var table: TextTable
    var lines: [String] = []
  }

  /// Everything, with at most so many rows of each table (nil: all), no line wider than `width`.
  public func lines(width: Int, rowsMax: Int?) -> [String] {
    var lines = head(width: width)
    for section in sections() {
      let rows = section.table.lines(width: width)
      if rows.count <= 1 { continue }
      lines += ["", section.title]
      lines += Self.cut(rows, to: rowsMax)
    }
    return lines
  }

  /// As much as fits a screen: the head whole, and every table with its most important rows.
  public func screen(width: Int, height: Int) -> [String] {
    var lines = head(width: width)
    var tables = sections().map { ($0.title, $0.table.lines(width: width)) }
      .filter { $0.1.count > 1 }
    // Each table takes a blank line, its title and its column titles.
    while !tables.isEmpty && lines.count + tables.count * 4 > height { tables.removeLast() }
    var shares = tables.map { min(1, $0.1.count - 1) }
    var left = height - lines.count - tables.count * 3 - shares.reduce(0, +)
    // One row at a time to whoever can use it, so that no table starves another.
    while left > 0,
      let index = shares.indices.filter({ shares[$0] < tables[$0].1.count - 1 })
        .min(by: { shares[$0] < shares[$1] })
    {
      shares[index] += 1
      left -= 1
    }
    for (index, (title, rows)) in tables.enumerated() {
      let all = rows.count - 1
      let count = shares[index] < all ? " (\(shares[index]) of \(all))" : ""
      lines += ["", title + count] + rows.prefix(shares[index] + 1)
    }
    return lines.prefix(height).map { String($0.prefix(width)) }
  }

  private static func cut(_ rows: [String], to rowsMax: Int?) -> [String] {
    guard let rowsMax, rows.count - 1 > rowsMax else { return rows }
    let more = HumanNumber.plain(UInt64(rows.count - 1 - rowsMax))
    return rows.prefix(rowsMax + 1) + ["… and \(more) more"]
  }

  // MARK: The head

  func head(width: Int) -> [String] {
    let snapshot = now.snapshot
    let broker = snapshot.broker
    let upNs = now.realtimeNs > broker[.startedNs] ? now.realtimeNs - broker[.startedNs] : 0
    var lines = [
      [
        TerminalText.text(broker[.version]), "pid \(snapshot.header.processID)",
        "up \(HumanNumber.duration(upNs))", now.health.name,
        TerminalText.text(broker[.addresses]),
      ].filter { !$0.isEmpty }.joined(separator: " · ")
    ]
    if let warning = now.warning { lines.append(warning) }
    if broker.isTorn || snapshot.shards.contains(where: \.isTorn) {
      lines.append("Its writer stopped in the middle of an update: numbers need not agree.")
    }
    let used = memoryUsedBytes
    let ceiling = broker[.memoryCeilingBytes]
    let share = ceiling > 0 ? " (\(used &* 100 / ceiling) %)" : ""
    lines += [
      "memory   \(HumanNumber.size(used)) of \(HumanNumber.size(ceiling))\(share)   "
        + "topics \(HumanNumber.plain(topicsInUse))   "
        + "connections \(HumanNumber.plain(total(.connections)))   "
        + "publishers \(HumanNumber.plain(total(.publishers)))   "
        + "subscriptions \(HumanNumber.plain(total(.subscriptions)))",
      "in       " + flow(.eventsIn, .bytesIn),
      "out      " + flow(.eventsOut, .bytesOut)
        + "   lost \(HumanNumber.short(total(.droppedEvents)))",
    ]
    let recent = recentLatency.flatMap { $0.count > 0 ? $0 : nil }
    lines.append(
      "latency  " + Self.latency(recent ?? snapshot.latency)
        + (recent == nil && snapshot.latency.count > 0 ? "   since the start" : ""))
    return lines.map { String($0.prefix(width)) }
  }

  private func flow(_ events: ShardRow.Word, _ bytes: ShardRow.Word) -> String {
    var text = ""
    if let events = totalRate(events), let bytes = totalRate(bytes) {
      text = "\(HumanNumber.short(events)) events/s   \(HumanNumber.size(bytes))/s   total "
    }
    return text + "\(HumanNumber.short(total(events))) events   \(HumanNumber.size(total(bytes)))"
  }

  static func latency(_ histogram: LatencyHistogram) -> String {
    guard let p50 = histogram.percentile(0.5), let p99 = histogram.percentile(0.99),
      let p999 = histogram.percentile(0.999)
    else { return "nothing was sent" }
    return "p50 \(HumanNumber.duration(p50))   p99 \(HumanNumber.duration(p99))   "
      + "p99.9 \(HumanNumber.duration(p999))   max \(HumanNumber.duration(histogram.maxNs))"
  }

  // MARK: The tables

  func sections() -> [Section] {
    [
      shardSection(), topicSection(), subscriptionSection(), publisherSection(),
      connectionSection(), endedSection(),
    ]
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
    return Section(title: "SHARDS", table: table)
  }

  private func topicSection() -> Section {
    var table = TextTable([
      .init("topic", right: false, widthMin: 16), .init("events/s"), .init("bytes/s", rank: 1),
      .init("events"), .init("bytes", rank: 1), .init("first", rank: 3), .init("next", rank: 2),
      .init("ring"), .init("subs"), .init("pubs", rank: 1), .init("shard", rank: 4),
    ])
    let rows = now.snapshot.topics.sorted {
      (rate($0, .eventsIn) ?? 0, $0[.eventsIn], $1[.name])
        > (rate($1, .eventsIn) ?? 0, $1[.eventsIn], $0[.name])
    }
    for row in rows {
      table.add([
        TerminalText.text(row[.name], max: 64), short(rate(row, .eventsIn)),
        size(rate(row, .bytesIn)), HumanNumber.short(row[.eventsIn]),
        HumanNumber.size(row[.bytesIn]), "\(row[.firstSequence])", "\(row[.nextSequence])",
        HumanNumber.size(row[.ringBytes]), "\(subscriptions(of: row))",
        "\(publishers(of: row))",
        "\(row[.shard])",
      ])
    }
    return Section(title: "TOPICS", table: table)
  }

  private func subscriptionSection() -> Section {
    var table = TextTable([
      .init("subscription", right: false, widthMin: 16), .init("session", rank: 2),
      .init("policy", right: false, rank: 3), .init("events/s"), .init("bytes/s", rank: 4),
      .init("delivered"), .init("lag"), .init("lag bytes", rank: 1), .init("credit", rank: 1),
      .init("credit bytes", rank: 2), .init("lost"), .init("expired", rank: 5),
      .init("blocked", right: false),
    ])
    // The worst first: that is what somebody is looking for.
    let rows = now.snapshot.subscriptions.sorted {
      ($0[.lagEvents], rate($0, .deliveredEvents) ?? 0, $0[.deliveredEvents])
        > ($1[.lagEvents], rate($1, .deliveredEvents) ?? 0, $1[.deliveredEvents])
    }
    for row in rows {
      let dropped = row[.droppedEvents]
      let expired = dropped[StatsNames.expiredCause]
      table.add([
        TerminalText.text(row[.pattern]) + (row.isTorn ? " (torn)" : ""),
        session(row.shard, row[.connection]).map { "\($0)" } ?? "",
        StatsNames.policy(row[.policy]), short(rate(row, .deliveredEvents)),
        size(rate(row, .deliveredBytes)), HumanNumber.short(row[.deliveredEvents]),
        HumanNumber.short(row[.lagEvents]), HumanNumber.size(row[.lagBytes]),
        credit(row[.creditEvents], HumanNumber.short), credit(row[.creditBytes], HumanNumber.size),
        HumanNumber.short(dropped.reduce(0, &+) &- expired), HumanNumber.short(expired),
        blocked(row) == .none ? "" : "\(blocked(row))",
      ])
    }
    return Section(title: "SUBSCRIPTIONS", table: table)
  }

  private func publisherSection() -> Section {
    var table = TextTable([
      .init("publisher of", right: false, widthMin: 16), .init("session", rank: 1),
      .init("events/s"), .init("bytes/s", rank: 1), .init("events"), .init("bytes", rank: 2),
      .init("events/batch", rank: 3), .init("acknowledged", rank: 4), .init("credit", rank: 2),
    ])
    let rows = now.snapshot.publishers.sorted {
      (rate($0, .events) ?? 0, $0[.events]) > (rate($1, .events) ?? 0, $1[.events])
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
    return Section(title: "PUBLISHERS", table: table)
  }

  private func connectionSection() -> Section {
    var table = TextTable([
      .init("session"), .init("client", right: false, widthMin: 8),
      .init("peer", right: false, rank: 1), .init("in/s"), .init("out/s"),
      .init("bytes in/s", rank: 2), .init("bytes out/s", rank: 2), .init("events in", rank: 3),
      .init("events out", rank: 3), .init("stash", rank: 4), .init("rtt", rank: 4),
      .init("heard", rank: 5), .init("state", right: false, rank: 6),
    ])
    let rows = now.snapshot.connections.sorted {
      ($0[.stashBytes], (rate($0, .bytesOut) ?? 0) + (rate($0, .bytesIn) ?? 0), $1.slot)
        > ($1[.stashBytes], (rate($1, .bytesOut) ?? 0) + (rate($1, .bytesIn) ?? 0), $0.slot)
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
    return Section(title: "CONNECTIONS", table: table)
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
    return Section(title: "ENDED", table: table)
  }

  private func short(_ rate: Double?) -> String { rate.map(HumanNumber.short) ?? "" }

  private func size(_ rate: Double?) -> String { rate.map(HumanNumber.size) ?? "" }

  private func credit(_ left: UInt64, _ show: (UInt64) -> String) -> String {
    left == .max ? "∞" : show(left)
  }
}
