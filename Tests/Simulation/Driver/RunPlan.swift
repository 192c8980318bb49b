import BrokerCore

/// A run: its seed, how long it is, and what is left out of it.
public struct RunPlan: Sendable {
  public var seed: UInt64
  public var steps: Int
  public var withoutClients: Set<Int> = []
  public var withoutOperations: Set<Operation> = []
  /// Steps that do nothing, in order.
  public var skipped: [ClosedRange<Int>] = []
  /// A fault between the broker and what is checked.
  public var planted: PlantedFault?
  /// A fault of the broker's own, where it is built with them.
  public var canary: String?

  /// The faults that the broker is built with: none but in debug builds.
  public static var canaries: [String] {
    #if DEBUG
      Canary.allCases.map(\.rawValue)
    #else
      []
    #endif
  }

  public init(seed: UInt64, steps: Int, planting fault: PlantedFault? = nil) {
    self.seed = seed
    self.steps = steps
    planted = fault
  }

  func leavesOut(step: Int) -> Bool {
    guard !skipped.isEmpty else { return false }
    let i = skipped.partition { $0.upperBound >= step }
    return i < skipped.count && skipped[i].contains(step)
  }

  /// What repeats the run, as arguments of the `simulate` tool.
  public var arguments: String {
    var text = "--seed \(seed) --steps \(steps)"
    if let planted { text += " --plant \(planted)" }
    if let canary { text += " --canary \(canary)" }
    if !withoutClients.isEmpty {
      let numbers = withoutClients.sorted().map(String.init)
      text += " --without-clients \(numbers.joined(separator: ","))"
    }
    if !withoutOperations.isEmpty {
      let names = withoutOperations.map(\.rawValue).sorted()
      text += " --without \(names.joined(separator: ","))"
    }
    if !skipped.isEmpty {
      text += " --skip "
        + skipped.map { "\($0.lowerBound)-\($0.upperBound)" }.joined(separator: ",")
    }
    return text
  }

  /// Steps that do something.
  public var stepsLeft: Int { steps - skipped.reduce(0) { $0 + $1.clamped(to: 1...steps).count } }
}
