import Testing

@testable import Counters

@Suite struct RecordingTests {
  /// A file in memory, written as the recorder does.
  private struct File {
    var bytes: [UInt8]
    let capacity: Int
    var next: UInt64 = 1

    init(capacity: Int) {
      self.capacity = capacity
      bytes = Array(repeating: 0, count: RecordLayout.byteCount(capacity: capacity))
      bytes.replaceSubrange(0..<40, with: RecordLayout.header(capacity: capacity))
    }

    mutating func append(_ entry: RecordEntry = RecordEntry()) {
      var entry = entry
      entry[.number] = next
      let start = RecordLayout.offset(number: next, capacity: capacity)
      bytes.replaceSubrange(start..<(start + RecordEntry.byteCount), with: entry.bytes)
      next += 1
    }

    func numbers() throws -> [UInt64] { try Recording(bytes).entries.map { $0[.number] } }
  }

  @Test func anEntryComesBackAsItWas() throws {
    var entry = RecordEntry()
    for field in RecordEntry.Field.allCases { entry[field] = UInt64(field.rawValue) << 33 | 5 }
    entry.busyShares = (0..<64).map { Double($0) / 64 }
    // As documented.
    #expect(entry.bytes.count == 384 && RecordEntry.byteCount == 384)
    let read = try #require(RecordEntry(bytes: entry.bytes[...]))
    #expect(read == entry)
    #expect(read[.latencyMaxNs] == UInt64(RecordEntry.Field.latencyMaxNs.rawValue) << 33 | 5)
    for (shard, share) in read.busyShares.enumerated() {
      #expect(abs(share - Double(shard) / 64) < 0.0001)
    }
    entry.busyShares = [7, -1, .nan]
    #expect(entry.busyShares.prefix(2) == [1, 0] && entry[.shards] == 3)
  }

  @Test func theRingKeepsTheLastOnes() throws {
    var file = File(capacity: 5)
    #expect(try file.numbers() == [])
    for _ in 1...3 { file.append() }
    #expect(try file.numbers() == [1, 2, 3])
    for _ in 4...13 { file.append() }
    #expect(try file.numbers() == [9, 10, 11, 12, 13])
    #expect(try Recording(file.bytes).nextNumber == 14)
  }

  /// Whichever byte of it did not arrive.
  @Test func anEntryThatWasTornIsLeftOut() throws {
    var file = File(capacity: 5)
    for _ in 1...7 {
      var entry = RecordEntry()
      entry[.eventsIn] = 1000
      file.append(entry)
    }
    let start = RecordLayout.offset(number: 6, capacity: 5)
    for at in [0, 8, 40, RecordEntry.byteCount - 1] {
      var torn = file
      torn.bytes[start + at] ^= 0x40
      let recording = try Recording(torn.bytes)
      #expect(recording.entries.map { $0[.number] } == [3, 4, 5, 7], "\(at)")
      #expect(recording.tornCount == 1 && recording.nextNumber == 8)
    }
    // A whole entry at a place that is not its own is none either.
    var moved = file
    let other = RecordLayout.offset(number: 3, capacity: 5)
    moved.bytes.replaceSubrange(
      other..<(other + RecordEntry.byteCount),
      with: file.bytes[start..<(start + RecordEntry.byteCount)])
    #expect(try moved.numbers() == [4, 5, 6, 7])
  }

  @Test func otherFilesAreRefused() throws {
    func refusal(_ bytes: [UInt8]) -> Recording.Refusal? {
      do throws(Recording.Refusal) {
        _ = try Recording(bytes)
        return nil
      } catch {
        return error
      }
    }
    let file = File(capacity: 5)
    #expect(refusal(file.bytes) == nil)
    #expect(file.bytes.starts(with: "GALNREC1".utf8))
    #expect(refusal([]) == .notRecording)
    #expect(refusal(Array(repeating: 0, count: file.bytes.count)) == .notRecording)
    #expect(refusal(Array(file.bytes.prefix(39))) == .torn)
    #expect(refusal(Array(file.bytes.dropLast())) == .torn)
    #expect(refusal(file.bytes + [0]) == .torn)
    #expect(refusal(Array(file.bytes.prefix(4096))) == .torn)
    // With a checksum that is right.
    func header(_ change: (inout [UInt64]) -> Void) -> [UInt8] {
      var words = Array(RecordWords.words(file.bytes.prefix(32)))
      change(&words)
      return RecordWords.bytes(words + [RecordWords.checksum(words[...])]) + file.bytes.dropFirst(40)
    }
    #expect(refusal(header { _ in }) == nil)
    #expect(refusal(header { $0[1] = 2 }) == .otherVersion)
    #expect(refusal(header { $0[2] += 8 }) == .otherVersion)
    #expect(refusal(header { $0[3] = .max }) == .torn)
    var damaged = file.bytes
    damaged[9] = 1
    #expect(refusal(damaged) == .torn)
  }

  // MARK: What is kept

  /// Objects, as a value cannot change within an expectation.
  private final class Gate {
    var gate: RecordGate
    init(share: Double) { gate = RecordGate(share: share) }
    var baseline: Double { gate.baseline }
    func admits(load: Double, seconds: Double) -> Bool {
      gate.admits(load: load, seconds: seconds)
    }
  }

  private final class Sampler {
    let region: TestRegion
    var sampler = RecordSampler(share: 0.5)
    init(_ region: TestRegion) { self.region = region }
    func take(at seconds: UInt64) throws -> RecordEntry? {
      sampler.take(
        try region.snapshot(), nowNs: seconds * 1_000_000_000, realtimeNs: 1000 + seconds)
    }
  }

  @Test func aSecondIsKeptFromAShareOfWhatIsUsual() {
    let gate = Gate(share: 0.5)
    #expect(!gate.admits(load: 0, seconds: 1))
    #expect(gate.admits(load: 1000, seconds: 1))
    for _ in 0..<1000 { #expect(gate.admits(load: 1000, seconds: 1)) }
    #expect(abs(gate.baseline - 1000) < 1)
    #expect(!gate.admits(load: 450, seconds: 1))
    #expect(gate.admits(load: 1_000_000, seconds: 1))
    // After that peak a thousand is little, until it has been usual for a while.
    var waited = 0
    while !gate.admits(load: 1000, seconds: 1) { waited += 1 }
    #expect((100...1000).contains(waited), "\(waited)")
  }

  @Test func idleSecondsAreKeptOnlyWhereAllAre() {
    let some = Gate(share: 0.001)
    let all = Gate(share: 0)
    for load in [0.0, 5, 0, 0] {
      #expect(all.admits(load: load, seconds: 1))
      #expect(some.admits(load: load, seconds: 1) == (load > 0))
    }
  }

  /// What was usual is forgotten in the same time however often it is looked at.
  @Test func theBaselineDependsOnTimeAlone() {
    let often = Gate(share: 0.5)
    let rarely = Gate(share: 0.5)
    _ = often.admits(load: 1000, seconds: 1)
    _ = rarely.admits(load: 1000, seconds: 1)
    for _ in 0..<60 { _ = often.admits(load: 0, seconds: 1) }
    for _ in 0..<6 { _ = rarely.admits(load: 0, seconds: 10) }
    #expect(abs(often.baseline - rarely.baseline) < 10)
    #expect(often.baseline < 900)
  }

  @Test func anEntryHasWhatHappenedInItsSecond() throws {
    let test = TestRegion()
    let shard = test.region.shard(1)
    shard.set(.eventsIn, 500)
    shard.set(.connections, 7)
    shard.recordLatency(ns: 1_000_000)
    let sampler = Sampler(test)
    #expect(try sampler.take(at: 5) == nil)
    shard.add(.eventsIn, 3000)
    shard.add(.busyNs, 500_000_000)
    shard.add(.closed, at: 4, 2)
    test.region.shard(0).add(.eventsOut, 100)
    shard.recordLatency(ns: 3000)
    let entry = try #require(try sampler.take(at: 7))
    #expect(entry[.instance] == 0xABCD_EF01_2345_6789)
    #expect(entry[.timeNs] == 1007 && entry[.spanNs] == 2_000_000_000)
    #expect(entry[.eventsIn] == 3000 && entry[.eventsInTotal] == 3500 && entry[.eventsOut] == 100)
    #expect(entry.perSecond(.eventsIn) == 1500)
    #expect(entry[.connections] == 7 && entry[.sessionsClosed] == 2)
    #expect(entry[.latencyCount] == 1)
    #expect((3000..<4000).contains(entry[.latencyMaxNs]))
    #expect(entry.busyShares == [0, 0.25])
    // Nothing happens: that is not kept. Then something is lost, which always is.
    #expect(try sampler.take(at: 8) == nil)
    shard.add(.droppedEvents, 1)
    let lost = try #require(try sampler.take(at: 9))
    #expect(lost[.droppedEvents] == 1 && lost[.spanNs] == 1_000_000_000)
  }

  @Test func theLagIsThatOfTheSubscriptionsThereAre() {
    let test = TestRegion()
    for (shard, slot) in [(0, 0), (0, 3), (1, 250)] {
      let row = test.region.subscriptions(shard: shard).activate(slot)
      row.set(.lagEvents, 10)
      row.set(.lagBytes, 100)
    }
    test.region.subscriptions(shard: 1).activate(2)
    #expect(test.region.lag() == (30, 300, 3))
    test.region.subscriptions(shard: 0)[3].retire()
    #expect(test.region.lag() == (20, 200, 2))
  }
}
