import LinuxIO
import Synchronization
import WireFormat

@testable import GalleonClient

struct ScriptError: Error, CustomStringConvertible {
  let description: String
}

/// A broker that does what a test's script says, on a real socket and a thread of its own.
final class FakeBroker: Sendable {
  /// What `GalleonClient.connect` takes.
  let address: String
  private let result = Promise<String?>()

  /// No step of a script takes longer, so that a test that goes wrong ends. A script runs on a
  /// thread of its own while the test's task waits for one of the few threads that all tests share,
  /// which on two processors under a sanitizer may be minutes.
  static let patienceNs: Int64 = 300_000_000_000

  init(
    unixPath: String? = nil, _ script: @escaping @Sendable (borrowing Listener) throws -> Void
  ) throws {
    let listener = try Listener.listen(
      on: unixPath.map { .unix(path: $0) } ?? .loopback(port: 0))
    address =
      unixPath.map { "galleon+unix://\($0)" }
      ?? "galleon://127.0.0.1:\(listener.localAddress.port ?? 0)"
    let box = ListenerBox(listener)
    _ = try Thread.spawn(name: "fake-broker") { [result] in
      do {
        try box.use(script)
        result.fulfil(.success(nil))
      } catch {
        result.fulfil(.success("\(error)"))
      }
    }
  }

  /// Waits for the end of the script and throws what went wrong in it.
  func finish() async throws {
    if let problem = try await result.value() { throw ScriptError(description: problem) }
  }
}

/// Carries a listener to the broker's thread and drops it, which closes it, at the script's end.
private final class ListenerBox: Sendable {
  private let listener: Mutex<Listener?>

  init(_ listener: consuming sending Listener) {
    self.listener = Mutex(listener)
  }

  func use(_ script: (borrowing Listener) throws -> Void) throws {
    let taken = listener.withLock { $0.take() }
    guard let taken else { return }
    try script(taken)
  }
}

extension Listener {
  /// The next client, before its HELLO.
  func next() throws -> Peer {
    while true {
      guard try Poll.wait(rawValue, for: .readable, timeoutNs: FakeBroker.patienceNs) else {
        throw ScriptError(description: "no client came")
      }
      if case .accepted(let fd, _) = try accept() { return Peer(fd) }
    }
  }

  /// The next client, after WELCOME.
  func welcomed(_ welcome: [UInt8] = BrokerFrames.welcome()) throws -> Peer {
    let peer = try next()
    _ = try peer.expect(.hello)
    try peer.send(welcome)
    return peer
  }
}

/// A client's connection as the fake broker sees it.
final class Peer {
  private let socket: FileDescriptor
  private var received: [UInt8] = []
  private var frames: [SentFrame] = []

  init(_ fd: Int32) {
    socket = FileDescriptor(taking: fd)
  }

  func send(_ bytes: [UInt8]) throws {
    try unsafe bytes.withUnsafeBytes {
      try unsafe Socket.sendAll(socket.rawValue, $0, timeoutNs: FakeBroker.patienceNs)
    }
  }

  /// The next frame; nil at the end of the connection.
  func frame() throws -> SentFrame? {
    while frames.isEmpty {
      guard
        try Poll.wait(socket.rawValue, for: .readable, timeoutNs: FakeBroker.patienceNs)
      else { throw ScriptError(description: "the client sends nothing") }
      var piece = [UInt8](repeating: 0, count: 1 << 16)
      let result = try unsafe piece.withUnsafeMutableBytes {
        try unsafe Socket.receive(socket.rawValue, $0)
      }
      switch result {
      case .processed(let count):
        received.append(contentsOf: piece[..<count])
        frames = try takeFrames(&received)
      case .wouldBlock: break
      case .endOfFile: return nil
      }
    }
    return frames.removeFirst()
  }

  /// The next frame, which must be of this type. PINGs are answered on the way.
  func expect(_ type: FrameType) throws -> SentFrame {
    while let frame = try frame() {
      if frame.type == type { return frame }
      guard frame.type == .ping else {
        throw ScriptError(description: "wanted \(type), got \(frame.type.map { "\($0)" } ?? "?")")
      }
      try send(BrokerFrames.pong(correlation: frame.correlation, time: frame.ping().time))
    }
    throw ScriptError(description: "wanted \(type), got the end of the connection")
  }

  /// Answers OPEN_TOPIC and returns the publisher's ref.
  func openTopic(options: TopicOptions = []) throws -> UInt32 {
    let open = try expect(.openTopic)
    try send(BrokerFrames.topic(ref: open.ref, options: options, correlation: open.correlation))
    return open.ref
  }

  /// Answers SUBSCRIBE and names topic 1.
  func subscribe(topic: String = "hunt.1") throws -> SentFrame {
    let subscribe = try expect(.subscribe)
    try send(BrokerFrames.subscribed(ref: subscribe.ref) + BrokerFrames.topicInfo(name: topic))
    return subscribe
  }

  /// Reads to the client's CLOSE, answering what it asks for, and calls `onFrame` for everything
  /// else. Returns the events that were published.
  @discardableResult
  func serve(onFrame: (SentFrame) throws -> Void = { _ in }) throws -> [SentEvent] {
    var events: [SentEvent] = []
    while let frame = try frame() {
      switch frame.type {
      case .ping:
        try send(BrokerFrames.pong(correlation: frame.correlation, time: frame.ping().time))
      case .openTopic: try send(BrokerFrames.topic(ref: frame.ref))
      case .subscribe: try send(BrokerFrames.subscribed(ref: frame.ref))
      case .closeTopic: try send(BrokerFrames.topicClosed(ref: frame.ref))
      case .unsubscribe: try send(BrokerFrames.unsubscribed(ref: frame.ref, delivered: 0))
      case .publish:
        events += try frame.batch().events
        try onFrame(frame)
      case .close: return events
      default: try onFrame(frame)
      }
    }
    return events
  }

  /// Breaks the connection.
  func reset() throws {
    try Socket.resetOnClose(socket.rawValue)
    try Socket.shutdown(socket.rawValue, .both)
  }

  var fd: Int32 { socket.rawValue }
}
