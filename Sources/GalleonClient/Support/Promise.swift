import Synchronization

/// One answer that one task waits for. Whoever comes first fulfils it: the client's thread with the
/// answer, or the task's cancellation.
final class Promise<Value: Sendable>: Sendable {
  typealias Answer = Result<Value, GalleonError>

  private struct State {
    var answer: Answer?
    var continuation: CheckedContinuation<Answer, Never>?
  }

  private let state = Mutex(State())

  /// The answer, where there is one.
  var answer: Answer? { state.withLock { $0.answer } }

  /// False where it had been fulfilled before, or was given up.
  @discardableResult
  func fulfil(_ answer: Answer) -> Bool {
    let continuation: CheckedContinuation<Answer, Never>?
    let isFirst: Bool
    (continuation, isFirst) = state.withLock { state in
      if state.answer != nil { return (nil, false) }
      state.answer = answer
      defer { state.continuation = nil }
      return (state.continuation, true)
    }
    continuation?.resume(returning: answer)
    return isFirst
  }

  /// Waits for the answer; cancelling the task is an answer too.
  nonisolated(nonsending) func value() async throws(GalleonError) -> Value {
    let answer = await withTaskCancellationHandler {
      await withCheckedContinuation { (continuation: CheckedContinuation<Answer, Never>) in
        let early = state.withLock { state -> Answer? in
          if let answer = state.answer { return answer }
          precondition(state.continuation == nil, "one task waits for an answer")
          state.continuation = continuation
          return nil
        }
        if let early { continuation.resume(returning: early) }
      }
    } onCancel: {
      fulfil(.failure(.cancelled))
    }
    return try answer.get()
  }
}
