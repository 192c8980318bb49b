import BrokerCore
import Counters
import WireFormat

/// Holds what BLOCKED tells to what the counters say, turn by turn: who is stopped hears why in
/// time, and that it goes on with the turn in which it does.
struct StopCheck {
  private struct Record: Equatable {
    var told = BlockedBy.none
    /// When so much waited for its client that it was not to be told.
    var muffledNs: UInt64 = 0
  }

  private var records: [StopKey: Record] = [:]

  /// Looks at all that are stopped or were, between two turns.
  /// - Parameter link: of a connection, which keeps what it is still to be told.
  mutating func check(
    _ shard: Shard, _ region: CountersRegion, _ model: Model, link: (ConnectionID) -> Link?
  ) {
    var now: [StopKey: Record] = [:]
    shard.forEachStop { view in
      guard let link = link(view.connection) else { return }
      let key = StopKey(connection: view.connection.word, side: view.side, ref: view.ref)
      var record = records.isEmpty ? Record() : records[key] ?? Record()
      if let fault = check(view, &record, shard, region, link) {
        model.fail("shard \(shard.index), \(view.side) \(view.slot), ref \(view.ref): \(fault)")
      }
      // Most are told nothing.
      if record != Record() { now[key] = record }
    }
    records = now
  }

  private func check(
    _ view: StopView, _ record: inout Record, _ shard: Shard, _ region: CountersRegion,
    _ link: Link
  ) -> String? {
    let said: UInt32
    var pending = Amount()
    switch view.side {
    case .subscription:
      let row = region.subscriptions(shard: shard.index)[Int(view.slot)]
      said = row.get(.blocked)
      pending = Amount(events: row.get(.lagEvents), bytes: row.get(.lagBytes))
    case .publisher: said = region.publishers(shard: shard.index)[Int(view.slot)].get(.blocked)
    }
    if !view.isCondemned, said != UInt32(view.cause.rawValue) {
      return "stopped by \(view.cause), not as it says"
    }
    let isStopped = view.cause != .none && view.cause != .turn
    let lastedNs = shard.turnNs - view.sinceNs
    let noticeNs = UInt64(WireLimits.blockedNoticeMs) * 1_000_000
    if view.told != record.told {
      record.told = view.told
      link.stops[view.side, default: [:]][view.ref, default: []].append(
        ToldStop(by: view.told, pending: pending))
      if view.isCondemned { return nil }
      if view.told == .none ? isStopped : view.told != view.cause {
        return "\(view.told) is told of \(view.cause)"
      }
      if view.told != .none, lastedNs < noticeNs { return "told after \(lastedNs) ns" }
    }
    if view.isCondemned { return nil }
    if !isStopped && view.told != .none { return "it goes on, and \(view.told) is what was told" }
    if view.isMuffled { record.muffledNs = shard.turnNs }
    // Those that wait in one list are told with the last of them.
    let quietNs = shard.turnNs - max(view.sinceNs, record.muffledNs)
    if isStopped, view.told != view.cause, quietNs >= 2 * noticeNs {
      return "stopped by \(view.cause) for \(lastedNs) ns, and \(view.told) is what was told"
    }
    return nil
  }
}

/// Who is stopped, of a shard.
struct StopKey: Hashable {
  var connection: UInt64
  var side: BlockedSide
  var ref: UInt32
}

/// What a BLOCKED must say.
struct ToldStop: Equatable {
  var by: BlockedBy
  var pending: Amount
}

extension Link {
  /// A BLOCKED has been sent.
  /// - Returns: what is wrong with it, or nil.
  func sent(_ stop: ToldStop, _ side: BlockedSide, _ ref: UInt32) -> String? {
    let due = stops[side]?[ref]?.first
    guard due == stop else {
      let said = due.map { "\($0)" } ?? "nothing"
      return "BLOCKED of \(side) \(ref) is \(stop), the counters said \(said)"
    }
    stops[side]![ref]!.removeFirst()
    return nil
  }
}
