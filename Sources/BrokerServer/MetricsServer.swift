import Counters
import LinuxIO
import Metrics

/// A thread that answers who asks for metrics, and sleeps until somebody does: the shards do
/// nothing for it.
final class MetricsServer {
  private let stopEvent: StopEvent
  private var thread: Thread?

  init(_ listener: sending ListenerList, _ counters: CountersHome) throws(SystemError) {
    let stopEvent = try StopEvent()
    self.stopEvent = stopEvent
    let loop = try MetricsLoop(listener, counters, stopEvent)
    thread = try Thread.spawn(name: "metrics") { loop.run() }
  }

  /// Ends its thread, and with it all its connections.
  func stop() {
    guard let thread = thread.take() else { return }
    stopEvent.raise()
    thread.join()
  }
}

final class StopEvent: Sendable {
  let event: EventFD
  init() throws(SystemError) { event = try EventFD() }
  func raise() {
    do throws(SystemError) {
      try event.wake()
    } catch {
      preconditionFailure("an event descriptor can be written: \(error)")
    }
  }
}

private final class MetricsLoop {
  /// Connections at once. For one more, that is closed which has done nothing for the longest: a
  /// scraper comes again, and must not be kept out by who is silent.
  private static let connectionsMax = 16
  /// How long a connection may do nothing, or take to read an answer; scrapers ask every 15 to 60
  /// seconds and begin anew where theirs was closed.
  private static let idleNs: UInt64 = 120_000_000_000
  private static var listenerWord: UInt64 { .max }
  private static var stopWord: UInt64 { .max - 1 }

  private struct Connection {
    var fd: Int32
    var input: [UInt8] = []
    var output: ArraySlice<UInt8> = []
    var isKeptAlive = true
    var lastNs: UInt64
  }

  private let listener: ListenerList
  private let counters: CountersHome
  private let epoll: Epoll
  private var connections: [UInt64: Connection] = [:]
  private var lastWord: UInt64 = 0
  private var isStopped = false

  init(
    _ listener: sending ListenerList, _ counters: CountersHome, _ stop: StopEvent
  ) throws(SystemError) {
    self.listener = listener
    self.counters = counters
    epoll = try Epoll()
    for fd in listener.descriptors {
      try epoll.add(fd, .readable, userWord: Self.listenerWord)
    }
    try epoll.add(stop.event.rawValue, .readable, userWord: Self.stopWord)
  }

  func run() {
    var events = Epoll.EventBuffer(capacity: Self.connectionsMax + 2)
    while !isStopped {
      let timeoutNs = connections.isEmpty ? -1 : Int64(Self.idleNs)
      let count = (try? epoll.wait(into: &events, timeoutNs: timeoutNs)) ?? 0
      for index in 0..<count { handle(events[index]) }
      closeIdle()
    }
    for word in connections.keys { close(word) }
  }

  private func handle(_ event: Epoll.Event) {
    switch event.userWord {
    case Self.stopWord: isStopped = true
    case Self.listenerWord: accept()
    default:
      if event.writable { send(event.userWord) } else { receive(event.userWord) }
    }
  }

  private func accept() {
    while let accepted = listener.accept(0) {
      guard !accepted.isRefused else {
        Socket.close(accepted.fd)
        continue
      }
      if connections.count == Self.connectionsMax {
        connections.min { $0.value.lastNs < $1.value.lastNs }.map { close($0.key) }
      }
      lastWord += 1
      do throws(SystemError) {
        try epoll.add(accepted.fd, .readable, userWord: lastWord)
        connections[lastWord] = Connection(fd: accepted.fd, lastNs: Clock.monotonicNs())
      } catch {
        Socket.close(accepted.fd)
      }
    }
  }

  private func receive(_ word: UInt64) {
    guard let fd = connections[word]?.fd else { return }
    var piece = [UInt8](repeating: 0, count: HTTPRequest.headBytesMax)
    do throws(SystemError) {
      let result = try Self.receive(fd, &piece)
      switch result {
      case .processed(let count):
        connections[word]?.input += piece[..<count]
        connections[word]?.lastNs = Clock.monotonicNs()
        answer(word)
      case .wouldBlock: break
      case .endOfFile: close(word)
      }
    } catch {
      close(word)
    }
  }

  private static func receive(
    _ fd: Int32, _ piece: inout [UInt8]
  ) throws(SystemError) -> IOResult {
    let result = unsafe piece.withUnsafeMutableBytes { room -> Result<IOResult, SystemError> in
      do throws(SystemError) {
        return .success(unsafe try Socket.receive(fd, room))
      } catch {
        return .failure(error)
      }
    }
    return try result.get()
  }

  /// Answers the request that has come whole, one at a time: the next is looked at when this
  /// answer is sent.
  private func answer(_ word: UInt64) {
    guard let connection = connections[word], connection.output.isEmpty else { return }
    do throws(HTTPRequest.Refusal) {
      guard let (request, length) = try HTTPRequest.parse(connection.input[...]) else { return }
      let memory = counters.region.memory
      let response = MetricsResponder.respond(
        to: request.path, realtimeNs: Clock.realtimeNs()
      ) { memory.bytes(at: $0, count: $1) }
      connections[word]?.input.removeFirst(length)
      connections[word]?.isKeptAlive = request.isKeptAlive
      connections[word]?.output =
        response.bytes(for: request.method, isKeptAlive: request.isKeptAlive)[...]
    } catch {
      let response = HTTPResponse(error.rawValue, MetricsResponder.usage)
      connections[word]?.isKeptAlive = false
      connections[word]?.output = response.bytes(for: .get, isKeptAlive: false)[...]
    }
    send(word)
  }

  private func send(_ word: UInt64) {
    guard let connection = connections[word], !connection.output.isEmpty else { return }
    do throws(SystemError) {
      guard case .processed(let count) = try Self.send(connection.fd, connection.output) else {
        // Requests wait in the socket while the answer does.
        try epoll.modify(connection.fd, .writable, userWord: word)
        return
      }
      connections[word]?.output.removeFirst(count)
      connections[word]?.lastNs = Clock.monotonicNs()
      if count < connection.output.count {
        try epoll.modify(connection.fd, .writable, userWord: word)
      } else if connection.isKeptAlive {
        try epoll.modify(connection.fd, .readable, userWord: word)
        answer(word)
      } else {
        close(word)
      }
    } catch {
      close(word)
    }
  }

  private static func send(
    _ fd: Int32, _ bytes: ArraySlice<UInt8>
  ) throws(SystemError) -> IOResult {
    let result = unsafe bytes.withUnsafeBytes { bytes -> Result<IOResult, SystemError> in
      do throws(SystemError) {
        return .success(unsafe try Socket.send(fd, bytes))
      } catch {
        return .failure(error)
      }
    }
    return try result.get()
  }

  private func closeIdle() {
    let nowNs = Clock.monotonicNs()
    for (word, connection) in connections where nowNs - connection.lastNs >= Self.idleNs {
      close(word)
    }
  }

  private func close(_ word: UInt64) {
    if let connection = connections.removeValue(forKey: word) { Socket.close(connection.fd) }
  }
}
