import Counters

/// `stats` for people.
extension StatsReport {
  /// Everything, with at most so many rows of each table (nil: all), no line wider than `width`.
  public func lines(width: Int, rowsMax: Int?) -> [String] {
    var lines = head(width: width)
    for section in sections(rowsMax: rowsMax) where section.total > 0 {
      lines += ["", section.title] + section.table.lines(width: width)
      let more = section.total - section.table.rowCount
      if more > 0 { lines.append("… and \(HumanNumber.plain(UInt64(more))) more") }
    }
    return lines
  }

  /// As much as fits a screen: the head whole, and every table with its most important rows.
  public func screen(width: Int, height: Int) -> [String] {
    var lines = head(width: width)
    var tables = sections(rowsMax: height).filter { $0.total > 0 }
    // Each table takes a blank line, its title, its column titles, and a row at least.
    while !tables.isEmpty && lines.count + tables.count * 4 > height { tables.removeLast() }
    var shares = tables.map { _ in 1 }
    var left = height - lines.count - tables.count * 4
    // One row at a time to whoever can use it, so that no table starves another.
    while left > 0,
      let index = shares.indices.filter({ shares[$0] < tables[$0].table.rowCount })
        .min(by: { shares[$0] < shares[$1] })
    {
      shares[index] += 1
      left -= 1
    }
    for (section, share) in zip(tables, shares) {
      let count = share < section.total ? " (\(share) of \(section.total))" : ""
      lines += ["", section.title + count]
      lines += section.table.lines(width: width).prefix(share + 1)
    }
    return lines.prefix(height).map { String($0.prefix(width)) }
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
    lines += breachLines
    if let warning = topicsWarning { lines.append(warning) }
    let used = memoryUsedBytes
    let ceiling = broker[.memoryCeilingBytes]
    let share = ceiling > 0 ? " (\(used &* 100 / ceiling) %)" : ""
    // What does not fit goes on below: of these numbers none is less than the others.
    let parts: [(String, [String])] = [
      ("memory", ["\(HumanNumber.size(used)) of \(HumanNumber.size(ceiling))\(share)"]),
      (
        "open",
        [
          Self.counted(topicsInUse, "topic"), Self.counted(total(.connections), "connection"),
          Self.counted(total(.publishers), "publisher"),
          Self.counted(total(.subscriptions), "subscription"),
        ]
      ),
      ("in", flow(.eventsIn, .bytesIn)),
      (
        "out",
        flow(.eventsOut, .bytesOut) + ["lost \(HumanNumber.short(total(.droppedEvents)))"]
      ),
      ("latency", latencyParts),
    ]
    return lines.map { String($0.prefix(width)) }
      + parts.flatMap { Self.wrapped($0, $1, width: width) }
  }

  /// There is room for new topics only after a restart, so that the end of it must be seen to come.
  private var topicsWarning: String? {
    let limit = now.snapshot.broker[.topicsMax]
    // From nine tenths on.
    guard limit > 0, topicsInUse >= limit - limit / 10 else { return nil }
    return "Topics are running out: \(HumanNumber.plain(topicsInUse)) of "
      + "\(HumanNumber.plain(limit)), and each lasts until the broker ends (serve --max-topics)."
  }

  private var latencyParts: [String] {
    let recent = recentLatency.flatMap { $0.count > 0 ? $0 : nil }
    return Self.latency(recent ?? now.snapshot.latency)
      + (recent == nil && now.snapshot.latency.count > 0 ? ["since the start"] : [])
  }

  private static func counted(
    _ count: UInt64, _ what: String, _ show: (UInt64) -> String = HumanNumber.plain
  ) -> String {
    "\(show(count)) \(what)\(count == 1 ? "" : "s")"
  }

  /// A name and what there is of it, on as many lines as that takes.
  static func wrapped(_ name: String, _ parts: [String], width: Int) -> [String] {
    let indent = String(repeating: " ", count: 9)
    var lines: [String] = []
    var line = name + indent.dropFirst(name.count)
    var isFresh = true
    for part in parts {
      if !isFresh && line.count + 3 + part.count > width {
        lines.append(line)
        (line, isFresh) = (indent, true)
      }
      line += (isFresh ? "" : "   ") + part
      isFresh = false
    }
    return (lines + [line]).map { String($0.prefix(width)) }
  }

  private func flow(_ events: ShardRow.Word, _ bytes: ShardRow.Word) -> [String] {
    var parts: [String] = []
    var before = ""
    if let events = totalRate(events), let bytes = totalRate(bytes) {
      parts = ["\(HumanNumber.short(events)) events/s", "\(HumanNumber.size(bytes))/s"]
      before = "total "
    }
    return parts + [
      before + Self.counted(total(events), "event", HumanNumber.short),
      HumanNumber.size(total(bytes)),
    ]
  }

  static func latency(_ histogram: LatencyHistogram) -> [String] {
    guard let p50 = histogram.percentile(0.5), let p99 = histogram.percentile(0.99),
      let p999 = histogram.percentile(0.999)
    else { return ["nothing was sent"] }
    return [
      "p50 \(HumanNumber.duration(p50))", "p99 \(HumanNumber.duration(p99))",
      "p99.9 \(HumanNumber.duration(p999))", "max \(HumanNumber.duration(histogram.maxNs))",
    ]
  }
}
