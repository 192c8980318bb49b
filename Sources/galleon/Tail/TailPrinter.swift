import CommandSupport
import LinuxIO
import Synchronization

/// Where the events of all patterns come together: formatted into one buffer, and written by a
/// thread of its own, so that events that come close together leave together and one that comes
/// alone leaves at once.
final class TailPrinter: Sendable {
  /// How it ended.
  struct Ending {
    var events: UInt64
    var lost: UInt64
    var leftOut: UInt64
    var isPipeClosed: Bool
    var failure: CommandFailure?
  }

  /// What is to happen after an event.
  enum Next {
    case goOn
    /// The buffer is full: wait for the writer.
    case wait
    /// Enough events, or nobody reads.
    case stop
  }

  private struct State {
    var format: EventFormat
    var output: [UInt8] = []
    var events: UInt64 = 0
    var lost: UInt64 = 0
    var leftOut: UInt64 = 0
    var isPipeClosed = false
    var isEnding = false
    var failure: CommandFailure?
  }

  /// Beyond this the subscription is not read any further, so that its credit holds the broker
  /// back.
  private static let bufferBytesMax = 1 << 20
  /// Between two writes. Without it the writer would wake for every event of a flood, one system
  /// call each, and both threads would wait for the lock most of the time.
  private static let pauseNs: UInt64 = 500_000

  private let state: Mutex<State>
  private let limit: UInt64
  private let isRaw: Bool
  private let wakeup: Notifier
  private let drained: Notifier
  private let ended: Notifier
  /// Woken when nothing can be written any more.
  let broken: Notifier

  init(_ command: TailCommand) throws(SystemError) {
    state = Mutex(State(format: EventFormat(command.format)))
    limit = command.count ?? .max
    isRaw = command.format == .raw
    wakeup = try Notifier()
    drained = try Notifier()
    ended = try Notifier()
    broken = try Notifier()
    _ = try Thread.spawn(name: "output") { [self] in write() }
  }

  /// Formats an event; what it says is to be obeyed before the next one.
  func print(_ event: ShownEvent) -> Next {
    let (next, wasEmpty) = state.withLock { state -> (Next, Bool) in
      if state.isPipeClosed || state.events >= limit { return (.stop, false) }
      let wasEmpty = state.output.isEmpty
      state.format.append(event, to: &state.output)
      state.events += 1
      if state.events >= limit { return (.stop, wasEmpty) }
      return (state.output.count >= Self.bufferBytesMax ? .wait : .goOn, wasEmpty)
    }
    if wasEmpty { wakeup.wake() }
    return next
  }

  func print(_ gap: ShownGap) {
    add(EventFormat.sentence(gap)) { state in
      state.lost += gap.count
      state.format.append(gap, to: &state.output)
    }
  }

  func print(_ note: ShownNote) {
    add(EventFormat.sentence(note)) { state in
      if case .leftOut(let gap, let expired, _) = note { state.leftOut += gap.count + expired }
      state.format.append(note, to: &state.output)
    }
  }

  /// - Parameter sentence: for standard error, where the output has no place for it.
  private func add(_ sentence: @autoclosure () -> String, _ body: (inout State) -> Void) {
    let wasEmpty = state.withLock { state in
      let wasEmpty = state.output.isEmpty
      body(&state)
      return wasEmpty && !state.output.isEmpty
    }
    if wasEmpty { wakeup.wake() }
    if isRaw { Console.error("galleon: " + sentence()) }
  }

  /// Waits until the writer has taken what there is. Blocks the thread, which has nothing else to
  /// do: the client has its own.
  func waitForWriter() {
    while state.withLock({ $0.output.count >= Self.bufferBytesMax && !$0.isPipeClosed }) {
      _ = try? Poll.wait(drained.event.rawValue, for: .readable, timeoutNs: 100_000_000)
      _ = try? drained.event.drain()
    }
  }

  func fail(_ failure: CommandFailure) {
    state.withLock { state in if state.failure == nil { state.failure = failure } }
  }

  /// Writes what is left and says how it was. Where nobody takes the rest, it is given up soon.
  func finish() -> Ending {
    state.withLock { $0.isEnding = true }
    wakeup.wake()
    _ = try? Poll.wait(ended.event.rawValue, for: .readable, timeoutNs: 1_000_000_000)
    return state.withLock { state in
      Ending(
        events: state.events, lost: state.lost, leftOut: state.leftOut,
        isPipeClosed: state.isPipeClosed, failure: state.failure)
    }
  }

  /// The writer's thread.
  private func write() {
    var output: [UInt8] = []
    var dueNs: UInt64 = 0
    while true {
      let nowNs = Clock.monotonicNs()
      if nowNs < dueNs { Clock.sleep(forNs: dueNs - nowNs) }
      // The two buffers change places, so that neither grows anew.
      output.removeAll(keepingCapacity: true)
      let isEnding = state.withLock { state in
        swap(&state.output, &output)
        return state.isEnding
      }
      if output.isEmpty {
        if isEnding { break }
        _ = try? Poll.wait(wakeup.event.rawValue, for: .readable, timeoutNs: -1)
        _ = try? wakeup.event.drain()
        continue
      }
      drained.wake()
      do throws(CommandFailure) {
        try Console.write(output)
      } catch {
        state.withLock { state in
          state.isPipeClosed = true
          if state.failure == nil && error.sentence != nil { state.failure = error }
        }
        broken.wake()
        drained.wake()
        break
      }
      dueNs = Clock.monotonicNs() + Self.pauseNs
    }
    ended.wake()
  }
}
