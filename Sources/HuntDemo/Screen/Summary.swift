import CommandSupport
import Counters

/// What the hunt comes to: the totals, every gap, and whether the sums are right.
struct Summary: Sendable {
  let facts: HuntFacts
  let reading: Reading
  let sums: Sums
  /// The most memory that the broker was seen to occupy.
  let brokerBytesMax: UInt64?
  let wasInterrupted: Bool
  /// Why somebody could not go on.
  let failure: String?

  var checks: [SumCheck] { sums.checks() }
  var isRight: Bool { failure == nil && checks.allSatisfy(\.isRight) }

  // MARK: For people

  func lines(width: Int) -> [String] {
    let seconds = max(Double(reading.elapsedNs) / 1e9, 1e-3)
    var lines = [
      "\(HumanNumber.plain(UInt64(facts.players))) players on \(facts.walks) walks of "
        + "\(facts.fixes) fixes with \(facts.pauses) pauses, \(facts.speed) times as fast",
      "seed \(facts.seed)",
      "\(HumanNumber.plain(reading.published)) events published, "
        + "\(HumanNumber.plain(reading.delivered)) delivered to \(reading.rows.count) subscribers "
        + "in \(HumanNumber.duration(UInt64(seconds * 1e9)))",
    ]
    if let bytes = brokerBytesMax {
      lines.append("the broker occupied \(HumanNumber.size(bytes)) at most")
    }
    lines.append("")
    lines += delivered().lines(width: width)
    lines.append("")
    let gaps = gaps()
    if gaps.rowCount == 0 {
      lines.append("no gaps")
    } else {
      lines.append("every gap, by cause:")
      lines += gaps.lines(width: width)
    }
    lines.append("")
    for check in checks {
      lines.append("\(check.isRight ? "right" : "WRONG")  \(check.name)")
      lines += check.problems.map { "         \($0)" }
    }
    if let failure { lines.append("FAILED  \(failure)") }
    lines.append("")
    let verdict = isRight ? "every sum is right" : "a sum is wrong"
    lines.append(wasInterrupted ? "interrupted; \(verdict)" : verdict)
    return lines
  }

  private func delivered() -> TextTable {
    var table = TextTable([
      TextTable.Column("subscriber", right: false),
      TextTable.Column("pattern", right: false, rank: 2, widthMin: 12),
      TextTable.Column("policy", right: false, rank: 3),
      TextTable.Column("published"),
      TextTable.Column("delivered"),
      TextTable.Column("conflated"),
      TextTable.Column("in gaps"),
      TextTable.Column("p50", rank: 1),
      TextTable.Column("p99", rank: 1),
      TextTable.Column("max", rank: 4),
    ])
    for row in reading.rows {
      table.add([
        row.name, row.pattern, row.policy,
        HumanNumber.plain(sums.published(matching: row.pattern)), HumanNumber.plain(row.events),
        HumanNumber.plain(row.conflated), HumanNumber.plain(row.missing),
        percentile(row, 0.5), percentile(row, 0.99),
        row.events == 0 ? "-" : HumanNumber.duration(row.latency.maxNs),
      ])
    }
    return table
  }

  private func percentile(_ row: Reading.Row, _ share: Double) -> String {
    row.latency.percentile(share).map { HumanNumber.duration($0) } ?? "-"
  }

  private func gaps() -> TextTable {
    var table = TextTable([
      TextTable.Column("subscriber", right: false),
      TextTable.Column("topic", right: false, widthMin: 12),
      TextTable.Column("cause", right: false, rank: 1),
      TextTable.Column("gaps"),
      TextTable.Column("events"),
    ])
    for (name, topic, cause, gaps, events) in gapRows {
      table.add([name, topic, cause, HumanNumber.plain(gaps), HumanNumber.plain(events)])
    }
    return table
  }

  private var gapRows: [(String, String, String, UInt64, UInt64)] {
    sums.watched.flatMap { subscription in
      subscription.topics.sorted { $0.key < $1.key }.flatMap { name, topic in
        topic.gaps.map { cause, count in
          (subscription.name, name, "\(cause)", count, topic.missing[cause] ?? 0)
        }.sorted { $0.2 < $1.2 }
      }
    }
  }

  // MARK: For programs

  var json: String {
    var json = JSONWriter()
    json.object { json in
      json.field("right", isRight)
      json.field("interrupted", wasInterrupted)
      if let failure { json.field("failure", failure) }
      json.field("players", UInt64(facts.players))
      json.field("speed", facts.speed)
      json.field("seed", facts.seed)
      json.field("elapsedNs", reading.elapsedNs)
      json.field("published", reading.published)
      json.field("delivered", reading.delivered)
      json.field("conflated", reading.conflated)
      json.field("inGaps", reading.missing)
      if let brokerBytesMax { json.field("brokerBytesMax", brokerBytesMax) }
      json.object("rewards") { json in
        json.field("given", sums.rewardsGiven.count)
        json.field("givenPoints", sums.rewardsGiven.points)
        json.field("seen", sums.rewardsSeen.count)
        json.field("seenPoints", sums.rewardsSeen.points)
      }
      json.array("topics") { json in
        for topic in sums.published {
          json.object { json in
            json.field("topic", topic.topic)
            json.field("published", topic.published)
            json.field("acknowledged", topic.acknowledged)
            json.field("lost", topic.lost)
          }
        }
      }
      json.array("subscribers") { json in
        for row in reading.rows { subscriber(row, &json) }
      }
      json.array("gaps") { json in
        for (name, topic, cause, gaps, events) in gapRows {
          json.object { json in
            json.field("subscriber", name)
            json.field("topic", topic)
            json.field("cause", cause)
            json.field("gaps", gaps)
            json.field("events", events)
          }
        }
      }
      json.array("checks") { json in
        for check in checks {
          json.object { json in
            json.field("name", check.name)
            json.field("right", check.isRight)
            json.array("problems") { json in
              for problem in check.problems { json.value(problem) }
            }
          }
        }
      }
    }
    json.endLine()
    return json.text
  }

  private func subscriber(_ row: Reading.Row, _ json: inout JSONWriter) {
    json.object { json in
      json.field("name", row.name)
      json.field("pattern", row.pattern)
      json.field("policy", row.policy)
      json.field("published", sums.published(matching: row.pattern))
      json.field("delivered", row.events)
      json.field("conflated", row.conflated)
      json.field("inGaps", row.missing)
      for (name, share) in [("p50Ns", 0.5), ("p90Ns", 0.9), ("p99Ns", 0.99), ("p999Ns", 0.999)] {
        if let ns = row.latency.percentile(share) { json.field(name, ns) }
      }
      json.field("maxNs", row.latency.maxNs)
    }
  }
}
