import BrokerCore
import BrokerServer
import CallProbe
import LinuxIO
import Synchronization
import WireFormat

/// The whole server, with sockets: everything that its loop does between the kernel and the core.
struct ServerScenario {
  var name: String
  var events = 100_000
  var batch = 1
  var subscribers = 4
  var shards = 1

  static let all: [ServerScenario] = [
    ServerScenario(name: "server"),
    ServerScenario(name: "server, batches of 64", batch: 64),
    ServerScenario(name: "server, two shards", shards: 2),
  ]
}

/// Where the server's thread says what it listens on.
private final class Address: Sendable {
  let port = Mutex<UInt16>(0)
}

/// Runs a broker on a thread of this process, publishes and receives over loopback, and counts.
/// The client below takes part in the counts, so it does nothing that is counted either.
func runServer(_ scenario: ServerScenario, isTracing: Bool) -> Outcome {
  do throws(SystemError) {
    let address = Address()
    let thread = try Thread.spawn(name: "broker") {
      var configuration = Configuration()
      configuration.listen = [.loopback(port: 0)]
      configuration.shards = scenario.shards
      configuration.countersPath = "none"
      configuration.limits.ringBytes = 64 << 20
      configuration.limits.topicRetentionBytes = 2 << 20
      configuration.onListening = { line in
        let digits = line.split(separator: ":").last.flatMap { UInt16($0) } ?? 0
        address.port.withLock { $0 = digits }
      }
      do throws(StartError) {
        try runBroker(configuration)
      } catch {
        AllocCount.fail(error.description)
      }
    }
    var port: UInt16 = 0
    while port == 0 {
      Thread.yield()
      port = address.port.withLock { $0 }
    }
    var client = try ServerClient(scenario, port: port)
    try client.run(batches: scenario.events / 2 / scenario.batch)
    if isTracing { probe_trace(1) }
    let before = Counts.now()
    try client.run(batches: scenario.events / scenario.batch)
    let counts = Counts.now() - before
    probe_trace(0)
    _ = consume thread
    let events = scenario.events / scenario.batch * scenario.batch
    return Outcome(
      name: scenario.name, events: events, deliveries: UInt64(events * scenario.subscribers),
      turns: 0, counts: counts, problem: nil)
  } catch {
    return Outcome(
      name: scenario.name, events: 0, deliveries: 0, turns: 0, counts: Counts(),
      problem: "\(error)")
  }
}
