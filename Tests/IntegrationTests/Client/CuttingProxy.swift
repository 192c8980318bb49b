import LinuxIO
import Synchronization

/// Stands between a client and a broker and cuts their connection when it is told to, with whatever
/// is on its way. One connection at a time; the next one is accepted after a cut.
final class CuttingProxy: Sendable {
  let url: String
  private let order: EventFD
  private let cuts = Atomic<Int>(0)
  private let isStopped = Atomic<Bool>(false)

  /// - Parameter broker: where to connect to.
  init(to broker: SocketAddress) throws {
    let listener = try Listener.listen(on: .loopback(port: 0))
    url = "galleon://127.0.0.1:\(listener.localAddress.port ?? 0)"
    order = try EventFD()
    let home = ListenerHome(listener)
    _ = try Thread.spawn(name: "proxy") { [self] in
      while !isStopped.load(ordering: .acquiring) {
        guard let client = try? home.accept(unless: order.rawValue) else {
          _ = try? order.drain()
          continue
        }
        try? carry(client, broker)
        cuts.wrappingAdd(1, ordering: .releasing)
      }
    }
  }

  /// Cuts the connection that there is.
  func cut() throws { try order.wake() }

  /// Connections that have ended.
  var cutCount: Int { cuts.load(ordering: .acquiring) }

  func stop() throws {
    isStopped.store(true, ordering: .releasing)
    try order.wake()
  }

  private func carry(_ client: Int32, _ broker: SocketAddress) throws {
    defer { Socket.close(client) }
    let upstream = try Socket.connect(to: broker, timeoutNs: patienceNs)
    let epoll = try Epoll()
    try epoll.add(client, .readable, userWord: 0)
    try epoll.add(upstream.rawValue, .readable, userWord: 1)
    try epoll.add(order.rawValue, .readable, userWord: 2)
    var events = Epoll.EventBuffer(capacity: 4)
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      for index in 0..<(try epoll.wait(into: &events, timeoutNs: patienceNs)) {
        switch events[index].userWord {
        case 0: if try !move(client, upstream.rawValue, &buffer) { return }
        case 1: if try !move(upstream.rawValue, client, &buffer) { return }
        default:
          try order.drain()
          // The client hears of it at once; what it has sent and the broker has not read is gone.
          try Socket.resetOnClose(client)
          try Socket.resetOnClose(upstream.rawValue)
          return
        }
      }
    }
  }

  /// False at the end of the stream.
  private func move(_ from: Int32, _ to: Int32, _ buffer: inout [UInt8]) throws -> Bool {
    let result = try unsafe buffer.withUnsafeMutableBytes { try unsafe Socket.receive(from, $0) }
    switch result {
    case .processed(let count):
      try unsafe buffer.withUnsafeBytes {
        try unsafe Socket.sendAll(
          to, UnsafeRawBufferPointer(rebasing: $0[..<count]), timeoutNs: patienceNs)
      }
      return true
    case .wouldBlock: return true
    case .endOfFile: return false
    }
  }
}

/// Carries the listener to the proxy's thread.
private final class ListenerHome: Sendable {
  private let listener: Listener

  init(_ listener: consuming Listener) {
    self.listener = listener
  }

  /// Waits for a connection; nil where an order came first.
  func accept(unless order: Int32) throws -> Int32? {
    let epoll = try Epoll()
    try epoll.add(listener.rawValue, .readable, userWord: 0)
    try epoll.add(order, .readable, userWord: 1)
    var events = Epoll.EventBuffer(capacity: 2)
    _ = try epoll.wait(into: &events, timeoutNs: patienceNs)
    if case .accepted(let client, _) = try listener.accept() { return client }
    return nil
  }
}
