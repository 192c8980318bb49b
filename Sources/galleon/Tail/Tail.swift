import CommandSupport
import GalleonClient
import LinuxIO

/// `galleon tail`.
enum Tail {
  static func run(_ command: TailCommand) throws(CommandFailure) -> ExitCode {
    try TaskRunner.holdSignals()
    let url = BrokerURL(flag: command.url)
    let printer: TailPrinter
    do throws(SystemError) {
      printer = try TailPrinter(command)
    } catch {
      throw .inputOutput("standard output", error)
    }
    let work = TailWork(command: command, url: url, printer: printer)
    // Nothing is owed to anybody: what has come is printed, and that is all.
    let runner = TaskRunner(
      graceNs: 500_000_000, output: Stream.standardOutput, stop: printer.broken)
    let reason = try runner.run { await work.run() }
    let ending = printer.finish()
    if let failure = ending.failure { throw failure }
    // Where nobody reads the events any more, nobody is told how many they were.
    if !command.isQuiet && !ending.isPipeClosed && reason != .stopped {
      Console.error(
        (ending.events == 1 ? "1 event" : "\(HumanNumber.plain(ending.events)) events")
          + (ending.leftOut > 0 ? ", \(HumanNumber.plain(ending.leftOut)) left out" : "")
          + (ending.lost > 0 ? ", \(HumanNumber.plain(ending.lost)) lost" : ""))
    }
    return .success
  }
}
