import Testing

@testable import LoadKit

/// The bytes that `encode` makes of events 1 to `count`.
private func published<Driver: WireDriver & ~Copyable>(
  _ driver: inout Driver, count: Int
) -> [UInt8] {
  let block = ByteBlock(zeroed: 4096)
  unsafe driver.prepare(block.base, capacity: 4096, role: .publisher(topic: 0))
  var outbox = Outbox()
  var session = driver.open(.publisher(topic: 0), out: &outbox)
  let run = EventRun(firstNumber: 1, count: count, slot: 0, firstTimeNs: 70, stepPs: 2500)
  let room = driver.eventsFitting(4096)
  #expect(count <= room)
  let size = unsafe driver.encode(run, into: block.base, session: &session)
  return unsafe Array(UnsafeRawBufferPointer(start: block.base, count: size))
}

/// The payload of one event as `encode` writes it.
private func payload(_ number: UInt64, timeNs: UInt64, payloadBytes: Int = 24) -> [UInt8] {
  let block = ByteBlock(zeroed: payloadBytes)
  unsafe EventStamp.write(word: number, timeNs: timeNs, to: block.base)
  unsafe EventStamp.writeFiller(to: block.base, payloadBytes: payloadBytes)
  return unsafe Array(UnsafeRawBufferPointer(start: block.base, count: payloadBytes))
}

@Suite struct DriverTests {
  static let pieces = [1, 2, 7, 31, 64, 4096]

  @Test(arguments: pieces) func natsEventsAreCountedInAnyPieces(_ piece: Int) throws {
    let desk = Desk()
    var tally = desk.tally
    var driver = try NATSDriver(shape())
    var outbox = Outbox()
    var session = driver.open(.subscriber(topic: 0), out: &outbox)
    #expect(sent(&outbox).hasSuffix("SUB t.0 1\r\nPING\r\n"))
    var bytes = Array("INFO {\"server_id\":\"MSG \"}\r\nPONG\r\n".utf8)
    for number in UInt64(1)...9 {
      bytes += Array("MSG t.0 1 24\r\n".utf8) + payload(number, timeNs: 5) + [13, 10]
      if number == 4 { bytes += Array("PING\r\n".utf8) }
    }
    let answer = try feed(&driver, &session, bytes, piece: piece, &tally)
    let isReady = driver.isReady(session)
    #expect(isReady)
    #expect(answer == Array("PONG\r\n".utf8))
    #expect(tally.delivered == 9)
    #expect(tally.firstFault == nil)
  }

  @Test func natsPublishesWithTheStampOfEachEvent() throws {
    var driver = try NATSDriver(shape())
    let bytes = published(&driver, count: 2)
    let first = Array("PUB t.0 24\r\n".utf8) + payload(1, timeNs: 70) + [13, 10]
    let second = Array("PUB t.0 24\r\n".utf8) + payload(2, timeNs: 72) + [13, 10]
    #expect(bytes == first + second)
  }

  @Test func natsRefusalIsAnError() throws {
    let desk = Desk()
    var tally = desk.tally
    var driver = try NATSDriver(shape())
    var outbox = Outbox()
    var session = driver.open(.subscriber(topic: 0), out: &outbox)
    #expect(throws: LoadError.refused("-ERR 'Slow Consumer'")) {
      _ = try feed(
        &driver, &session, Array("-ERR 'Slow Consumer'\r\n".utf8), piece: 99, &tally)
    }
  }

  @Test func anEventOfAnotherSizeIsAnError() throws {
    let desk = Desk()
    var tally = desk.tally
    var driver = try NATSDriver(shape())
    var outbox = Outbox()
    var session = driver.open(.subscriber(topic: 0), out: &outbox)
    let bytes = Array("MSG t.0 1 25\r\n".utf8) + payload(1, timeNs: 5) + [0, 13, 10]
    #expect(throws: LoadError.self) {
      _ = try feed(&driver, &session, bytes, piece: 99, &tally)
    }
  }

  @Test(arguments: pieces) func redisEventsAreCountedInAnyPieces(_ piece: Int) throws {
    let desk = Desk()
    var tally = desk.tally
    var driver = try RedisDriver(shape())
    var outbox = Outbox()
    var session = driver.open(.subscriber(topic: 0), out: &outbox)
    #expect(sent(&outbox) == "*2\r\n$9\r\nSUBSCRIBE\r\n$3\r\nt.0\r\n")
    var bytes = Array("*3\r\n$9\r\nsubscribe\r\n$3\r\nt.0\r\n:1\r\n".utf8)
    for number in UInt64(1)...9 {
      bytes += Array("*3\r\n$7\r\nmessage\r\n$3\r\nt.0\r\n$24\r\n".utf8)
      bytes += payload(number, timeNs: 5) + [13, 10]
    }
    _ = try feed(&driver, &session, bytes, piece: piece, &tally)
    let isReady = driver.isReady(session)
    #expect(isReady)
    #expect(tally.delivered == 9)
    #expect(tally.firstFault == nil)
  }

  @Test(arguments: pieces) func redisRepliesToPublishesAreLookedThrough(_ piece: Int) throws {
    let desk = Desk()
    var tally = desk.tally
    var driver = try RedisDriver(shape())
    var outbox = Outbox()
    var session = driver.open(.publisher(topic: 0), out: &outbox)
    _ = try feed(&driver, &session, Array("+PONG\r\n:1\r\n:1\r\n".utf8), piece: piece, &tally)
    let isReady = driver.isReady(session)
    #expect(isReady)
    #expect(throws: LoadError.self) {
      _ = try feed(&driver, &session, Array(":1\r\n-ERR no\r\n".utf8), piece: 99, &tally)
    }
  }

  @Test func redisPublishesWithTheStampOfEachEvent() throws {
    var driver = try RedisDriver(shape())
    let head = Array("*3\r\n$7\r\nPUBLISH\r\n$3\r\nt.0\r\n$24\r\n".utf8)
    let first = head + payload(1, timeNs: 70) + [13, 10]
    #expect(published(&driver, count: 2) == first + head + payload(2, timeNs: 72) + [13, 10])
  }

  @Test(arguments: pieces) func relayedEventsAreCountedInAnyPieces(_ piece: Int) throws {
    let desk = Desk()
    var tally = desk.tally
    var driver = try RelayDriver(shape())
    var outbox = Outbox()
    var session = driver.open(.subscriber(topic: 0), out: &outbox)
    let bytes = [RelayDriver.ready] + published(&driver, count: 9)
    _ = try feed(&driver, &session, bytes, piece: piece, &tally)
    #expect(tally.delivered == 9)
    #expect(tally.firstFault == nil)
  }

  @Test func aGapAndARepetitionAreFound() throws {
    let desk = Desk()
    var tally = desk.tally
    var driver = try RelayDriver(shape())
    var outbox = Outbox()
    var session = driver.open(.subscriber(topic: 0), out: &outbox)
    var bytes = [RelayDriver.ready]
    for number in [1, 2, 5, 6, 6, 3, 7] as [UInt64] {
      bytes += [24, 0, 0, 0] + payload(number, timeNs: 5)
    }
    _ = try feed(&driver, &session, bytes, piece: 99, &tally)
    #expect(tally.delivered == 7)
    #expect(tally.missing == 2)
    #expect(tally.misordered == 2)
    #expect(tally.firstFault == Tally.Fault(expected: 3, found: 5))
  }
}
