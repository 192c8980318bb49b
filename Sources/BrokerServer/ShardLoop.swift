import BrokerCore
import Counters
import LinuxIO
import WireFormat

/// One shard's thread: moves bytes between sockets and the core, and sleeps when there is nothing
/// to move. Everything with a meaning is in the core.
///
/// Sockets are watched for edges, once, for their whole life: a connection costs one system call
/// to add and none to arm. Writes are tried at once; only a socket that refuses is waited for.
final class ShardLoop {
  /// Bytes handed to sockets in one turn before the inputs are looked at again: some milliseconds
  /// of work at most, so that acknowledgements and new events do not wait longer.
  private static let transmitBytesPerTurn = 8 << 20
  /// Sockets written to in one turn, for the same reason: each takes some microseconds, and with
  /// thousands of subscribers small events come to few bytes. The others are first in the next.
  private static let transmitsPerTurn = 256
  /// Bytes read in one turn before what they bring is sent on.
  private static let receiveBytesPerTurn = 8 << 20
  private static let eventsPerWait = 512
  /// Each costs some ten microseconds.
  private static let acceptsPerTurn = 128

  let shard: Shard
  let index: Int
  let configuration: Configuration
  let handoffs: [Handoff]
  /// This shard's own, and the descriptors that wake each shard: wake-ups are part of the data
  /// path, and taking an object out of an array counts a reference.
  private let handoff: Handoff
  private let wakeups: [Int32]
  private let drainCount: DrainCount
  private let epoll: Epoll
  private var events = Epoll.EventBuffer(capacity: ShardLoop.eventsPerWait)
  let sockets: SocketTable
  private var time = TurnTime()
  private var lastWorkNs: UInt64 = 0
  private var isDraining = false
  private var hasCounted = false
  /// Shard 0 only.
  private let front: Front?
  private var reserve: CountersReserve

  init(
    shard: Shard, index: Int, configuration: Configuration, handoffs: [Handoff],
    drainCount: DrainCount, front: Front?, reserve: CountersReserve
  ) throws(SystemError) {
    self.reserve = reserve
    self.shard = shard
    self.index = index
    self.configuration = configuration
    self.handoffs = handoffs
    handoff = handoffs[index]
    wakeups = handoffs.map(\.wakeup)
    self.drainCount = drainCount
    epoll = try Epoll()
    sockets = SocketTable(capacity: configuration.limits.connectionsMax)
    self.front = front
    try epoll.add(handoff.wakeup, [.readable], userWord: Word.wakeup)
    try addFront()
  }

  /// Words of descriptors that are no connections: their upper half is 0, which no connection's is.
  private enum Word {
    static let wakeup: UInt64 = 0xFFFF_FFFE
    static let signal: UInt64 = 0xFFFF_FFFD
    /// Plus the listener's number.
    static let listener: UInt64 = 0
  }

  private func addFront() throws(SystemError) {
    guard let front else { return }
    try epoll.add(front.signals, [.readable], userWord: Word.signal)
    for (i, fd) in front.listenerFDs.enumerated() {
      try epoll.add(fd, [.readable], userWord: Word.listener + UInt64(i))
    }
  }

  /// Runs until the broker has drained.
  func run() {
    while !(isDraining && hasCounted && drainCount.isComplete) { turn() }
    for fd in sockets.allOpen() { Socket.close(fd) }
  }

  private func turn() {
    let count = wait()
    let startNs = time.read()
    shard.beginTurn(nowNs: startNs, realtimeNs: time.realtimeNs)
    var work = shard.handleInbound() + count
    for i in 0..<count { handle(events[i]) }
    checkDrain(startNs)
    work += readSockets()
    if shard.retryPaused() > 0 { work += 1 }
    while let id = shard.pollResumed() { sockets.listReady(id) }
    shard.fanOut()
    work += writeSockets()
    while let id = shard.pollShutdown() { shut(id) }
    while let id = shard.pollClosed() {
      if let fd = sockets.remove(id) { Socket.close(fd) }
      work += 1
    }
    var wakes = shard.endTurn()
    reserve.keepAhead()
    while wakes != 0 {
      Handoff.wake(wakeups[wakes.trailingZeroBitCount])
      wakes &= wakes - 1
    }
    if work > 0 {
      // The last write of a turn is nearly its end.
      lastWorkNs = time.nowNs == startNs ? time.read() : time.nowNs
      shard.noteBusy(lastWorkNs - startNs)
    }
    if isDraining && !hasCounted && shard.connectionCount == 0 {
      hasCounted = true
      drainCount.add()
      for handoff in handoffs { handoff.wake() }
    }
  }

  /// Waits for something to do; with something to do at hand it only looks.
  private func wait() -> Int {
    if sockets.hasReady || shard.hasTransmit { return poll(0) }
    if configuration.spinNs > 0, lastWorkNs != 0,
      Clock.monotonicNs() - lastWorkNs < configuration.spinNs
    {
      return poll(0)
    }
    guard shard.prepareToSleep() else { return poll(0) }
    let deadlineNs = shard.nextDeadlineNs
    var timeoutNs: Int64 = -1
    if deadlineNs != .max {
      timeoutNs = deadlineNs > time.nowNs ? Int64(clamping: deadlineNs - time.nowNs) : 0
    }
    let count = poll(timeoutNs)
    shard.wakeUp()
    return count
  }

  private func poll(_ timeoutNs: Int64) -> Int {
    do throws(SystemError) {
      return try epoll.wait(into: &events, timeoutNs: timeoutNs)
    } catch {
      preconditionFailure("\(error)")
    }
  }

  private func handle(_ event: Epoll.Event) {
    let word = event.userWord
    if word >> 32 == 0 {
      switch word {
      case Word.wakeup:
        handoff.drainWakeups()
        adoptAccepted()
      case Word.signal: handleSignal()
      default: acceptAll(Int(word - Word.listener))
      }
      return
    }
    let id = ConnectionID(word: word)
    if event.writable { shard.handleWritable(id) }
    if event.readable || event.peerClosed || event.hangup || event.error {
      if event.peerClosed || event.hangup || event.error { sockets.noteEnding(id) }
      sockets.listReady(id)
    }
  }

  // MARK: Sockets

  /// Reads each socket that has something once, so that none holds up the others.
  private func readSockets() -> Int {
    var left = sockets.readyCount
    var work = 0
    var bytes = 0
    while left > 0, bytes < ShardLoop.receiveBytesPerTurn, shard.mayReceive,
      let id = sockets.takeReady()
    {
      left -= 1
      work += 1
      guard let fd = sockets.fd(id) else { continue }
      // Without room now, the socket is listed again when its connection is resumed.
      guard let room = unsafe shard.receiveRoom(id) else { continue }
      do throws(SystemError) {
        switch try unsafe Socket.receive(fd, room) {
        case .processed(let count):
          bytes += count
          shard.received(count, on: id)
          // A short read has emptied the socket; what comes later is a new edge, but for the end
          // of the stream if that has been announced already.
          if count == room.count || sockets.isEnding(id) { sockets.listReady(id) }
        case .wouldBlock: break
        case .endOfFile: shard.handleEndOfInput(id, reset: false)
        }
      } catch {
        shard.handleEndOfInput(id, reset: true)
      }
    }
    return work
  }

  private func writeSockets() -> Int {
    var work = 0
    var bytes = 0
    while bytes < ShardLoop.transmitBytesPerTurn, work < ShardLoop.transmitsPerTurn,
      let id = shard.pollTransmit()
    {
      guard let fd = sockets.fd(id) else { preconditionFailure("a connection without a socket") }
      work += 1
      do throws(SystemError) {
        let vectors = unsafe shard.transmitVectors
        let pieces = unsafe UnsafeRawPointer(vectors.baseAddress!)
          .assumingMemoryBound(to: IOVector.self)
        let result = try unsafe Socket.sendVectors(fd, pieces, vectors.count)
        var sent = 0
        if case .processed(let count) = result { sent = count }
        bytes += sent
        time.read()
        shard.transmitted(sent, realtimeNs: time.realtimeNs)
      } catch {
        shard.transmitted(0, realtimeNs: time.realtimeNs)
        shard.handleEndOfInput(id, reset: true)
      }
    }
    return work
  }

  /// Tells the peer that nothing more comes, and looks for the end of what it sends.
  private func shut(_ id: ConnectionID) {
    guard let fd = sockets.fd(id) else { return }
    do throws(SystemError) {
      try Socket.shutdown(fd, .writing)
      sockets.listReady(id)
    } catch {
      shard.handleEndOfInput(id, reset: true)
    }
  }

  // MARK: Connections

  private func acceptAll(_ listener: Int) {
    // The rest of a storm waits for the next turn: the listener stays readable.
    for _ in 0..<ShardLoop.acceptsPerTurn {
      guard let accepted = front?.accept(listener) else { return }
      let target = front?.nextShard(handoffs.count) ?? 0
      if target == index {
        adopt(accepted)
      } else {
        handoffs[target].put(accepted)
      }
    }
  }

  private func adoptAccepted() {
    guard handoff.hasAccepted else { return }
    for accepted in handoff.takeAll() { adopt(accepted) }
  }

  private func adopt(_ accepted: Handoff.Accepted) {
    let fd = accepted.fd
    guard !isDraining, !accepted.isRefused, let id = shard.openConnection(peer: accepted.peer)
    else {
      let bytes = shard.refusal(isDraining ? .draining : .tooManyConnections)
      unsafe bytes.withUnsafeBytes { raw in
        do throws(SystemError) {
          _ = try unsafe Socket.send(fd, raw)
        } catch {
          // The peer is gone already.
        }
      }
      Socket.close(fd)
      return
    }
    sockets.insert(id, fd: fd)
    do throws(SystemError) {
      if accepted.isTCP {
        try Socket.set(.noDelay, 1, on: fd)
        try Socket.set(.notSentLowWaterBytes, Int32(configuration.notSentBytes), on: fd)
        if let name = configuration.congestionControl {
          try Socket.setCongestionControl(name, on: fd)
        }
      }
      try Socket.set(.sendBufferBytes, Int32(configuration.socketBufferBytes), on: fd)
      try epoll.add(
        fd, [.readable, .writable, .peerClosed, .edgeTriggered], userWord: id.word)
    } catch {
      shard.handleEndOfInput(id, reset: true)
    }
  }

  // MARK: The end

  private func handleSignal() {
    guard let signal = front?.readSignal() else { return }
    if isDraining {
      // The kernel and a shell both tell of a terminal that goes away; that is no second request.
      if signal == .hangup { return }
      exitNow(128 + signal.rawValue)
    }
    let deadlineNs =
      Clock.monotonicNs() + UInt64(configuration.drainTimeoutMs) * 1_000_000
    front?.stopListening()
    for handoff in handoffs { handoff.drain(until: deadlineNs) }
  }

  private func checkDrain(_ nowNs: UInt64) {
    guard !isDraining, handoff.drainDeadlineNs != 0 else { return }
    isDraining = true
    adoptAccepted()
    shard.commandDrain(
      deadlineNs: handoff.drainDeadlineNs,
      retryAfterMs: UInt32(configuration.retryAfterMs),
      spreadMs: UInt32(configuration.retrySpreadMs))
  }
}
