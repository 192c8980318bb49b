import Testing

@testable import LinuxIO

@Suite struct EpollTests {
  /// What one wait that must not wait brings.
  private func events(
    _ epoll: borrowing Epoll, timeoutNs: Int64 = 0, capacity: Int = 8
  ) throws -> [Epoll.Event] {
    var buffer = Epoll.EventBuffer(capacity: capacity)
    let count = try epoll.wait(into: &buffer, timeoutNs: timeoutNs)
    #expect(count == buffer.count)
    return (0..<count).map { buffer[$0] }
  }

  @Test func theUsersWordComesBackWhole() throws {
    let connection = try Connection.unixPair()
    let epoll = try Epoll()
    try epoll.add(connection.server, .readable, userWord: 0xFEDC_BA98_7654_3210)
    #expect(try events(epoll).isEmpty)
    #expect(try send(connection.client, [1]) == .processed(1))
    let told = try events(epoll)
    #expect(told.count == 1)
    #expect(told[0].userWord == 0xFEDC_BA98_7654_3210)
    #expect(told[0].readable && !told[0].writable && !told[0].hangup && !told[0].error)
  }

  @Test func aLevelIsToldUntilItIsGone() throws {
    let connection = try Connection.unixPair()
    let epoll = try Epoll()
    try epoll.add(connection.server, .readable, userWord: 1)
    #expect(try send(connection.client, [1, 2]) == .processed(2))
    #expect(try events(epoll).count == 1)
    #expect(try events(epoll).count == 1)
    #expect(try receive(connection.server, capacity: 1) == [1])
    #expect(try events(epoll).count == 1)
    #expect(try receive(connection.server) == [2])
    #expect(try events(epoll).isEmpty)
  }

  @Test func anEdgeIsToldOncePerChange() throws {
    let connection = try Connection.unixPair()
    let epoll = try Epoll()
    try epoll.add(connection.server, [.readable, .edgeTriggered], userWord: 1)
    #expect(try send(connection.client, [1, 2]) == .processed(2))
    #expect(try events(epoll).count == 1)
    #expect(try events(epoll).isEmpty, "nothing has changed")
    #expect(try receive(connection.server, capacity: 1) == [1])
    #expect(try events(epoll).isEmpty, "what is left is not told again")
    #expect(try send(connection.client, [3]) == .processed(1))
    #expect(try events(epoll).count == 1, "new bytes are a change, also on top of old ones")
    #expect(try receive(connection.server) == [2, 3])
  }

  @Test func modifyingTellsAnEdgeAgain() throws {
    let connection = try Connection.unixPair()
    let epoll = try Epoll()
    try epoll.add(connection.server, [.readable, .edgeTriggered], userWord: 1)
    #expect(try send(connection.client, [1]) == .processed(1))
    #expect(try events(epoll).count == 1)
    #expect(try events(epoll).isEmpty)
    try epoll.modify(connection.server, [.readable, .edgeTriggered], userWord: 2)
    #expect(try events(epoll).map(\.userWord) == [2])
  }

  @Test func roomToWriteIsAnEdge() throws {
    let connection = try Connection.unixPair()
    let epoll = try Epoll()
    try epoll.add(connection.client, [.writable, .edgeTriggered], userWord: 1)
    #expect(try events(epoll).count == 1, "a fresh socket is writable")
    let chunk = [UInt8](repeating: 0, count: 65536)
    while case .processed = try send(connection.client, chunk) {}
    #expect(try events(epoll).isEmpty)
    while let bytes = try receive(connection.server), !bytes.isEmpty {}
    let told = try events(epoll)
    #expect(told.count == 1 && told[0].writable)
  }

  @Test func oneShotIsSilentUntilModified() throws {
    let connection = try Connection.unixPair()
    let epoll = try Epoll()
    try epoll.add(connection.server, [.readable, .oneShot], userWord: 1)
    #expect(try send(connection.client, [1]) == .processed(1))
    #expect(try events(epoll).count == 1)
    #expect(try send(connection.client, [2]) == .processed(1))
    #expect(try events(epoll).isEmpty)
    try epoll.modify(connection.server, [.readable, .oneShot], userWord: 1)
    #expect(try events(epoll).count == 1)
  }

  @Test func thePeersEndAndTheWholeEndAreToldApart() throws {
    let connection = try Connection()
    let epoll = try Epoll()
    try epoll.add(connection.server, [.readable, .peerClosed], userWord: 1)
    try Socket.shutdown(connection.client, .writing)
    let half = try events(epoll, timeoutNs: patienceNs)
    #expect(half.count == 1)
    #expect(half[0].peerClosed && half[0].readable && !half[0].hangup)
    try Socket.shutdown(connection.server, .writing)
    let whole = try events(epoll, timeoutNs: patienceNs)
    #expect(whole.count == 1 && whole[0].hangup)
  }

  @Test func aResetIsAnError() throws {
    let listener = try Listener.listenTCP(.loopback(port: 0))
    let client = try Socket.connect(to: listener.localAddress, timeoutNs: patienceNs)
    let server = try acceptOne(listener)
    defer { Socket.close(server) }
    let epoll = try Epoll()
    try epoll.add(server, .readable, userWord: 1)
    try Socket.resetOnClose(client.rawValue)
    try client.close()
    let told = try events(epoll, timeoutNs: patienceNs)
    #expect(told.count == 1 && told[0].error && told[0].hangup)
  }

  @Test func aRemovedOrClosedDescriptorIsSilent() throws {
    let connection = try Connection.unixPair()
    let epoll = try Epoll()
    try epoll.add(connection.server, .readable, userWord: 1)
    #expect(try send(connection.client, [1]) == .processed(1))
    try epoll.remove(connection.server)
    #expect(try events(epoll).isEmpty)
    #expect(
      errno { () throws(SystemError) in try epoll.remove(connection.server) } == .noSuchFile)

    let (one, other) = try Socket.pair()
    try epoll.add(one, .readable, userWord: 2)
    #expect(try send(other, [1]) == .processed(1))
    Socket.close(one)
    try eventually { try events(epoll).isEmpty }
    Socket.close(other)
  }

  @Test func addingTwiceIsRefused() throws {
    let connection = try Connection.unixPair()
    let epoll = try Epoll()
    try epoll.add(connection.server, .readable, userWord: 1)
    #expect(
      errno { () throws(SystemError) in
        try epoll.add(connection.server, .readable, userWord: 1)
      } == .fileExists)
  }

  @Test func whatDoesNotFitComesNextTime() throws {
    let epoll = try Epoll()
    var sockets: [(Int32, Int32)] = []
    for index in 0..<5 {
      let pair = try Socket.pair()
      sockets.append(pair)
      try epoll.add(pair.0, [.readable, .edgeTriggered], userWord: UInt64(index))
      #expect(try send(pair.1, [1]) == .processed(1))
    }
    var told: [UInt64] = []
    for expected in [2, 2, 1, 0] {
      let some = try events(epoll, capacity: 2)
      #expect(some.count == expected)
      told += some.map(\.userWord)
    }
    #expect(told.sorted() == [0, 1, 2, 3, 4])
    for (one, other) in sockets {
      Socket.close(one)
      Socket.close(other)
    }
  }

  @Test(arguments: [true, false])
  func aWaitIsNeverShorterThanAsked(nanoseconds: Bool) throws {
    let epoll = try Epoll(nanoseconds: nanoseconds)
    for timeoutNs in [1, 300_000, 1_000_001, 2_500_000] as [Int64] {
      let startNs = Clock.monotonicNs()
      #expect(try events(epoll, timeoutNs: timeoutNs).isEmpty)
      #expect(Clock.monotonicNs() - startNs >= UInt64(timeoutNs))
    }
  }

  /// Far below the millisecond that the older call would need. The best of many, because the
  /// machine may be busy.
  @Test func shortWaitsAreShort() throws {
    let epoll = try Epoll()
    var shortestNs = UInt64.max
    for _ in 0..<50 {
      let startNs = Clock.monotonicNs()
      #expect(try events(epoll, timeoutNs: 100_000).isEmpty)
      shortestNs = min(shortestNs, Clock.monotonicNs() - startNs)
    }
    #expect(shortestNs >= 100_000 && shortestNs < 900_000)
  }

  @Test(arguments: [
    (Int64(-1), Int32(-1)), (.min, -1), (0, 0), (1, 1), (999_999, 1), (1_000_000, 1),
    (1_000_001, 2), (.max, .max),
  ])
  func millisecondsAreRoundedUp(nanoseconds: Int64, milliseconds: Int32) {
    #expect(Epoll.millisecondsRoundedUp(nanoseconds) == milliseconds)
  }

  @Test func anIndexBeyondTheEventsEndsTheProcess() async {
    await #expect(processExitsWith: .failure) {
      let buffer = Epoll.EventBuffer(capacity: 4)
      _ = buffer[0]
    }
  }
}
