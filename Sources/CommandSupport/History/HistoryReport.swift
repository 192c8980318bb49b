public import Counters

/// What `stats --history` shows of a recording.
public struct HistoryReport: Sendable {
  /// Time between two entries of which nothing was kept.
  struct Pause: Equatable, Sendable {
    /// It is before this entry.
    var index: Int
    var fromNs: UInt64
    var toNs: UInt64
    /// What follows is another run of the broker.
    var isRestart: Bool
    var lengthNs: UInt64 { toNs - fromNs }
  }

  let path: String
  let recording: Recording
  /// In the order of time.
  let pauses: [Pause]
  private let nowNs: UInt64

  /// Between two entries of successive seconds there is none; clocks and sleeps are a little off.
  private static let pauseNsMin: UInt64 = 500_000_000
  /// Longer without an entry than an entry takes to come.
  private static let silenceNsMin: UInt64 = 2_500_000_000

  /// - Parameters:
  ///   - path: where the recording is.
  ///   - nowNs: the time now, since the Unix epoch.
  public init(_ recording: Recording, path: String, nowNs: UInt64) {
    self.recording = recording
    self.path = path
    self.nowNs = nowNs
    let entries = recording.entries
    pauses = entries.indices.dropFirst().compactMap { index in
      let (before, after) = (entries[index - 1], entries[index])
      let isRestart = before[.instance] != after[.instance]
      // A clock that was set back makes no pause.
      let from = before[.timeNs]
      let to = max(from, after[.timeNs] &- min(after[.timeNs], after[.spanNs]))
      guard isRestart || to - from >= Self.pauseNsMin else { return nil }
      return Pause(index: index, fromNs: from, toNs: to, isRestart: isRestart)
    }
  }

  // MARK: For people

  private static let labelWidth = 15
  private static let numberWidth = 11
  /// Pauses that are told one by one.
  private static let toldMax = 10

  /// No line is wider than `width`.
  public func lines(width: Int) -> [String] {
    guard let first = recording.entries.first, let last = recording.entries.last else {
      return ["Nothing has been recorded yet in \(TerminalText.text(path))."]
    }
    let chartWidth = max(8, width - Self.labelWidth - 2 * Self.numberWidth)
    let columns = HistoryColumns(recording.entries.count, pauses, width: chartWidth)
    let start = first[.timeNs] &- min(first[.timeNs], first[.spanNs])
    let day = RFC3339.text(ns: start, digits: 0).prefix(10)
    let isOneDay = RFC3339.text(ns: last[.timeNs], digits: 0).hasPrefix(day)
    func time(_ ns: UInt64) -> String {
      let text = RFC3339.text(ns: ns, digits: 0)
      return isOneDay ? String(text.dropFirst(11)) : text
    }
    var lines = [
      TerminalText.text(path),
      "\(HumanNumber.plain(UInt64(recording.entries.count))) seconds of at most "
        + "\(HumanNumber.plain(UInt64(recording.capacity))), \(RFC3339.text(ns: start, digits: 0)) to "
        + RFC3339.text(ns: last[.timeNs], digits: 0),
    ]
    if recording.tornCount > 0 {
      lines.append("\(recording.tornCount) more were torn as they were written, and are left out.")
    }
    lines += ["", Self.row("", Self.axis(time(start), time(last[.timeNs]), columns.count),
      chartWidth, "least", "most")]
    for series in HistorySeries.all(recording.entries) {
      let numbers = recording.entries.compactMap(series.value)
      lines.append(
        Self.row(
          series.name, columns.sparkline(recording.entries, series), chartWidth,
          numbers.min().map(series.show) ?? "", numbers.max().map(series.show) ?? ""))
    }
    lines += ["", columns.scale] + pauseLines(time)
    if nowNs > last[.timeNs], nowNs - last[.timeNs] >= Self.silenceNsMin {
      lines.append(
        "Nothing since \(time(last[.timeNs])), which is "
          + "\(HumanNumber.duration(nowNs - last[.timeNs])) ago.")
    }
    return lines.map { String($0.prefix(width)) }
  }

  private func pauseLines(_ time: (UInt64) -> String) -> [String] {
    // The longest ones, as they came.
    let told = pauses.sorted { $0.lengthNs > $1.lengthNs }.prefix(Self.toldMax)
      .sorted { $0.index < $1.index }
    let more = pauses.count - told.count
    return told.map { pause in
      (pause.isRestart ? "Another run of the broker after " : "Idle from ") + time(pause.fromNs)
        + (pause.isRestart ? ", next at " : " to ") + time(pause.toNs)
        + " (\(HumanNumber.duration(pause.lengthNs)))"
    } + (more > 0 ? ["… and \(more) shorter pause\(more == 1 ? "" : "s")"] : [])
  }

  private static func row(
    _ name: String, _ chart: String, _ chartWidth: Int, _ least: String, _ most: String
  ) -> String {
    func right(_ text: String) -> String {
      String(repeating: " ", count: max(1, numberWidth - text.count)) + text
    }
    return name + String(repeating: " ", count: max(1, labelWidth - name.count)) + chart
      + String(repeating: " ", count: max(0, chartWidth - chart.count)) + right(least) + right(most)
  }

  /// Two times at the ends of a line as long as the chart; one where two do not fit.
  private static func axis(_ start: String, _ end: String, _ width: Int) -> String {
    let space = width - start.count - end.count
    return space < 1 ? String(start.prefix(width)) : start + String(repeating: " ", count: space)
      + end
  }

  // MARK: For programs

  /// One object; the entries' names are those of `RecordEntry.Field`.
  public func write(to json: inout JSONWriter) {
    json.object { json in
      json.field("path", path)
      json.field("capacity", recording.capacity)
      json.field("torn", recording.tornCount)
      json.array("entries") { json in
        for entry in recording.entries { Self.write(entry, to: &json) }
      }
      json.array("pauses") { json in
        for pause in pauses {
          json.object { json in
            json.field("from", timeNs: pause.fromNs)
            json.field("to", timeNs: pause.toNs)
            json.field("seconds", Double(pause.lengthNs) / 1e9)
            json.field("restart", pause.isRestart)
          }
        }
      }
    }
  }

  private static func write(_ entry: RecordEntry, to json: inout JSONWriter) {
    json.object { json in
      json.field("time", timeNs: entry[.timeNs])
      for field in RecordEntry.Field.allCases {
        switch field {
        case .timeNs: break
        case .instance: json.field("instance", String(entry[.instance], radix: 16))
        default: json.field("\(field)", entry[field])
        }
      }
      json.array("busyShares") { json in for share in entry.busyShares { json.number(share) } }
    }
  }
}
