import CommandSupport
import LoadKit

/// What the comparison was asked for.
struct Options: Sendable {
  var workloads = Workload.all
  var contenders = Contender.all
  var repetitions = 3
  var seconds = 2.0
  var warmupSeconds = 0.3
  var congestionControl: String?
  var programs = Programs()
  var json = false

  static let compare = CommandSpec(
    name: "compare", summary: "Compare Galleon with its peers.",
    about: [
      "Starts each server in turn on 127.0.0.1, drives it with the same client, and prints medians "
        + "and ratios. The client checks count, order and content of what arrives, and says so "
        + "where they are wrong.",
      "It ends with 0 where every run was made and everything arrived, whether or not the goals "
        + "are reached.",
      "The peers are nats-server and redis-server as found in PATH, and a relay that only copies "
        + "bytes, which is the limit. Absolute figures drift; what counts is the ratio within one "
        + "run.",
    ],
    options: [
      OptionSpec(
        "only", "WORKLOAD", repeatable: true,
        "Only this workload; --list names all, and isolation stands for all with beside in their "
          + "name."),
      OptionSpec("peer", "NAME", repeatable: true, "Only this server; --list names all."),
      OptionSpec("repetitions", "N", "How often everything is done. Default: 3."),
      OptionSpec("seconds", "S", "Length of one measurement. Default: 2."),
      OptionSpec("galleon", "PATH", "The broker. Default: .build/release/galleon."),
      OptionSpec(
        "baseline", "PATH",
        "Another build of the broker, run in turn with the first. A column says what the first is "
          + "of it in percent: the median of all repetitions, and the quartiles."),
      OptionSpec(
        "serve-flag", "FLAG=VALUE", repeatable: true,
        "A flag for galleon serve without its dashes, such as shards=1."),
      OptionSpec(
        "congestion", "NAME",
        "Congestion control of the client's sockets, for all servers alike. Default: the "
          + "machine's. The servers' own sockets keep the machine's."),
      OptionSpec("json", nil, "Print JSON with every run instead of a table."),
      OptionSpec("list", nil, "Print the workloads and the servers."),
    ],
    examples: [
      CommandSpec.Example("peers compare --only 1to1-128 --only 1to100", "Two workloads."),
      CommandSpec.Example(
        "peers compare --only 1to100 --peer galleon --baseline old/galleon --repetitions 40",
        "What a change is worth."),
    ])

  static let relay = CommandSpec(
    name: "relay", summary: "Serve as the relay that only copies bytes.",
    about: ["Runs until it is ended. Prints where it listens."],
    options: [OptionSpec("port", "PORT", "Port on 127.0.0.1. Default: a free one.")],
    examples: [CommandSpec.Example("peers relay", "Print the port and relay.")])

  static let drive = CommandSpec(
    name: "drive", summary: "Drive one server that runs already.",
    about: ["One run against a server on 127.0.0.1, for looking at it with other tools."],
    options: [
      OptionSpec("peer", "NAME", "galleon, nats, redis or relay. Default: galleon."),
      OptionSpec("port", "PORT", "Where the server listens."),
      OptionSpec("only", "WORKLOAD", "What to do. Default: 1to1-128."),
      OptionSpec("batch", "N", "Events in a batch. Default: 64."),
      OptionSpec("window", "N", "Events in flight. Default: by the workload."),
      OptionSpec("seconds", "S", "Length of the measurement. Default: 2."),
    ],
    examples: [
      CommandSpec.Example("peers drive --port 4747 --only 1to100", "Fan-out to 100 subscribers.")
    ])

  init() {}

  init(_ arguments: ParsedArguments) throws(UsageError) {
    let names = arguments.all("only")
    if !names.isEmpty {
      workloads = []
      for name in names {
        if name == "isolation" {
          workloads += Workload.isolation
        } else {
          workloads.append(try Self.workload(name))
        }
      }
    }
    let peers = arguments.all("peer")
    if !peers.isEmpty {
      let known = Contender.all.map(\.name)
      for peer in peers where !known.contains(peer) {
        throw UsageError("there is no server \(peer); they are \(known.joined(separator: ", "))")
      }
      contenders = Contender.all.filter { peers.contains($0.name) }
    }
    repetitions = Int(try arguments.count("repetitions", in: 1...100) ?? 3)
    seconds = try Self.seconds(arguments) ?? 2
    congestionControl = arguments.text("congestion")
    if let path = arguments.text("galleon") { programs.galleon = path }
    if let path = arguments.text("baseline") {
      guard contenders.contains(where: { $0.name == "galleon" }) else {
        throw UsageError("--baseline is compared with galleon, which --peer leaves out")
      }
      programs.baseline = path
      contenders.insert(.baseline, at: 0)
    }
    programs.galleonFlags = arguments.all("serve-flag").map { "--\($0)" }
    json = arguments.has("json")
  }

  static func seconds(_ arguments: ParsedArguments) throws(UsageError) -> Double? {
    guard let text = arguments.text("seconds") else { return nil }
    guard let value = Double(text), value >= 0.1, value <= 600 else {
      throw UsageError("--seconds is a number from 0.1 to 600, not \"\(text)\"")
    }
    return value
  }

  static func workload(_ name: String) throws(UsageError) -> Workload {
    let names = Workload.all.map(\.name)
    guard let workload = Workload.all.first(where: { $0.name == name }) else {
      let nearest = Suggestion.nearest(to: name, in: names)
      throw UsageError("there is no workload \(name); the nearest is \(nearest)")
    }
    return workload
  }
}
