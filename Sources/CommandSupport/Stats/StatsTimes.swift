import Counters
import WireFormat

// Where the time went: of each topic, and of each subscription that is observed.
extension StatsReport {
  /// How long a topic's batches were on their way to its ring: between the readings, or since the
  /// start where there was nothing between them.
  func readToRing(_ row: RowSnapshot<TopicRow>) -> StageHistogram {
    recent(StageHistogram(row[.readToRing]), earlier(row).map { StageHistogram($0[.readToRing]) })
  }

  /// How old the values of a keyed topic were when they were delivered.
  func freshness(_ row: RowSnapshot<TopicRow>) -> StageHistogram {
    guard Self.isKeyed(row), let times = times(row) else { return StageHistogram() }
    return recent(times.all.total.histogram, times.before?.total.histogram)
  }

  static func isKeyed(_ row: RowSnapshot<TopicRow>) -> Bool {
    TopicOptions(rawValue: UInt8(truncatingIfNeeded: row[.options])).contains(.keyed)
  }

  private func recent(_ all: StageHistogram, _ before: StageHistogram?) -> StageHistogram {
    guard let before else { return all }
    let since = all.since(before)
    return since.count > 0 ? since : all
  }

  static func text(_ histogram: StageHistogram, _ share: Double) -> String {
    histogram.percentile(share).map(HumanNumber.duration) ?? ""
  }

  // MARK: Tables

  /// The stages, with the names that JSON has for them.
  private static let stages:
    [(String, ObservationRow.Series, @Sendable (DeliveryTimes) -> StageTimes)] = [
      ("total", .total, { $0.total }), ("broker", .ringToTurn, { $0.ringToTurn }),
      ("credit", .creditWait, { $0.creditWait }), ("socket", .socketWait, { $0.socketWait }),
      ("echo", .echo, { $0.echo }),
    ]

  private static func columns(_ what: [TextTable.Column]) -> [TextTable.Column] {
    what + [
      .init("p50"), .init("p99"), .init("broker p99", rank: 1), .init("credit p99", rank: 1),
      .init("socket p99", rank: 1), .init("echo p50", rank: 3), .init("echo p99", rank: 2),
    ]
  }

  private static func cells(_ stages: [StageHistogram]) -> [String] {
    [text(stages[0], 0.5)] + stages[..<4].map { text($0, 0.99) }
      + [text(stages[4], 0.5), text(stages[4], 0.99)]
  }

  private static func isSlower(_ a: [StageHistogram], _ b: [StageHistogram]) -> Bool {
    (a[0].percentile(0.99) ?? 0) > (b[0].percentile(0.99) ?? 0)
  }

  /// Of topics of which something was delivered, those that were slowest first; nothing where times
  /// were not asked for.
  func topicTimeSection(_ limit: Int) -> Section {
    var table = TextTable(Self.columns([.init("topic", right: false, widthMin: 16)]))
    guard now.snapshot.tables.contains(.observation) else {
      return Section(title: "TIMES OF TOPICS", table: table, total: 0)
    }
    let rows = now.snapshot.topics.compactMap { row in
      times(row).map { times in
        (
          row[.name],
          Self.stages.map {
            recent($0.2(times.all).histogram, times.before.map($0.2)?.histogram)
          }
        )
      }
    }
    for (name, stages) in rows.sorted(by: { Self.isSlower($0.1, $1.1) }).prefix(limit) {
      table.add([TerminalText.text(name, max: 64)] + Self.cells(stages))
    }
    return Section(title: "TIMES OF TOPICS", table: table, total: rows.count)
  }

  /// Of subscriptions, those that were slowest first; nothing where the observations were not read.
  func timeSection(_ limit: Int) -> Section {
    var table = TextTable(
      Self.columns([.init("pattern", right: false, widthMin: 16), .init("id")]))
    let earlier = Dictionary(
      (before?.snapshot.observations ?? []).map { ($0[.id], $0) },
      uniquingKeysWith: { first, _ in first })
    let patterns = Dictionary(
      now.snapshot.subscriptions.map { ($0[.id], $0[.pattern]) },
      uniquingKeysWith: { first, _ in first })
    let rows = now.snapshot.observations.map { row in
      (
        row[.id],
        Self.stages.map { stage in
          recent(
            StageHistogram(row[stage.1]),
            earlier[row[.id]].map { StageHistogram($0[stage.1]) })
        }
      )
    }
    for (id, stages) in rows.sorted(by: { Self.isSlower($0.1, $1.1) }).prefix(limit) {
      table.add([TerminalText.text(patterns[id] ?? ""), "\(id)"] + Self.cells(stages))
    }
    return Section(title: "TIMES OF SUBSCRIPTIONS", table: table, total: rows.count)
  }

  // MARK: JSON

  /// `times` of a subscription, where its observation was read.
  func times(_ row: RowSnapshot<ObservationRow>, _ json: inout JSONWriter) {
    json.object("times") { json in
      for (name, field, _) in Self.stages { Self.stage(name, StageHistogram(row[field]), &json) }
      json.field("totalNs", row[.totalNs])
      json.field("creditNs", row[.creditNs])
      json.field("socketNs", row[.socketNs])
    }
  }

  /// `times` of a topic, where something of it was delivered.
  func times(of row: RowSnapshot<TopicRow>, _ json: inout JSONWriter) {
    guard let times = times(row)?.all else { return }
    json.object("times") { json in
      for (name, _, stage) in Self.stages { Self.stage(name, stage(times).histogram, &json) }
      json.field("totalNs", times.total.sumNs)
      json.field("creditNs", times.creditWait.sumNs)
      json.field("socketNs", times.socketWait.sumNs)
    }
  }

  static func stage(_ name: String, _ histogram: StageHistogram, _ json: inout JSONWriter) {
    json.object(name) { json in
      json.field("count", histogram.count)
      json.field("p50Ns", histogram.percentile(0.5))
      json.field("p99Ns", histogram.percentile(0.99))
    }
  }
}
