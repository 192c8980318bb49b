import CommandSupport
import GalleonClient
import LinuxIO
import Synchronization

/// Says on standard error why nothing moves, and that it goes on: where stops follow each other,
/// of no more than one in a second.
final class StopNotes: Sendable {
  private struct State {
    var isTold = false
    var quietUntilNs: UInt64 = 0
  }

  private static let intervalNs: UInt64 = 1_000_000_000

  private let name: String
  private let isPublisher: Bool
  private let state = Mutex(State())

  /// - Parameter name: the topic of a publisher, or the pattern of a subscription.
  init(_ name: String, isPublisher: Bool) {
    self.name = name
    self.isPublisher = isPublisher
  }

  func take(_ blocked: Blocked?) {
    let nowNs = Clock.monotonicNs()
    let isToBeTold = state.withLock { state in
      if blocked == nil {
        defer { state.isTold = false }
        return state.isTold
      }
      guard state.isTold || nowNs >= state.quietUntilNs else { return false }
      state.isTold = true
      state.quietUntilNs = nowNs + Self.intervalNs
      return true
    }
    if isToBeTold { Console.error("galleon: " + sentence(blocked)) }
  }

  private func sentence(_ blocked: Blocked?) -> String {
    let name = TerminalText.text(name)
    guard let blocked else { return "\(name) goes on" }
    if isPublisher { return "\(name) takes nothing: \(Self.reason(ofPublisher: blocked.cause))" }
    let events = HumanNumber.plain(blocked.pendingEvents)
    let waiting = blocked.pendingEvents == 1 ? "1 event waits" : "\(events) events wait"
    return "\(name) stands still: \(Self.reason(ofSubscription: blocked.cause)); \(waiting)"
  }

  private static func reason(ofPublisher cause: BlockedCause) -> String {
    switch cause {
    case .creditEvents, .creditBytes, .subscriber: "it waits for a lossless subscription"
    case .memory: "the broker has no memory that nobody reads any more"
    case .draining: "the broker is shutting down"
    default: "the broker says \(cause)"
    }
  }

  private static func reason(ofSubscription cause: BlockedCause) -> String {
    switch cause {
    case .creditEvents, .creditBytes: "what has come is not taken at this end"
    case .socket: "the connection takes nothing more"
    case .attaching: "the broker looks for where it begins"
    default: "the broker says \(cause)"
    }
  }
}
