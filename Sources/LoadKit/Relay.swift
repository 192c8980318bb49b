import LinuxIO

/// The limit of a comparison: a server that only copies bytes from publishers to the subscribers
/// of the same topic (the protocol is in `RelayDriver`). It looks into nothing, keeps nothing, and
/// does not read from a topic's publishers while one of its subscribers has bytes waiting.
///
/// One thread owns and runs it.
public struct Relay: ~Copyable {
  /// What one receive may bring, and so what can wait for one subscriber.
  static let copyBytes = 256 * 1024
  static let topicsMax = 65_536
  private static let listenerWord = UInt64.max

  /// Where it listens, on 127.0.0.1.
  public let port: UInt16

  private let listener: Listener
  private var readiness: Readiness
  private let buffer = ByteBlock(zeroed: copyBytes)
  private var connections: [Connection] = []
  /// Connections that there have been.
  var accepted: Int { connections.count }
  private var topics: [Topic] = []

  private enum Kind { case unknown, publisher, subscriber, closed }

  private struct Connection {
    var descriptor: Int32
    var kind = Kind.unknown
    var topic = 0
    var hello: [UInt8] = []
    /// Bytes that the socket had no room for, and how many of them are sent.
    var waiting: [UInt8] = []
    var waitingStart = 0
    /// A publisher that was not read because a subscriber waits.
    var isPaused = false
  }

  private struct Topic {
    var subscribers: [Int] = []
    var publishers: [Int] = []
    var subscribersWaiting = 0
  }

  /// Listens on 127.0.0.1; port 0 takes a free one.
  public init(port: UInt16 = 0) throws(LoadError) {
    let readiness = try Readiness(capacity: 256)
    let listener = try Self.listen(port)
    try readiness.add(listener.rawValue, .readable, word: Self.listenerWord)
    self.init(readiness: readiness, listener: listener)
  }

  private static func listen(_ port: UInt16) throws(LoadError) -> Listener {
    do throws(SystemError) {
      return try Listener.listen(on: .loopback(port: port))
    } catch {
      throw .system(error)
    }
  }

  private init(readiness: consuming Readiness, listener: consuming Listener) {
    port = listener.localAddress.port ?? 0
    self.readiness = readiness
    self.listener = listener
  }

  deinit {
    for connection in connections where connection.kind != .closed {
      Socket.close(connection.descriptor)
    }
  }

  /// Relays until `isStopped` says so; it is asked at least every 100 milliseconds.
  public mutating func run(until isStopped: () -> Bool) throws(LoadError) {
    while !isStopped() {
      let ready = try readiness.wait(timeoutNs: 100_000_000)
      for place in 0..<ready {
        let event = readiness[place]
        if event.userWord == Self.listenerWord {
          try acceptAll()
        } else {
          try handle(Int(event.userWord), event)
        }
      }
    }
  }

  private mutating func acceptAll() throws(LoadError) {
    while let descriptor = try accept() {
      connections.append(Connection(descriptor: descriptor))
      try readiness.add(
        descriptor, [.readable, .writable, .edgeTriggered], word: UInt64(connections.count - 1))
    }
  }

  private func accept() throws(LoadError) -> Int32? {
    do throws(SystemError) {
      while true {
        switch try listener.accept() {
        case .accepted(let descriptor, _):
          try Socket.set(.noDelay, 1, on: descriptor)
          return descriptor
        case .aborted: continue
        case .wouldBlock: return nil
        case .outOfResources(let errno): throw SystemError(errno, "accept")
        }
      }
    } catch {
      throw .system(error)
    }
  }

  private mutating func handle(_ index: Int, _ event: Epoll.Event) throws(LoadError) {
    if connections[index].kind == .unknown { try greet(index) }
    switch connections[index].kind {
    case .publisher: try copyAll(from: index)
    case .subscriber:
      if event.writable, !connections[index].waiting.isEmpty { try sendWaiting(to: index) }
      if event.readable || event.hangup || event.error { try checkOpen(index) }
    case .unknown, .closed: break
    }
  }

  /// Reads the 8 bytes that say what a connection is for.
  private mutating func greet(_ index: Int) throws(LoadError) {
    let missing = RelayDriver.helloByteCount - connections[index].hello.count
    guard let got = try receive(index, missing) else { return }
    let bytes = unsafe UnsafeRawBufferPointer(start: buffer.base, count: got)
    unsafe connections[index].hello.append(contentsOf: bytes)
    let hello = connections[index].hello
    guard hello.count == RelayDriver.helloByteCount else { return }
    let topic = (0..<4).reduce(0) { $0 | Int(hello[4 + $1]) << (8 * $1) }
    guard topic < Self.topicsMax else { return try close(index) }
    while topics.count <= topic { topics.append(Topic()) }
    connections[index].topic = topic
    if hello[0] == UInt8(ascii: "P") {
      connections[index].kind = .publisher
      topics[topic].publishers.append(index)
    } else {
      connections[index].kind = .subscriber
      topics[topic].subscribers.append(index)
    }
    unsafe buffer.base.storeBytes(of: RelayDriver.ready, as: UInt8.self)
    let answer = unsafe try Transport.send(connections[index].descriptor, buffer.base, 1)
    if answer != .bytes(1) { try close(index) }
  }

  /// Bytes received into the buffer; nil when there are none, and then the connection may be over.
  private mutating func receive(_ index: Int, _ limit: Int) throws(LoadError) -> Int? {
    switch unsafe try Transport.receive(connections[index].descriptor, buffer.base, limit) {
    case .bytes(let got): return got
    case .nothing: return nil
    case .over:
      try close(index)
      return nil
    }
  }

  private mutating func copyAll(from index: Int) throws(LoadError) {
    let topic = connections[index].topic
    while connections[index].kind == .publisher {
      guard topics[topic].subscribersWaiting == 0 else {
        connections[index].isPaused = true
        return
      }
      guard let got = try receive(index, Self.copyBytes) else { return }
      for place in topics[topic].subscribers.indices {
        try copy(got, to: topics[topic].subscribers[place], topic: topic)
      }
    }
  }

  private mutating func copy(_ count: Int, to subscriber: Int, topic: Int) throws(LoadError) {
    guard connections[subscriber].kind == .subscriber else { return }
    let descriptor = connections[subscriber].descriptor
    let sent: Int
    switch unsafe try Transport.send(descriptor, buffer.base, count) {
    case .bytes(count): return
    case .bytes(let some): sent = some
    case .nothing: sent = 0
    // Its own readiness will say so once more.
    case .over: return
    }
    let rest = unsafe UnsafeRawBufferPointer(start: buffer.base + sent, count: count - sent)
    unsafe connections[subscriber].waiting.append(contentsOf: rest)
    topics[topic].subscribersWaiting += 1
  }

  private mutating func sendWaiting(to index: Int) throws(LoadError) {
    let descriptor = connections[index].descriptor
    let start = connections[index].waitingStart
    let count = connections[index].waiting.count
    let outcome = unsafe connections[index].waiting.withUnsafeBytes { bytes in
      Result { () throws(LoadError) in
        guard let base = bytes.baseAddress else { return Transport.Progress.nothing }
        return unsafe try Transport.send(descriptor, base + start, count - start)
      }
    }
    guard case .bytes(let sent) = try outcome.get() else { return }
    connections[index].waitingStart += sent
    if connections[index].waitingStart == count { try settle(index) }
  }

  /// Nothing waits for this subscriber any more.
  private mutating func settle(_ index: Int) throws(LoadError) {
    let topic = connections[index].topic
    connections[index].waiting.removeAll(keepingCapacity: true)
    connections[index].waitingStart = 0
    topics[topic].subscribersWaiting -= 1
    guard topics[topic].subscribersWaiting == 0 else { return }
    for publisher in topics[topic].publishers where connections[publisher].isPaused {
      connections[publisher].isPaused = false
      try copyAll(from: publisher)
    }
  }

  /// A subscriber says nothing more; only its end is of interest.
  private mutating func checkOpen(_ index: Int) throws(LoadError) {
    _ = try receive(index, 64)
  }

  private mutating func close(_ index: Int) throws(LoadError) {
    let connection = connections[index]
    connections[index].kind = .closed
    connections[index].hello = []
    Socket.close(connection.descriptor)
    switch connection.kind {
    case .publisher: topics[connection.topic].publishers.removeAll { $0 == index }
    case .subscriber:
      topics[connection.topic].subscribers.removeAll { $0 == index }
      if !connection.waiting.isEmpty { try settle(index) }
    case .unknown, .closed: break
    }
  }
}
