import CommandSupport
import Glibc
import LinuxIO
import LoadKit

/// Compares Galleon with its peers, all driven by the same load generator.
@main struct Peers {
  static func main() async {
    Signal.ignoreBrokenPipe()
    exit(await run(Array(CommandLine.arguments.dropFirst())).rawValue)
  }

  private static func run(_ arguments: [String]) async -> ExitCode {
    let specs = [Options.compare, Turns.spec, Options.relay, Options.drive]
    guard let name = arguments.first, let spec = specs.first(where: { $0.name == name }) else {
      say(
        HelpText.overview(
          program: "peers", about: ["Compares Galleon with other servers."], commands: specs,
          footer: []))
      return arguments.first == "--help" ? .success : .usage
    }
    do {
      let parsed = try ParsedArguments(Array(arguments.dropFirst()), of: spec)
      if parsed.wantsHelp {
        say(HelpText.command(spec, program: "peers"))
        return .success
      }
      switch name {
      case "relay": try relay(parsed)
      case "turns": return try await turns(parsed)
      case "drive": try drive(parsed)
      default: return try compare(parsed)
      }
      return .success
    } catch let error as UsageError {
      complain(error.sentence)
      return .usage
    } catch let error as LoadError {
      complain(error.sentence)
      return .failure
    } catch {
      complain("\(error)")
      return .failure
    }
  }

  private static func compare(_ arguments: ParsedArguments) throws -> ExitCode {
    if arguments.has("list") {
      for workload in Workload.all { say("\(workload.name): \(workload.about)\n") }
      say("servers: \(Contender.all.map(\.name).joined(separator: ", "))\n")
      return .success
    }
    let options = try Options(arguments)
    try System.raiseDescriptorLimit()
    let results = Comparison(options: options, progress: complain).run()
    let report = Report(options: options, results: results)
    say(options.json ? report.json() : report.table())
    return report.isWhole ? .success : .failure
  }

  private static func turns(_ arguments: ParsedArguments) async throws -> ExitCode {
    let outcome = try await Turns(arguments).run(progress: complain)
    say(outcome.text)
    return outcome.isSound ? .success : .failure
  }

  private static func relay(_ arguments: ParsedArguments) throws {
    try System.raiseDescriptorLimit()
    var relay = try Relay(port: UInt16(try arguments.count("port", in: 0...65_535) ?? 0))
    say("listening tcp 127.0.0.1:\(relay.port)\n")
    try relay.run { false }
  }

  private static func drive(_ arguments: ParsedArguments) throws {
    try System.raiseDescriptorLimit()
    let peers = LoadPlan.Peer.allCases.map { ($0.rawValue, $0) }
    let peer = try arguments.choice("peer", among: peers) ?? .galleon
    guard let port = try arguments.count("port", in: 1...65_535) else {
      throw UsageError("drive needs --port PORT")
    }
    let workload = try Options.workload(arguments.text("only") ?? "1to1-128")
    let contender = Contender(
      name: peer.rawValue, server: .galleon, batch: Int(try arguments.count("batch") ?? 64))
    var options = Options()
    options.seconds = try Options.seconds(arguments) ?? 2
    var plan = workload.plan(contender, port: UInt16(port), options)
    plan.peer = peer
    plan.topicPrefix = "drive.\(System.processID)."
    if let window = try arguments.count("window", in: 1...1 << 24) {
      plan.pace = .flatOut(window: Int(window))
    }
    let result = try runLoad(plan)
    say("events/s      \(HumanNumber.short(result.eventsPerSecond))\n")
    say("deliveries/s  \(HumanNumber.short(result.deliveriesPerSecond))\n")
    say("a receive had \(HumanNumber.short(perReceive(result))) events\n")
    if let latency = result.latency {
      let quantiles = [latency.p50Ns, latency.p99Ns, latency.p999Ns, latency.maxNs]
      say("latency       p50 p99 p999 max: ")
      say(quantiles.map(HumanNumber.duration).joined(separator: " · ") + "\n")
    }
    if let freshness = result.freshness {
      let quantiles = [freshness.p50Ns, freshness.p99Ns, freshness.p999Ns, freshness.maxNs]
      say("freshness     p50 p99 p999 max: ")
      say(quantiles.map(HumanNumber.duration).joined(separator: " · ") + "\n")
      say("laggards      \(HumanNumber.plain(result.laggardDeliveries)) events delivered, ")
      say("\(HumanNumber.plain(result.laggardLeftOut)) left out\n")
    }
    switch result.verdict {
    case .exact: say("all events, once, in order\n")
    case .faulty(let reason): say("\(reason)\n")
    }
  }

  private static func perReceive(_ result: LoadResult) -> Double {
    result.deliveriesPerSecond * result.seconds / Double(max(1, result.receives))
  }

  private static func say(_ text: String) {
    // Nobody reads any more: there is nobody to tell.
    try? Stream.writeAll(Stream.standardOutput, text)
  }

  private static func complain(_ line: String) {
    try? Stream.writeAll(Stream.standardError, line + "\n")
  }
}
