import Synchronization

/// What users ask of the client's thread.
enum Command: Sendable {
  case openPublisher(PublisherCore, Promise<Void>)
  /// The publisher has something to send.
  case publish(PublisherCore)
  /// Somebody waits until the broker has everything of the publisher.
  case flush(PublisherCore)
  case closePublisher(PublisherCore, Promise<Void>)
  case subscribe(SubscriptionCore, Promise<Void>)
  /// The subscription has consumed enough for new credit.
  case credit(SubscriptionCore)
  case setPolicy(SubscriptionCore, PolicyWish, Promise<Void>)
  case unsubscribe(SubscriptionCore, Promise<SubscriptionAccount>)
  /// A request has been registered; its time is over then.
  case requestDeadline(UInt64)
  case replies
  case stats(offset: UInt64, count: UInt32, Promise<StatsPage>)
  /// Send what there is until the deadline, then close.
  case close(deadlineNs: UInt64)
}

/// Brings commands to the client's thread, and wakes it where it sleeps.
final class Mailbox: Sendable {
  private struct State {
    var commands: [Command] = []
    var isAsleep = false
    var isShut = false
  }

  private let state = Mutex(State())
  private let wake: @Sendable () -> Void

  /// - Parameter wake: makes the sleeping thread look.
  init(wake: @escaping @Sendable () -> Void) {
    self.wake = wake
  }

  /// False where the thread has ended and nobody will look.
  @discardableResult
  func post(_ command: Command) -> Bool {
    let (isOpen, mustWake) = state.withLock { state in
      if state.isShut { return (false, false) }
      state.commands.append(command)
      defer { state.isAsleep = false }
      return (true, state.isAsleep)
    }
    if mustWake { wake() }
    return isOpen
  }

  /// Everything that was posted, in exchange for an empty array to fill next.
  func takeAll(_ spare: inout [Command]) {
    spare.removeAll(keepingCapacity: true)
    state.withLock { swap(&$0.commands, &spare) }
  }

  /// True where nothing was posted: from then on a post wakes.
  func fallAsleep() -> Bool {
    state.withLock { state in
      state.isAsleep = state.commands.isEmpty
      return state.isAsleep
    }
  }

  func awake() {
    state.withLock { $0.isAsleep = false }
  }

  /// Takes no more; returns what was not looked at.
  func shut() -> [Command] {
    state.withLock { state in
      state.isShut = true
      defer { state.commands = [] }
      return state.commands
    }
  }
}
