import LinuxIO
import Testing
import WireSupport

/// Every conversation of the protocol's folder with a broker behind real sockets.
struct TranscriptReplayTests {
  static let names = try! ProtocolFiles.transcriptNames()

  @Test(arguments: names, [1, 2])
  func theBrokerHoldsToIt(name: String, shards: Int) throws {
    let broker = try Program.Running([
      "serve", "--listen", "127.0.0.1:0", "--shards", "\(shards)", "--memory", "64MiB",
      "--max-connections", "100", "--max-subscriptions", "100", "--max-publishers", "100",
      "--max-topics", "100", "--counters", "none",
    ])
    let line = try broker.line()
    let port = try #require(line.split(separator: ":").last.flatMap { UInt16($0) }, "\(line)")
    var wire = SocketBroker(port: port, program: broker)
    try ProtocolFiles.transcript(name).replay(against: &wire)
  }
}

/// A broker behind sockets.
private struct SocketBroker: TranscriptBroker {
  /// Closes the socket when nobody holds it any more.
  final class Connection {
    let descriptor: FileDescriptor
    var fd: Int32 { descriptor.rawValue }

    init(port: UInt16) throws {
      descriptor = try Socket.connect(to: .loopback(port: port), timeoutNs: patienceNs)
    }
  }

  let port: UInt16
  let program: Program.Running
  private var connections: [Int: Connection] = [:]

  init(port: UInt16, program: Program.Running) {
    self.port = port
    self.program = program
  }

  mutating func send(_ bytes: [UInt8], on connection: Int) throws {
    if connections[connection] == nil { connections[connection] = try Connection(port: port) }
    let fd = connections[connection]!.fd
    try unsafe bytes.withUnsafeBytes {
      try unsafe Socket.sendAll(fd, $0, timeoutNs: patienceNs)
    }
  }

  mutating func receive(on connection: Int) throws -> [UInt8]? {
    guard let fd = connections[connection]?.fd else {
      throw TranscriptError("connection \(connection) was never opened")
    }
    guard let head = try bytes(4, fd) else { return nil }
    let length = LooseFrame.number(head[...])
    guard length >= 12, length < 1 << 20 else {
      throw TranscriptError("the broker sent a length of \(length)")
    }
    guard let body = try bytes(Int(length), fd) else {
      throw TranscriptError("the broker's last frame is cut")
    }
    return head + body
  }

  /// So many bytes, or nil at the end of the stream.
  private func bytes(_ count: Int, _ fd: Int32) throws -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: count)
    let isThere = try unsafe bytes.withUnsafeMutableBytes {
      try unsafe Socket.receiveAll(fd, $0, timeoutNs: patienceNs)
    }
    return isThere ? bytes : nil
  }

  /// Real time, but no longer than until the broker says something.
  mutating func advance(milliseconds: Int) throws {
    let fd = connections[1]?.fd ?? -1
    _ = try Poll.wait(fd, for: .readable, timeoutNs: Int64(milliseconds) * 1_000_000)
  }

  mutating func hangUp(_ connection: Int) throws { connections[connection] = nil }

  /// The numbers are the ones a broker tells that was not given others.
  mutating func drain(retryAfterMs: UInt32, spreadMs: UInt32) throws {
    guard retryAfterMs == 500, spreadMs == 5000 else {
      throw TranscriptError("this broker says 500 and 5000")
    }
    try program.send(.terminate)
  }
}
