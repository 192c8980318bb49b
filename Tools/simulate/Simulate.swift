import Simulation

// Runs simulations of the broker's core, one seed after another, and shrinks those that fail. See
// the usage below.

@main
struct Simulate {
  static let usage = """
    usage: simulate [--seed N | --from N --seeds COUNT] [--steps K] [--shrink | --no-shrink]
      --seed N             one seed
      --from N             the first of several, 1 if not said
      --seeds COUNT        how many, 1000 if not said
      --steps K            random steps of a run, \(stepsDefault) if not said
      --apart              each run in a process of its own, so that one that dies can be shrunk
      --no-shrink          do not look for smaller runs that fail; else the first three are shrunk
      --plant FAULT        a fault between the broker and what is checked:
                           \(PlantedFault.allCases.map(\.rawValue).joined(separator: " "))
      --canary FAULT       a fault in the broker itself; in debug builds alone:
                           \(RunPlan.canaries.joined(separator: " "))
    and, as a shrunk run says itself:
      --without-clients I,J,...   --without OPERATION,...   --skip FIRST-LAST,...
    """
  static let stepsDefault = 3000
  /// Failing runs that are shrunk by themselves; more say the same.
  static let shrunkMax = 3

  struct Options {
    var plan = RunPlan(seed: 1, steps: stepsDefault)
    var count: UInt64 = 1000
    var shrinks = true
    var isApart = false
  }

  static func main() {
    guard let options = read(Array(CommandLine.arguments.dropFirst())) else {
      return print(usage)
    }
    run(options)
  }

  static func read(_ arguments: [String]) -> Options? {
    var options = Options()
    var rest = arguments[...]
    while let name = rest.popFirst() {
      switch name {
      case "--shrink": options.shrinks = true
      case "--no-shrink": options.shrinks = false
      case "--apart": options.isApart = true
      default:
        guard let value = rest.popFirst(), set(name, value, &options) else { return nil }
      }
    }
    return options
  }

  static func set(_ name: String, _ value: String, _ options: inout Options) -> Bool {
    let list = value.split(separator: ",").map(String.init)
    switch name {
    case "--seed", "--from":
      guard let seed = UInt64(value) else { return false }
      options.plan.seed = seed
      if name == "--seed" { options.count = 1 }
    case "--seeds":
      guard let count = UInt64(value) else { return false }
      options.count = count
    case "--steps":
      guard let steps = Int(value), steps >= 0 else { return false }
      options.plan.steps = steps
    case "--plant":
      guard let fault = PlantedFault(rawValue: value) else { return false }
      options.plan.planted = fault
    case "--canary":
      guard RunPlan.canaries.contains(value) else { return false }
      options.plan.canary = value
    case "--without-clients": options.plan.withoutClients = Set(list.compactMap { Int($0) })
    case "--without":
      options.plan.withoutOperations = Set(list.compactMap { Operation(rawValue: $0) })
    case "--skip":
      options.plan.skipped = list.compactMap { range in
        let ends = range.split(separator: "-").compactMap { Int($0) }
        return ends.count == 2 && ends[0] <= ends[1] ? ends[0]...ends[1] : nil
      }
    default: return false
    }
    return true
  }

  static func run(_ options: Options) {
    var failed = 0
    var seen: [String: Int] = [:]
    for seed in options.plan.seed..<options.plan.seed + options.count {
      Progress.note(seed: seed)
      var plan = options.plan
      plan.seed = seed
      var fault: String?
      if options.isApart {
        fault = Progress.runApart(plan.arguments)
      } else {
        let simulation = Simulation(plan)
        fault = simulation.run()
        for (reason, n) in simulation.closeReasons {
          seen[reason.map { "close \($0)" } ?? "without CLOSE", default: 0] += n
        }
        seen.merge(simulation.seen, uniquingKeysWith: +)
      }
      guard let fault else { continue }
      failed += 1
      Progress.say("seed \(seed): \(fault)")
      Progress.say("  swift run simulate \(plan.arguments)")
      if options.shrinks && failed <= shrunkMax { shrink(plan, fault, options) }
    }
    Progress.say("\(options.count) seeds of \(options.plan.steps) steps, \(failed) failed")
    for (what, n) in seen.sorted(by: { ($1.value, $0.key) < ($0.value, $1.key) }) {
      Progress.say("  \(n) \(what)")
    }
    if failed > 0 { exitWithFailure() }
  }

  static func shrink(_ plan: RunPlan, _ fault: String, _ options: Options) {
    var shrinker =
      options.isApart
      ? Shrinker(plan, fault: fault) { Progress.runApart($0.arguments) }
      : Shrinker(plan, fault: fault)
    shrinker.shrink()
    let small = shrinker.plan
    Progress.say("  shrunk to \(small.stepsLeft) steps: \(shrinker.fault)")
    Progress.say("  swift run simulate \(small.arguments)")
  }
}
