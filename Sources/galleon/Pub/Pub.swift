import CommandSupport
import GalleonClient
import LinuxIO
import Synchronization

/// `galleon pub`.
enum Pub {
  static func run(_ command: PubCommand) throws(CommandFailure) -> ExitCode {
    try TaskRunner.holdSignals()
    let url = BrokerURL(flag: command.url)
    var input: StandardInput?
    do throws(SystemError) {
      if !command.deletes { input = try StandardInput() }
    } catch {
      throw .inputOutput("standard input", error)
    }
    let progress = PubProgress()
    let work = PubWork(command: command, url: url, input: input, progress: progress)
    let line = ProgressLine(
      isShown: !command.isQuiet && !command.isJSON && Terminal.isTerminal(Stream.standardError))
    let startNs = Clock.monotonicNs()
    let runner = TaskRunner(
      interrupt: input.map { input in { input.stop() } }, graceNs: 2_000_000_000,
      tick: line.isShown ? { line.show(progress, startNs) } : nil)
    let ending = try runner.run { await work.run() }
    line.clear()

    let counts = progress.counts
    // Where it never came so far as to publish, the reason says it all.
    if !command.isQuiet && (progress.failure == nil || counts.events > 0) {
      try Console.write(
        command.isJSON
          ? json(command, counts, Clock.monotonicNs() - startNs)
          : text(command, counts, Clock.monotonicNs() - startNs))
    }
    if let failure = progress.failure { throw failure }
    return ending == .interrupted ? .interrupted : .success
  }

  private static func text(
    _ command: PubCommand, _ counts: PubProgress.Counts, _ ns: UInt64
  ) -> String {
    var text = "published \(HumanNumber.plain(counts.events)) "
    text += counts.events == 1 ? "event" : "events"
    text += " (\(HumanNumber.size(counts.bytes))) to \(TerminalText.text(command.topic))"
    text += " in \(HumanNumber.duration(ns))"
    if command.waitsForAcknowledgement {
      text += ", acknowledged \(HumanNumber.plain(counts.acknowledged))"
    }
    if counts.lost > 0 { text += ", perhaps lost \(HumanNumber.plain(counts.lost))" }
    return text + "\n"
  }

  private static func json(
    _ command: PubCommand, _ counts: PubProgress.Counts, _ ns: UInt64
  ) -> String {
    var json = JSONWriter()
    json.object { json in
      json.field("topic", command.topic)
      json.field("published", counts.events)
      json.field("acknowledged", counts.acknowledged)
      json.field("lost", counts.lost)
      json.field("bytes", counts.bytes)
      json.field("seconds", Double(ns) / 1e9)
    }
    json.endLine()
    return json.text
  }
}

/// How far publishing has come; written by the task, read by the main thread.
final class PubProgress: Sendable {
  struct Counts {
    var events: UInt64 = 0
    /// Of payloads.
    var bytes: UInt64 = 0
    /// That the broker is known to have.
    var acknowledged: UInt64 = 0
    var lost: UInt64 = 0
  }

  private struct State {
    var counts = Counts()
    var publisher: Publisher?
    var failure: CommandFailure?
  }

  private let state = Mutex(State())

  var failure: CommandFailure? { state.withLock { $0.failure } }

  var counts: Counts {
    state.withLock { state in
      var counts = state.counts
      if let publisher = state.publisher {
        counts.acknowledged = publisher.acknowledged
        counts.lost = publisher.lost
      }
      return counts
    }
  }

  func begin(_ publisher: Publisher) { state.withLock { $0.publisher = publisher } }

  /// Once for each piece of input, not for each event.
  func add(events: UInt64, bytes: UInt64) {
    state.withLock { state in
      state.counts.events += events
      state.counts.bytes += bytes
    }
  }

  func fail(_ failure: CommandFailure) {
    state.withLock { state in if state.failure == nil { state.failure = failure } }
  }
}

/// A line on the terminal that is written over.
struct ProgressLine {
  let isShown: Bool

  func show(_ progress: PubProgress, _ startNs: UInt64) {
    let counts = progress.counts
    let seconds = max(Double(Clock.monotonicNs() - startNs) / 1e9, 0.001)
    let line =
      "\(HumanNumber.short(counts.events)) events, \(HumanNumber.size(counts.bytes)), "
      + "\(HumanNumber.short(Double(counts.events) / seconds))/s"
    try? Stream.writeAll(Stream.standardError, "\r\(line)\u{1B}[K")
  }

  func clear() {
    if isShown { try? Stream.writeAll(Stream.standardError, "\r\u{1B}[K") }
  }
}
