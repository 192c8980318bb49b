import CKernel
import LinuxIO
import Testing

@Suite struct SocketTests {
  enum Kind: CaseIterable {
    case tcp
    case unix

    func connection() throws -> Connection {
      switch self {
      case .tcp: try Connection()
      case .unix: try Connection.unixPair()
      }
    }
  }

  @Test(arguments: Kind.allCases)
  func bytesTravelBothWays(kind: Kind) throws {
    let connection = try kind.connection()
    #expect(try send(connection.client, [1, 2, 3]) == .processed(3))
    #expect(try receiveWaiting(connection.server) == [1, 2, 3])
    #expect(try send(connection.server, [4]) == .processed(1))
    #expect(try receiveWaiting(connection.client) == [4])
  }

  @Test(arguments: Kind.allCases)
  func readingNothingWouldBlock(kind: Kind) throws {
    let connection = try kind.connection()
    #expect(try receive(connection.client) == [])
  }

  @Test(arguments: Kind.allCases)
  func aSmallBufferReadsInParts(kind: Kind) throws {
    let connection = try kind.connection()
    #expect(try send(connection.client, [1, 2, 3, 4, 5]) == .processed(5))
    #expect(try receiveWaiting(connection.server, capacity: 2) == [1, 2])
    #expect(try receiveWaiting(connection.server, capacity: 2) == [3, 4])
    #expect(try receiveWaiting(connection.server, capacity: 2) == [5])
  }

  /// Writes until the socket takes no more, with one write at least cut, and reads it all back.
  @Test(arguments: Kind.allCases)
  func aFullSocketTakesAPartAndThenNothing(kind: Kind) throws {
    let connection = try kind.connection()
    try Socket.set(.sendBufferBytes, 16384, on: connection.client)
    var sent: [UInt8] = []
    var wasCut = false
    filling: while true {
      let chunk = (0..<300_000).map { UInt8(truncatingIfNeeded: sent.count + $0 &* 7) }
      switch try send(connection.client, chunk) {
      case .processed(let count):
        sent += chunk[..<count]
        if count < chunk.count { wasCut = true }
      case .wouldBlock: break filling
      case .endOfFile: Issue.record("a write has no end")
      }
    }
    #expect(wasCut && !sent.isEmpty)
    try Socket.shutdown(connection.client, .writing)
    var received: [UInt8] = []
    while let bytes = try receiveWaiting(connection.server) { received += bytes }
    #expect(received == sent)
  }

  @Test(arguments: Kind.allCases)
  func gatheredPiecesArriveInOrder(kind: Kind) throws {
    let connection = try kind.connection()
    let (first, second, third): ([UInt8], [UInt8], [UInt8]) = ([1, 2], [], [3, 4, 5])
    let result = try unsafe first.withUnsafeBytes { a in
      try unsafe second.withUnsafeBytes { b in
        try unsafe third.withUnsafeBytes { c in
          let vectors = unsafe [IOVector(a), IOVector(b), IOVector(c)]
          return try unsafe Socket.sendVectors(connection.client, vectors, vectors.count)
        }
      }
    }
    #expect(result == .processed(5))
    #expect(try receiveWaiting(connection.server) == [1, 2, 3, 4, 5])
  }

  @Test(arguments: Kind.allCases)
  func aGatheredWriteMayBeCutInTheMiddle(kind: Kind) throws {
    let connection = try kind.connection()
    try Socket.set(.sendBufferBytes, 16384, on: connection.client)
    let piece = (0..<50_000).map { UInt8(truncatingIfNeeded: $0 &* 13) }
    var sent = 0
    var wasCut = false
    filling: while true {
      let result = try unsafe piece.withUnsafeBytes { bytes in
        let vectors = unsafe [IOVector](repeating: IOVector(bytes), count: 40)
        return try unsafe Socket.sendVectors(connection.client, vectors, vectors.count)
      }
      switch result {
      case .processed(let count):
        // Only a write that is cut at the end of the run may be followed by another.
        sent += count
        if count % piece.count != 0 { wasCut = true }
        if count < 40 * piece.count { break filling }
      case .wouldBlock: break filling
      case .endOfFile: Issue.record("a write has no end")
      }
    }
    #expect(wasCut)
    try Socket.shutdown(connection.client, .writing)
    var received = 0
    while let bytes = try receiveWaiting(connection.server) {
      for (index, byte) in bytes.enumerated() where byte != piece[(received + index) % 50_000] {
        Issue.record("byte \(received + index) is wrong")
        return
      }
      received += bytes.count
    }
    #expect(received == sent)
  }

  @Test func vectorsAreLaidOutAsTheKernels() {
    #expect(MemoryLayout<IOVector>.size == ck_iovec_size())
    #expect(MemoryLayout<IOVector>.stride == ck_iovec_size())
    let baseOffset = unsafe MemoryLayout<IOVector>.offset(of: \.base)
    #expect(baseOffset == ck_iovec_base_offset())
    #expect(MemoryLayout<IOVector>.offset(of: \.count) == ck_iovec_count_offset())
    #expect(Socket.vectorsMax == 1024)
  }

  @Test(arguments: Kind.allCases)
  func theEndComesAfterTheLastByteAndTheOtherDirectionStaysOpen(kind: Kind) throws {
    let connection = try kind.connection()
    #expect(try send(connection.client, [9]) == .processed(1))
    try Socket.shutdown(connection.client, .writing)
    #expect(try receiveWaiting(connection.server) == [9])
    #expect(try receiveWaiting(connection.server) == nil)
    #expect(try receiveWaiting(connection.server) == nil)
    #expect(try send(connection.server, [8]) == .processed(1))
    #expect(try receiveWaiting(connection.client) == [8])
  }

  @Test func aResetIsToldApartFromAnEnd() throws {
    let listener = try Listener.listenTCP(.loopback(port: 0))
    let client = try Socket.connect(to: listener.localAddress, timeoutNs: patienceNs)
    let server = try acceptOne(listener)
    defer { Socket.close(server) }
    try Socket.resetOnClose(client.rawValue)
    try client.close()
    #expect(try Poll.wait(server, for: .readable, timeoutNs: patienceNs))
    #expect(throws: SystemError(.connectionReset, "recv")) { try receive(server) }
    #expect(throws: SystemError(.brokenPipe, "send")) { try send(server, [1]) }
  }

  /// Also shows that no signal is raised: nothing in this process ignores SIGPIPE.
  @Test func writingToAPeerThatClosedIsABrokenPipe() throws {
    let (one, other) = try Socket.pair()
    defer { Socket.close(one) }
    Socket.close(other)
    try eventually {
      outcome { () throws(SystemError) in _ = try send(one, [1]) }
        == SystemError(.brokenPipe, "send")
    }
    #expect(throws: SystemError(.brokenPipe, "sendmsg")) {
      let byte: [UInt8] = [1]
      _ = try unsafe byte.withUnsafeBytes { bytes in
        var vector = unsafe IOVector(bytes)
        return try unsafe Socket.sendVectors(one, &vector, 1)
      }
    }
    // The other end may be told too, without harm.
    try Socket.shutdown(one, .both)
  }

  @Test func shuttingDownWhatIsNotConnectedIsNoError() throws {
    let socket = try Socket.open(for: .loopback(port: 1))
    try Socket.shutdown(socket.rawValue, .both)
  }

  @Test func bothEndsAgreeAboutTheirAddresses() throws {
    let connection = try Connection()
    #expect(
      try Socket.localAddress(connection.client) == Socket.peerAddress(connection.server))
    #expect(
      try Socket.localAddress(connection.server) == Socket.peerAddress(connection.client))
    #expect(try Socket.localAddress(connection.server).port != 0)
  }

  @Test func sendAllWaitsForRoomAndGivesUpInTime() throws {
    let connection = try Connection.unixPair()
    let bytes = [UInt8](repeating: 5, count: 1 << 20)
    let startNs = Clock.monotonicNs()
    #expect(throws: SystemError(.timedOut, "send")) {
      try unsafe bytes.withUnsafeBytes { raw in
        try unsafe Socket.sendAll(connection.client, raw, timeoutNs: 30_000_000)
      }
    }
    #expect(Clock.monotonicNs() - startNs >= 30_000_000)

    let (client, server) = try Socket.pair()
    defer { Socket.close(client) }
    let reader = try Thread.spawn(name: "reader") {
      defer { Socket.close(server) }
      var total = 0
      while let bytes = try? receiveWaiting(server) { total += bytes.count }
      if total != 1 << 20 { Issue.record("received \(total) bytes") }
    }
    try unsafe bytes.withUnsafeBytes { raw in
      try unsafe Socket.sendAll(client, raw, timeoutNs: patienceNs)
    }
    try Socket.shutdown(client, .writing)
    reader.join()
  }

  @Test func receiveAllFillsTheBufferOrSaysThatItEnded() throws {
    let connection = try Connection()
    #expect(try send(connection.client, [1, 2, 3]) == .processed(3))
    var four = [UInt8](repeating: 0, count: 4)
    #expect(throws: SystemError(.timedOut, "recv")) {
      try unsafe four.withUnsafeMutableBytes { raw in
        try unsafe Socket.receiveAll(connection.server, raw, timeoutNs: 10_000_000)
      }
    }
    #expect(four == [1, 2, 3, 0])
    #expect(try send(connection.client, [4, 5, 6, 7, 8]) == .processed(5))
    let full = try unsafe four.withUnsafeMutableBytes { raw in
      try unsafe Socket.receiveAll(connection.server, raw, timeoutNs: patienceNs)
    }
    #expect(full && four == [4, 5, 6, 7])
    try Socket.shutdown(connection.client, .writing)
    let ended = try unsafe four.withUnsafeMutableBytes { raw in
      try unsafe Socket.receiveAll(connection.server, raw, timeoutNs: patienceNs)
    }
    #expect(!ended)
  }

  @Test func aBlockingReceiveWaits() throws {
    let (one, other) = try Socket.pair(.blocking)
    defer { Socket.close(one) }
    let writer = try Thread.spawn(name: "writer") {
      Clock.sleep(forNs: 5_000_000)
      _ = try? send(other, [7])
      Socket.close(other)
    }
    #expect(try receive(one) == [7])
    #expect(try receive(one) == nil)
    writer.join()
  }
}
