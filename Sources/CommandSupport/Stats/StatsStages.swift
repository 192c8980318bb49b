import Counters

extension StatsReport {
  /// A subscription whose slowest batches take this long is slow.
  static let slowNs: UInt64 = 10_000_000

  /// By the subscriptions' ids.
  var splits: [UInt64: StageSplit] {
    let earlier = Dictionary(
      (before?.snapshot.observations ?? []).map { ($0[.id], $0) },
      uniquingKeysWith: { first, _ in first })
    var splits: [UInt64: StageSplit] = [:]
    for row in now.snapshot.observations {
      splits[row[.id]] = StageSplit(row, since: earlier[row[.id]])
    }
    return splits
  }
}

/// Where a subscription's time went: its slowest batches, and what they waited for.
struct StageSplit: Equatable {
  /// Of the time from the read to the send.
  var p99Ns: UInt64
  /// Parts of that, in the proportion of all the time there was.
  var creditNs: UInt64
  var socketNs: UInt64
  var brokerNs: UInt64
  /// What its client takes for a delivery; nil where that is not known.
  var echoNs: UInt64?

  /// - Parameter before: an earlier reading of the same row; where there was nothing since, or
  ///   without one, everything since the subscription was first sent something.
  init?(_ row: RowSnapshot<ObservationRow>, since before: RowSnapshot<ObservationRow>?) {
    let all = StageHistogram(row[.total])
    var before = before
    if let earlier = before, all.since(StageHistogram(earlier[.total])).count == 0 { before = nil }
    func sum(_ field: ObservationRow.Word) -> Double {
      Double(row[field] &- (before?[field] ?? 0))
    }
    func histogram(_ field: ObservationRow.Series) -> StageHistogram {
      StageHistogram(row[field]).since(StageHistogram(before?[field] ?? []))
    }
    guard let p99 = histogram(.total).percentile(0.99) else { return nil }
    let total = max(1, sum(.totalNs))
    p99Ns = p99
    creditNs = min(p99, UInt64(Double(p99) * min(1, sum(.creditNs) / total)))
    socketNs = min(p99 - creditNs, UInt64(Double(p99) * min(1, sum(.socketNs) / total)))
    brokerNs = p99 - creditNs - socketNs
    echoNs = histogram(.echo).percentile(0.99)
  }

  /// "p99 42 ms: 38 ms waiting for its credit, 3 ms for its socket, 1 ms in the broker".
  var sentence: String {
    var parts = [
      (creditNs, "waiting for its credit"), (socketNs, "waiting for its socket"),
      (brokerNs, "in the broker"),
    ].filter { $0.0 > 0 }
    parts.sort { $0.0 > $1.0 }
    let told = parts.map { "\(HumanNumber.duration($0.0)) \($0.1)" }.joined(separator: ", ")
    let echo = echoNs.map { "; its client takes \(HumanNumber.duration($0))" } ?? ""
    return "p99 \(HumanNumber.duration(p99Ns)): \(told)\(echo)"
  }
}
