import LinuxIO
import Testing

@Suite struct ConnectTests {
  @Test func aClosedPortRefuses() throws {
    let holder = try Connection()
    let address = try holder.addressThatRefuses()
    #expect(
      errno { () throws(SystemError) in
        _ = try Socket.connect(to: address, timeoutNs: patienceNs)
      } == .connectionRefused)
  }

  @Test func aNonBlockingConnectIsFinishedLater() throws {
    let listener = try Listener.listenTCP(.loopback(port: 0))
    let socket = try Socket.open(for: listener.localAddress)
    let fd = socket.rawValue
    if try !Socket.startConnect(fd, to: listener.localAddress) {
      #expect(try Poll.wait(fd, for: .writable, timeoutNs: patienceNs))
      #expect(try Socket.finishConnect(fd))
    }
    let server = try acceptOne(listener)
    defer { Socket.close(server) }
    #expect(try send(fd, [1]) == .processed(1))
    #expect(try receiveWaiting(server) == [1])
  }

  @Test func aNonBlockingConnectThatIsRefusedSaysSoAtTheEnd() throws {
    let holder = try Connection()
    let address = try holder.addressThatRefuses()
    let socket = try Socket.open(for: address)
    let fd = socket.rawValue
    #expect(
      errno { () throws(SystemError) in
        _ = try Socket.startConnect(fd, to: address)
        _ = try Poll.wait(fd, for: .writable, timeoutNs: patienceNs)
        _ = try Socket.finishConnect(fd)
      } == .connectionRefused)
  }

  /// A listener whose queue is full drops what comes next, as a silent host would.
  @Test func aSilentPeerTimesOut() throws {
    let listener = try Listener.listenTCP(.loopback(port: 0), backlog: 0)
    var waiting: [Int32] = []
    defer { for fd in waiting { Socket.close(fd) } }
    var timedOutAfterNs: UInt64?
    for _ in 0..<8 {
      let startNs = Clock.monotonicNs()
      do throws(SystemError) {
        let socket = try Socket.connect(to: listener.localAddress, timeoutNs: 50_000_000)
        waiting.append(socket.release())
      } catch {
        #expect(error == SystemError(.timedOut, "connect"))
        timedOutAfterNs = Clock.monotonicNs() - startNs
        break
      }
    }
    let durationNs = try #require(timedOutAfterNs)
    #expect(durationNs >= 50_000_000)
  }

  @Test func anUnfinishedConnectIsStillUnderWay() throws {
    let listener = try Listener.listenTCP(.loopback(port: 0), backlog: 0)
    var sockets: [Int32] = []
    defer { for fd in sockets { Socket.close(fd) } }
    var sawUnfinished = false
    for _ in 0..<8 where !sawUnfinished {
      let socket = try Socket.open(for: listener.localAddress)
      let fd = socket.release()
      sockets.append(fd)
      if try Socket.startConnect(fd, to: listener.localAddress) { continue }
      if try Poll.wait(fd, for: .writable, timeoutNs: 20_000_000) { continue }
      sawUnfinished = try !Socket.finishConnect(fd)
    }
    #expect(sawUnfinished)
  }

  @Test func theSecondAddressIsTriedWhenTheFirstRefuses() throws {
    let holder = try Connection()
    let closed = try holder.addressThatRefuses()
    let listener = try Listener.listenTCP(.loopback(port: 0))
    let open = listener.localAddress
    let socket = try Socket.connect(toFirstOf: [closed, open], timeoutNs: patienceNs)
    #expect(try Socket.peerAddress(socket.rawValue) == open)
    #expect(
      errno { () throws(SystemError) in
        _ = try Socket.connect(toFirstOf: [closed, closed], timeoutNs: patienceNs)
      } == .connectionRefused)
  }

  @Test func aPathWithoutASocketIsNotFound() throws {
    let directory = try TemporaryDirectory()
    let address = SocketAddress.unix(path: directory.path + "/none")
    #expect(
      errno { () throws(SystemError) in _ = try Socket.connect(to: address) } == .noSuchFile)
  }

  @Test func aFullLocalQueueWouldBlock() throws {
    let directory = try TemporaryDirectory()
    let listener = try Listener.listenUnix(directory.path + "/socket", backlog: 0)
    let address = listener.localAddress
    var sockets: [Int32] = []
    defer { for fd in sockets { Socket.close(fd) } }
    var refusal: Errno?
    for _ in 0..<8 where refusal == nil {
      do throws(SystemError) {
        sockets.append(try Socket.connect(to: address).release())
      } catch {
        refusal = error.errno
      }
    }
    #expect(refusal == .wouldBlock)
  }

  @Test func theConnectedSocketCanBeBlocking() throws {
    let listener = try Listener.listenTCP(.loopback(port: 0))
    let socket = try Socket.connect(
      to: listener.localAddress, timeoutNs: patienceNs, .blocking)
    let server = try acceptOne(listener)
    let writer = try Thread.spawn(name: "writer") {
      Clock.sleep(forNs: 5_000_000)
      _ = try? send(server, [3])
      Socket.close(server)
    }
    #expect(try receive(socket.rawValue) == [3])
    writer.join()
  }
}
