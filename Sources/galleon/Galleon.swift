import BrokerServer
import CommandSupport
import LinuxIO

/// The command. `main` is synchronous, and stays so: `serve` must start in a few milliseconds and
/// idle in little memory, without a pool of threads for tasks that it does not have.
@main struct Galleon {
  static func main() {
    holdStandardDescriptors()
    // A closed pipe is then an error of a write, which ends the command quietly.
    Signal.ignoreBrokenPipe()
    do throws(CommandFailure) {
      exit(try run(Array(CommandLine.arguments.dropFirst())))
    } catch {
      if let sentence = error.sentence { Console.error("galleon: \(sentence)") }
      exit(error.code)
    }
  }

  /// Whoever starts us with a closed descriptor 0, 1 or 2 would else have what we say written into
  /// the first file or socket that we open.
  private static func holdStandardDescriptors() {
    while let file = try? Files.open("/dev/null", [.read, .write]) {
      if file.rawValue > Stream.standardError { return }
      _ = file.release()
    }
  }

  private static func run(_ arguments: [String]) throws(CommandFailure) -> ExitCode {
    guard let name = arguments.first else {
      throw .usage("name a command; galleon --help lists them")
    }
    switch name {
    case "--help", "-h":
      try Console.write(Overview.text)
      return .success
    case "--version", "version":
      try Console.write(brokerName + "\n")
      return .success
    case "help":
      // What people try first.
      return try run(arguments.count > 1 ? [arguments[1], "--help"] : ["--help"])
    default: break
    }
    guard let spec = Overview.commands.first(where: { $0.name == name }) else {
      let names = Overview.commands.map(\.name)
      let hint =
        Suggestion.likely(name, in: names).map { "the nearest is \($0)" }
        ?? "\(SharedOptions.program) --help lists them"
      throw .usage("there is no command \"\(name)\"; \(hint)")
    }
    let parsed = try checked { () throws(UsageError) in
      try ParsedArguments(Array(arguments.dropFirst()), of: spec)
    }
    if parsed.wantsHelp {
      try Console.write(HelpText.command(spec, program: SharedOptions.program))
      return .success
    }
    return try perform(name, parsed)
  }

  private static func perform(
    _ name: String, _ parsed: ParsedArguments
  ) throws(CommandFailure) -> ExitCode {
    switch name {
    case "serve": return try Serve.run(parsed)
    case "pub":
      return try Pub.run(checked { () throws(UsageError) in try PubCommand(parsed) })
    case "tail":
      return try Tail.run(checked { () throws(UsageError) in try TailCommand(parsed) })
    case "stats":
      return try Stats.run(checked { () throws(UsageError) in try StatsCommand(parsed) })
    case "why":
      return try Why.run(checked { () throws(UsageError) in try WhyCommand(parsed) })
    case "bench":
      return try Bench.run(checked { () throws(UsageError) in try BenchCommand(parsed) })
    default: preconditionFailure("every command of the overview is here")
    }
  }
}
