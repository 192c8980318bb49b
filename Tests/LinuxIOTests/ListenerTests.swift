import LinuxIO
import Synchronization
import Testing

@Suite struct ListenerTests {
  @Test(arguments: ["127.0.0.1:0", "[::1]:0"])
  func aFreePortIsChosenAndThePeerIsNamed(text: String) throws {
    let listener = try Listener.listen(on: SocketAddress(parsing: text))
    #expect(listener.localAddress.port != 0)
    #expect(try listener.accept() == .wouldBlock)
    let client = try Socket.connect(to: listener.localAddress, timeoutNs: patienceNs)
    #expect(try Poll.wait(listener.rawValue, for: .readable, timeoutNs: patienceNs))
    guard case .accepted(let fd, let peer) = try listener.accept() else {
      Issue.record("nothing was accepted")
      return
    }
    defer { Socket.close(fd) }
    #expect(try peer == Socket.localAddress(client.rawValue))
    #expect(try receive(fd) == [], "an accepted socket does not wait")
    #expect(try listener.accept() == .wouldBlock)
  }

  @Test func anIPv6ListenerOnEveryInterfaceAcceptsIPv4() throws {
    let listener = try Listener.listenTCP(.ipv6(.any, port: 0))
    let port = try #require(listener.localAddress.port)
    let client = try Socket.connect(to: .loopback(port: port), timeoutNs: patienceNs)
    Socket.close(try acceptOne(listener))
    try client.close()
  }

  @Test func aPortIsTakenOnlyOnce() throws {
    let listener = try Listener.listenTCP(.loopback(port: 0))
    let address = listener.localAddress
    #expect(
      errno { () throws(SystemError) in _ = try Listener.listenTCP(address) } == .addressInUse)
  }

  @Test func aSharedPortIsTakenTwice() throws {
    let first = try Listener.listenTCP(.loopback(port: 0), reusePort: true)
    let second = try Listener.listenTCP(first.localAddress, reusePort: true)
    #expect(first.localAddress == second.localAddress)
  }

  @Test func aPortIsFreeAgainWhileOldConnectionsLinger() throws {
    // An address of its own, so that nobody else is given the port meanwhile.
    let listener = try Listener.listenTCP(SocketAddress(parsing: "127.47.47.1:0"))
    let address = listener.localAddress
    let client = try Socket.connect(to: address, timeoutNs: patienceNs)
    // The side that closes first keeps the port in the state that would block it.
    Socket.close(try acceptOne(listener))
    #expect(try receiveWaiting(client.rawValue) == nil)
    _ = consume listener
    try eventually {
      let failed = outcome { () throws(SystemError) in _ = try Listener.listenTCP(address) }
      #expect(failed == nil || failed?.errno == .addressInUse)
      return failed == nil
    }
  }

  /// In a process of its own, because the limit holds for all of it.
  @Test func noDescriptorLeftIsToldApart() async {
    await #expect(processExitsWith: .success) {
      let listener = try Listener.listenTCP(.loopback(port: 0))
      let client = try Socket.connect(to: listener.localAddress, timeoutNs: patienceNs)
      _ = try Poll.wait(listener.rawValue, for: .readable, timeoutNs: patienceNs)
      let limit = try System.descriptorLimit().soft
      try System.setDescriptorLimit(UInt64(client.rawValue) + 1)
      let refused = try listener.accept()
      precondition(refused == .outOfResources(.tooManyOpenFiles), "\(refused)")
      // The connection is still in the queue.
      try System.setDescriptorLimit(limit)
      guard case .accepted = try listener.accept() else { preconditionFailure("lost") }
      _ = consume client
    }
  }
}

@Suite struct UnixListenerTests {
  @Test func theFileIsPrivateAndGoesWithTheListener() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path + "/socket"
    do {
      let listener = try Listener.listenUnix(path)
      let file = try Files.information(path)
      #expect(file.kind == .socket && file.mode == 0o600)
      let client = try Socket.connect(to: listener.localAddress, timeoutNs: patienceNs)
      guard case .accepted(let fd, let peer) = try listener.accept() else {
        Issue.record("nothing was accepted")
        return
      }
      #expect(peer == .unix(path: ""))
      #expect(try Socket.peerAddress(client.rawValue) == .unix(path: path))
      Socket.close(fd)
    }
    #expect(try Files.list(directory.path) == [])
  }

  @Test func theModeCanBeChosen() throws {
    let directory = try TemporaryDirectory()
    let listener = try Listener.listenUnix(directory.path + "/socket", mode: 0o666)
    #expect(try Files.information(directory.path + "/socket").mode == 0o666)
    _ = consume listener
  }

  /// A process that is killed leaves its file; here the file is kept by a second name while the
  /// listener goes.
  private func leaveStaleSocket(at path: String) throws {
    let listener = try Listener.listenUnix(path)
    try Files.rename(path, to: path + ".kept")
    _ = consume listener
    try Files.rename(path + ".kept", to: path)
    try eventually {
      outcome { () throws(SystemError) in _ = try Socket.connect(to: .unix(path: path)) }
        == SystemError(.connectionRefused, "connect")
    }
  }

  @Test func aFileThatNobodyAcceptsOnIsReplaced() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path + "/socket"
    try leaveStaleSocket(at: path)
    let listener = try Listener.listenUnix(path)
    let client = try Socket.connect(to: .unix(path: path), timeoutNs: patienceNs)
    Socket.close(try acceptOne(listener))
    try client.close()
  }

  @Test func aFileThatSomebodyAcceptsOnIsLeftAlone() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path + "/socket"
    let listener = try Listener.listenUnix(path)
    #expect(
      errno { () throws(SystemError) in _ = try Listener.listenUnix(path) } == .addressInUse)
    // The first one still has its file, and the attempt's probe in its queue.
    let client = try Socket.connect(to: .unix(path: path), timeoutNs: patienceNs)
    Socket.close(try acceptOne(listener))
    try client.close()
  }

  @Test func aBusyListenerIsNotTakenForAStaleFile() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path + "/socket"
    let listener = try Listener.listenUnix(path, backlog: 0)
    let client = try Socket.connect(to: .unix(path: path), timeoutNs: patienceNs)
    #expect(
      errno { () throws(SystemError) in _ = try Listener.listenUnix(path) } == .addressInUse)
    _ = consume client
    _ = consume listener
  }

  @Test func whatIsNoSocketIsLeftAlone() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path + "/file"
    try Files.open(path, [.write, .create]).close()
    #expect(
      errno { () throws(SystemError) in _ = try Listener.listenUnix(path) } == .addressInUse)
    #expect(try Files.information(path).kind == .file)
  }

  @Test func aListenerDoesNotRemoveItsSuccessorsFile() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path + "/socket"
    let first = try Listener.listenUnix(path)
    try Files.remove(path)
    let second = try Listener.listenUnix(path)
    _ = consume first
    let client = try Socket.connect(to: .unix(path: path), timeoutNs: patienceNs)
    try client.close()
    _ = consume second
  }

  @Test func aMissingDirectoryIsNamedByTheError() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path + "/none/socket"
    #expect(
      errno { () throws(SystemError) in _ = try Listener.listenUnix(path) } == .noSuchFile)
  }

  /// Several processes that start together over a stale file: one wins, and its file stays.
  @Test func ofManyThatReplaceAStaleFileOneWins() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path + "/socket"
    for _ in 0..<20 {
      try leaveStaleSocket(at: path)
      let (winners, refusals) = try contend(for: path, count: 4)
      #expect(winners == 1 && refusals == 3)
      try? Files.remove(path)
    }
  }

  private final class Score: Sendable {
    let winners = Atomic(0)
    let refusals = Atomic(0)
  }

  private func contend(for path: String, count: Int) throws -> (winners: Int, refusals: Int) {
    let score = Score()
    var threads: [JoinLater] = []
    for index in 0..<count {
      threads.append(
        JoinLater(
          try Thread.spawn(name: "starter \(index)") {
            [score] in UnixListenerTests.attempt(path, count, score)
          }))
    }
    for thread in threads { thread.join() }
    return (score.winners.load(ordering: .relaxed), score.refusals.load(ordering: .relaxed))
  }

  private static func attempt(_ path: String, _ count: Int, _ score: Score) {
    do throws(SystemError) {
      let listener = try Listener.listenUnix(path)
      score.winners.add(1, ordering: .relaxed)
      // Kept until all have tried.
      while score.winners.load(ordering: .relaxed) + score.refusals.load(ordering: .relaxed)
        < count
      {
        Thread.yield()
      }
      _ = consume listener
    } catch {
      if error.errno != .addressInUse { Issue.record("\(error)") }
      score.refusals.add(1, ordering: .relaxed)
    }
  }
}

/// A thread in an array, which cannot hold what is not copyable.
final class JoinLater {
  private var thread: Thread?

  init(_ thread: consuming Thread) { self.thread = consume thread }

  func join() { thread.take()?.join() }
}
