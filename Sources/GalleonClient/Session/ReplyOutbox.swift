import LinuxIO
import Synchronization
import WireFormat

/// Replies that wait to be sent. Bounded, so that a program that answers faster than the connection
/// takes it is suspended.
final class ReplyOutbox: Sendable {
  private struct State {
    var frames = Queue<[UInt8]>()
    var bytes = 0
    var isAnnounced = false
    var failure: GalleonError?
    /// The broker's, of the last session.
    var instance: UInt64?
    var recordBytesMax = WireLimits.batchBytesMax
    var nextWaiter: UInt64 = 1
    var waiters = WaiterList()
  }

  /// Bytes of frames that may wait.
  static var bytesMax: Int { 1 << 20 }

  private let mailbox: Mailbox
  private let state = Mutex(State())

  init(mailbox: Mailbox) {
    self.mailbox = mailbox
  }

  nonisolated(nonsending) func send(
    to address: ReplyAddress, instance: UInt64, _ payload: some EventBytes, headers: Headers
  ) async throws(GalleonError) {
    if let problem = headers.problem { throw .invalidEvent(problem) }
    let frame = try frame(to: address, payload, headers)
    while try !append(frame, instance) { try await waitForRoom(frame.count) }
  }

  private func frame(
    to address: ReplyAddress, _ payload: some EventBytes, _ headers: Headers
  ) throws(GalleonError) -> [UInt8] {
    let max = state.withLock { $0.recordBytesMax }
    let parts = RecordParts(headers: headers.isEmpty ? nil : headers.wire)
    let frame = payload.withEventBytes { payload -> Result<[UInt8], GalleonError> in
      let size = PublishBlock.recordBytes(payload: payload.byteCount, key: 0, parts)
      if size > max { return .failure(.eventTooLarge(bytes: size, max: max)) }
      let block = PublishBlock(recordBytesMax: size)
      block.begin(publishTimeNs: Clock.realtimeNs(), timeToLiveMs: 0)
      _ = block.append(payload, key: RawSpan(), parts)
      return .success(
        block.sealedBatch { batch in
          var writer = FrameWriter(reserving: Reply.prefixSize + batch.byteCount)
          let fits = Reply(inbox: address.inbox, token: address.token)
            .encode(into: &writer, batch: batch)
          precondition(fits, "a writer of its own grows")
          return writer.array
        })
    }
    return try frame.get()
  }

  private func append(_ frame: [UInt8], _ instance: UInt64) throws(GalleonError) -> Bool {
    let (failure, isTaken, announce) = state.withLock { state -> (GalleonError?, Bool, Bool) in
      if let failure = state.failure { return (failure, false, false) }
      if state.instance != instance {
        return (.connectionLost("the broker was restarted since the event came"), false, false)
      }
      if state.bytes > 0 && state.bytes + frame.count > Self.bytesMax { return (nil, false, false) }
      state.frames.append(frame)
      state.bytes += frame.count
      defer { state.isAnnounced = true }
      return (nil, true, !state.isAnnounced)
    }
    if let failure { throw failure }
    if announce { mailbox.post(.replies) }
    return isTaken
  }

  private nonisolated(nonsending) func waitForRoom(_ bytes: Int) async throws(GalleonError) {
    let id = state.withLock { state in
      defer { state.nextWaiter += 1 }
      return state.nextWaiter
    }
    await withTaskCancellationHandler {
      await withCheckedContinuation { (continuation: WaiterList.Continuation) in
        let isWaiting = state.withLock { state in
          let isHalfEmpty =
            state.bytes * 2 <= Self.bytesMax && state.bytes + bytes <= Self.bytesMax
          let hasRoom = isHalfEmpty || state.bytes == 0
          if Task.isCancelled || hasRoom || state.failure != nil { return false }
          state.waiters.add(id, continuation)
          return true
        }
        if !isWaiting { continuation.resume() }
      }
    } onCancel: {
      state.withLock { $0.waiters.remove(id) }?.resume()
    }
    if Task.isCancelled { throw .cancelled }
  }

  // MARK: - For the client's thread

  /// The next frame; nil where there is none, and then the next reply is announced.
  func take() -> [UInt8]? {
    let (frame, waiters) = state.withLock { state -> ([UInt8]?, [WaiterList.Continuation]) in
      guard let frame = state.frames.popFirst() else {
        state.isAnnounced = false
        return (nil, [])
      }
      state.bytes -= frame.count
      return (frame, state.bytes * 2 <= Self.bytesMax ? state.waiters.removeAll() : [])
    }
    for waiter in waiters { waiter.resume() }
    return frame
  }

  var isEmpty: Bool { state.withLock { $0.frames.isEmpty } }

  /// A session is open. What waited for another broker is dropped: the same address would be
  /// somebody else's there.
  func open(instance: UInt64, recordBytesMax: Int) {
    let waiters = state.withLock { state -> [WaiterList.Continuation] in
      state.recordBytesMax = recordBytesMax
      if state.instance == instance { return [] }
      state.instance = instance
      state.frames.removeAll()
      state.bytes = 0
      return state.waiters.removeAll()
    }
    for waiter in waiters { waiter.resume() }
  }

  func fail(_ error: GalleonError) {
    let waiters = state.withLock { state in
      state.failure = error
      state.frames.removeAll()
      return state.waiters.removeAll()
    }
    for waiter in waiters { waiter.resume() }
  }
}
