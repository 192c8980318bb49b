import Simulation

// Runs simulations of the broker's core, one seed after another, until one fails.
//
//   swift run simulate [--seed N] [--seeds COUNT] [--steps K] [--plant FAULT]

@main
struct Simulate {
  static func main() {
    var first: UInt64 = 1
    var count: UInt64 = 1000
    var steps = 3000
    var planted: PlantedFault?
    var arguments = CommandLine.arguments.dropFirst()
    while let name = arguments.popFirst() {
      guard let value = arguments.popFirst() else { return usage() }
      switch name {
      case "--seed":
        guard let seed = UInt64(value) else { return usage() }
        first = seed
        count = 1
      case "--from": first = UInt64(value) ?? 1
      case "--seeds": count = UInt64(value) ?? 1
      case "--steps": steps = Int(value) ?? steps
      case "--plant":
        guard let fault = PlantedFault(rawValue: value) else { return usage() }
        planted = fault
      default: return usage()
      }
    }
    run(first: first, count: count, steps: steps, planted: planted)
  }

  static func usage() {
    print("usage: simulate [--seed N | --from N --seeds COUNT] [--steps K] [--plant FAULT]")
    print("faults to plant: \(PlantedFault.allCases.map(\.rawValue).joined(separator: " "))")
  }

  static func run(first: UInt64, count: UInt64, steps: Int, planted: PlantedFault?) {
    var failed = 0
    var reasons: [String: Int] = [:]
    for seed in first..<first + count {
      Progress.note(seed: seed, steps: steps)
      let simulation = Simulation(RunPlan(seed: seed, steps: steps, planting: planted))
      if let fault = simulation.run() {
        failed += 1
        print("seed \(seed): \(fault)")
        print("  swift run simulate --seed \(seed) --steps \(steps)")
      }
      for (reason, n) in simulation.closeReasons {
        reasons[reason.map { "close \($0)" } ?? "without CLOSE", default: 0] += n
      }
      reasons.merge(simulation.seen, uniquingKeysWith: +)
    }
    print("\(count) seeds of \(steps) steps, \(failed) failed")
    for (reason, n) in reasons.sorted(by: { $0.value > $1.value }) { print("  \(n) \(reason)") }
  }
}
