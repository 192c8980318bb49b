import CommandSupport
import LinuxIO
import Synchronization

/// Wakes a thread that waits for a descriptor; for closures, which cannot hold the descriptor
/// itself.
final class Notifier: Sendable {
  let event: EventFD

  init() throws(SystemError) { event = try EventFD() }

  func wake() {
    // The only failure is a descriptor that is not ours.
    try? event.wake()
  }
}

/// Runs asynchronous work under a synchronous `main`, which meanwhile waits for signals. Only the
/// commands that use the client come here, so that no other one starts the runtime's threads.
struct TaskRunner {
  /// How the work ended.
  enum Ending {
    case finished
    case interrupted
    /// The descriptor was closed by the other side, or the notifier was woken.
    case stopped
  }

  /// What to do when it should end early; called on the main thread. Nil: its task is cancelled.
  var interrupt: (() -> Void)?
  /// How long the work may take to end after that.
  var graceNs: UInt64
  /// Called on the main thread now and then, if there is something to show.
  var tick: (() -> Void)?
  /// Ends the work when the other side of this descriptor closes.
  var output: Int32?
  /// Ends the work when it is woken.
  var stop: Notifier?

  /// A hangup is none of our business where `nohup` has said so.
  private static var signals: [Signal] {
    [.interrupt, .terminate] + (Signal.hangup.isIgnored ? [] : [.hangup])
  }

  /// To be called before any thread is started: threads inherit that these signals are read here
  /// and not delivered to them.
  static func holdSignals() throws(CommandFailure) {
    do throws(SystemError) {
      try Signal.block(signals)
    } catch {
      throw .inputOutput("signals", error)
    }
  }

  private static let tickNs: Int64 = 200_000_000

  private enum Word {
    static let signal: UInt64 = 0
    static let done: UInt64 = 1
    static let output: UInt64 = 2
    static let stop: UInt64 = 3
  }

  /// Returns when the work has ended, or when it should end and its time is over. A second signal
  /// ends the process.
  func run(_ body: @escaping @Sendable () async -> Void) throws(CommandFailure) -> Ending {
    do throws(SystemError) {
      let signals = try SignalFD(Self.signals)
      let done = try Notifier()
      let epoll = try Epoll()
      try epoll.add(signals.rawValue, .readable, userWord: Word.signal)
      try epoll.add(done.event.rawValue, .readable, userWord: Word.done)
      if let stop { try epoll.add(stop.event.rawValue, .readable, userWord: Word.stop) }
      // Its end is told without being asked for. A file has no other side, and is refused.
      if let output { try? epoll.add(output, [], userWord: Word.output) }
      let task = Task.detached {
        await body()
        done.wake()
      }
      return try wait(task, signals, epoll)
    } catch {
      throw .inputOutput("signals", error)
    }
  }

  private func wait(
    _ task: Task<Void, Never>, _ signals: borrowing SignalFD, _ epoll: borrowing Epoll
  ) throws(SystemError) -> Ending {
    var events = Epoll.EventBuffer(capacity: 4)
    var deadlineNs: UInt64?
    var ending = Ending.finished
    func end(_ reason: Ending) {
      ending = reason
      deadlineNs = Clock.monotonicNs() + graceNs
      if let interrupt { interrupt() } else { task.cancel() }
    }
    while true {
      let timeoutNs = tick == nil && deadlineNs == nil ? -1 : Self.tickNs
      let count = try epoll.wait(into: &events, timeoutNs: timeoutNs)
      for index in 0..<count {
        switch events[index].userWord {
        case Word.done: return ending
        case Word.signal:
          guard try signals.next() != nil else { break }
          if ending == .interrupted { exit(.interrupted) }
          end(.interrupted)
        case Word.output:
          try? output.map { (fd) throws(SystemError) in try epoll.remove(fd) }
          if deadlineNs == nil { end(.stopped) }
        default:
          _ = try? stop?.event.drain()
          if deadlineNs == nil { end(.stopped) }
        }
      }
      if let deadlineNs, Clock.monotonicNs() >= deadlineNs {
        task.cancel()
        return ending
      }
      tick?()
    }
  }
}
