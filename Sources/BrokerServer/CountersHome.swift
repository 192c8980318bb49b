import BrokerCore
import Counters
import LinuxIO

/// Where the broker's counters live: a file on tmpfs that `stats` on the same machine can map, also
/// when the broker hangs or has died; or, without one, memory of the broker's own.
///
/// The file has room for every row that the limits allow, but takes no memory for rows that were
/// never used: each shard reserves a little ahead of where its tables are used (`CountersReserve`).
final class CountersHome: Sendable {
  let region: CountersRegion
  fileprivate let file: MappedFile?
  private let path: String?
  private let inode: UInt64?
  private let memory: AnonymousMemory?

  /// A file that somebody asked for must be had. Without one that nobody asked for, the broker
  /// serves all the same, and says so.
  static func make(
    _ configuration: Configuration, shards: Int, instance: UInt64
  ) throws(StartError) -> CountersHome {
    do throws(SystemError) {
      return try CountersHome(configuration, shards: shards, instance: instance)
    } catch {
      if let chosen = configuration.countersPath {
        let problem =
          error.errno == .wouldBlock ? "it is that of another broker" : "\(error.errno)"
        throw StartError(description: "cannot make the counters' file \(chosen): \(problem)")
      }
      try? Stream.writeAll(
        Stream.standardError,
        "galleon: no counters' file in \(Files.runtimeDirectory) (\(error.errno)): stats sees this "
          + "broker over the protocol only\n")
    }
    do throws(SystemError) {
      var configuration = configuration
      configuration.countersPath = "none"
      return try CountersHome(configuration, shards: shards, instance: instance)
    } catch {
      throw StartError(description: "cannot start: \(error)")
    }
  }

  private init(_ configuration: Configuration, shards: Int, instance: UInt64) throws(SystemError) {
    let layout = configuration.limits.countersConfiguration(shards: shards)
    let byteCount = CountersLayout.requiredBytes(layout)
    let base: UnsafeMutableRawPointer
    if configuration.countersPath == "none" {
      let memory = try AnonymousMemory(byteCount: byteCount)
      unsafe base = memory.base
      self.memory = consume memory
      file = nil
      path = nil
      inode = nil
    } else {
      let place: String
      if let chosen = configuration.countersPath {
        place = chosen
        try Self.checkReplaceable(chosen)
      } else {
        try Files.makePrivateDirectory(Files.runtimeDirectory)
        Self.tidy(Files.runtimeDirectory)
        place = "\(Files.runtimeDirectory)/\(System.processID).counters"
      }
      let file = try MappedFile.create(path: place, byteCount: byteCount, sparse: true)
      for range in CountersLayout.rangesWrittenFirst(layout) {
        try file.reserve(offset: range.lowerBound, byteCount: range.count)
      }
      unsafe base = file.mutableBytes.baseAddress!
      inode = try Files.information(place).inode
      self.file = consume file
      path = place
      memory = nil
    }
    region = unsafe CountersRegion(
      memory: CountersMemory(base: base, byteCount: byteCount), configuration: layout,
      processID: UInt32(System.processID), instance: instance, startedNs: Clock.realtimeNs())
  }

  /// Files of brokers that were killed are kept for whoever asks what happened, but not more than
  /// this: they take memory.
  private static let deadFilesMax = 8

  /// Removes the oldest files of brokers that have died, beyond so many.
  private static func tidy(_ directory: String) {
    var dead: [(path: String, modifiedNs: Int64)] = []
    for name in (try? Files.list(directory)) ?? [] where name.hasSuffix(".counters") {
      let path = "\(directory)/\(name)"
      guard let process = Int32(name.dropLast(".counters".count)),
        !System.isAlive(processID: process), let found = try? Files.information(path)
      else { continue }
      dead.append((path, found.modifiedNs))
    }
    dead.sort { $0.modifiedNs < $1.modifiedNs }
    for file in dead.dropLast(deadFilesMax) { try? Files.remove(file.path) }
  }

  /// Only counters are replaced, and only those of a broker that has ended: a slip of the hand
  /// shall not cost anybody a file.
  private static func checkReplaceable(_ path: String) throws(SystemError) {
    guard let found = try Files.informationIfThere(path) else { return }
    guard found.kind == .file else { throw SystemError(.fileExists, "open") }
    let file = try Files.open(path, [.read, .noFollow])
    guard try Files.lock(file.rawValue) else { throw SystemError(.wouldBlock, "flock") }
    var magic: UInt64 = 0
    var problem: SystemError?
    unsafe withUnsafeMutableBytes(of: &magic) { bytes in
      do throws(SystemError) {
        _ = try unsafe Files.read(file.rawValue, bytes, at: 0)
      } catch {
        problem = error
      }
    }
    if let problem { throw problem }
    if found.byteCount > 0 && UInt64(littleEndian: magic) != CountersLayout.magic {
      throw SystemError(.fileExists, "open")
    }
  }

  func started(_ configuration: Configuration, addresses: [SocketAddress]) {
    let row = region.broker
    row.beginUpdate()
    row.set(.memoryCeilingBytes, UInt64(configuration.limits.memoryBytes))
    row.set(.connectionsMax, UInt64(configuration.limits.connectionsMax))
    row.set(.topicsMax, UInt64(configuration.limits.topicsMax))
    row.setText(.version, brokerName)
    row.setText(.addresses, addresses.map { "\($0)" }.joined(separator: " "))
    if let path = configuration.recordPath { row.setText(.recording, System.absolutePath(path)) }
    row.setState(.active)
    row.endUpdate()
  }

  /// An orderly end leaves no file behind.
  func remove() {
    guard let path else { return }
    do throws(SystemError) {
      // Where somebody has removed it, another broker may have made its own.
      let found = try Files.information(path)
      guard let inode, found.inode == inode else { return }
      try Files.remove(path)
    } catch {
      // Somebody else has removed it.
    }
  }
}

/// Keeps the rows of one shard reserved before they are used. Writing to a page of a full tmpfs
/// would end the process; here it is an error that can be met.
struct CountersReserve {
  /// How far ahead: more rows than a shard can begin to use in one turn that accepts 128
  /// connections and reads their first frames.
  private static let aheadBytes = 128 << 10
  /// How far where nothing is used yet: what is reserved counts as resident, and there are six
  /// tables for each shard.
  private static let firstBytes = 32 << 10

  private let home: CountersHome
  private struct Ahead {
    let reach: TableReach
    var reservedBytes = 0
    /// Rows in use from which on there is to be more; looked at in every turn.
    var lastsFor: UInt32 = 0
  }
  private var tables: [Ahead]
  private var hasSaidSo = false

  init(_ home: CountersHome, shard: Int) {
    precondition(
      Shard.watchesPerTurn * ObservationRow.rowBytes <= Self.firstBytes
        && Shard.firstDeliveriesPerTurn * DeliveryRow.rowBytes <= Self.firstBytes
        && Shard.deliveriesPerTurn * DeliveryRow.rowBytes <= Self.aheadBytes,
      "rows that begin to be used in one turn are provided for")
    self.home = home
    tables = home.region.reaches(shard: shard).map { Ahead(reach: $0) }
    for index in tables.indices { grow(index) }
  }

  /// To be called once a turn.
  mutating func keepAhead() {
    for index in tables.indices where tables[index].reach.usedRows > tables[index].lastsFor {
      grow(index)
    }
  }

  private mutating func grow(_ index: Int) {
    let reach = tables[index].reach
    let reserved = tables[index].reservedBytes
    // Two steps at once, so that the next one is not due with the next row.
    let used = reach.usedBytes
    let wanted = min(
      reach.byteCount, used == 0 ? Self.firstBytes : used + 2 * Self.aheadBytes)
    tables[index].reservedBytes = wanted
    tables[index].lastsFor =
      wanted == reach.byteCount ? .max : reach.rows(within: max(0, wanted - Self.aheadBytes))
    guard home.file != nil, wanted > reserved else { return }
    do throws(SystemError) {
      try home.file!.reserve(offset: reach.offset + reserved, byteCount: wanted - reserved)
    } catch {
      giveUp(index, from: reserved, error)
    }
  }

  /// The broker goes on; only readers of the file do not see these rows, as the protocol's do.
  private mutating func giveUp(_ index: Int, from reserved: Int, _ error: SystemError) {
    let reach = tables[index].reach
    // From a page's border: the one before it is reserved already.
    let page = memoryPageBytes
    let start = (reserved + page - 1) / page * page
    tables[index].reservedBytes = reach.byteCount
    tables[index].lastsFor = .max
    if start >= reach.byteCount { return }
    do throws(SystemError) {
      try home.file!.detach(
        offset: reach.offset + start, byteCount: reach.byteCount - start)
      if hasSaidSo { return }
      hasSaidSo = true
      try? Stream.writeAll(
        Stream.standardError,
        "galleon: the counters' file cannot grow (\(error.errno)): it lacks some rows from now on"
          + "\n")
    } catch {
      exitNow(71, "no memory for counters: \(error)")
    }
  }
}
