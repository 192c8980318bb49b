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
  /// Which counters are read.
  var tables = CountersSnapshot.usualTables
  /// Asked now and then while an answer of a broker is waited for: whether to wait no longer.
  var isCancelled: () -> Bool = { false }

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
    case .file(let path): return try Self.read(path, tables)
    case .network(let url, let addresses, let open):
      // The broker may have been restarted between two readings: a session that is over is no
      // reason to give up.
      if let open {
        open.isCancelled = isCancelled
        do throws(CountersProblem) {
          return try Self.reading(open.snapshot(tables), url)
        } catch {
          place = .network(url: url, addresses: addresses, connection: nil)
          // One that hangs would let a second attempt wait as long.
          if error.isSilence { throw error }
        }
      }
      let connection = try CountersConnection(addresses, isCancelled)
      let reading = try Self.reading(connection.snapshot(tables), url)
      place = .network(url: url, addresses: addresses, connection: connection)
      return reading
    }
  }

  /// What to do where no broker was named and none answers.
  enum FallBack {
    /// This is read from a file now.
    case taken
    /// There are several that live: their process ids.
    case ambiguous([Int32])
    case none
  }

  /// Looks for a file of counters of this user, so that a broker that hangs or has died is found
  /// without being asked for: that of the only one that lives, or of the last one that died.
  mutating func fallBackToFile() -> FallBack {
    guard case .network(let url, _, _) = place, !url.isChosen else { return .none }
    var living: [Int32] = []
    var newest: (path: String, modifiedNs: Int64)?
    for (id, path) in Self.files() {
      guard let found = try? Files.information(path) else { continue }
      if System.isAlive(processID: id) { living.append(id) }
      if newest == nil || found.modifiedNs > newest!.modifiedNs {
        newest = (path, found.modifiedNs)
      }
    }
    if living.count > 1 { return .ambiguous(living.sorted()) }
    guard let path = living.first.map({ Self.directory + "/\($0)" + Self.suffix }) ?? newest?.path
    else { return .none }
    place = .file(path: path)
    return .taken
  }

  /// The counters' files of this user's brokers, with their process ids.
  private static func files() -> [(id: Int32, path: String)] {
    ((try? Files.list(directory)) ?? []).compactMap { name in
      guard name.hasSuffix(suffix), let id = Int32(name.dropLast(suffix.count)) else { return nil }
      return (id, directory + "/" + name)
    }
  }

  /// The file of the broker that was asked for and is silent, or has died; nil where it is not on
  /// this machine, or somebody else's.
  func ownFile() -> String? {
    guard case .network(_, let addresses, _) = place else { return nil }
    return Self.files().first { _, path in
      guard let reading = try? Self.read(path, []) else { return false }
      let listens = reading.snapshot.broker[.addresses].split(separator: " ")
      return addresses.contains { listens.contains("\($0)"[...]) }
    }?.path
  }

  private static func process(_ id: Int32) -> StatsReading.Process {
    guard id > 0, System.isAlive(processID: id) else { return .gone }
    // "1234 (name) T ...": the name may have anything in it, also brackets.
    guard let status = try? Files.contents("/proc/\(id)/stat", limitBytes: 4096),
      let end = status.lastIndex(of: UInt8(ascii: ")")), end + 2 < status.count
    else { return .runs }
    return [UInt8(ascii: "T"), UInt8(ascii: "t")].contains(status[end + 2]) ? .isStopped : .runs
  }

  private static func reading(_ snapshot: CountersSnapshot, _ url: BrokerURL) -> StatsReading {
    StatsReading(
      snapshot: snapshot, source: .network(url: url.text), takenNs: Clock.monotonicNs(),
      realtimeNs: Clock.realtimeNs())
  }

  /// Mapped anew each time, which costs microseconds, and finds the file of a restarted broker.
  private static func read(
    _ path: String, _ tables: Set<CounterKind>
  ) throws(CountersProblem) -> StatsReading {
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
      snapshot = try unsafe Self.snapshot(file, tables)
    } catch {
      throw CountersProblem(error)
    }
    let pid = Int32(bitPattern: snapshot.header.processID)
    return StatsReading(
      snapshot: snapshot,
      source: .file(path: path, process: process(pid)),
      takenNs: Clock.monotonicNs(), realtimeNs: Clock.realtimeNs())
  }

  @unsafe private static func snapshot(
    _ file: borrowing MappedFile, _ tables: Set<CounterKind>
  ) throws(CountersReadError) -> CountersSnapshot {
    guard let base = unsafe file.bytes.baseAddress else { throw .notCounters }
    // Mapped for reading, which is all that a snapshot does.
    let memory = unsafe CountersMemory(
      base: UnsafeMutableRawPointer(mutating: base), byteCount: file.byteCount)
    return try CountersSnapshot(tables: tables) { memory.bytes(at: $0, count: $1) }
  }
}
