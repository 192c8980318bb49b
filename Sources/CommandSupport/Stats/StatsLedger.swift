import Counters

/// The subscriptions' accounts in `stats`.
extension StatsReport {
  /// Breaches that are named; more are counted.
  private static let breachesMax = 5

  /// Subscriptions whose account does not balance. A row whose writer stopped in the middle of an
  /// update need not balance, and is marked as torn instead.
  private var breaches: [RowSnapshot<SubscriptionRow>] {
    now.snapshot.subscriptions.filter { !$0.isTorn && $0.ledger.breach != nil }
  }

  var ledgersBalance: Bool { breaches.isEmpty }

  /// A line for each account that does not balance.
  var breachLines: [String] {
    let breaches = breaches
    var lines = breaches.prefix(Self.breachesMax).map { row in
      let (events, bytes) = row.ledger.breach ?? (0, 0)
      let parts = [Self.off(events, "event"), Self.off(bytes, "byte")].compactMap { $0 }
      return "LEDGER BREACH: subscription \(row[.id]) (\(TerminalText.text(row[.pattern]))): "
        + parts.joined(separator: ", ")
    }
    if breaches.count > lines.count {
      lines.append("… and \(breaches.count - lines.count) more accounts do not balance")
    }
    return lines
  }

  /// How many are in no part of the account, or in one part too many.
  private static func off(_ count: Int64, _ what: String) -> String? {
    if count == 0 { return nil }
    let name = count.magnitude == 1 ? what : what + "s"
    return "\(HumanNumber.plain(count.magnitude)) \(name) \(count > 0 ? "missing" : "too many")"
  }

  /// Parts that are 0 everywhere are left out.
  func ledgerSection(_ rows: [RowSnapshot<SubscriptionRow>]) -> Section {
    let parts: [(name: String, rank: Int, of: (Ledger) -> Ledger.Amount)] = [
      ("matched", 0, \.matched), ("delivered", 0, \.delivered), ("conflated", 0, \.conflated),
      ("sampled", 0, \.sampled), ("expired", 0, \.expired), ("dropped", 0, \.dropped),
      ("closed", 0, \.closed), ("pending", 0, \.lag),
    ]
    let ledgers = rows.map(\.ledger)
    let shown = parts.filter { part in
      ["matched", "delivered", "pending"].contains(part.name)
        || ledgers.contains { part.of($0) != Ledger.Amount() }
    }
    var table = TextTable(
      [.init("ledger of", right: false, widthMin: 16), .init("id")]
        + shown.flatMap { [.init($0.name), .init("bytes", rank: 1)] }
        + [.init("balance", right: false)])
    for (row, ledger) in zip(rows, ledgers) {
      table.add(
        [TerminalText.text(row[.pattern]), "\(row[.id])"]
          + shown.flatMap {
            let amount = $0.of(ledger)
            return [HumanNumber.plain(amount.events), HumanNumber.size(amount.bytes)]
          } + [row.isTorn ? "torn" : ledger.breach == nil ? "ok" : "BREACH"])
    }
    return Section(title: "LEDGERS", table: table, total: now.snapshot.subscriptions.count)
  }
}

extension JSONWriter {
  /// Whether an account balances, and by how much what matched exceeds its parts.
  mutating func ledger(of row: RowSnapshot<SubscriptionRow>) {
    let breach = row.isTorn ? nil : row.ledger.breach
    object("ledger") { json in
      json.field("balances", breach == nil)
      json.field("offEvents", Int(breach?.events ?? 0))
      json.field("offBytes", Int(breach?.bytes ?? 0))
    }
  }
}
