import Synchronization
import WireFormat

/// The requests that wait for their replies, by the token that each reply carries.
final class RequestTable: Sendable {
  private struct Pending {
    let topic: String
    let deadlineNs: UInt64
    let promise: Promise<Event>
    /// Whose room the asker may be waiting for.
    let publisher: PublisherCore

    func end(_ error: GalleonError) {
      promise.fulfil(.failure(error))
      publisher.wakeRoomWaiters()
    }
  }

  private struct State {
    var pending: [UInt64: Pending] = [:]
    var nextToken: UInt64
    /// This session's inbox; nil while there is no session.
    var inbox: UInt64?
    var failure: GalleonError?
  }

  private let limit: Int
  private let state: Mutex<State>

  /// - Parameter firstToken: random, so that a late reply to an earlier process finds nothing.
  init(limit: Int, firstToken: UInt64) {
    self.limit = limit
    state = Mutex(State(nextToken: firstToken))
  }

  /// Registers a request and says which address its event must carry.
  func add(
    _ publisher: PublisherCore, deadlineNs: UInt64, _ promise: Promise<Event>
  ) throws(GalleonError) -> ReplyAddress {
    let answer = state.withLock { state -> Result<ReplyAddress, GalleonError> in
      if let failure = state.failure { return .failure(failure) }
      guard let inbox = state.inbox else { return .failure(.connectionLost("not connected")) }
      if state.pending.count >= limit { return .failure(.tooManyRequests) }
      let token = state.nextToken
      state.nextToken &+= 1
      state.pending[token] = Pending(
        topic: publisher.topic, deadlineNs: deadlineNs, promise: promise, publisher: publisher)
      return .success(ReplyAddress(inbox: inbox, token: token))
    }
    return try answer.get()
  }

  /// Forgets a request, whatever became of it.
  func remove(_ token: UInt64) {
    _ = state.withLock { $0.pending.removeValue(forKey: token) }
  }

  // MARK: - For the client's thread

  func open(inbox: UInt64) {
    state.withLock { $0.inbox = inbox }
  }

  /// The session is over: its inbox is gone, and with it every reply that was to come.
  func close(_ error: GalleonError, forGood: Bool = false) {
    let pending = state.withLock { state in
      state.inbox = nil
      if forGood { state.failure = error }
      defer { state.pending = [:] }
      return state.pending
    }
    for request in pending.values { request.end(error) }
  }

  /// The request's topic and promise, once.
  func take(_ token: UInt64) -> (topic: String, promise: Promise<Event>)? {
    guard let found = state.withLock({ $0.pending.removeValue(forKey: token) }) else { return nil }
    return (found.topic, found.promise)
  }

  /// Gives up the requests whose time is over; says when the next one's is.
  func expire(nowNs: UInt64) -> UInt64 {
    let (expired, next) = state.withLock { state -> ([Pending], UInt64) in
      let expired = state.pending.filter { $0.value.deadlineNs <= nowNs }
      for token in expired.keys { state.pending[token] = nil }
      let next = state.pending.values.lazy.map(\.deadlineNs).min() ?? .max
      return (Array(expired.values), next)
    }
    for request in expired { request.end(.timeout) }
    return next
  }
}
