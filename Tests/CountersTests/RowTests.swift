import Counters
import Foundation
import Synchronization
import Testing

/// A thread that updates a row as fast as it can.
private final class RowWriter: Sendable {
  private let row: TopicRow
  private let stop = Atomic<Bool>(false)
  private let ended = DispatchSemaphore(value: 0)

  init(_ row: TopicRow) { self.row = row }

  func start() {
    Thread { [self] in
      var value: UInt64 = 0
      while !stop.load(ordering: .relaxed) {
        value += 1
        row.beginUpdate()
        row.set(.epoch, value)
        row.set(.firstSequence, value)
        row.set(.bytesIn, value)
        row.set(.publishers, value)
        row.endUpdate()
        // As in production, the row is at rest most of the time.
        for _ in 0..<400 { row.set(.ringBytes, value) }
      }
      ended.signal()
    }.start()
  }

  func finish() {
    stop.store(true, ordering: .relaxed)
    ended.wait()
  }
}

struct RowTests {
  @Test func whatIsWrittenIsRead() throws {
    let test = TestRegion()
    let connections = test.region.connections(shard: 1)
    let row = connections.activate(3)
    row.beginUpdate()
    row.set(.session, 77)
    row.set(.codecs, 6)
    row.setText(.peer, "127.0.0.1:50123")
    row.setText(.client, "tail")
    row.endUpdate()
    row.add(.eventsOut, 40)
    row.add(.eventsOut, 2)

    let subscriptions = test.region.subscriptions(shard: 0)
    subscriptions.activate(299, .opening)
    subscriptions[299].add(.droppedEvents, at: 2, 9)
    subscriptions[299].add(.droppedEvents, at: 200, 1)
    subscriptions[299].add(.droppedEvents, at: -1, 1)

    let snapshot = try test.snapshot()
    #expect(snapshot.header.processID == 4711)
    #expect(snapshot.shards.map(\.shard) == [0, 1])
    #expect(snapshot.shards.map { $0[.index] } == [0, 1])
    #expect(snapshot.broker[.shards] == 2)
    let read = try #require(snapshot.connections.first)
    #expect(snapshot.connections.count == 1)
    #expect(read.slot == 3 && read.shard == 1 && !read.isTorn && read.state == .active)
    #expect(read[.session] == 77 && read[.codecs] == 6 && read[.eventsOut] == 42)
    #expect(read[.peer] == "127.0.0.1:50123" && read[.client] == "tail")
    let subscription = try #require(snapshot.subscriptions.first)
    #expect(subscription.slot == 299 && subscription.state == .opening)
    #expect(subscription[.droppedEvents] == [0, 0, 9, 0, 0, 0, 0, 2])
  }

  @Test func aRetiredRowIsNotShownAndANewUseStartsAtZero() throws {
    let test = TestRegion()
    let table = test.region.publishers(shard: 0)
    let row = table.activate(0)
    row.set(.events, 5)
    row.retire()
    #expect(try test.snapshot().publishers.isEmpty)
    row.activate()
    let read = try #require(try test.snapshot().publishers.first)
    #expect(read[.events] == 0 && read.sequence == 6)
  }

  @Test func textsAreCutBeforeACharacterAndMarked() throws {
    let test = TestRegion()
    let table = test.region.subscriptions(shard: 0)
    table.activate(0)
    func shown(_ text: String) throws -> String {
      table[0].setText(.pattern, text)
      return try #require(try test.snapshot().subscriptions.first)[.pattern]
    }
    let exact = String(repeating: "x", count: 64)
    #expect(try shown(exact) == exact)
    #expect(try shown(exact + "y") == String(repeating: "x", count: 61) + "…")
    // The 61st byte is in the middle of a character.
    #expect(
      try shown(String(repeating: "ö", count: 40)) == String(repeating: "ö", count: 30) + "…")
    #expect(try shown("") == "")
  }

  @Test func aRowWhoseWriterDiedIsShownAndFlagged() throws {
    let test = TestRegion()
    let table = test.region.connections(shard: 0)
    table.activate(0)
    table.activate(1)
    table[1].beginUpdate()
    table[1].set(.session, 3)
    let rows = try test.snapshot().connections
    #expect(rows.map(\.slot) == [0, 1])
    #expect(rows.map(\.isTorn) == [false, true])
    #expect(rows[1][.session] == 3)
  }

  @Test func onlyTheTablesAskedForAreRead() throws {
    let test = TestRegion()
    let table = test.region.connections(shard: 0)
    table.activate(0)
    #expect(try test.snapshot(tables: [.topic]).connections.isEmpty)
    #expect(try test.snapshot(tables: [.connection]).connections.count == 1)
  }

  @Test func foreignBytesAreRefused() {
    #expect(throws: CountersReadError.notCounters) {
      try CountersSnapshot { _, _ in [] }
    }
    #expect(throws: CountersReadError.notCounters) {
      try CountersSnapshot { _, count in [UInt8](repeating: 0, count: count) }
    }
    let test = TestRegion()
    let memory = test.region.memory
    #expect(throws: CountersReadError.self) {
      try CountersSnapshot { offset, count in
        var bytes = memory.bytes(at: offset, count: count)
        if offset == 0 { bytes[56] ^= 1 }
        return bytes
      }
    }
    // A source that fails half way.
    #expect(throws: CountersReadError.cut(offset: 4096)) {
      try CountersSnapshot { offset, count in
        offset >= 4096 ? [] : memory.bytes(at: offset, count: count)
      }
    }
    // A source that gives little at a time is read to the end.
    #expect(throws: Never.self) {
      try CountersSnapshot { memory.bytes(at: $0, count: min($1, 5)) }
    }
  }

  /// A writer keeps every word of a row equal within an update; a reader that ever sees two
  /// different ones has seen a torn row.
  @Test func aReaderNeverSeesATornRow() throws {
    let test = TestRegion()
    let table = test.region.topics
    let row = table.activate(0)
    let writer = RowWriter(row)
    writer.start()
    defer {
      writer.finish()
      withExtendedLifetime(test) {}
    }
    var seen: Set<UInt64> = []
    while seen.count < 300 {
      let snapshot = try #require(try test.snapshot(tables: [.topic]).topics.first)
      if snapshot.isTorn { continue }
      let value = snapshot[.epoch]
      seen.insert(value)
      try #require(
        [snapshot[.firstSequence], snapshot[.bytesIn], snapshot[.publishers]]
          == [value, value, value])
    }
  }

  /// The compiler proves that the writer's side neither locks nor allocates.
  @_noLocks private func hotPath(_ table: SubscriptionTable, _ shard: ShardRow) {
    let row = table[0]
    row.beginUpdate()
    row.add(.deliveredEvents, 3)
    row.set(.lagEvents, row.get(.matchedEvents) &- row.get(.deliveredEvents))
    row.set(.blocked, BlockedCause.none.rawValue)
    row.add(.droppedEvents, at: 1, 1)
    row.endUpdate()
    shard.recordLatency(ns: 12_000)
    shard.raise(.turnMaxNs, to: 9)
  }

  @Test func theHotPathCounts() throws {
    let test = TestRegion()
    let table = test.region.subscriptions(shard: 0)
    table.activate(0)
    table[0].set(.matchedEvents, 10)
    for _ in 0..<2 { hotPath(table, test.region.shard(0)) }
    let snapshot = try test.snapshot()
    let row = try #require(snapshot.subscriptions.first)
    #expect(row[.deliveredEvents] == 6 && row[.lagEvents] == 4)
    #expect(snapshot.latency.count == 2 && snapshot.latency.maxNs == 12_000)
  }
}
