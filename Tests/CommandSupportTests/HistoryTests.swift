import CommandSupport
import Counters
import Foundation
import Testing

struct HistoryTests {
  /// 2026-11-21T10:00:00Z.
  private static let startNs: UInt64 = 1_795_255_200_000_000_000

  /// A recording with an entry that ends at each of these seconds, and that many events in it.
  private func recording(
    _ entries: [(second: Int, eventsIn: UInt64)], instances: [Int: UInt64] = [:],
    torn: Bool = false
  ) throws -> Recording {
    let capacity = 200
    var bytes = [UInt8](repeating: 0, count: RecordLayout.byteCount(capacity: capacity))
    let header = RecordLayout.header(capacity: capacity)
    bytes.replaceSubrange(0..<header.count, with: header)
    for (index, (second, eventsIn)) in entries.enumerated() {
      var entry = RecordEntry()
      let number = UInt64(index + 1)
      entry[.number] = number
      entry[.instance] = instances[second] ?? 1
      entry[.timeNs] = Self.startNs + UInt64(second) * 1_000_000_000
      entry[.spanNs] = 1_000_000_000
      entry[.eventsIn] = eventsIn
      entry.busyShares = [0.5, 0.25]
      let start = RecordLayout.offset(number: number, capacity: capacity)
      bytes.replaceSubrange(start..<(start + RecordEntry.byteCount), with: entry.bytes)
    }
    if torn { bytes[RecordLayout.offset(number: 150, capacity: capacity)] = 1 }
    return try Recording(bytes)
  }

  private func report(_ recording: Recording, nowSecond: Int) -> HistoryReport {
    HistoryReport(
      recording, path: "/r", nowNs: Self.startNs + UInt64(nowSecond) * 1_000_000_000)
  }

  @Test func aLineForEachNumberWithItsLeastAndMost() throws {
    let report = report(
      try recording([(1, 0), (2, 1000), (3, 4000), (4, 7000), (5, 1)], torn: true), nowSecond: 6)
    let lines = report.lines(width: 80)
    #expect(lines[0] == "/r")
    #expect(lines[1] == "5 seconds of at most 200, 2026-11-21T10:00:00Z to 2026-11-21T10:00:05Z")
    #expect(lines[2] == "1 more were torn as they were written, and are left out.")
    let events = try #require(lines.first { $0.hasPrefix("events in/s") })
    #expect(events.split(separator: " ") == ["events", "in/s", "▁▂▅█▂", "0", "7", "k"])
    #expect(lines.contains { $0.hasPrefix("busy shard 1 ") && $0.hasSuffix("25 %       25 %") })
    // Nothing was delivered, so there are no latencies.
    #expect(lines.contains { $0.hasPrefix("latency p99") && !$0.contains("▁") })
    #expect(lines.last == "A column is a second.")
  }

  @Test func pausesAreDrawnAndTold() throws {
    let report = report(
      try recording(
        [(1, 5), (2, 5), (62, 5), (63, 5), (65, 5), (70, 5)], instances: [70: 2]), nowSecond: 200)
    let lines = report.lines(width: 80)
    let events = try #require(lines.first { $0.hasPrefix("events in/s") })
    #expect(events.contains(" ██┊██┊█┊█ "))
    #expect(
      Array(lines.suffix(5)) == [
        "A column is a second; ┊ is a pause.",
        "Idle from 10:00:02Z to 10:01:01Z (59 s)",
        "Idle from 10:01:03Z to 10:01:04Z (1 s)",
        "Another run of the broker after 10:01:05Z, next at 10:01:09Z (4 s)",
        "Nothing since 10:01:10Z, which is 2.17 min ago.",
      ])
    var json = JSONWriter()
    report.write(to: &json)
    let object = try #require(
      JSONSerialization.jsonObject(with: Data(json.bytes)) as? [String: Any])
    let entries = try #require(object["entries"] as? [[String: Any]])
    #expect(entries.count == 6 && entries[5]["instance"] as? String == "2")
    #expect(entries[0]["time"] as? String == "2026-11-21T10:00:01.000000000Z")
    #expect(entries[0]["eventsIn"] as? Int == 5)
    #expect(entries[0]["busyShares"] as? [Double] == [0.5, 0.25])
    let pauses = try #require(object["pauses"] as? [[String: Any]])
    #expect(pauses.map { $0["seconds"] as? Double } == [59, 1, 4])
    #expect(pauses.map { $0["restart"] as? Bool } == [false, false, true])
  }

  /// However many entries and pauses there are, and however little room.
  @Test(arguments: [20, 40, 60, 80, 120, 400])
  func itFitsTheTerminal(width: Int) throws {
    // Every second one of them after a pause.
    var seconds: [(second: Int, eventsIn: UInt64)] = []
    for index in 0..<200 { seconds.append((index * 3 / 2 * 2 + 1, UInt64(index % 7))) }
    let report = report(try recording(seconds), nowSecond: 700)
    let lines = report.lines(width: width)
    #expect(lines.allSatisfy { $0.count <= width }, "\(lines)")
    let marks = lines.first { $0.hasPrefix("events in/s") }?.filter { $0 == "┊" }.count ?? 0
    #expect(marks <= width / 4)
    #expect(lines.contains { $0.hasSuffix("shorter pauses") } || width < 24)
  }

  @Test func aColumnOfSeveralSecondsShowsTheWorst() throws {
    var seconds: [(second: Int, eventsIn: UInt64)] = []
    for index in 0..<120 { seconds.append((index + 1, index == 60 ? 900 : 0)) }
    let report = report(try recording(seconds), nowSecond: 120)
    let lines = report.lines(width: 77)
    #expect(lines.contains("A column is 3 seconds."))
    let events = try #require(lines.first { $0.hasPrefix("events in/s") })
    #expect(events.split(separator: " ")[2] == String(repeating: "▁", count: 20) + "█"
      + String(repeating: "▁", count: 19))
    #expect(events.hasSuffix("0        900"))
  }

  @Test func anEmptyRecordingIsSaidSo() throws {
    #expect(
      report(try recording([]), nowSecond: 1).lines(width: 80)
        == ["Nothing has been recorded yet in /r."])
  }
}
