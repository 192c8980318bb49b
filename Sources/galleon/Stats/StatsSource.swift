import CommandSupport
import Counters
import LinuxIO

/// Where readings come from.
struct StatsSource {
  private enum Place {
    case file(path: String)
    case network(url: BrokerURL, addresses: [SocketAddress], connection: CountersConnection?)
  }

  private var place: Place

  init(_ wanted: StatsCommand.Place) throws(CommandFailure) {
    switch wanted {
    case .file(let path): place = .file(path: path)
    case .process(let id): place = .file(path: Self.directory + "/\(id)" + Self.suffix)
    case .url(let flag):
      let url = BrokerURL(flag: flag)
      place = .network(url: url, addresses: try url.addresses(), connection: nil)
    }
  }

  /// Where the counters' files of this user's brokers are, and how they are named.
  static var directory: String { Files.runtimeDirectory }
  static let suffix = ".counters"

  /// What is read, for people.
  var name: String {
    switch place {
    case .file(let path): path
    case .network(let url, _, _): url.text
    }
  }

  mutating func read() throws(CountersProblem) -> StatsReading {
    switch place {
    case .file(let path): return try Self.read(path)
    case .network(let url, let addresses, let open):
      // The broker may have been restarted between two readings: a session that is over is no
      // reason to give up.
      if let open, let reading = try? Self.reading(open.snapshot(), url) { return reading }
      place = .network(url: url, addresses: addresses, connection: nil)
      let connection = try CountersConnection(addresses)
      let reading = try Self.reading(connection.snapshot(), url)
      place = .network(url: url, addresses: addresses, connection: connection)
      return reading
    }
  }

  /// Where no broker was named and none answers: the only file of counters of this machine, so that
  /// a broker that hangs or has died is found without being asked for.
  mutating func fallBackToFile() -> Bool {
    guard case .network(let url, _, _) = place, !url.isChosen else { return false }
    let names = ((try? Files.list(Self.directory)) ?? []).filter { $0.hasSuffix(Self.suffix) }
    guard names.count == 1 else { return false }
    place = .file(path: Self.directory + "/" + names[0])
    return true
  }

  private static func reading(_ snapshot: CountersSnapshot, _ url: BrokerURL) -> StatsReading {
    StatsReading(
      snapshot: snapshot, source: .network(url: url.text), takenNs: Clock.monotonicNs(),
      realtimeNs: Clock.realtimeNs())
  }

  /// Mapped anew each time, which costs microseconds, and finds the file of a restarted broker.
  private static func read(_ path: String) throws(CountersProblem) -> StatsReading {
    let file: MappedFile
    do throws(SystemError) {
      file = try MappedFile.openReadOnly(path: path)
    } catch {
      // An empty file cannot be mapped.
      throw CountersProblem(
        error.errno == .invalidArgument ? "it holds no counters" : "\(error.errno)")
    }
    let snapshot: CountersSnapshot
    do throws(CountersReadError) {
      snapshot = try unsafe Self.snapshot(file)
    } catch {
      throw CountersProblem(error)
    }
    let pid = Int32(bitPattern: snapshot.header.processID)
    return StatsReading(
      snapshot: snapshot,
      source: .file(path: path, isAlive: pid > 0 && System.isAlive(processID: pid)),
      takenNs: Clock.monotonicNs(), realtimeNs: Clock.realtimeNs())
  }

  @unsafe private static func snapshot(
    _ file: borrowing MappedFile
  ) throws(CountersReadError) -> CountersSnapshot {
    guard let base = unsafe file.bytes.baseAddress else { throw .notCounters }
    // Mapped for reading, which is all that a snapshot does.
    let memory = unsafe CountersMemory(
      base: UnsafeMutableRawPointer(mutating: base), byteCount: file.byteCount)
    return try CountersSnapshot { memory.bytes(at: $0, count: $1) }
  }
}
