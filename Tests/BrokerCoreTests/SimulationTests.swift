import Simulation
import Testing

/// Whole brokers with clients, network and clock from a seed; `Tools/simulate` runs thousands.
@Suite struct SimulationTests {
  static let steps = 3000

  @Test(arguments: 0..<20)
  func everythingHolds(tens: Int) {
    for seed in UInt64(tens * 10 + 1)...UInt64(tens * 10 + 10) {
      let simulation = Simulation(seed: seed)
      if let fault = simulation.run(steps: Self.steps) {
        Issue.record("swift run simulate --seed \(seed) --steps \(Self.steps): \(fault)")
      }
    }
  }

  /// Whoever checks must be checked: a fault between the broker and the clients is found.
  @Test(arguments: PlantedFault.allCases)
  func aPlantedFaultIsFound(fault: PlantedFault) {
    var planted = 0
    var found = 0
    for seed in UInt64(1)...200 where found < 3 {
      let simulation = Simulation(seed: seed, planting: fault)
      let said = simulation.run(steps: Self.steps)
      guard simulation.hasPlanted else { continue }
      planted += 1
      if said != nil { found += 1 }
    }
    #expect(found == 3, "\(fault): planted \(planted) times, found \(found) times")
  }

  @Test func aSeedIsTheSameRunAgain() {
    let runs = (0..<2).map { _ in
      let simulation = Simulation(seed: 7)
      _ = simulation.run(steps: Self.steps)
      return (simulation.nowNs, simulation.seen)
    }
    #expect(runs[0].0 == runs[1].0)
    #expect(runs[0].1 == runs[1].1)
  }
}
