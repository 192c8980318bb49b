import CommandSupport
import Counters
import LinuxIO

/// `galleon stats`.
enum Stats {
  static func run(_ command: StatsCommand) throws(CommandFailure) -> ExitCode {
    if command.showsHistory { return try History.run(command) }
    var source = try StatsSource(command.place)
    if command.showsSlow || command.showsTimes { source.tables.insert(.observation) }
    let first = try firstReading(&source)
    if command.watches { return try watch(command, &source, first) }
    var before: StatsReading?
    var now = first
    if command.intervalNs > 0 && isMoving(first) {
      Clock.sleep(forNs: command.intervalNs)
      before = first
      now = try reading(&source)
    }
    try show(StatsReport(now, since: before), command)
    return .success
  }

  /// What has ended does not change any more.
  private static func isMoving(_ reading: StatsReading) -> Bool {
    reading.health != .died && reading.health != .ended
  }

  static func firstReading(
    _ source: inout StatsSource
  ) throws(CommandFailure) -> StatsReading {
    do throws(CountersProblem) {
      return try source.read()
    } catch {
      let failure = CommandFailure.unavailable("\(source.name): \(error.sentence)")
      switch source.fallBackToFile() {
      case .taken: break
      case .none:
        guard let path = source.ownFile() else { throw failure }
        throw .unavailable("\(failure.sentence ?? ""); --counters \(path) has its last counters")
      case .ambiguous(let ids):
        throw .unavailable(
          "\(failure.sentence ?? ""); several brokers live here: choose one with --pid "
            + ids.map { "\($0)" }.joined(separator: ", "))
      }
      Console.error("galleon: \(failure.sentence ?? ""); reading \(source.name) instead")
      return try reading(&source)
    }
  }

  private static func reading(_ source: inout StatsSource) throws(CommandFailure) -> StatsReading {
    do throws(CountersProblem) {
      return try source.read()
    } catch {
      throw .unavailable("\(source.name): \(error.sentence)")
    }
  }

  private static func show(
    _ report: StatsReport, _ command: StatsCommand
  ) throws(CommandFailure) {
    if command.isJSON {
      var json = JSONWriter()
      report.write(to: &json)
      json.endLine()
      return try Console.write(json.bytes)
    }
    // A file or a pipe has no width.
    let width = Terminal.size(Stream.standardOutput)?.columns ?? 200
    let lines =
      command.showsSlow
      ? report.slowLines(rowsMax: command.rowsMax)
      : report.lines(width: width, rowsMax: command.rowsMax)
    try Console.write(lines.joined(separator: "\n") + "\n")
  }

  // MARK: Watching

  private static func watch(
    _ command: StatsCommand, _ source: inout StatsSource, _ first: StatsReading
  ) throws(CommandFailure) -> ExitCode {
    let wakeups: Wakeups
    do throws(SystemError) {
      wakeups = try Wakeups()
    } catch {
      throw .inputOutput("signals", error)
    }
    source.isCancelled = { wakeups.hasEnded() }
    if command.isJSON || !Terminal.isTerminal(Stream.standardOutput) {
      try watchPlain(command, &source, first, wakeups)
    } else {
      try watchScreen(command, &source, first, wakeups)
    }
    return .success
  }

  /// One report after the other, until the end.
  private static func watchPlain(
    _ command: StatsCommand, _ source: inout StatsSource, _ first: StatsReading,
    _ wakeups: Wakeups
  ) throws(CommandFailure) {
    var before = first
    var dueNs = Clock.monotonicNs()
    while true {
      dueNs = Self.next(after: dueNs, command.intervalNs)
      while let wakeup = wakeups.wait(untilNs: dueNs) {
        if wakeup == .end { return }
      }
      let now: StatsReading
      do throws(CommandFailure) {
        now = try reading(&source)
      } catch {
        if wakeups.hasEnded() { return }
        throw error
      }
      try show(StatsReport(now, since: before), command)
      if !command.isJSON { try Console.write("\n") }
      before = now
    }
  }

  /// When to read again: in an even rhythm, but never so soon after a reading that was late that
  /// the rates between the two would say nothing.
  private static func next(after dueNs: UInt64, _ intervalNs: UInt64) -> UInt64 {
    let nowNs = Clock.monotonicNs()
    let nextNs = dueNs + intervalNs
    return nextNs < nowNs + intervalNs / 2 ? nowNs + intervalNs : nextNs
  }

  private static func watchScreen(
    _ command: StatsCommand, _ source: inout StatsSource, _ first: StatsReading,
    _ wakeups: Wakeups
  ) throws(CommandFailure) {
    let screen = try StatsScreen()
    if let keyboard = screen.keyboard { wakeups.watch(keyboard) }
    // Ctrl-C is a key here, and no signal. The source lives longer than the screen, and must not
    // keep the terminal from being put back with it.
    let keys = screen.keys
    source.isCancelled = { [weak keys] in wakeups.hasEnded() || keys?.endKeyPressed() == true }
    var report = StatsReport(first)
    var problem: String?
    var dueNs = Clock.monotonicNs()
    while true {
      try draw(report, command, problem, on: screen)
      dueNs = Self.next(after: dueNs, command.intervalNs)
      while let wakeup = wakeups.wait(untilNs: dueNs) {
        switch wakeup {
        case .end: return
        case .keyboard: if keys?.endKeyPressed() == true { return }
        case .resized: try draw(report, command, problem, on: screen)
        }
      }
      do throws(CountersProblem) {
        report = StatsReport(try source.read(), since: report.now)
        problem = nil
      } catch {
        // It may come back; until then the last numbers stay.
        problem = "\(source.name): \(error.sentence)"
      }
      // Also after a reading that succeeded: nothing else tells of a key that was read meanwhile.
      if source.isCancelled() { return }
    }
  }

  private static func draw(
    _ report: StatsReport, _ command: StatsCommand, _ problem: String?,
    on screen: borrowing StatsScreen
  ) throws(CommandFailure) {
    let size = StatsScreen.size
    var lines: [String] = []
    if let problem { lines.append(String(TerminalText.text(problem).prefix(size.columns))) }
    lines +=
      command.showsSlow
      ? report.slowLines(rowsMax: size.rows - lines.count - 1).map {
        String($0.prefix(size.columns))
      } : report.screen(width: size.columns, height: size.rows - lines.count)
    try screen.show(lines)
  }
}
