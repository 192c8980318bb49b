import Counters
import LinuxIO

/// The flight recorder's file, new or continued. Nobody else writes to it while this is there.
final class RecordFile {
  private let file: FileDescriptor
  private let path: String
  private let capacity: Int
  private var nextNumber: UInt64

  init(_ path: String) throws(StartError) {
    self.path = path
    do throws(SystemError) {
      file = try Files.open(path, [.read, .write, .create, .noFollow, .nonBlocking], mode: 0o600)
      let found = try Files.information(file.rawValue)
      guard found.kind == .file else { throw SystemError(.fileExists, "open") }
      guard try Files.lock(file.rawValue) else {
        throw SystemError(.wouldBlock, "flock")
      }
      if found.byteCount == 0 {
        capacity = RecordLayout.capacity
        nextNumber = 1
        // All of it now: a disk that is full later takes nothing away from it.
        try Files.allocate(
          file.rawValue, byteCount: RecordLayout.byteCount(capacity: capacity))
        try Files.writeAll(file.rawValue, RecordLayout.header(capacity: capacity), at: 0)
        return
      }
    } catch {
      throw StartError(description: Self.sentence(path, error))
    }
    do {
      let recording = try Recording(Files.contents(path, limitBytes: Self.byteCountMax))
      capacity = recording.capacity
      nextNumber = recording.nextNumber
    } catch {
      throw StartError(
        description: "cannot record to \(path): it holds something else than a whole recording of "
          + "this version; name another file, or remove it")
    }
  }

  /// What a recording may be long at most, to be read: far more than any is.
  private static let byteCountMax = 64 << 20

  private static func sentence(_ path: String, _ error: SystemError) -> String {
    switch error.errno {
    case .wouldBlock: "cannot record to \(path): another broker does"
    case .fileExists: "cannot record to \(path): that is no file"
    default: "cannot record to \(path): \(error.errno)"
    }
  }

  /// In one write, so that only the kernel could tear it.
  func append(_ entry: RecordEntry) throws(SystemError) {
    var entry = entry
    entry[.number] = nextNumber
    let offset = RecordLayout.offset(number: nextNumber, capacity: capacity)
    try Files.writeAll(file.rawValue, entry.bytes, at: Int64(offset))
    nextNumber += 1
  }

  /// Says once, to whoever reads it, why there will be nothing more.
  func giveUp(_ error: SystemError) {
    try? Stream.writeAll(
      Stream.standardError,
      "galleon: the recording at \(path) ends, as it cannot be written (\(error.errno))\n")
  }
}

/// A thread that reads the counters once a second and keeps what is worth it. The shards do nothing
/// for it.
final class Recorder {
  private let stopEvent: StopEvent
  private var thread: Thread?

  /// - Parameter share: of the usual load; less is not kept.
  init(
    _ file: sending RecordFile, _ counters: CountersHome, above share: Double
  ) throws(SystemError) {
    let stopEvent = try StopEvent()
    self.stopEvent = stopEvent
    let loop = RecorderLoop(file, counters, RecordSampler(share: share), stopEvent)
    thread = try Thread.spawn(name: "recorder") { loop.run() }
  }

  /// Ends its thread, which keeps what there has been since the last second.
  func stop() {
    guard let thread = thread.take() else { return }
    stopEvent.raise()
    thread.join()
  }
}

private final class RecorderLoop {
  /// Fine enough to see a stall, and an hour of it fits a small file.
  private static let intervalNs: UInt64 = 1_000_000_000

  private let file: RecordFile
  private let counters: CountersHome
  private let stopEvent: StopEvent
  private var sampler: RecordSampler

  init(
    _ file: sending RecordFile, _ counters: CountersHome, _ sampler: RecordSampler,
    _ stopEvent: StopEvent
  ) {
    self.file = file
    self.counters = counters
    self.sampler = sampler
    self.stopEvent = stopEvent
  }

  func run() {
    var dueNs = Clock.monotonicNs()
    do throws(SystemError) {
      while true {
        try keep()
        let nowNs = Clock.monotonicNs()
        // What was missed while the machine slept is not made up for.
        dueNs = dueNs + 2 * Self.intervalNs < nowNs ? nowNs : dueNs + Self.intervalNs
        let leftNs = dueNs > nowNs ? dueNs - nowNs : 0
        if try Poll.wait(stopEvent.event.rawValue, for: .readable, timeoutNs: Int64(leftNs)) {
          return try keep()
        }
      }
    } catch {
      file.giveUp(error)
    }
  }

  private func keep() throws(SystemError) {
    let memory = counters.region.memory
    // Only the broker's and the shards' rows.
    let snapshot = try? CountersSnapshot(tables: []) { memory.bytes(at: $0, count: $1) }
    guard let snapshot,
      var entry = sampler.take(
        snapshot, nowNs: Clock.monotonicNs(), realtimeNs: Clock.realtimeNs())
    else { return }
    let lag = counters.region.lag()
    entry[.lagEvents] = lag.events
    entry[.lagBytes] = lag.bytes
    entry[.behind] = lag.subscriptions
    entry[.residentBytes] = UInt64((try? System.residentMemoryBytes()) ?? 0)
    try file.append(entry)
  }
}
