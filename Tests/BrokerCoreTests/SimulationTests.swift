import Simulation
import Testing

/// Whole brokers with clients, network and clocks from a seed; `Tools/simulate` runs thousands.
@Suite struct SimulationTests {
  static let steps = 3000

  @Test(arguments: 0..<4)
  func everythingHolds(tens: Int) {
    for seed in UInt64(tens * 10 + 1)...UInt64(tens * 10 + 10) {
      let plan = RunPlan(seed: seed, steps: Self.steps)
      guard let fault = Simulation(plan).run() else { continue }
      var shrinker = Shrinker(plan, fault: fault, runs: 100)
      shrinker.shrink()
      Issue.record(
        """
        swift run simulate \(plan.arguments): \(fault)
        swift run simulate \(shrinker.plan.arguments): \(shrinker.fault)
        """)
    }
  }

  /// Whoever checks must be checked: a fault between the broker and the clients is found.
  @Test(arguments: PlantedFault.allCases)
  func aPlantedFaultIsFound(fault: PlantedFault) {
    var planted = 0
    var found = 0
    for seed in UInt64(1)...200 where found < 3 {
      let simulation = Simulation(RunPlan(seed: seed, steps: Self.steps, planting: fault))
      let said = simulation.run()
      guard simulation.hasPlanted else { continue }
      planted += 1
      if said != nil { found += 1 }
    }
    #expect(found == 3, "\(fault): planted \(planted) times, found \(found) times")
  }

  /// A broker that has a fault does not pass: of each, within a few seeds.
  @Test(arguments: RunPlan.canaries)
  func aCanaryIsCaught(canary: String) {
    // Few drains find something pending that an early end would show: one in some hundred seeds.
    let first: UInt64 = canary == "drainedEarly" ? 601 : 1
    let seeds = first...first + 99
    let caught = seeds.first { seed in
      var plan = RunPlan(seed: seed, steps: Self.steps)
      plan.canary = canary
      return Simulation(plan).run() != nil
    }
    #expect(caught != nil, "\(canary) is not caught in \(seeds.count) seeds")
  }

  /// What is found is told in little.
  @Test func aFailureIsShrunk() throws {
    var plan = RunPlan(seed: 1, steps: Self.steps)
    plan.canary = "gapBytesWrong"
    var fault: String?
    while fault == nil, plan.seed < 50 {
      plan.seed += 1
      fault = Simulation(plan).run()
    }
    var shrinker = Shrinker(plan, fault: try #require(fault), runs: 150)
    shrinker.shrink()
    #expect(shrinker.plan.stepsLeft < Self.steps / 4)
    #expect(!shrinker.plan.withoutOperations.isEmpty)
    // What it says is what happens.
    #expect(Simulation(shrinker.plan).run() == shrinker.fault)
  }

  @Test func aSeedIsTheSameRunAgain() {
    let runs = (0..<2).map { _ in
      let simulation = Simulation(RunPlan(seed: 7, steps: Self.steps))
      _ = simulation.run()
      return (simulation.nowNs, simulation.seen)
    }
    #expect(runs[0].0 == runs[1].0)
    #expect(runs[0].1 == runs[1].1)
  }
}
