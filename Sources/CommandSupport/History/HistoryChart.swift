import Counters

/// How a recording's entries share the columns of a chart.
struct HistoryColumns {
  private enum Column {
    case pause
    case entries(Range<Int>)
  }

  private var columns: [Column] = []
  private var entriesEach = 1
  private var hasPauses = false

  /// - Parameter width: columns there are at most.
  init(_ entryCount: Int, _ pauses: [HistoryReport.Pause], width: Int) {
    // Pauses take a column each, the longest ones first, and no more than a quarter of them all.
    let shown = pauses.sorted { $0.lengthNs > $1.lengthNs }.prefix(width / 4).map(\.index).sorted()
    var runs: [Range<Int>] = []
    var start = 0
    for end in shown + [entryCount] {
      runs.append(start..<end)
      start = end
    }
    func needed(_ each: Int) -> Int {
      runs.reduce(runs.count - 1) { $0 + ($1.count + each - 1) / each }
    }
    while needed(entriesEach) > width { entriesEach += 1 }
    for run in runs {
      if !columns.isEmpty { columns.append(.pause) }
      for first in stride(from: run.lowerBound, to: run.upperBound, by: entriesEach) {
        columns.append(.entries(first..<min(first + entriesEach, run.upperBound)))
      }
    }
    hasPauses = !shown.isEmpty
  }

  var count: Int { columns.count }

  /// What a column is.
  var scale: String {
    (entriesEach == 1 ? "A column is a second" : "A column is \(entriesEach) seconds")
      + (hasPauses ? "; ┊ is a pause." : ".")
  }

  /// A character a column: nothing at all is the lowest line, and what is more never looks like it.
  func sparkline(_ entries: [RecordEntry], _ series: HistorySeries) -> String {
    let values = columns.map { column -> Double? in
      guard case .entries(let range) = column else { return nil }
      let values = entries[range].compactMap(series.value)
      if values.isEmpty { return nil }
      return series.isMean ? values.reduce(0, +) / Double(values.count) : values.max()
    }
    let most = values.reduce(0) { max($0, $1 ?? 0) }
    let blocks = Array("▁▂▃▄▅▆▇█")
    return String(
      zip(columns, values).map { column, value -> Character in
        if case .pause = column { return "┊" }
        guard let value else { return " " }
        if value <= 0 || most <= 0 { return blocks[0] }
        return blocks[max(1, min(7, Int((value / most * 7).rounded())))]
      })
  }
}

/// A line of the chart.
struct HistorySeries {
  var name: String
  /// Nil where the entry says nothing of it.
  var value: (RecordEntry) -> Double?
  /// Whether a column of several entries shows their mean; else the largest.
  var isMean = false
  var show: (Double) -> String

  /// Shards with a line each; of more, the busiest in each second is shown.
  private static let shardsMax = 8

  static func all(_ entries: [RecordEntry]) -> [HistorySeries] {
    func rate(
      _ name: String, _ field: RecordEntry.Field, _ show: @escaping (Double) -> String,
      isMean: Bool = true
    ) -> HistorySeries {
      HistorySeries(name: name, value: { $0.perSecond(field) }, isMean: isMean, show: show)
    }
    func level(
      _ name: String, _ field: RecordEntry.Field, _ show: @escaping (Double) -> String
    ) -> HistorySeries {
      HistorySeries(name: name, value: { Double($0[field]) }, show: show)
    }
    func time(_ name: String, _ field: RecordEntry.Field) -> HistorySeries {
      HistorySeries(
        name: name, value: { $0[.latencyCount] == 0 ? nil : Double($0[field]) },
        show: { HumanNumber.duration(UInt64($0)) })
    }
    let number: (Double) -> String = { HumanNumber.short($0) }
    let size: (Double) -> String = { HumanNumber.size($0) }
    let percent: (Double) -> String = { "\(Int(($0 * 100).rounded())) %" }
    let shards = entries.map { $0.busyShares.count }.max() ?? 0
    let busy =
      shards > shardsMax
      ? [HistorySeries(name: "busiest shard", value: { $0.busyShares.max() }, show: percent)]
      : (0..<shards).map { shard in
        HistorySeries(
          name: "busy shard \(shard)",
          value: { $0.busyShares.indices.contains(shard) ? $0.busyShares[shard] : nil },
          isMean: true, show: percent)
      }
    return [
      rate("events in/s", .eventsIn, number), rate("events out/s", .eventsOut, number),
      rate("bytes in/s", .bytesIn, size), rate("bytes out/s", .bytesOut, size),
      rate("lost/s", .droppedEvents, number, isMean: false),
      rate("gaps/s", .gapsSent, number, isMean: false), level("lag", .lagEvents, number),
      level("lag bytes", .lagBytes, size), level("who lags", .behind, number),
      level("connections", .connections, number), level("subscriptions", .subscriptions, number),
      rate("sessions ended", .sessionsClosed, number, isMean: false),
      level("ring memory", .memoryUsedBytes, size), level("resident", .residentBytes, size),
      time("latency p50", .latencyP50Ns), time("latency p99", .latencyP99Ns),
      time("latency max", .latencyMaxNs),
    ] + busy
  }
}
