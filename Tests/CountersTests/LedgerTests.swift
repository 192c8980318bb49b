import Testing
@testable import Counters

@Suite struct LedgerTests {
  /// Every term counts once, in events and in bytes, and no other word of the row does.
  @Test func everyTermCounts() throws {
    let test = TestRegion()
    let row = test.region.subscriptions(shard: 0).activate(0)
    for (index, field) in SubscriptionRow.fields.enumerated() where field.kind == .word {
      row.cells.store64(field.offset, UInt64(1) << UInt64(index))
    }
    for cause in 0..<8 { row.set(.droppedEvents, at: cause, UInt64(1) << UInt64(40 + cause)) }
    func word(_ field: SubscriptionRow.Word) -> UInt64 { row.get(field) }
    let ledger = row.ledger
    #expect(ledger.expired == .init(events: 1 << 43, bytes: word(.expiredBytes)))
    #expect(ledger.dropped == .init(events: 0xF7 << 40, bytes: word(.droppedBytes)))
    let events: [SubscriptionRow.Word] = [
      .deliveredEvents, .conflatedEvents, .sampledEvents, .closedEvents, .lagEvents,
    ]
    let bytes: [SubscriptionRow.Word] = [
      .deliveredBytes, .conflatedBytes, .sampledBytes, .expiredBytes, .droppedBytes, .closedBytes,
      .lagBytes,
    ]
    #expect(ledger.sum.events == events.reduce(0xFF << 40) { $0 + word($1) })
    #expect(ledger.sum.bytes == bytes.reduce(0) { $0 + word($1) })
    #expect(ledger.matched == .init(events: word(.matchedEvents), bytes: word(.matchedBytes)))
    let snapshot = try #require(test.snapshot().subscriptions.first)
    #expect(snapshot.ledger == ledger)
  }

  @Test func aBreachSaysByHowMuch() throws {
    var ledger = Ledger()
    #expect(ledger.breach == nil)
    ledger.matched = .init(events: 10, bytes: 1000)
    ledger.delivered = .init(events: 4, bytes: 400)
    ledger.lag = .init(events: 6, bytes: 600)
    #expect(ledger.breach == nil)
    ledger.conflated.bytes = 7
    let breach = try #require(ledger.breach)
    #expect(breach == (events: 0, bytes: -7))
    ledger.lag.events = 5
    #expect(try #require(ledger.breach) == (events: 1, bytes: -7))
  }
}
