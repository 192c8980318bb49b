import CommandSupport
import LinuxIO
import LoadKit
import Synchronization

/// `galleon bench`: a front of the load generator.
enum Bench {
  static func run(_ command: BenchCommand) throws(CommandFailure) -> ExitCode {
    let plan = try plan(command)
    let interruption = try Interruption()
    let result: LoadResult
    do throws(LoadError) {
      result = try runLoad(plan, isStopped: { _ in interruption.hasCome })
    } catch {
      throw failure(error)
    }
    try Console.write(command.isJSON ? json(plan, result) : text(plan, result))
    if case .faulty = result.verdict { return .failure }
    return interruption.hasCome ? .interrupted : .success
  }

  private static func plan(_ command: BenchCommand) throws(CommandFailure) -> LoadPlan {
    let url = BrokerURL(flag: command.url)
    var found: UInt16?
    for case .ipv4(let host, let port) in try url.addresses() where host == .loopback {
      found = port
    }
    guard let port = found else {
      throw .usage("bench measures on this machine only: write --url galleon://127.0.0.1:PORT")
    }
    var plan = LoadPlan(peer: .galleon, port: port)
    plan.publishers = command.publishers
    plan.subscribers = command.subscribers
    plan.topics = command.topics
    plan.stalledSubscribers = command.stalledSubscribers
    plan.payloadBytes = command.payloadBytes
    plan.batch = command.batch
    plan.pace =
      switch command.pace {
      case .flatOut(let window): .flatOut(window: window)
      case .rate(let rate): .rate(rate)
      case .rounds(let events): .rounds(events: events)
      }
    plan.seconds = command.seconds
    plan.warmupSeconds = command.warmupSeconds
    // A topic that an earlier run left behind would begin with another sequence.
    plan.topicPrefix =
      command.topicPrefix ?? "bench.\(String(Clock.realtimeNs() / 1_000_000, radix: 36))."
    return plan
  }

  private static func failure(_ error: LoadError) -> CommandFailure {
    switch error {
    case .plan: .usage(error.sentence)
    case .system(let system) where system.errno == .connectionRefused:
      .unavailable("no broker listens there: \(system.errno)")
    case .connectionClosed: .unavailable(error.sentence)
    case .refused(let words) where words.hasPrefix("draining"): .unavailable(error.sentence)
    case .system, .unexpectedReply, .refused, .timedOut: .failure(error.sentence)
    }
  }

  private static func text(_ plan: LoadPlan, _ result: LoadResult) -> String {
    var lines = [
      "\(plan.publishers) to \(plan.subscribers) on \(plan.topics), "
        + "\(plan.payloadBytes) bytes, \(plan.batch) a batch, "
        + "\(HumanNumber.duration(UInt64(result.seconds * 1e9)))",
      "events       \(HumanNumber.short(result.eventsPerSecond))/s",
      "deliveries   \(HumanNumber.short(result.deliveriesPerSecond))/s   "
        + "\(HumanNumber.size(result.bytesPerSecond))/s",
    ]
    if let latency = result.latency {
      lines.append(
        "latency      p50 \(HumanNumber.duration(latency.p50Ns))   "
          + "p99 \(HumanNumber.duration(latency.p99Ns))   "
          + "p99.9 \(HumanNumber.duration(latency.p999Ns))   "
          + "max \(HumanNumber.duration(latency.maxNs))")
    }
    if result.announcedGaps > 0 {
      lines.append("gaps         \(HumanNumber.plain(result.announcedGaps)) events")
    }
    switch result.verdict {
    case .exact:
      lines.append("every event once and in order: \(HumanNumber.plain(result.delivered))")
    case .faulty(let reason): lines.append("FAULTY: \(reason)")
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private static func json(_ plan: LoadPlan, _ result: LoadResult) -> String {
    var json = JSONWriter()
    json.object { json in
      json.field("publishers", plan.publishers)
      json.field("subscribers", plan.subscribers)
      json.field("topics", plan.topics)
      json.field("payloadBytes", plan.payloadBytes)
      json.field("batch", plan.batch)
      json.field("seconds", result.seconds)
      json.field("setupSeconds", result.setupSeconds)
      json.field("eventsPerSecond", result.eventsPerSecond)
      json.field("deliveriesPerSecond", result.deliveriesPerSecond)
      json.field("bytesPerSecond", result.bytesPerSecond)
      json.field("published", result.published)
      json.field("delivered", result.delivered)
      json.field("announcedGaps", result.announcedGaps)
      if let latency = result.latency {
        json.object("latency") { json in
          json.field("count", latency.count)
          json.field("p50Ns", latency.p50Ns)
          json.field("p99Ns", latency.p99Ns)
          json.field("p999Ns", latency.p999Ns)
          json.field("maxNs", latency.maxNs)
        }
      }
      switch result.verdict {
      case .exact: json.field("verdict", "exact")
      case .faulty(let reason):
        json.field("verdict", "faulty")
        json.field("fault", reason)
      }
    }
    json.endLine()
    return json.text
  }
}

/// Ctrl-C ends the measurement, and what was measured is shown; a second one ends the process.
private final class Interruption: Sendable {
  private let flag = Atomic<Bool>(false)

  /// To be made before any thread is started.
  init() throws(CommandFailure) {
    do throws(SystemError) {
      let signals = try SignalFD([.interrupt, .terminate])
      let fd = signals.rawValue
      _ = try Thread.spawn(name: "signals") { [self] in
        // The process ends under this thread.
        while let isReadable = try? Poll.wait(fd, for: .readable, timeoutNs: -1) {
          guard isReadable, (try? signals.next()) != nil else { continue }
          if flag.exchange(true, ordering: .relaxed) { exit(.interrupted) }
        }
      }
    } catch {
      throw .inputOutput("signals", error)
    }
  }

  var hasCome: Bool { flag.load(ordering: .relaxed) }
}
