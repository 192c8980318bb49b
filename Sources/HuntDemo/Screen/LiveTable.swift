import CommandSupport
import Counters

/// What is shown while the hunt goes on.
enum LiveTable {
  /// The lines of the screen, none wider than `width`. Rates and percentiles are of the time since
  /// `earlier`.
  static func lines(
    _ now: Reading, since earlier: Reading?, hunt: HuntFacts, width: Int
  ) -> [String] {
    let seconds = seconds(now, earlier)
    var lines = [
      "Treasure hunt on recorded walks: \(HumanNumber.plain(UInt64(hunt.players))) players on "
        + "\(hunt.walks) walks, \(hunt.speed) times as fast",
      "\(stage(now, hunt)): "
        + "published \(rate(now.published, earlier?.published, seconds)) events/s, "
        + "delivered \(rate(now.delivered, earlier?.delivered, seconds)) events/s",
      "",
    ]
    var table = TextTable([
      TextTable.Column("subscriber", right: false),
      TextTable.Column("pattern", right: false, rank: 3, widthMin: 12),
      TextTable.Column("policy", right: false, rank: 4),
      TextTable.Column("events/s"),
      TextTable.Column("events", rank: 5),
      TextTable.Column("lag", rank: 1),
      TextTable.Column("conflated"),
      TextTable.Column("in gaps"),
      TextTable.Column("p50", rank: 2),
      TextTable.Column("p99"),
      TextTable.Column("max", rank: 6),
    ])
    for row in now.rows {
      let before = earlier?.rows.first { $0.name == row.name }
      let latency = before.map { row.latency.since($0.latency) } ?? row.latency
      table.add([
        row.name, row.pattern, row.policy, rate(row.events, before?.events, seconds),
        HumanNumber.short(row.events), HumanNumber.short(row.lag),
        HumanNumber.short(row.conflated), HumanNumber.short(row.missing),
        duration(latency.percentile(0.5)), duration(latency.percentile(0.99)),
        latency.count == 0 ? "-" : duration(row.latency.maxNs),
      ])
    }
    lines += table.lines(width: width)
    lines.append("")
    if let bytes = now.brokerBytes {
      lines.append("broker: \(HumanNumber.size(bytes)) of memory")
    }
    lines.append(
      "\(now.treasuresLying) treasures lie near the paths, "
        + "\(HumanNumber.plain(now.rewards.count)) were found")
    if !now.best.isEmpty {
      // Short enough for 80 columns.
      let names = now.best.map { "player \($0.player) (\($0.points))" }
      lines.append("ahead, with points: " + names.joined(separator: ", "))
    }
    if now.latenessNs > 100_000_000 {
      lines.append("this machine does not keep up: fixes are \(duration(now.latenessNs)) late")
    }
    return lines.map { String($0.prefix(width)) }
  }

  /// The same in one line, where there is no screen.
  static func line(_ now: Reading, since earlier: Reading?, hunt: HuntFacts) -> String {
    let seconds = seconds(now, earlier)
    var latency = LatencyHistogram()
    for row in now.rows where row.policy == "lossless" {
      let before = earlier?.rows.first { $0.name == row.name }
      latency.add(before.map { row.latency.since($0.latency) } ?? row.latency)
    }
    let lag = now.rows.map(\.lag).max() ?? 0
    let memory = now.brokerBytes.map { ", broker \(HumanNumber.size($0))" } ?? ""
    return "\(stage(now, hunt)): published \(rate(now.published, earlier?.published, seconds))/s, "
      + "delivered \(rate(now.delivered, earlier?.delivered, seconds))/s to \(now.rows.count) "
      + "subscribers, greatest lag \(HumanNumber.short(lag)), "
      + "\(HumanNumber.short(now.conflated)) conflated, "
      + "\(HumanNumber.short(now.missing)) in gaps, "
      + "lossless p50 \(duration(latency.percentile(0.5))) "
      + "p99 \(duration(latency.percentile(0.99)))"
      + memory
  }

  private static func stage(_ now: Reading, _ hunt: HuntFacts) -> String {
    switch now.stage {
    case .connecting: "connecting"
    case .running: "\(now.elapsedNs / 1_000_000_000) of \(hunt.durationNs / 1_000_000_000) s"
    case .catchingUp: "catching up"
    }
  }

  private static func seconds(_ now: Reading, _ earlier: Reading?) -> Double {
    guard let earlier, now.atNs > earlier.atNs else {
      return max(Double(now.elapsedNs) / 1e9, 1e-3)
    }
    return Double(now.atNs - earlier.atNs) / 1e9
  }

  private static func rate(_ now: UInt64, _ earlier: UInt64?, _ seconds: Double) -> String {
    let before = min(earlier ?? 0, now)
    return HumanNumber.short((Double(now - before) / seconds).rounded())
  }

  private static func duration(_ ns: UInt64?) -> String {
    ns.map { HumanNumber.duration($0) } ?? "-"
  }
}

/// What does not change during a hunt.
struct HuntFacts: Sendable {
  let players: Int
  let walks: Int
  let fixes: Int
  let pauses: Int
  let speed: UInt64
  let durationNs: UInt64
  let seed: UInt64

  init(_ hunt: Hunt) {
    players = hunt.options.players
    walks = hunt.walks.count
    fixes = hunt.walks.reduce(0) { $0 + $1.fixes.count }
    pauses = hunt.walks.reduce(0) { $0 + $1.pauseCount }
    speed = hunt.options.speed
    durationNs = hunt.options.durationNs
    seed = hunt.seed
  }
}
