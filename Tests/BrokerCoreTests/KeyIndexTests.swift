import Simulation
import Testing
import WireFormat

@testable import BrokerCore

@Suite struct KeyIndexTests {
  typealias Event = KeyedTopic.Event

  /// A reader within a pass, and what it must meet.
  private struct Reader {
    var pass: KeyIndex.Pass
    /// Records of the pass that have not changed since it began.
    var expected: [[UInt8]: UInt64]
    var met: Set<[UInt8]> = []
  }

  @Test(arguments: [1, 2, 3, 4] as [UInt64])
  func itIsADictionaryWhateverHappensDuringPasses(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let state = TestState(bytes: 64 << 20)
    let topic = try #require(KeyedTopic(state.memory))
    let keys = (0..<random.pick([5, 60, 3000])).map { i in
      // The shortest, the longest, and many that begin alike.
      i == 0
        ? [7] : i == 1 ? random.bytes(WireLimits.keyBytesMax) : Array("player-\(i * 31)".utf8)
    }
    var readers: [Reader] = []
    for step in 0..<800 {
      topic.time += 1000
      let events = (0..<random.within(1...20)).map { _ in
        var event = Event(key: random.pick(keys))
        event.isRemoval = random.percent(15)
        event.hasReply = random.percent(5)
        event.hasHeaders = random.percent(5)
        if !event.isRemoval {
          event.payload = random.bytes(random.pick([0, 1, 3, 20, 100, 101, 300, 1000, 5000]))
        }
        return event
      }
      try topic.publish(events, codec: random.pick([.none, .none, .lz4, .zstd]))
      for i in readers.indices {
        for event in events { readers[i].expected[event.key] = nil }
      }
      if readers.count < 5 {
        let after = random.percent(30) ? 0 : UInt64(random.below(Int(topic.last)))
        let through = topic.last - UInt64(random.below(Int(topic.last - after)))
        let expected = topic.model.entries.mapValues(\.sequence).filter {
          $0.value > after && $0.value <= through
        }
        #expect(topic.index.count(after: after, through: through) == expected.count)
        readers.append(
          Reader(
            pass: topic.index.beginPass(after: after, through: through, random: random.next()),
            expected: expected))
      }
      for i in readers.indices.reversed() {
        if try read(&readers[i], topic, steps: random.within(0...40), seed) {
          #expect(readers[i].expected.isEmpty, "seed \(seed), step \(step)")
          readers.remove(at: i)
        }
      }
      if step % 250 == 0 { try topic.compare("seed \(seed), step \(step)") }
    }
    try topic.compare("seed \(seed)")
    #expect(topic.index.floor == 0 || topic.index.forgotten > 0, "seed \(seed)")
    topic.index.free()
    #expect(state.memory.usedBytes == 0 && state.memory.blockBytes == 0, "seed \(seed)")
  }

  /// - Returns: whether the pass has ended.
  private func read(
    _ reader: inout Reader, _ topic: KeyedTopic, steps: Int, _ seed: UInt64
  ) throws -> Bool {
    var left = steps
    while true {
      let before = left
      switch topic.index.next(&reader.pass, realtimeNs: topic.time, steps: &left) {
      case .later:
        #expect(left == 0)
        return false
      case .end: return true
      case .record(let record):
        #expect(left < before)
        let (key, entry) = try topic.check(record)
        #expect(topic.model.entries[key] == entry, "seed \(seed)")
        #expect(entry.sequence > reader.pass.after && entry.sequence <= reader.pass.through)
        #expect(reader.met.insert(key).inserted, "seed \(seed): met twice")
        reader.expected[key] = nil
      }
    }
  }

  @Test func recordsOfEverySizeAreReadyToBeSent() throws {
    let state = TestState(bytes: 32 << 20)
    let topic = try #require(KeyedTopic(state.memory))
    let largest = WireLimits.batchBytesCeiling - BatchWriter.recordBytes(payload: 0, key: 3)
    let sizes = [
      1, 2, 7, 8, 9, 400, 405, 410, 3977, 3978, 8000, 8089, 8090, 16_000, 65_000, largest,
    ]
    for size in sizes + sizes.reversed() {
      try topic.publish([Event(key: [1, 2, 3], payload: Array(repeating: 9, count: size))])
      try topic.compare("\(size) bytes")
      let other = Event(key: [UInt8(size & 255)], payload: Array(repeating: 9, count: size))
      try topic.publish([other])
      try topic.compare("\(size) bytes")
    }
    topic.index.free()
    #expect(state.memory.usedBytes == 0)
  }

  @Test func theOrderStaysShortAndFindsItsWay() throws {
    var random = SeededRandom(seed: 5)
    let state = TestState(bytes: 32 << 20)
    let topic = try #require(KeyedTopic(state.memory))
    func key(_ i: Int) -> [UInt8] { Array("\(i)".utf8) }
    for i in 0..<10_000 { try topic.publish([Event(key: key(i), payload: [1])]) }
    try topic.compare("at first")
    for round in 0..<15 {
      // Evenly, a few often, and one alone.
      let among = [10_000, 100, 1][round % 3]
      for _ in 0..<100 {
        try topic.publish((0..<20).map { _ in Event(key: key(random.below(among)), payload: [2]) })
      }
      topic.checkOrder("round \(round)")
    }
    try topic.compare("at last")
    #expect(topic.index.count == 10_000)
    topic.index.free()
    #expect(state.memory.usedBytes == 0)
  }

  @Test func everyRecordIsAsLikelyToBeTheFirstOfAPass() throws {
    let state = TestState()
    let topic = try #require(KeyedTopic(state.memory))
    for i in 0..<1000 { try topic.set("\(i)") }
    for i in stride(from: 0, to: 1000, by: 3) { try topic.set("\(i)", "again") }
    // Two thirds stand before 1001, with holes between them.
    let first = topic.model.entries.values.map(\.sequence).filter { $0 > 100 && $0 <= 1000 }
    var starts: Set<UInt64> = []
    for i in 0..<UInt64(first.count) {
      let random = UInt64.max / UInt64(first.count) * i + 1 << 32
      starts.insert(topic.index.beginPass(after: 100, through: 1000, random: random).start)
    }
    #expect(starts == Set(first))
  }

  /// A key that changes all the time takes nobody's turn: each of the others is met in every pass.
  @Test func noHotKeyStarvesTheOthers() throws {
    var random = SeededRandom(seed: 9)
    let state = TestState()
    let topic = try #require(KeyedTopic(state.memory))
    for i in 0..<200 { try topic.set("\(i)") }
    var seen: UInt64 = 0
    var hot = 0
    for _ in 0..<6 {
      var pass = topic.index.beginPass(after: seen, through: topic.last, random: random.next())
      let others = topic.model.entries.filter { $0.value.sequence > seen }.count
      var met = 0
      reading: while true {
        var steps = 10
        switch topic.index.next(&pass, realtimeNs: topic.time, steps: &steps) {
        case .end: break reading
        case .later: continue
        case .record(let record):
          let (key, _) = try topic.check(record)
          if key == Array("hot".utf8) { hot += 1 } else { met += 1 }
          for _ in 0..<10 { try topic.set("hot") }
        }
      }
      #expect(met >= others - 1)
      seen = pass.through
      for i in 0..<200 { try topic.set("\(i)") }
    }
    // It is met where it is the first.
    #expect(hot <= 6)
  }

  // MARK: Removals

  @Test func removalsAreKeptToTheHorizon() throws {
    let state = TestState()
    let topic = try #require(KeyedTopic(state.memory))
    try topic.set("stays")
    for i in 0..<KeyIndex.removalsMin {
      try topic.set("\(i)")
      try topic.remove("\(i)")
    }
    #expect(topic.index.removals == KeyIndex.removalsMin && topic.index.floor == 0)
    try topic.compare("all known")
    try topic.remove("one more")
    // The first removal is gone.
    #expect(topic.index.floor == 3 && topic.index.forgotten == 1)
    #expect(!topic.index.knowsAll(after: 2) && topic.index.knowsAll(after: 3))
    try topic.compare("one forgotten")
    // What is set again is no removal any more.
    try topic.set("5")
    #expect(topic.index.removals == KeyIndex.removalsMin - 1)
    try topic.compare("one set again")
    #expect(topic.index.evicted == 0)
  }

  @Test func moreValuesKeepMoreRemovals() throws {
    let state = TestState()
    let topic = try #require(KeyedTopic(state.memory))
    for i in 0..<9000 { try topic.set("\(i)") }
    for i in 0..<3000 { try topic.remove("\(i)") }
    #expect(topic.index.removals == 3000)
    for i in 3000..<9000 { try topic.remove("\(i)") }
    #expect(topic.index.removals == KeyIndex.removalsMin)
    try topic.compare("all removed")
  }

  @Test func whatHasLivedItsTimeIsARemovalForWhomeverMeetsIt() throws {
    let state = TestState()
    let topic = try #require(KeyedTopic(state.memory))
    let long = String(repeating: "x", count: 3000)
    try topic.set("short", long, ttlMs: 10)
    try topic.set("late", "v", ttlMs: 1000)
    try topic.set("ever", "v")
    try topic.publish([Event(key: [1], isRemoval: true, hasReply: true)], ttlMs: 10)
    let bytes = topic.index.recordBytes
    topic.time += 10_000_000
    try topic.compare("at the very moment they live")
    topic.time += 1
    let found = try topic.contents()
    let short = try #require(found[Array("short".utf8)])
    #expect(short.isRemoval && short.sequence == 1 && short.stamps.ttlMs == 0)
    #expect(short.stamps.time == topic.model.entries[Array("short".utf8)]?.stamps.time)
    #expect(short.record.count == BatchWriter.recordBytes(payload: 0, key: 5))
    #expect(found[[1]]?.isRemoval == true && found[[1]]?.stamps.ttlMs == 0)
    #expect(found[Array("late".utf8)]?.isRemoval == false)
    #expect(topic.index.removals == 2)
    #expect(topic.index.recordBytes < bytes - 2800)
    topic.checkOrder("after one has gone")
    try topic.set("short", "again")
    #expect(topic.index.removals == 1 && topic.index.count == 4)
    topic.index.free()
    #expect(state.memory.usedBytes == 0)
  }

  // MARK: Limits

  @Test func beyondTheKeysTheOldestRemovalGoesThenTheLowestSequence() throws {
    let state = TestState(keysMax: 4)
    let topic = try #require(KeyedTopic(state.memory))
    for key in ["a", "b", "c", "d"] { try topic.set(key) }
    try topic.remove("b")
    try topic.remove("a")
    func held() throws -> [String] {
      try topic.contents().keys.map { String(decoding: $0, as: UTF8.self) }.sorted()
    }
    try topic.set("e")
    #expect(try held() == ["a", "c", "d", "e"] && topic.index.floor == 5)
    try topic.set("f")
    #expect(try held() == ["c", "d", "e", "f"] && topic.index.floor == 6)
    #expect(topic.index.forgotten == 2 && topic.index.evicted == 0)
    try topic.set("c")
    try topic.set("g")
    #expect(try held() == ["c", "e", "f", "g"] && topic.index.floor == 6)
    #expect(topic.index.forgotten == 2 && topic.index.evicted == 1)
    try topic.compare("at the limit")
  }

  @Test(arguments: [1, 2, 3] as [UInt64])
  func memoryThatRunsOutTakesTheOldestOfTheLargestTopic(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    let state = TestState(bytes: 2 << 20)
    let topics = try (1...3).map { try #require(KeyedTopic(state.memory, id: UInt32($0))) }
    // Two that have few keys, one that takes all it can get.
    for step in 0..<6000 {
      let topic = topics[random.pick([0, 1, 2, 2, 2, 2])]
      let among = topic.id == 3 ? 40_000 : 40
      let size = random.percent(2) ? random.below(3900) : random.within(100...900)
      try topic.publish([
        Event(
          key: Array("\(random.below(among))".utf8), payload: Array(repeating: 1, count: size))
      ])
      #expect(state.memory.usedBytes <= state.memory.capacityBytes)
      if step % 1000 == 999 {
        for topic in topics { try topic.compare("seed \(seed), step \(step)") }
      }
    }
    #expect(topics[2].index.evicted > 0, "seed \(seed)")
    // The large one gives way to the others, and what is given up is not more than it need be.
    #expect(topics[0].index.evicted + topics[1].index.evicted == 0, "seed \(seed)")
    #expect(state.memory.blockBytes > state.memory.capacityBytes / 2, "seed \(seed)")
    for topic in topics { topic.index.free() }
    #expect(state.memory.usedBytes == 0 && state.memory.blockBytes == 0)
  }

  /// Where all records grow, the slabs of the old size are emptied before anything is given up.
  @Test func recordsThatChangeTheirSizeFindRoom() throws {
    var random = SeededRandom(seed: 3)
    let state = TestState(bytes: 4 << 20)
    let topic = try #require(KeyedTopic(state.memory))
    var keys = (0..<9000).map { Array("\($0)".utf8) }
    for size in [150, 240, 30, 240] {
      keys.shuffle(using: &random)
      for key in keys {
        try topic.publish([Event(key: key, payload: Array(repeating: 1, count: size))])
      }
      try topic.compare("\(size) bytes")
      #expect(topic.index.evicted == 0 && topic.index.count == 9000)
    }
    topic.index.free()
    #expect(state.memory.usedBytes == 0)
  }

  @Test func whatFindsNoRoomAtAllIsAsGoodAsEvicted() throws {
    let state = TestState(bytes: 2 << 20)
    let topic = try #require(KeyedTopic(state.memory))
    try topic.set("a")
    try topic.set("b")
    // Needs a page of 2 MiB, all there is.
    try topic.publish([Event(key: [97], payload: Array(repeating: 1, count: 1_048_560))])
    #expect(topic.index.floor == 3 && topic.index.evicted > 0)
    try topic.compare("without the large one")
    try topic.set("a", "again")
    try topic.compare("with a small one")
    #expect(try topic.contents()[[97]]?.sequence == 4)
  }

  @Test func aSmallRegionIsNoLargerThanItMayBe() throws {
    let state = TestState(bytes: 300 << 10)
    let topic = try #require(KeyedTopic(state.memory))
    for i in 0..<2000 {
      try topic.set("\(i)")
      if state.memory.usedBytes > 256 << 10 { Issue.record("\(state.memory.usedBytes) bytes") }
    }
    #expect(topic.index.evicted > 0 && topic.index.count > 500)
    try topic.compare("at the limit")
  }

  // MARK: Keys

  @Test func keysThatMeetAreKeptApart() throws {
    let state = TestState(bytes: 16 << 20, hash: KeyHash(point: 0, multiplier: 1 << 33 + 1))
    let topic = try #require(KeyedTopic(state.memory))
    // The last seven bytes alone decide.
    let keys = (0..<900).map { Array("\($0 + 1000)-the-same".utf8) }
    for key in keys { try topic.publish([Event(key: key, payload: key)]) }
    #expect(Set(keys.map { key in unsafe key.withUnsafeBytes { unsafe state.memory.hash.tag($0) } })
      .count == 1)
    try topic.compare("all set")
    for key in keys.prefix(450) { try topic.publish([Event(key: key, isRemoval: true)]) }
    for key in keys.suffix(100) { try topic.publish([Event(key: key, payload: [1])]) }
    try topic.compare("some removed")
    topic.index.free()
    #expect(state.memory.usedBytes == 0)
  }

  @Test func differentKeysHaveDifferentTags() {
    let hash = KeyHash(secret: 0x1234_5678_9ABC_DEF1)
    func tag(_ key: [UInt8]) -> UInt32 { unsafe key.withUnsafeBytes { unsafe hash.tag($0) } }
    var tags: Set<UInt32> = []
    var count = 0
    // Each length to 40, zeros alone, and each bit of them.
    for length in 1...40 {
      for bit in -1..<(length * 8) {
        var key = [UInt8](repeating: 0, count: length)
        if bit >= 0 { key[bit / 8] = 1 << UInt8(bit % 8) }
        tags.insert(tag(key))
        count += 1
      }
    }
    #expect(tags.count > count - 3)
    // Segments are told by the upper bits, places in them by the lower ones.
    var upper = [Int](repeating: 0, count: 64)
    var lower = [Int](repeating: 0, count: 64)
    for i in 0..<6400 {
      let tag = tag(Array("player-\(i)".utf8))
      upper[Int(tag >> 26)] += 1
      lower[Int(tag & 0xFFFF) >> 10] += 1
    }
    for counts in [upper, lower] { #expect(counts.allSatisfy { $0 > 40 && $0 < 180 }) }
    #expect(tag([1, 2, 3]) != {
      let other = KeyHash(secret: 99)
      return unsafe [1, 2, 3].withUnsafeBytes { unsafe other.tag($0) }
    }())
  }

  // MARK: Memory

  @Test func blocksHaveTheSizeOfTheirClass() {
    let wrong = (1...70_000).filter { bytes in
      let sizeClass = StateMemory.sizeClass(bytes)
      return StateMemory.classBytes(sizeClass) < bytes
        || sizeClass > 0 && StateMemory.classBytes(sizeClass - 1) >= bytes
    }
    #expect(wrong == [])
  }

  @Test func whatOnlyWeCanGetWrongEndsTheProcess() async {
    await #expect(processExitsWith: .failure) {
      let state = TestState()
      _ = state.memory[state.memory.capacityBytes - 4, UInt64.self]
    }
    await #expect(processExitsWith: .failure) {
      let state = TestState()
      let topic = KeyedTopic(state.memory)!
      try topic.set("a")
      topic.nextSequence = 1
      try topic.set("b")
    }
  }
}
