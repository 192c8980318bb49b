import LinuxIO
import Testing

/// Long enough for a loaded machine; only a failing test ever waits that long.
let patienceNs: Int64 = 10_000_000_000

/// A connected pair of TCP sockets on the loopback, closed at the end.
struct Connection: ~Copyable {
  let client: Int32
  let server: Int32

  init() throws {
    let listener = try Listener.listenTCP(.loopback(port: 0))
    self = try Connection(to: listener)
  }

  init(to listener: borrowing Listener) throws {
    let client = try Socket.connect(to: listener.localAddress, timeoutNs: patienceNs)
    server = try acceptOne(listener)
    self.client = client.release()
  }

  init(client: Int32, server: Int32) {
    self.client = client
    self.server = server
  }

  /// Nobody listens on the client's own port, and nobody else can take it while this lives.
  func addressThatRefuses() throws -> SocketAddress { try Socket.localAddress(client) }

  static func unixPair() throws -> Connection {
    let (client, server) = try Socket.pair()
    return Connection(client: client, server: server)
  }

  deinit {
    if client >= 0 { Socket.close(client) }
    if server >= 0 { Socket.close(server) }
  }
}

func acceptOne(_ listener: borrowing Listener) throws -> Int32 {
  while true {
    #expect(try Poll.wait(listener.rawValue, for: .readable, timeoutNs: patienceNs))
    if case .accepted(let fd, _) = try listener.accept() { return fd }
  }
}

/// A directory that goes with everything in it.
struct TemporaryDirectory: ~Copyable {
  let path: String

  init() throws { path = try Files.makeTemporaryDirectory(prefix: "linuxio") }

  deinit { try? Files.removeTree(path) }
}

func send(_ fd: Int32, _ bytes: [UInt8]) throws(SystemError) -> IOResult {
  var result = IOResult.wouldBlock
  var problem: SystemError?
  unsafe bytes.withUnsafeBytes { raw in
    do throws(SystemError) {
      result = try unsafe Socket.send(fd, raw)
    } catch {
      problem = error
    }
  }
  if let problem { throw problem }
  return result
}

/// One read of at most `capacity` bytes; nil at the end of the file, empty when it would block.
func receive(_ fd: Int32, capacity: Int = 65536) throws(SystemError) -> [UInt8]? {
  var bytes = [UInt8](repeating: 0, count: capacity)
  var result = IOResult.wouldBlock
  var problem: SystemError?
  unsafe bytes.withUnsafeMutableBytes { raw in
    do throws(SystemError) {
      result = try unsafe Socket.receive(fd, raw)
    } catch {
      problem = error
    }
  }
  if let problem { throw problem }
  switch result {
  case .processed(let count): return Array(bytes[..<count])
  case .wouldBlock: return []
  case .endOfFile: return nil
  }
}

/// Waits until something can be read, then reads it.
func receiveWaiting(_ fd: Int32, capacity: Int = 65536) throws -> [UInt8]? {
  #expect(try Poll.wait(fd, for: .readable, timeoutNs: patienceNs))
  return try receive(fd, capacity: capacity)
}

/// The error that a body throws; records an issue when it throws none.
func errno(_ body: () throws(SystemError) -> Void) -> Errno? {
  do throws(SystemError) {
    try body()
    Issue.record("expected a failing call")
    return nil
  } catch {
    return error.errno
  }
}

/// Asks again until the answer is yes, or fails.
///
/// For what follows from closing a descriptor: another test may be starting a process at that
/// moment, and until that has become its program it holds a copy of every descriptor, so that the
/// file stays open a little longer.
func eventually(_ answer: () throws -> Bool) throws {
  let deadlineNs = Clock.monotonicNs() + UInt64(patienceNs)
  while try !answer() {
    try #require(Clock.monotonicNs() < deadlineNs, "it never became true")
    Clock.sleep(forNs: 200_000)
  }
}

/// The error that a body throws, or nil.
func outcome(_ body: () throws(SystemError) -> Void) -> SystemError? {
  do throws(SystemError) {
    try body()
    return nil
  } catch {
    return error
  }
}

/// A descriptor that must be there. (The macro cannot look into what is not copyable.)
func present(_ fd: Int32?) throws -> Int32 { try #require(fd) }
