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
  var complaints: [String] { samples.compactMap(\.complaint) }

  static func median(_ sorted: [Double]) -> Double? {
    guard !sorted.isEmpty else { return nil }
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  }
}

/// Runs every workload against every server in turn, A B C, A B C, so that a machine that changes
/// under us changes for all of them.
struct Comparison {
  let options: Options
  /// Told after each run, for whoever waits.
  let progress: (String) -> Void

  func run() -> [[Series]] {
    options.workloads.map { workload in
      var all = options.contenders
        .filter { workload.contenders.contains($0.name) }
        .map { Series(workload: workload, contender: $0) }
      for repetition in 1...options.repetitions {
        for index in all.indices {
          let sample = measure(workload, all[index].contender)
          all[index].samples.append(sample)
          let outcome = sample.complaint ?? "done"
          progress("\(workload.name) \(all[index].contender.name) \(repetition): \(outcome)")
        }
      }
      return all
    }
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
    let result = try runLoad(plan) { moment in
      if moment == .drained || moment == .subscribed { memory = try? server.residentBytes() }
    }
    sample.memoryBytes = memory
    switch workload.measure {
    case .eventsPerSecond: sample.value = result.eventsPerSecond
    case .deliveriesPerSecond: sample.value = result.deliveriesPerSecond
    case .latency:
      sample.value = result.latency.map { Double($0.p50Ns) }
      sample.p99 = result.latency.map { Double($0.p99Ns) }
    case .bytesPerSubscriber:
      guard let memory else { break }
      sample.value = Double(memory - server.idleBytes) / Double(workload.subscribers)
    case .start: break
    }
    if case .faulty(let reason) = result.verdict { sample.complaint = reason }
  }
}
