import LinuxIO
import LoadKit

/// What one run of one workload against one server brought.
struct Sample: Sendable {
  /// In the unit of the workload's measure: per second, nanoseconds, or bytes.
  var value: Double?
  var p99: Double?
  /// Resident memory of the server when the run was over, in bytes.
  var memoryBytes: Int?
  var startNs: UInt64?
  /// Where stalled subscribers came and went: what share the rate beside them was each time of the
  /// rate without, just before and after.
  var shares: [Double] = []
  /// The p99 each time beside them, and without.
  var tailsBeside: [Double] = []
  var tailsAlone: [Double] = []
  /// What was wrong, if anything.
  var complaint: String?
}

/// All samples of one workload against one server.
struct Series: Sendable {
  let workload: Workload
  let contender: Contender
  var samples: [Sample] = []

  var values: [Double] { samples.compactMap(\.value).sorted() }
  var median: Double? { Self.median(values) }
  var p99: Double? { Self.median(samples.compactMap(\.p99).sorted()) }
  var memoryBytes: Double? {
    Self.median(samples.compactMap { $0.memoryBytes.map(Double.init) }.sorted())
  }
  var shares: [Double] { samples.flatMap(\.shares).sorted() }
  /// Each p99 beside stalled subscribers as a share of the median of those without: a p99 hangs on
  /// a few hiccups of the machine, and the mean of two neighbours on one.
  var tails: [Double] {
    guard let alone = Self.median(samples.flatMap(\.tailsAlone).sorted()), alone > 0 else {
      return []
    }
    return samples.flatMap(\.tailsBeside).map { $0 / alone }.sorted()
  }
  var complaints: [String] { samples.compactMap(\.complaint) }

  /// The median of what each run made of the same repetition of another series.
  func share(of other: Series) -> Double? { Self.median(shares(of: other)) }

  /// What each run made of the same repetition of another series, least first.
  func shares(of other: Series) -> [Double] {
    zip(samples, other.samples).compactMap { mine, theirs in
      guard let value = mine.value, let whole = theirs.value, whole > 0 else { return nil }
      return value / whole
    }.sorted()
  }

  static func median(_ sorted: [Double]) -> Double? {
    guard !sorted.isEmpty else { return nil }
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  }
}

/// Runs every workload against every server in turn, A B C, C B A, so that a machine that changes
/// under us changes for all of them, and nobody is always first.
struct Comparison {
  let options: Options
  /// Told after each run, for whoever waits.
  let progress: (String) -> Void

  func run() -> [[Series]] {
    var results: [[Series]] = []
    var left = options.workloads[...]
    while let first = left.first {
      let together = left.prefix { first.group != nil && $0.group == first.group }
      let turn = together.isEmpty ? left.prefix(1) : together
      results += runInTurn(Array(turn))
      left = left.dropFirst(turn.count)
    }
    return results
  }

  private func runInTurn(_ workloads: [Workload]) -> [[Series]] {
    var all = workloads.map { workload in
      options.contenders
        .filter { workload.contenders.contains($0.isBaseline ? "galleon" : $0.name) }
        .map { Series(workload: workload, contender: $0) }
    }
    for repetition in 1...options.repetitions {
      for (group, workload) in workloads.enumerated() {
        let indices = Array(all[group].indices)
        for index in repetition % 2 == 1 ? indices : indices.reversed() {
          let contender = all[group][index].contender
          let sample = measure(workload, contender)
          all[group][index].samples.append(sample)
          let outcome = sample.complaint ?? "done"
          progress("\(workload.name) \(contender.name) \(repetition): \(outcome)")
        }
      }
    }
    return all
  }

  private func measure(_ workload: Workload, _ contender: Contender) -> Sample {
    var sample = Sample()
    do throws(SystemError) {
      let server = try RunningServer.start(contender, options.programs)
      sample.startNs = server.startNs
      do throws(LoadError) {
        try fill(&sample, workload, contender, server)
      } catch {
        sample.complaint = error.sentence
      }
      try server.end()
    } catch {
      sample.complaint = "\(contender.name): \(error)"
    }
    return sample
  }

  private func fill(
    _ sample: inout Sample, _ workload: Workload, _ contender: Contender,
    _ server: borrowing RunningServer
  ) throws(LoadError) {
    if case .start = workload.measure {
      sample.value = Double(server.startNs)
      sample.memoryBytes = server.idleBytes
      return
    }
    var memory: Int?
    let plan = workload.plan(contender, port: server.port, options)
    let moments: [LoadMoment] = plan.besideRounds > 0 ? [.beside] : [.subscribed, .drained]
    let result = try runLoad(plan) { moment in
      if moments.contains(moment) { memory = try? server.residentBytes() }
    }
    sample.memoryBytes = memory
    if case .faulty(let reason) = result.verdict { sample.complaint = reason }
    if plan.besideRounds > 0 {
      fill(&sample, workload, result.besideRounds, first: plan.besideMeasurements)
      return
    }
    switch workload.measure {
    case .eventsPerSecond: sample.value = result.eventsPerSecond
    case .freshness:
      sample.value = result.eventsPerSecond
      sample.p99 = result.freshness.map { Double($0.p99Ns) }
    case .deliveriesPerSecond: sample.value = result.deliveriesPerSecond
    case .latency:
      sample.value = result.latency.map { Double($0.p50Ns) }
      sample.p99 = result.latency.map { Double($0.p99Ns) }
    case .bytesPerSubscriber:
      guard let memory else { break }
      sample.value = Double(memory - server.idleBytes) / Double(workload.subscribers)
    case .start: break
    }
  }

  /// The medians of all measurements beside stalled subscribers, and what they are to be compared
  /// with.
  private func fill(
    _ sample: inout Sample, _ workload: Workload, _ rounds: [BesideRound], first: Int
  ) {
    func median(_ value: (LoadPhase) -> Double?) -> Double? {
      Series.median(rounds.compactMap { value($0.beside) }.sorted())
    }
    func tail(_ phase: LoadPhase) -> Double? { phase.latency.map { Double($0.p99Ns) } }
    switch workload.measure {
    case .latency:
      sample.value = median { $0.latency.map { Double($0.p50Ns) } }
      sample.p99 = median(tail)
      sample.tailsBeside = rounds.compactMap { tail($0.beside) }
      sample.tailsAlone = rounds.prefix(first).compactMap { tail($0.before) }
      sample.tailsAlone += rounds.compactMap { tail($0.after) }
    case .deliveriesPerSecond:
      sample.value = median(\.deliveriesPerSecond)
      sample.shares = rounds.compactMap(\.shareOfRate)
    default:
      sample.value = median(\.eventsPerSecond)
      sample.shares = rounds.compactMap(\.shareOfRate)
    }
  }
}
