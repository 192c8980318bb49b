import LinuxIO
import WireFormat

/// The client's one thread: it connects, moves bytes between the socket and the session, and comes
/// back when the connection breaks. Everything it owns is used on that thread alone.
final class ClientThread {
  private enum Link {
    /// No socket; the next attempt comes then.
    case down(untilNs: UInt64)
    case connecting(fd: Int32, deadlineNs: UInt64)
    case up(fd: Int32)
  }

  private let endpoint: Endpoint
  private let shared: Shared
  private let session: ClientSession
  private let waker: Waker
  /// Whoever waits for the first connection; nil once there was one.
  private var first: Promise<Void>?
  private let epoll: Epoll
  private var events = Epoll.EventBuffer(capacity: 4)
  private var link = Link.down(untilNs: 0)
  /// Of the name that is connected to, those not tried yet in this attempt.
  private var addresses: [SocketAddress] = []
  private var input = ReceiveBuffer()
  private var canWrite = true
  private var watchesWritable = false
  private var backoff: Backoff
  private var random = SystemRandomNumberGenerator()
  /// When the last WELCOME came.
  private var welcomedAtNs: UInt64 = 0
  /// When the last connection was lost; nil while there is one.
  private var downSinceNs: UInt64?
  private var isDone = false

  private static var socketWord: UInt64 { 1 }
  private static var wakeWord: UInt64 { 2 }
  /// A session that lasts so long was a good one, and the waits begin anew after it. One that ends
  /// sooner, time and again, must not be asked for at the shortest wait for ever.
  private static var stableNs: UInt64 { 5_000_000_000 }
  /// How long the peer may take to read our last bytes and close.
  private static var lingerNs: UInt64 { 500_000_000 }

  init(
    endpoint: Endpoint, shared: Shared, waker: Waker, first: Promise<Void>
  ) throws(SystemError) {
    self.endpoint = endpoint
    self.shared = shared
    self.waker = waker
    self.first = first
    session = ClientSession(shared: shared)
    backoff = Backoff(shared.options.reconnect)
    epoll = try Epoll()
    try epoll.add(waker.rawValue, .readable, userWord: Self.wakeWord)
  }

  /// Runs until the client is at its end.
  func run() {
    while !isDone {
      let nowNs = Clock.monotonicNs()
      session.handleMailbox(nowNs: nowNs)
      session.handleTimeout(nowNs: nowNs)
      advance(nowNs)
      notify()
      if let end = session.end { endSession(end, Clock.monotonicNs()) }
      if !isDone { wait() }
    }
  }

  // MARK: - One turn

  /// Connects, or sends what there is.
  private func advance(_ nowNs: UInt64) {
    switch link {
    case .down(let untilNs):
      if nowNs >= untilNs && session.end == nil { connect(nowNs) }
    case .connecting(_, let deadlineNs):
      if nowNs >= deadlineNs { failedToConnect("no answer in time", nowNs) }
    case .up(let fd):
      if canWrite { send(fd, nowNs) }
    }
  }

  private func send(_ fd: Int32, _ nowNs: UInt64) {
    session.fillOutput(nowNs: nowNs)
    guard session.hasOutput else { return }
    do throws(SystemError) {
      switch try sendOnce(fd) {
      case .processed(let count): session.didSend(count, nowNs: nowNs)
      case .wouldBlock, .endOfFile: canWrite = false
      }
    } catch {
      // The peer may have said why before it went; what it sent is read first.
      if !error.isPeerGone { session.end = session.end ?? .lost("\(error)") }
      canWrite = false
    }
  }

  private func sendOnce(_ fd: Int32) throws(SystemError) -> IOResult {
    let pieces = session.outputPieces()
    let result = unsafe pieces.withUnsafeBufferPointer {
      pieces -> Result<IOResult, SystemError> in
      do throws(SystemError) {
        return .success(try unsafe Socket.sendVectors(fd, pieces.baseAddress!, pieces.count))
      } catch {
        return .failure(error)
      }
    }
    return try result.get()
  }

  /// Waits until something happens. With output to be made it only looks.
  private func wait() {
    let timeoutNs: Int64
    if hasWork || !shared.mailbox.fallAsleep() {
      timeoutNs = 0
    } else {
      timeoutNs = untilDeadline()
    }
    watchWritable()
    let count = (try? epoll.wait(into: &events, timeoutNs: timeoutNs)) ?? 0
    shared.mailbox.awake()
    let nowNs = Clock.monotonicNs()
    for index in 0..<count {
      let event = events[index]
      if event.userWord == Self.wakeWord {
        waker.drain()
      } else {
        handle(event, nowNs)
      }
    }
  }

  /// Whether there is something to send now.
  private var hasWork: Bool {
    guard case .up = link, canWrite else { return false }
    return session.hasOutput || !session.ready.isEmpty
  }

  private func untilDeadline() -> Int64 {
    var deadlineNs = session.nextDeadlineNs()
    switch link {
    case .down(let untilNs): deadlineNs = min(deadlineNs, untilNs)
    case .connecting(_, let untilNs): deadlineNs = min(deadlineNs, untilNs)
    case .up: break
    }
    if deadlineNs == .max { return -1 }
    let nowNs = Clock.monotonicNs()
    return deadlineNs > nowNs ? Int64(min(deadlineNs - nowNs, UInt64(Int64.max))) : 0
  }

  private func watchWritable() {
    guard case .up(let fd) = link, watchesWritable == canWrite else { return }
    watchesWritable = !canWrite
    try? epoll.modify(
      fd, watchesWritable ? [.readable, .writable] : .readable, userWord: Self.socketWord)
  }

  private func handle(_ event: Epoll.Event, _ nowNs: UInt64) {
    switch link {
    case .down: break
    case .connecting(let fd, _): finishConnecting(fd, nowNs)
    case .up(let fd):
      if event.writable { canWrite = true }
      if event.readable || event.hangup || event.error { receive(fd, nowNs) }
    }
  }

  private func receive(_ fd: Int32, _ nowNs: UInt64) {
    do throws(SystemError) {
      switch try input.receive(fd) {
      case .processed: input.feed(session, nowNs: nowNs)
      case .wouldBlock: break
      case .endOfFile: session.end = session.end ?? .lost("the broker closed the connection")
      }
    } catch {
      session.end = session.end ?? .lost("\(error)")
    }
  }

  // MARK: - Connecting

  private func connect(_ nowNs: UInt64) {
    if addresses.isEmpty {
      do throws(AddressError) {
        addresses = try endpoint.addresses()
      } catch {
        failedToConnect("\(error)", nowNs)
        return
      }
    }
    let address = addresses.removeFirst()
    do throws(SystemError) {
      let socket = try Socket.open(for: address)
      if !address.isUnix {
        try Socket.set(.noDelay, 1, on: socket.rawValue)
        let bytes = Int32(clamping: shared.options.receiveBufferBytes)
        if bytes > 0 { try Socket.set(.receiveBufferBytes, bytes, on: socket.rawValue) }
      }
      let isConnected = try Socket.startConnect(socket.rawValue, to: address)
      try epoll.add(
        socket.rawValue, isConnected ? .readable : .writable, userWord: Self.socketWord)
      let fd = socket.release()
      if isConnected {
        connected(fd, nowNs)
      } else {
        let timeoutNs = shared.options.connectTimeout.nanosecondsClamped
        link = .connecting(fd: fd, deadlineNs: nowNs + timeoutNs)
      }
    } catch {
      failedToConnect("\(error)", nowNs)
    }
  }

  private func finishConnecting(_ fd: Int32, _ nowNs: UInt64) {
    do throws(SystemError) {
      guard try Socket.finishConnect(fd) else { return }
      try epoll.modify(fd, .readable, userWord: Self.socketWord)
      connected(fd, nowNs)
    } catch {
      failedToConnect("\(error)", nowNs)
    }
  }

  private func connected(_ fd: Int32, _ nowNs: UInt64) {
    addresses = []
    link = .up(fd: fd)
    canWrite = true
    watchesWritable = false
    input.removeAll()
    session.connected(nowNs: nowNs)
  }

  /// Tries the name's next address at once, or gives this attempt up.
  private func failedToConnect(_ text: String, _ nowNs: UInt64) {
    closeSocket()
    if !addresses.isEmpty {
      link = .down(untilNs: nowNs)
      return
    }
    session.end = session.end ?? SessionEnd.lost("\(endpoint): \(text)")
  }

  private func closeSocket() {
    switch link {
    case .down: break
    case .connecting(let fd, _), .up(let fd): Socket.close(fd)
    }
    link = .down(untilNs: .max)
  }

  // MARK: - The end of a session

  private func notify() {
    if session.notices.isEmpty { return }
    let notices = session.notices
    session.notices = []
    // There is a notice only after a WELCOME.
    downSinceNs = nil
    welcomedAtNs = Clock.monotonicNs()
    if let promise = first {
      first = nil
      // Whoever wanted to connect has given up.
      if !promise.fulfil(.success(())) { session.closeDeadlineNs = 0 }
    }
    for notice in notices { shared.options.onStateChange?(notice) }
  }

  private func endSession(_ end: SessionEnd, _ nowNs: UInt64) {
    if case .up(let fd) = link { sendLast(fd, isLocal: end.error == .clientClosed) }
    closeSocket()
    addresses = []
    session.end = nil
    if end.error == .clientClosed {
      finish(nil)
      return
    }
    if self.downSinceNs == nil && nowNs - welcomedAtNs >= Self.stableNs { backoff.reset() }
    let downSinceNs = self.downSinceNs ?? nowNs
    self.downSinceNs = downSinceNs
    let reconnect = shared.options.reconnect
    let delayNs = backoff.next(hint: end.retry, using: &random)
    let limitNs = reconnect.giveUpAfter?.nanosecondsClamped ?? .max
    let isInTime = nowNs - downSinceNs <= limitNs && delayNs <= limitNs - (nowNs - downSinceNs)
    guard first == nil, reconnect.isEnabled, end.mayReturn, isInTime else {
      finish(end.error)
      return
    }
    session.disconnected(end.error)
    link = .down(untilNs: nowNs + delayNs)
    let delay = Duration.nanoseconds(Int64(min(delayNs, UInt64(Int64.max))))
    shared.options.onStateChange?(.disconnected(end.error, retryIn: delay))
  }

  private func finish(_ error: GalleonError?) {
    isDone = true
    if let first {
      var error = error ?? .clientClosed
      if case .connectionLost(let text) = error { error = .cannotConnect(text) }
      session.finish(error)
      first.fulfil(.failure(error))
    } else {
      session.finish(error)
      shared.options.onStateChange?(.closed(error))
    }
    shared.ended.open()
  }

  /// Sends our CLOSE, if there is one, and lets the peer read it: closing a socket with bytes that
  /// were not read resets the connection, and a reset takes what the peer has not read either.
  private func sendLast(_ fd: Int32, isLocal: Bool) {
    let untilNs = Clock.monotonicNs() + (isLocal ? Self.lingerNs : 0)
    func left() -> Int64 {
      let nowNs = Clock.monotonicNs()
      return nowNs >= untilNs ? 0 : Int64(untilNs - nowNs)
    }
    do throws(SystemError) {
      while session.hasOutput {
        switch try sendOnce(fd) {
        case .processed(let count): session.didSend(count, nowNs: Clock.monotonicNs())
        case .wouldBlock, .endOfFile:
          guard try Poll.wait(fd, for: .writable, timeoutNs: left()) else { return }
        }
      }
      try Socket.shutdown(fd, .writing)
      if !isLocal { return }
      while try Poll.wait(fd, for: .readable, timeoutNs: left()) {
        input.removeAll()
        if try input.receive(fd) == .endOfFile { return }
      }
    } catch {
      // The peer is gone already; there is nobody to be polite to.
      return
    }
  }
}
