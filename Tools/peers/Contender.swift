import LinuxIO
import LoadKit

/// One server of the comparison, as it is started, and how the generator talks to it.
struct Contender: Sendable {
  enum Server: String, Sendable { case galleon, nats, redis, relay }

  /// What the table calls it.
  let name: String
  let server: Server
  /// Events in a batch, where there are batches.
  let batch: Int
  /// Whether it is the broker that is to be compared with another build of itself.
  var isBaseline = false

  /// Another build of the broker, where one was given.
  static let baseline = Contender(
    name: "baseline", server: .galleon, batch: 64, isBaseline: true)

  static let all = [
    Contender(name: "galleon", server: .galleon, batch: 64),
    Contender(name: "galleon-1", server: .galleon, batch: 1),
    Contender(name: "nats", server: .nats, batch: 1),
    Contender(name: "redis", server: .redis, batch: 1),
    Contender(name: "relay", server: .relay, batch: 1),
  ]

  var peer: LoadPlan.Peer {
    switch server {
    case .galleon: .galleon
    case .nats: .nats
    case .redis: .redis
    case .relay: .relay
    }
  }

  /// The program and its arguments, for a port on 127.0.0.1.
  func command(port: UInt16, _ programs: Programs) -> (executable: String, arguments: [String]) {
    switch server {
    case .galleon:
      (
        isBaseline ? programs.baseline : programs.galleon,
        ["serve", "--listen", "127.0.0.1:\(port)"] + programs.galleonFlags
      )
    case .nats: (programs.nats, ["-a", "127.0.0.1", "-p", "\(port)"])
    case .redis:
      // The default of 10,000 clients is too low for the workload with many subscribers; it needs
      // 32 descriptors for itself.
      (
        programs.redis,
        [
          "--bind", "127.0.0.1", "--port", "\(port)", "--save", "", "--appendonly", "no",
          "--maxclients", "19900",
        ]
      )
    case .relay: (programs.relay, ["relay", "--port", "\(port)"])
    }
  }
}

/// Where the programs are.
struct Programs: Sendable {
  var galleon = ".build/release/galleon"
  var baseline = ""
  /// More flags for `galleon serve`.
  var galleonFlags: [String] = []
  var nats = "nats-server"
  var redis = "redis-server"
  /// This program.
  var relay = "/proc/self/exe"
}

/// A contender that runs. It is told to end, and killed if it does not, when this value goes.
struct RunningServer: ~Copyable {
  /// How long a server may take until it listens, and until it has ended.
  private static let patienceNs: Int64 = 5_000_000_000
  /// Between two attempts to connect: fine enough to tell 5 milliseconds from 6.
  private static let attemptIntervalNs: UInt64 = 50_000
  private static let settlingNs: UInt64 = 50_000_000

  let port: UInt16
  /// From just before it was started until a connection was accepted.
  let startNs: UInt64
  /// Resident memory when it had just begun to listen, in bytes.
  let idleBytes: Int
  private var process: ChildProcess

  static func start(
    _ contender: Contender, _ programs: Programs
  ) throws(SystemError) -> RunningServer {
    let port = try freePort()
    let (executable, arguments) = contender.command(port: port, programs)
    let beginNs = Clock.monotonicNs()
    let process = try ChildProcess.spawn(executable, arguments, output: .null, error: .null)
    try waitUntilListening(port)
    let startNs = Clock.monotonicNs() - beginNs
    // What it still does after it has begun to listen belongs to its start.
    Clock.sleep(forNs: settlingNs)
    let idleBytes = try System.residentMemoryBytes(of: process.processID)
    return RunningServer(port: port, startNs: startNs, idleBytes: idleBytes, process: process)
  }

  private init(port: UInt16, startNs: UInt64, idleBytes: Int, process: consuming ChildProcess) {
    self.port = port
    self.startNs = startNs
    self.idleBytes = idleBytes
    self.process = process
  }

  /// Resident memory now, in bytes.
  func residentBytes() throws(SystemError) -> Int {
    try System.residentMemoryBytes(of: process.processID)
  }

  consuming func end() throws(SystemError) {
    var process = process
    try process.send(.terminate)
    _ = try process.wait(timeoutNs: Self.patienceNs)
  }

  private static func freePort() throws(SystemError) -> UInt16 {
    let listener = try Listener.listen(on: .loopback(port: 0))
    return listener.localAddress.port ?? 0
  }

  private static func waitUntilListening(_ port: UInt16) throws(SystemError) {
    let giveUpNs = Clock.monotonicNs() + UInt64(patienceNs)
    while true {
      do throws(SystemError) {
        _ = try Socket.connect(to: .loopback(port: port), timeoutNs: patienceNs)
        return
      } catch {
        guard error.errno == .connectionRefused, Clock.monotonicNs() < giveUpNs else {
          throw error
        }
        Clock.sleep(forNs: attemptIntervalNs)
      }
    }
  }
}
