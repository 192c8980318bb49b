import Testing
import WireFormat

@testable import LoadKit

@Suite struct LaggardTests {
  @Test(arguments: [1, 2, 3, 7, 100, 1000])
  func eachRoundHasEachKeyOnce(_ keys: Int) {
    let cycle = KeyCycle(keys: keys)
    for round in 0..<4 {
      let numbers = UInt64(round * keys)..<UInt64((round + 1) * keys)
      #expect(Set(numbers.map(cycle.key)) == Set(0..<UInt64(keys)))
    }
  }

  @Test func aLaggardSeesWhatIsOldWrongOrMissing() {
    let cycle = KeyCycle(keys: 10)
    let numbers = UnsafeMutablePointer<UInt64>.allocate(capacity: 10)
    defer { unsafe numbers.deallocate() }
    unsafe numbers.initialize(repeating: 0, count: 10)
    let newest = unsafe NewestOfKeys(numbers, cycle)
    for number in 1...25 as ClosedRange<UInt64> where number != 24 {
      #expect(newest.take(number, key: cycle.key(of: number)))
    }
    #expect(newest.missing(of: 25) == 1)
    #expect(!newest.take(25, key: cycle.key(of: 25)), "it came before")
    #expect(!newest.take(24, key: (cycle.key(of: 24) + 1) % 10), "of another key")
    #expect(!newest.take(24, key: 10), "of none")
    #expect(newest.take(24, key: cycle.key(of: 24)))
    #expect(newest.missing(of: 25) == 0)
  }

  @Test(arguments: [16, 17, 128], [1, 5])
  func eventsHaveTheirKeys(_ payloadBytes: Int, _ batch: Int) throws {
    let shape = EventShape(
      payloadBytes: payloadBytes, batch: batch, topics: 1, topicPrefix: "t.", keys: 30)
    var driver = try GalleonDriver(shape)
    let block = ByteBlock(zeroed: 65_536)
    unsafe driver.prepare(block.base, capacity: block.count, role: .publisher(topic: 0))
    var outbox = Outbox()
    var session = driver.open(.publisher(topic: 0), out: &outbox)
    let run = EventRun(firstNumber: 5, count: 12, slot: 0, firstTimeNs: 70, stepPs: 0)
    let size = unsafe driver.encode(run, into: block.base, session: &session)
    var at = 0
    var events = 0
    let bytes = unsafe UnsafeRawBufferPointer(start: block.base, count: size)
    while at < size {
      let frame = try #require(unsafe try nextFrame(in: bytes, at: at, lengthMax: 262_144))
      let body = unsafe UnsafeRawBufferPointer(
        rebasing: bytes[(frame.offset + FrameHeader.size)..<frame.end])
      events += unsafe try validateBatch(body, limits: BatchLimits(requireKey: true)).count
      at = frame.end
    }
    #expect(events == 12)

    // What a laggard is sent, with some left out.
    let numbers = UnsafeMutablePointer<UInt64>.allocate(capacity: 30)
    defer { unsafe numbers.deallocate() }
    unsafe numbers.initialize(repeating: 0, count: 30)
    let desk = Desk()
    var tally = desk.tally
    tally.newest = unsafe NewestOfKeys(numbers, KeyCycle(keys: 30))
    var sent = unsafe Array(bytes)
    at = 0
    while at < sent.count {
      sent[at + 4] = FrameType.deliverSelected.rawValue
      // DELIVER_SELECTED has a topic before its batches, where PUBLISH has none.
      let frameBytes =
        4 + Int(sent[at]) + Int(sent[at + 1]) << 8 + Int(sent[at + 2]) << 16
      sent.insert(contentsOf: [9, 0, 0, 0, 0, 0, 0, 0], at: at + FrameHeader.size)
      let length = frameBytes + 4
      sent[at] = UInt8(truncatingIfNeeded: length)
      sent[at + 1] = UInt8(truncatingIfNeeded: length >> 8)
      sent[at + 2] = UInt8(truncatingIfNeeded: length >> 16)
      at += frameBytes + 8
    }
    var laggard = driver.open(.laggard(topic: 0), out: &outbox)
    _ = try feed(&driver, &laggard, sent, piece: 100, &tally)
    #expect(tally.delivered == 12 && tally.misordered == 0)
    _ = try feed(&driver, &laggard, sent, piece: sent.count, &tally)
    #expect(tally.misordered == 12, "all of it came again")
  }
}
