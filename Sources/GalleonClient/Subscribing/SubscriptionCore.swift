import Synchronization

/// What a subscription's readers and the client's thread share: what was delivered and not yet
/// taken, how much has been consumed, and who waits for more.
///
/// The lock is taken once for a run of batches on either side, not for each event.
final class SubscriptionCore: Sendable {
  /// The client's number for it; the same in every session.
  let ref: UInt32
  let pattern: String
  let options: SubscriptionOptions
  private let mailbox: Mailbox
  private let state = Mutex(State())

  private struct State {
    var waiting = Queue<Delivery>()
    var consumedEvents: UInt64 = 0
    var consumedBytes: UInt64 = 0
    /// What had been consumed when the client's thread last looked.
    var grantedEvents: UInt64 = 0
    var grantedBytes: UInt64 = 0
    var isCreditAnnounced = false
    var isEnded = false
    var failure: GalleonError?
    var blocked: Blocked?
    var nextWaiter: UInt64 = 1
    var waiters = WaiterList()
  }

  init(ref: UInt32, pattern: String, options: SubscriptionOptions, mailbox: Mailbox) {
    self.ref = ref
    self.pattern = pattern
    self.options = options
    self.mailbox = mailbox
  }

  // MARK: - For readers

  /// What there is to read.
  enum Fetched {
    case deliveries
    case nothingYet
    case end
    case failed(GalleonError)
  }

  /// Exchanges the reader's empty queue for everything that waits.
  func fetch(into reader: inout Queue<Delivery>) -> Fetched {
    state.withLock { state in
      if !state.waiting.isEmpty {
        swap(&state.waiting, &reader)
        return .deliveries
      }
      guard state.isEnded else { return .nothingYet }
      guard let failure = state.failure else { return .end }
      return .failed(failure)
    }
  }

  /// Suspends until there may be something to fetch.
  nonisolated(nonsending) func waitForDelivery() async throws(GalleonError) {
    let id = state.withLock { state in
      defer { state.nextWaiter += 1 }
      return state.nextWaiter
    }
    await withTaskCancellationHandler {
      await withCheckedContinuation { (continuation: WaiterList.Continuation) in
        let isWaiting = state.withLock { state in
          if Task.isCancelled || state.isEnded || !state.waiting.isEmpty { return false }
          state.waiters.add(id, continuation)
          return true
        }
        if !isWaiting { continuation.resume() }
      }
    } onCancel: {
      state.withLock { $0.waiters.remove(id) }?.resume()
    }
    guard Task.isCancelled else { return }
    // A delivery may have woken this task for the last time; then it is another one's turn.
    let next = state.withLock { state in
      state.waiting.isEmpty ? nil : state.waiters.removeFirst()
    }
    next?.resume()
    throw .cancelled
  }

  var blocked: Blocked? { state.withLock { $0.blocked } }

  /// Tasks that wait for a delivery, for tests.
  var waiterCount: Int { state.withLock { $0.waiters.count } }

  /// Books events and charged bytes as consumed; when that is half a window, new credit is due.
  func consumed(events: UInt64, bytes: UInt64) {
    let isDue = state.withLock { state in
      state.consumedEvents += events
      state.consumedBytes += bytes
      return announceCredit(&state)
    }
    if isDue { mailbox.post(.credit(self)) }
  }

  private func announceCredit(_ state: inout State) -> Bool {
    let eventsDue = state.consumedEvents - state.grantedEvents >= max(1, options.windowEvents / 2)
    let bytesDue = state.consumedBytes - state.grantedBytes >= max(1, options.windowBytes / 2)
    guard !state.isCreditAnnounced, eventsDue || bytesDue, !state.isEnded else { return false }
    state.isCreditAnnounced = true
    return true
  }

  /// Puts back what a reader fetched and did not take, before what has come since.
  func putBack(_ rest: inout Queue<Delivery>) {
    if rest.isEmpty { return }
    let waiter = state.withLock { state in
      while let delivery = state.waiting.popFirst() { rest.append(delivery) }
      swap(&state.waiting, &rest)
      return state.waiters.removeFirst()
    }
    waiter?.resume()
  }

  // MARK: - For the client's thread

  /// Hands deliveries over, in order, and empties the array.
  func deliver(_ deliveries: inout [Delivery]) {
    if deliveries.isEmpty { return }
    let waiter = state.withLock { state -> WaiterList.Continuation? in
      if state.isEnded { return nil }
      for delivery in deliveries { state.waiting.add(delivery) }
      return state.waiters.removeFirst()
    }
    deliveries.removeAll(keepingCapacity: true)
    waiter?.resume()
  }

  /// Remembers why the broker sends nothing, and tells whoever wants to know.
  func setBlocked(_ blocked: Blocked?) {
    let isNew = state.withLock { state in
      defer { state.blocked = blocked }
      return state.blocked != blocked
    }
    if isNew { options.onBlocked?(blocked) }
  }

  /// What has been consumed, for the credit that is sent now.
  func takeConsumed() -> (events: UInt64, bytes: UInt64) {
    state.withLock { state in
      state.isCreditAnnounced = false
      state.grantedEvents = state.consumedEvents
      state.grantedBytes = state.consumedBytes
      return (state.consumedEvents, state.consumedBytes)
    }
  }

  /// Nothing follows what was delivered; after that, readers hear the error or the end.
  func end(_ error: GalleonError?) {
    let waiters = state.withLock { state in
      if !state.isEnded {
        state.isEnded = true
        state.failure = error
      }
      return state.waiters.removeAll()
    }
    for waiter in waiters { waiter.resume() }
  }
}

extension Queue<Delivery> {
  /// Appends a delivery. What was lost or left out costs no credit, so that it joins what was lost
  /// or left out just before, where no event came between them: a program that takes nothing does
  /// not gather it.
  fileprivate mutating func add(_ delivery: Delivery) {
    let isJoined =
      switch delivery {
      case .gap, .leftOut: replaceLast { $0.replacement(with: delivery) }
      default: false
      }
    if !isJoined { append(delivery) }
  }
}

extension Delivery {
  /// What becomes of this one, that waits, when another one comes; to go on looking past it where
  /// it is about another topic.
  fileprivate func replacement(with next: Delivery) -> Queue<Delivery>.Replacement {
    switch (self, next) {
    case (.gap(let earlier), .gap(let next)):
      earlier.joined(next).map { .replace(.gap($0)) } ?? .goOn
    case (.leftOut(let earlier), .leftOut(let next)):
      earlier.joined(next).map { .replace(.leftOut($0)) } ?? .goOn
    case (.gap, .leftOut), (.leftOut, .gap): .goOn
    default: .stop
    }
  }
}
