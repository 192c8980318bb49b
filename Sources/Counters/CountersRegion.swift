import Synchronization

/// A broker's own region, laid out. Made once when the broker starts; the tables and rows it hands
/// out are small values to be kept by the threads that write them.
public struct CountersRegion: Sendable {
  public let memory: CountersMemory
  public let configuration: CountersConfiguration
  fileprivate let tables: [CountersLayout.Table]

  /// Lays out a region. The memory must be zero, as a new file or mapping is, and hold at least
  /// `CountersLayout.requiredBytes`.
  /// - Parameters:
  ///   - startedNs: nanoseconds since the Unix epoch.
  public init(
    memory: CountersMemory, configuration: CountersConfiguration, processID: UInt32,
    instance: UInt64, startedNs: UInt64
  ) {
    precondition(
      memory.byteCount >= CountersLayout.requiredBytes(configuration), "region too small")
    self.memory = memory
    self.configuration = configuration
    tables = CountersLayout.tables(configuration)

    let header = memory.cells(at: 0)
    precondition(header.load64(0) == 0, "the memory holds a region already")
    typealias Header = CountersLayout.Header
    header.store32(Header.version, CountersLayout.version)
    header.store32(Header.headerBytes, UInt32(CountersLayout.headerBytes))
    header.store64(Header.instance, instance)
    header.store64(Header.startedNs, startedNs)
    header.store32(Header.processID, processID)
    header.store32(Header.shards, UInt32(configuration.shards))
    header.store64(
      Header.totalBytes, UInt64(CountersLayout.requiredBytes(configuration)))
    header.store32(Header.directoryOffset, UInt32(CountersLayout.headerBytes))
    header.store32(Header.directoryCount, UInt32(tables.count))
    header.store64(Header.fingerprint, CountersLayout.fingerprint)
    for (index, table) in tables.enumerated() {
      let entry = entryCells(index)
      entry.store32(
        CountersLayout.Entry.kind, UInt32(table.kind.rawValue) | UInt32(table.shard) << 16)
      entry.store32(CountersLayout.Entry.rowBytes, UInt32(table.rowBytes))
      entry.store64(CountersLayout.Entry.offset, UInt64(table.offset))
      entry.store32(CountersLayout.Entry.capacity, UInt32(table.capacity))
    }
    // Last: a reader that finds the magic number finds everything above.
    header.storeReleasing64(Header.magic, CountersLayout.magic)
    broker.activate(.opening)
    for index in 0..<configuration.shards {
      let row = shard(index)
      row.activate(.opening)
      row.set(.index, UInt32(index))
    }
    broker.set(.shards, UInt32(configuration.shards))
    broker.set(.startedNs, startedNs)
  }

  /// The broker's one row.
  public var broker: BrokerRow { BrokerRow(cells: onlyRow(0, BrokerRow.rowBytes)) }
  /// The topics; each row is written by the shard that owns the topic.
  public var topics: TopicTable { TopicTable(cells: TableCells(self, 1)) }
  /// A shard's own row, and its tables, which only its thread writes.
  public func shard(_ index: Int) -> ShardRow {
    ShardRow(cells: onlyRow(tableIndex(index, 0), ShardRow.rowBytes))
  }
  public func connections(shard: Int) -> ConnectionTable {
    ConnectionTable(cells: TableCells(self, tableIndex(shard, 1)))
  }
  public func publishers(shard: Int) -> PublisherTable {
    PublisherTable(cells: TableCells(self, tableIndex(shard, 2)))
  }
  public func subscriptions(shard: Int) -> SubscriptionTable {
    SubscriptionTable(cells: TableCells(self, tableIndex(shard, 3)))
  }

  public func observations(shard: Int) -> ObservationTable {
    ObservationTable(cells: TableCells(self, tableIndex(shard, 4)))
  }

  public func deliveries(shard: Int) -> DeliveryTable {
    DeliveryTable(cells: TableCells(self, tableIndex(shard, 5)))
  }

  /// Where the tables are that this shard lets grow, so that whoever owns the memory can provide it
  /// in time. The topics' rows, which all shards write, are with shard 0.
  public func reaches(shard: Int) -> [TableReach] {
    let own = (0..<CountersLayout.shardTables).map { TableReach(self, tableIndex(shard, $0)) }
    return shard == 0 ? own + [TableReach(self, 0), TableReach(self, 1)] : own
  }

  /// Rows of a shard's table of subscriptions, from the first, that were ever used.
  func usedSubscriptions(shard: Int) -> Int {
    TableReach(self, tableIndex(shard, 3)).usedBytes / SubscriptionRow.rowBytes
  }

  /// Copies bytes as `CountersMemory.copy` does, but touches nothing that was never written: rows
  /// that no shard has used read as zero. In a sparse file on tmpfs reading a hole would take
  /// memory for it, and where there is none left, end the process.
  public func copy(from offset: Int, into target: UnsafeMutableRawBufferPointer) -> Int {
    guard offset >= 0 && offset < memory.byteCount else { return 0 }
    let end = offset + min(target.count, memory.byteCount - offset)
    unsafe UnsafeMutableRawBufferPointer(rebasing: target[..<(end - offset)])
      .initializeMemory(as: UInt8.self, repeating: 0)
    let headEnd = CountersLayout.headerBytes + tables.count * CountersLayout.directoryEntryBytes
    unsafe copy(0..<headEnd, offset, end, into: target)
    for index in tables.indices {
      let start = tables[index].offset
      let used = TableReach(self, index).usedBytes
      unsafe copy(start..<(start + used), offset, end, into: target)
    }
    return end - offset
  }

  /// The part of `range` that lies between `offset` and `end`.
  private func copy(
    _ range: Range<Int>, _ offset: Int, _ end: Int, into target: UnsafeMutableRawBufferPointer
  ) {
    let part = range.clamped(to: offset..<end)
    if part.isEmpty { return }
    let room = unsafe UnsafeMutableRawBufferPointer(
      rebasing: target[(part.lowerBound - offset)..<(part.upperBound - offset)])
    let copied = unsafe memory.copy(from: part.lowerBound, into: room)
    precondition(copied == part.count, "the region is as large as it says")
  }

  private func onlyRow(_ index: Int, _ rowBytes: Int) -> RowCells {
    let table = TableCells(self, index)
    table.noteUse(of: 0)
    return table.row(0, rowBytes: rowBytes)
  }

  private func tableIndex(_ shard: Int, _ which: Int) -> Int {
    precondition(shard >= 0 && shard < configuration.shards, "no such shard")
    return CountersLayout.commonTables + CountersLayout.shardTables * shard + which
  }

  fileprivate func entryCells(_ index: Int) -> RowCells {
    let offset = CountersLayout.headerBytes + index * CountersLayout.directoryEntryBytes
    return memory.cells(at: offset)
  }

  fileprivate func place(_ index: Int) -> (entry: RowCells, rows: RowCells, capacity: Int) {
    let table = tables[index]
    return (
      entryCells(index), memory.cells(at: table.offset), table.capacity
    )
  }
}

/// How far a table is used.
public struct TableReach: Sendable {
  /// Of its first row, in the region.
  public let offset: Int
  /// Of all its rows.
  public let byteCount: Int
  private let rowBytes: Int
  private let entry: RowCells

  fileprivate init(_ region: CountersRegion, _ index: Int) {
    let table = region.tables[index]
    offset = table.offset
    rowBytes = table.rowBytes
    byteCount = table.rowBytes * table.capacity
    entry = region.entryCells(index)
  }

  /// Up to the last row that was ever used.
  public var usedRows: UInt32 { entry.load32(CountersLayout.Entry.highWater) }
  /// Up to its end.
  public var usedBytes: Int { Int(usedRows) * rowBytes }
  /// The rows that end within so many bytes.
  public func rows(within bytes: Int) -> UInt32 { UInt32(bytes / rowBytes) }
}

/// Where a table is: what the generated tables are made of.
struct TableCells: Sendable {
  let capacity: Int
  private let entry: RowCells
  private let rows: RowCells

  fileprivate init(_ region: CountersRegion, _ index: Int) {
    (entry, rows, capacity) = region.place(index)
  }

  @_noLocks func row(_ slot: Int, rowBytes: Int) -> RowCells {
    precondition(UInt(bitPattern: slot) < UInt(bitPattern: capacity), "no such row")
    return rows.advanced(by: slot &* rowBytes)
  }

  @_noLocks func noteUse(of slot: Int) {
    precondition(UInt(bitPattern: slot) < UInt(bitPattern: capacity), "no such row")
    entry.max32(CountersLayout.Entry.highWater, UInt32(slot) &+ 1)
  }
}
