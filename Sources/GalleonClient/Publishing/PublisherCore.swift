import LinuxIO
import Synchronization
import WireFormat

/// What a publisher's users and the client's thread share: the batch that is being filled, those
/// that wait to be sent, and who waits for them.
///
/// The lock is held for the copy of one event, or the exchange of one block; never across a system
/// call that waits.
final class PublisherCore: Sendable {
  /// The client's number for it; the same in every session.
  let ref: UInt32
  let topic: String
  let options: PublisherOptions
  private let mailbox: Mailbox
  private let state: Mutex<State>

  private struct State {
    var current: PublishBlock?
    var full = Queue<PublishBlock>()
    var spare: [PublishBlock] = []
    /// Bytes of memory of all blocks that are not spare, wherever they are.
    var blockBytes = 0
    /// What the last block would have had that there was no room for. Whoever waits waits for this.
    var wantedBytes = 0
    /// Events that were taken in, ever; the last one's publisher sequence.
    var appended: UInt64 = 0
    /// Events whose fate is known, ever: confirmed or lost.
    var settled: UInt64 = 0
    var lost: UInt64 = 0
    var lostToReport: UInt64 = 0
    /// The client's thread knows that there is something to take.
    var isAnnounced = false
    var isFinished = false
    var failure: GalleonError?
    var recordBytesMax = WireLimits.batchBytesMax
    var requiresKey = false
    var blocked: Blocked?
    var nextWaiter: UInt64 = 1
    var roomWaiters = WaiterList()
    var flushWaiters = WaiterList()
  }

  /// Beyond so many, empty blocks are freed.
  private static var spareMax: Int { 8 }

  init(ref: UInt32, topic: String, options: PublisherOptions, mailbox: Mailbox) {
    self.ref = ref
    self.topic = topic
    self.options = options
    self.mailbox = mailbox
    state = Mutex(State())
  }

  private enum Outcome: Equatable {
    case appended, announce, full, finished, noKey
    case tooLarge(Int)
  }

  // MARK: - For users

  /// Takes one event in, or says that there is no room.
  func append(
    _ payload: RawSpan, key: RawSpan, _ parts: borrowing RecordParts, timeToLiveMs: UInt32
  ) throws(GalleonError) -> Bool {
    let size = PublishBlock.recordBytes(payload: payload.byteCount, key: key.byteCount, parts)
    if parts.hasKey && (key.byteCount == 0 || key.byteCount > WireLimits.keyBytesMax) {
      throw .invalidEvent("a key has 1 to \(WireLimits.keyBytesMax) bytes")
    }
    let outcome = state.withLock { state in
      take(&state, size, payload, key, parts, timeToLiveMs)
    }
    if outcome == .appended { return true }
    return try slowResult(of: outcome)
  }

  private func slowResult(of outcome: Outcome) throws(GalleonError) -> Bool {
    switch outcome {
    case .appended, .full: return outcome == .appended
    case .announce:
      mailbox.post(.publish(self))
      return true
    case .tooLarge(let bytes):
      throw .eventTooLarge(bytes: bytes, max: state.withLock { $0.recordBytesMax })
    case .noKey: throw .invalidEvent("every event of the topic \(topic) must have a key")
    case .finished: throw state.withLock { $0.failure } ?? .clientClosed
    }
  }

  @inline(__always)
  private func take(
    _ state: inout State, _ size: Int, _ payload: RawSpan, _ key: RawSpan,
    _ parts: borrowing RecordParts, _ timeToLiveMs: UInt32
  ) -> Outcome {
    if state.isFinished { return .finished }
    if state.requiresKey && !parts.hasKey { return .noKey }
    if let current = state.current, current.timeToLiveMs == timeToLiveMs,
      current.append(payload, key: key, parts)
    {
      state.appended += 1
      return state.isAnnounced ? .appended : announce(&state)
    }
    guard size <= state.recordBytesMax else { return .tooLarge(size) }
    guard startBlock(&state, size, timeToLiveMs) else { return .full }
    let fits = state.current!.append(payload, key: key, parts)
    precondition(fits, "a block was chosen for its size")
    state.appended += 1
    return state.isAnnounced ? .appended : announce(&state)
  }

  private func announce(_ state: inout State) -> Outcome {
    state.isAnnounced = true
    return .announce
  }

  /// Puts the block that is being filled aside and begins a new one. False where the buffer is
  /// full.
  @inline(never)
  private func startBlock(_ state: inout State, _ size: Int, _ timeToLiveMs: UInt32) -> Bool {
    if let current = state.current, current.isEmpty, current.capacity >= size {
      current.begin(publishTimeNs: Clock.realtimeNs(), timeToLiveMs: timeToLiveMs)
      return true
    }
    let usual = min(max(options.batchBytes, 1024), state.recordBytesMax)
    let capacity = max(size, usual)
    // One block is always allowed, or a small buffer would never take a large event.
    let allowed = max(options.bufferBytes, capacity)
    guard state.blockBytes + capacity <= allowed else {
      state.wantedBytes = capacity
      return false
    }
    if let current = state.current {
      state.current = nil
      if current.isEmpty { recycle(&state, current) } else { state.full.append(current) }
    }
    let block: PublishBlock
    if capacity == usual, let spare = state.spare.popLast() {
      block = spare
    } else {
      block = PublishBlock(recordBytesMax: capacity)
    }
    state.blockBytes += block.capacity
    block.begin(publishTimeNs: Clock.realtimeNs(), timeToLiveMs: timeToLiveMs)
    state.current = block
    return true
  }

  private func recycle(_ state: inout State, _ block: PublishBlock) {
    state.blockBytes -= block.capacity
    let usual = min(max(options.batchBytes, 1024), state.recordBytesMax)
    if block.capacity == usual && state.spare.count < Self.spareMax {
      block.reset()
      state.spare.append(block)
    }
  }

  /// Suspends until there may be room, or nobody wants it any more: then `wakeRoomWaiters` is to be
  /// called as well.
  nonisolated(nonsending) func waitForRoom(
    unless isInVain: () -> Bool = { false }
  ) async throws(GalleonError) {
    try await wait(adding: \.roomWaiters) { [options] state in
      let isHalfEmpty =
        state.blockBytes * 2 <= options.bufferBytes
        && state.blockBytes + state.wantedBytes <= options.bufferBytes
      let hasRoom = isHalfEmpty || state.blockBytes == 0
      return isInVain() || state.isFinished || hasRoom ? nil : 0
    }
  }

  /// Tasks that wait for room, for tests.
  var roomWaiterCount: Int { state.withLock { $0.roomWaiters.count } }

  /// Makes those who wait for room look again.
  func wakeRoomWaiters() {
    let waiters = state.withLock { $0.roomWaiters.removeAll() }
    for waiter in waiters { waiter.resume() }
  }

  /// Suspends until the fate of everything taken in so far is known.
  ///
  /// - Throws: `eventsLost` where some of it may not have reached the broker.
  nonisolated(nonsending) func flush() async throws(GalleonError) {
    let target = state.withLock { $0.appended }
    mailbox.post(.flush(self))
    try await wait(adding: \.flushWaiters) { state in
      state.settled >= target || (state.isFinished && state.failure != nil) ? nil : target
    }
    try reportLoss()
    let (failure, isSettled) = state.withLock { ($0.failure, $0.settled >= target) }
    if !isSettled { throw failure ?? .clientClosed }
  }

  /// Suspends as a waiter of a list, unless `target` says nil. Woken by the client's thread or by
  /// the task's cancellation.
  private nonisolated(nonsending) func wait(
    adding list: any WritableKeyPath<State, WaiterList> & Sendable,
    unless target: (State) -> UInt64?
  ) async throws(GalleonError) {
    let id = state.withLock { state in
      defer { state.nextWaiter += 1 }
      return state.nextWaiter
    }
    await withTaskCancellationHandler {
      await withCheckedContinuation { (continuation: WaiterList.Continuation) in
        let isWaiting = state.withLock { state in
          guard !Task.isCancelled, let target = target(state) else { return false }
          state[keyPath: list].add(id, target: target, continuation)
          return true
        }
        if !isWaiting { continuation.resume() }
      }
    } onCancel: {
      state.withLock { $0[keyPath: list].remove(id) }?.resume()
    }
    if Task.isCancelled { throw .cancelled }
  }

  /// Takes no more events. What was taken in is still sent.
  func finish() {
    let waiters = state.withLock { state in
      state.isFinished = true
      return state.roomWaiters.removeAll()
    }
    for waiter in waiters { waiter.resume() }
  }

  var counts: (published: UInt64, settled: UInt64, lost: UInt64, isOpen: Bool) {
    state.withLock { ($0.appended, $0.settled, $0.lost, !$0.isFinished) }
  }

  var blocked: Blocked? { state.withLock { $0.blocked } }

  /// Throws `eventsLost` where events were lost that nobody has been told of.
  func reportLoss() throws(GalleonError) {
    let lost = state.withLock { state in
      defer { state.lostToReport = 0 }
      return state.lostToReport
    }
    if lost > 0 { throw .eventsLost(lost) }
  }

  // MARK: - For the client's thread

  /// What the session and the topic ask of events.
  func setLimits(recordBytesMax: Int, requiresKey: Bool) {
    state.withLock { state in
      state.recordBytesMax = recordBytesMax
      state.requiresKey = requiresKey
    }
  }

  /// Remembers why the broker takes nothing, and tells whoever wants to know.
  func setBlocked(_ blocked: Blocked?) {
    let isNew = state.withLock { state in
      defer { state.blocked = blocked }
      return state.blocked != blocked
    }
    if isNew { options.onBlocked?(blocked) }
  }

  /// The next block to send, and whether it was still being filled; nil where there is none, and
  /// then the next event is announced.
  func takeBlock() -> (PublishBlock, isLast: Bool)? {
    state.withLock { state in
      if let block = state.full.popFirst() { return (block, false) }
      if let current = state.current, !current.isEmpty {
        state.current = nil
        return (current, true)
      }
      state.isAnnounced = false
      return nil
    }
  }

  /// Whether nothing waits to be taken.
  var isDrained: Bool {
    state.withLock { $0.full.isEmpty && ($0.current?.isEmpty ?? true) }
  }

  /// Takes back the memory of a block that is not needed any more.
  func release(_ block: PublishBlock) {
    let waiters = state.withLock { state -> [WaiterList.Continuation] in
      recycle(&state, block)
      if state.roomWaiters.isEmpty || state.blockBytes * 2 > options.bufferBytes {
        return state.blockBytes == 0 ? state.roomWaiters.removeAll() : []
      }
      return state.roomWaiters.removeAll()
    }
    for waiter in waiters { waiter.resume() }
  }

  /// The fate of all events up to `through` is known; `lost` of them are lost.
  func settle(through: UInt64, lost: UInt64 = 0) {
    let waiters = state.withLock { state -> [WaiterList.Continuation] in
      state.settled = max(state.settled, through)
      state.lost += lost
      state.lostToReport += lost
      return state.flushWaiters.isEmpty ? [] : state.flushWaiters.removeAll(through: state.settled)
    }
    for waiter in waiters { waiter.resume() }
  }

  /// Ends it. What was taken in and not sent is lost.
  func fail(_ error: GalleonError) {
    let waiters = state.withLock { state in
      state.isFinished = true
      if state.failure == nil { state.failure = error }
      let unsettled = state.appended - state.settled
      state.lost += unsettled
      state.lostToReport += unsettled
      state.settled = state.appended
      state.full.removeAll()
      state.current = nil
      return state.roomWaiters.removeAll() + state.flushWaiters.removeAll()
    }
    for waiter in waiters { waiter.resume() }
  }
}
