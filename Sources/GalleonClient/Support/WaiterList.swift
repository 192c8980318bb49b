/// Tasks that are suspended until something changes, each with a number by which a cancellation
/// finds it. Lives under its owner's lock; continuations are resumed outside it.
struct WaiterList {
  typealias Continuation = CheckedContinuation<Void, Never>

  private var waiters: [(id: UInt64, target: UInt64, continuation: Continuation)] = []

  var isEmpty: Bool { waiters.isEmpty }
  var count: Int { waiters.count }

  mutating func add(_ id: UInt64, target: UInt64 = 0, _ continuation: Continuation) {
    waiters.append((id, target, continuation))
  }

  /// The waiter with this number, if it still waits.
  mutating func remove(_ id: UInt64) -> Continuation? {
    guard let index = waiters.firstIndex(where: { $0.id == id }) else { return nil }
    return waiters.remove(at: index).continuation
  }

  mutating func removeAll() -> [Continuation] {
    defer { waiters.removeAll(keepingCapacity: true) }
    return waiters.map(\.continuation)
  }

  mutating func removeFirst() -> Continuation? {
    waiters.isEmpty ? nil : waiters.removeFirst().continuation
  }

  /// Those whose target is at most `value`.
  mutating func removeAll(through value: UInt64) -> [Continuation] {
    let reached = waiters.filter { $0.target <= value }.map(\.continuation)
    if !reached.isEmpty { waiters.removeAll { $0.target <= value } }
    return reached
  }
}
