import CommandSupport
import LinuxIO
import LoadKit

/// Prints what was measured.
struct Report {
  let options: Options
  let results: [[Series]]

  // MARK: For people

  func table() -> String {
    var columns: [TextTable.Column] = [
      .init("workload", right: false), .init("server", right: false), .init("median"),
      .init("min"), .init("max"), .init("p99"), .init("/ nats"), .init("/ redis"),
      .init("/ relay"), .init("memory"), .init("goal", right: false),
    ]
    if hasBaseline { columns.insert(.init("% of baseline"), at: columns.count - 1) }
    var table = TextTable(columns)
    for group in results {
      for (index, series) in group.enumerated() {
        var cells = [
          index == 0 ? series.workload.name : "", series.contender.name,
          text(series.median, series), text(series.values.first, series),
          text(series.values.last, series),
          series.p99.map { HumanNumber.duration(UInt64($0)) } ?? "",
          ratio(series, to: "nats", group), ratio(series, to: "redis", group),
          ratio(series, to: "relay", group),
          series.memoryBytes.map { HumanNumber.size(UInt64(max(0, $0))) } ?? "",
          goals(series, group),
        ]
        if hasBaseline {
          cells.insert(ofBaseline(series, group).map(spread) ?? "", at: cells.count - 1)
        }
        table.add(cells)
      }
    }
    let title = [
      "\(System.onlineCPUs) processors, \(options.repetitions) repetitions of "
        + "\(options.seconds) s, the generator's sockets with "
        + "\(options.congestionControl ?? "the default") congestion control",
      "",
    ]
    return (title + table.lines(width: 200) + complaints()).joined(separator: "\n") + "\n"
  }

  private func complaints() -> [String] {
    let all = results.flatMap { $0 }.flatMap { series in
      series.complaints.map { "\(series.workload.name) \(series.contender.name): \($0)" }
    }
    return all.isEmpty ? ["", "Every run: all events, once, in order."] : [""] + all
  }

  private func text(_ value: Double?, _ series: Series) -> String {
    guard let value else { return "-" }
    switch series.workload.measure {
    case .eventsPerSecond, .deliveriesPerSecond, .freshness:
      return HumanNumber.short(value) + "/s"
    case .latency, .start: return HumanNumber.duration(UInt64(value))
    case .bytesPerSubscriber: return HumanNumber.size(max(0, value))
    }
  }

  private func ratio(_ series: Series, to name: String, _ group: [Series]) -> String {
    guard series.contender.name != name, let mine = series.median,
      let other = median(name, group), other > 0
    else { return "" }
    return HumanNumber.short((mine / other * 100).rounded() / 100)
  }

  private var hasBaseline: Bool { options.contenders.contains(where: \.isBaseline) }

  /// What each run of the broker is of the one of the other build.
  private func ofBaseline(_ series: Series, _ group: [Series]) -> [Double]? {
    guard series.contender.name == "galleon",
      let other = group.first(where: \.contender.isBaseline)
    else { return nil }
    return series.shares(of: other)
  }

  private func median(_ name: String, _ group: [Series]) -> Double? {
    group.first { $0.contender.name == name }?.median
  }

  private func goals(_ series: Series, _ group: [Series]) -> String {
    judged(series, group)
      .map { ($0.isReached ? "reached: " : "MISSED: ") + $0.words }
      .joined(separator: "; ")
  }

  private func judged(
    _ series: Series, _ group: [Series]
  ) -> [(words: String, isReached: Bool)] {
    series.workload.goals.compactMap { judge($0, series, group) }
  }

  /// Whether every run was made and found everything in order. Goals are not part of it.
  var isWhole: Bool {
    results.allSatisfy { group in group.allSatisfy { $0.complaints.isEmpty } }
  }

  /// Nil where the goal is not about this series, or something to compare with is missing.
  private func judge(
    _ goal: Workload.Goal, _ series: Series, _ group: [Series]
  ) -> (String, Bool)? {
    guard let mine = series.median else { return nil }
    let isWhole = series.complaints.isEmpty
    switch goal {
    case .times(let factor, let other, contender: series.contender.name):
      guard let theirs = median(other, group) else { return nil }
      return ("at least \(Int(factor)) x \(other)", isWhole && mine >= factor * theirs)
    case .latencyNotAbove(let other, contender: series.contender.name):
      guard let theirs = group.first(where: { $0.contender.name == other }),
        let p50 = theirs.median, let p99 = theirs.p99, let my99 = series.p99
      else { return nil }
      return ("p50 and p99 not above \(other)", isWhole && mine <= p50 && my99 <= p99)
    case .share(let share, let workload, contender: series.contender.name):
      guard let other = same(series, in: workload), let part = series.share(of: other) else {
        return nil
      }
      let words =
        "at least \(Int(share * 100)) % of \(workload), is \(Int((part * 100).rounded()))"
      return (words, isWhole && part >= share)
    case .shareOfAlone(let least, contender: series.contender.name):
      guard let share = Series.median(series.shares) else { return nil }
      let words = "at least \(Int(least * 100)) % of alone, is \(spread(series.shares))"
      return (words, isWhole && share >= least)
    case .tailOfAlone(let most, contender: series.contender.name):
      guard let share = Series.median(series.tails) else { return nil }
      let percent = Int((most * 100).rounded())
      let words = "p99 at most \(percent) % of alone, is \(spread(series.tails))"
      return (words, isWhole && share <= most)
    case .atMost(let limit, contender: series.contender.name):
      return ("at most \(text(limit, series))", isWhole && mine <= limit)
    case .memoryAtMost(let limit, contender: series.contender.name):
      guard let memory = series.memoryBytes else { return nil }
      return ("at most \(HumanNumber.short(limit))B of memory", memory <= limit)
    default: return nil
    }
  }

  /// The median of shares in percent, and their quartiles.
  private func spread(_ sorted: [Double]) -> String {
    func percent(_ share: Double) -> String { HumanNumber.short((share * 1000).rounded() / 10) }
    guard let median = Series.median(sorted) else { return "-" }
    let quarter = sorted.count / 4
    return "\(percent(median)) (\(percent(sorted[quarter]))-"
      + "\(percent(sorted[sorted.count - 1 - quarter])))"
  }

  /// The same server in another workload.
  private func same(_ series: Series, in workload: String) -> Series? {
    results.flatMap { $0 }.first {
      $0.workload.name == workload && $0.contender.name == series.contender.name
    }
  }

  // MARK: For programs

  func json() -> String {
    var writer = JSONWriter()
    writer.object { writer in
      writer.field("processors", System.onlineCPUs)
      writer.field("repetitions", options.repetitions)
      writer.field("seconds", options.seconds)
      writer.field("congestion_control", options.congestionControl)
      writer.array("series") { writer in
        for group in results {
          for series in group { write(series, group, to: &writer) }
        }
      }
    }
    return writer.text + "\n"
  }

  private func write(_ series: Series, _ group: [Series], to writer: inout JSONWriter) {
    func over(_ name: String) -> Double? {
      guard let mine = series.median, let other = median(name, group), other > 0 else {
        return nil
      }
      return mine / other
    }
    writer.object { writer in
      writer.field("workload", series.workload.name)
      writer.field("server", series.contender.name)
      writer.field("unit", unit(series))
      writer.field("median", series.median)
      writer.field("p99_median", series.p99)
      writer.field("over_nats", over("nats"))
      writer.field("over_redis", over("redis"))
      writer.field("over_relay", over("relay"))
      writer.array("shares_of_baseline") {
        for share in ofBaseline(series, group) ?? [] { $0.number(share) }
      }
      writer.array("goals") { writer in
        for goal in judged(series, group) {
          writer.object { writer in
            writer.field("goal", goal.words)
            writer.field("reached", goal.isReached)
          }
        }
      }
      writer.array("runs") { writer in
        for sample in series.samples {
          writer.object { writer in
            writer.field("value", sample.value)
            writer.field("p99", sample.p99)
            writer.field("memory_bytes", sample.memoryBytes.map { UInt64(max(0, $0)) })
            writer.field("start_ns", sample.startNs)
            writer.array("shares_of_alone") { for share in sample.shares { $0.number(share) } }
            writer.array("p99_beside") { for tail in sample.tailsBeside { $0.number(tail) } }
            writer.array("p99_alone") { for tail in sample.tailsAlone { $0.number(tail) } }
            writer.field("complaint", sample.complaint)
          }
        }
      }
    }
  }

  private func unit(_ series: Series) -> String {
    switch series.workload.measure {
    case .eventsPerSecond, .freshness: "events/s"
    case .deliveriesPerSecond: "deliveries/s"
    case .latency, .start: "ns"
    case .bytesPerSubscriber: "bytes"
    }
  }
}
