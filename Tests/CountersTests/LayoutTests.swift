import Counters
import Foundation
import Testing

struct LayoutTests {
  @Test func generatedFilesAreFresh() throws {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = [
      "python3", root.appending(path: "Tools/countergen/countergen").path, "--check",
    ]
    try process.run()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0, "run Tools/countergen/countergen")
  }

  private func check(_ row: (some CounterRow).Type) {
    var end = 8
    for field in row.fields {
      #expect(field.offset >= end, "\(row).\(field.name) overlaps the field before it")
      #expect(field.offset % min(8, field.byteCount) == 0, "\(row).\(field.name) is not aligned")
      end = field.offset + field.byteCount
    }
    #expect(end <= row.rowBytes)
    #expect(row.fields.first?.name == "state" && row.fields.first?.offset == 8)
  }

  @Test func fieldsAreAlignedAndApart() {
    check(BrokerRow.self)
    check(ShardRow.self)
    check(ConnectionRow.self)
    check(PublisherRow.self)
    check(SubscriptionRow.self)
    check(TopicRow.self)
    check(ObservationRow.self)
    check(DeliveryRow.self)
  }

  @Test func sizesAreAsDocumented() {
    #expect(BrokerRow.rowBytes == 704)
    #expect(ShardRow.rowBytes % 128 == 0)
    #expect(ConnectionRow.rowBytes == 184)
    #expect(PublisherRow.rowBytes == 80)
    #expect(SubscriptionRow.rowBytes == 312)
    #expect(TopicRow.rowBytes % 64 == 0)
    #expect(ObservationRow.rowBytes == 2312)
    #expect(DeliveryRow.rowBytes % 64 == 0)
    // What an idle subscriber costs here.
    #expect(ConnectionRow.rowBytes + SubscriptionRow.rowBytes < 512)
  }

  @Test func headerAndDirectoryStandWhereTheDocumentSays() {
    let test = TestRegion()
    let bytes = test.region.memory.bytes(at: 0, count: 4096)
    func number(_ offset: Int, _ size: Int) -> UInt64 {
      bytes[offset..<(offset + size)].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
    #expect(bytes[0..<8].elementsEqual("GALNCNT1".utf8))
    #expect(number(8, 4) == UInt64(CountersLayout.version))
    #expect(number(12, 4) == 128)
    #expect(number(16, 8) == 0xABCD_EF01_2345_6789)
    #expect(number(24, 8) == 1_700_000_000_000_000_000)
    #expect(number(32, 4) == 4711)
    #expect(number(36, 4) == 2)
    #expect(number(40, 8) == UInt64(CountersLayout.requiredBytes(TestRegion.configuration)))
    #expect(number(48, 4) == 128)
    #expect(number(52, 4) == 14)
    #expect(number(56, 8) == CountersLayout.fingerprint)
    var next: UInt64 = 4096
    for index in 0..<14 {
      let entry = 128 + 32 * index
      #expect(number(entry + 8, 8) == next)
      next += (number(entry + 4, 4) * number(entry + 16, 4) + 4095) / 4096 * 4096
    }
    #expect(number(128, 2) == UInt64(CounterKind.broker.rawValue))
    #expect(number(128 + 2, 2) == 0xFFFF)
    #expect(number(128 + 32 * 9, 2) == UInt64(CounterKind.connection.rawValue))
    #expect(number(128 + 32 * 9 + 2, 2) == 1)
  }

  @Test(arguments: [0, 1, 7, 8, 9, 100]) func copiesFromAnyOffset(offset: Int) {
    let test = TestRegion()
    let memory = test.region.memory
    let whole = memory.bytes(at: 0, count: 512)
    for count in [0, 1, 7, 8, 9, 31] {
      #expect(memory.bytes(at: offset, count: count)[...] == whole[offset..<(offset + count)])
    }
    #expect(memory.bytes(at: memory.byteCount - 3, count: 10).count == 3)
    #expect(memory.bytes(at: memory.byteCount, count: 10).isEmpty)
    #expect(memory.bytes(at: -1, count: 10).isEmpty)
  }

  @Test func whatIsWrittenFirstIsAllThatIsWritten() {
    let test = TestRegion()
    let bytes = test.region.memory.bytes(at: 0, count: test.region.memory.byteCount)
    let ranges = CountersLayout.rangesWrittenFirst(TestRegion.configuration)
    #expect(ranges.count == 4)
    for (offset, byte) in bytes.enumerated() where byte != 0 {
      #expect(ranges.contains { $0.contains(offset) })
    }
  }

  @Test func theReachOfATableFollowsItsUse() {
    let test = TestRegion()
    func used() -> [Int] { test.region.reaches(shard: 1).map(\.usedBytes) }
    #expect(used() == [ShardRow.rowBytes, 0, 0, 0, 0, 0])
    test.region.connections(shard: 1).activate(2)
    test.region.connections(shard: 1).activate(0)
    #expect(used() == [ShardRow.rowBytes, 3 * ConnectionRow.rowBytes, 0, 0, 0, 0])
    let topics = test.region.reaches(shard: 0).last
    #expect(topics?.byteCount == TestRegion.configuration.topics * TopicRow.rowBytes)
  }
}
