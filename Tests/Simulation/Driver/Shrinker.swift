/// Looks for a smaller run that fails in the same way: the shortest beginning, then fewer clients,
/// fewer kinds of operations, fewer steps.
public struct Shrinker {
  public private(set) var plan: RunPlan
  public private(set) var fault: String
  /// Runs that are still allowed.
  public private(set) var runsLeft: Int
  private let kind: String
  private let run: (RunPlan) -> String?

  /// - Parameters:
  ///   - plan: a run that ends with `fault`.
  ///   - runs: how many runs it may take.
  public init(
    _ plan: RunPlan, fault: String, runs: Int = 400,
    run: @escaping (RunPlan) -> String? = { Simulation($0).run() }
  ) {
    self.plan = plan
    self.fault = fault
    runsLeft = runs
    kind = Self.kind(fault)
    self.run = run
  }

  /// What a fault is, whoever has it and wherever.
  static func kind(_ fault: String) -> String {
    let text = fault.hasPrefix("step ") ? fault.drop { $0 != ":" } : fault[...]
    return String(text.filter { $0.isLetter || $0 == " " }.prefix(40))
  }

  public mutating func shrink() {
    shortenToFault()
    shorten()
    leaveOutClients()
    leaveOutOperations()
    leaveOutSteps()
    shorten()
  }

  /// Takes a smaller plan where it still fails.
  private mutating func tryPlan(_ smaller: RunPlan) -> Bool {
    guard runsLeft > 0 else { return false }
    runsLeft -= 1
    guard let found = run(smaller), Self.kind(found) == kind else { return false }
    plan = smaller
    fault = found
    return true
  }

  /// What fails in a step fails without those that follow.
  private mutating func shortenToFault() {
    guard fault.hasPrefix("step "),
      let step = Int(fault.dropFirst(5).prefix { $0.isNumber }), step < plan.steps
    else { return }
    var shorter = plan
    shorter.steps = step
    _ = tryPlan(shorter)
  }

  /// The shortest beginning, as if all longer ones failed, too.
  private mutating func shorten() {
    var low = 0
    while low < plan.steps, runsLeft > 0 {
      var shorter = plan
      shorter.steps = (low + plan.steps) / 2
      if !tryPlan(shorter) { low = shorter.steps + 1 }
    }
  }

  private mutating func leaveOutClients() {
    let clients = Swarm.clients(ofSeed: plan.seed)
    var size = max(1, clients / 2)
    while size >= 1, runsLeft > 0 {
      for first in stride(from: 0, to: clients, by: size) {
        let chunk = Set(first..<min(clients, first + size))
        guard !chunk.isSubset(of: plan.withoutClients) else { continue }
        var smaller = plan
        smaller.withoutClients.formUnion(chunk)
        _ = tryPlan(smaller)
      }
      size /= 2
    }
  }

  private mutating func leaveOutOperations() {
    for operation in Operation.allCases {
      var smaller = plan
      smaller.withoutOperations.insert(operation)
      _ = tryPlan(smaller)
    }
  }

  private mutating func leaveOutSteps() {
    var size = plan.steps / 2
    // Single steps are too many to try.
    while size >= max(1, plan.steps / 128), runsLeft > 0 {
      for first in stride(from: 1, through: plan.steps, by: size) {
        let chunk = first...min(plan.steps, first + size - 1)
        guard !plan.skipped.contains(where: { $0.contains(chunk.lowerBound) }) else { continue }
        var smaller = plan
        smaller.skipped = Self.merge(plan.skipped + [chunk])
        _ = tryPlan(smaller)
      }
      size /= 2
    }
  }

  private static func merge(_ ranges: [ClosedRange<Int>]) -> [ClosedRange<Int>] {
    var merged: [ClosedRange<Int>] = []
    for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
      if let last = merged.last, last.upperBound + 1 >= range.lowerBound {
        merged[merged.count - 1] = last.lowerBound...max(last.upperBound, range.upperBound)
      } else {
        merged.append(range)
      }
    }
    return merged
  }
}
