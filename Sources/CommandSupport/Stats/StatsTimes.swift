import Counters

// Where the time went: of each topic, and of each subscription that is observed.
extension StatsReport {
  /// A topic's histogram of stages: between the readings, or since the start where there was
  /// nothing between them.
  func stage(_ row: RowSnapshot<TopicRow>, _ field: TopicRow.Series) -> StageHistogram {
    recent(row[field], earlier(row)?[field])
  }

  private func recent(_ now: [UInt64], _ before: [UInt64]?) -> StageHistogram {
    let all = StageHistogram(now)
    guard let before else { return all }
    let since = all.since(StageHistogram(before))
    return since.count > 0 ? since : all
  }

  static func text(_ histogram: StageHistogram, _ share: Double) -> String {
    histogram.percentile(share).map(HumanNumber.duration) ?? ""
  }

  /// The stages of a subscription's deliveries, with the names that JSON has for them.
  private static let stages: [(String, ObservationRow.Series)] = [
    ("total", .total), ("broker", .ringToTurn), ("credit", .creditWait), ("socket", .socketWait),
    ("echo", .echo),
  ]

  /// Those that were slowest first; nothing where the observations were not read.
  func timeSection(_ limit: Int) -> Section {
    var table = TextTable([
      .init("times of", right: false, widthMin: 16), .init("id"), .init("p50"), .init("p99"),
      .init("broker p99", rank: 1), .init("credit p99", rank: 1), .init("socket p99", rank: 1),
      .init("echo p50", rank: 3), .init("echo p99", rank: 2),
    ])
    let earlier = Dictionary(
      (before?.snapshot.observations ?? []).map { ($0[.id], $0) },
      uniquingKeysWith: { first, _ in first })
    let patterns = Dictionary(
      now.snapshot.subscriptions.map { ($0[.id], $0[.pattern]) },
      uniquingKeysWith: { first, _ in first })
    let rows = now.snapshot.observations.map { row in
      (
        row[.id],
        Self.stages.map { recent(row[$0.1], earlier[row[.id]]?[$0.1]) }
      )
    }
    let slowest = rows.sorted {
      ($1.1[0].percentile(0.99) ?? 0, $0.0) < ($0.1[0].percentile(0.99) ?? 0, $1.0)
    }
    for (id, stages) in slowest.prefix(limit) {
      table.add(
        [
          TerminalText.text(patterns[id] ?? ""), "\(id)", Self.text(stages[0], 0.5),
        ] + stages[..<4].map { Self.text($0, 0.99) }
          + [Self.text(stages[4], 0.5), Self.text(stages[4], 0.99)])
    }
    return Section(title: "TIMES", table: table, total: rows.count)
  }

  /// `times` of a subscription, where its observation was read.
  func times(_ row: RowSnapshot<ObservationRow>, _ json: inout JSONWriter) {
    json.object("times") { json in
      for (name, field) in Self.stages { Self.stage(name, row[field], &json) }
      json.field("totalNs", row[.totalNs])
      json.field("creditNs", row[.creditNs])
      json.field("socketNs", row[.socketNs])
    }
  }

  static func stage(_ name: String, _ buckets: [UInt64], _ json: inout JSONWriter) {
    let histogram = StageHistogram(buckets)
    json.object(name) { json in
      json.field("count", histogram.count)
      json.field("p50Ns", histogram.percentile(0.5))
      json.field("p99Ns", histogram.percentile(0.99))
    }
  }
}
