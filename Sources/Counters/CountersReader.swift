/// Takes rows out of a source of bytes; see `CountersSnapshot`.
struct CountersReader {
  let read: (_ offset: Int, _ count: Int) -> [UInt8]
  private var directoryOffset = 0
  private var directoryCount = 0
  private var totalBytes = 0

  init(read: @escaping (_ offset: Int, _ count: Int) -> [UInt8]) { self.read = read }

  struct Entry {
    var kind: CounterKind
    var shard: Int?
    var rowBytes: Int
    var offset: Int
    var rowsUsed: Int
  }

  /// Exactly this many bytes, in as many reads as the source makes of it.
  private func exactly(_ offset: Int, _ count: Int) throws(CountersReadError) -> [UInt8] {
    var bytes = read(offset, count)
    while bytes.count < count {
      let more = read(offset + bytes.count, count - bytes.count)
      if more.isEmpty { throw .cut(offset: offset + bytes.count) }
      bytes += more
    }
    return bytes
  }

  private static func number(_ bytes: ArraySlice<UInt8>, _ offset: Int, _ size: Int) -> UInt64 {
    let start = bytes.startIndex + offset
    return bytes[start..<(start + size)].reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  mutating func readHeader() throws(CountersReadError) -> CountersHeader {
    typealias Header = CountersLayout.Header
    let bytes: [UInt8]
    do {
      bytes = try exactly(0, CountersLayout.headerBytes)
    } catch {
      throw .notCounters
    }
    func number(_ offset: Int, _ size: Int) -> UInt64 { Self.number(bytes[...], offset, size) }
    guard number(Header.magic, 8) == CountersLayout.magic else { throw .notCounters }
    let version = UInt32(number(Header.version, 4))
    let fingerprint = number(Header.fingerprint, 8)
    guard version == CountersLayout.version, fingerprint == CountersLayout.fingerprint else {
      throw .otherLayout(version: version, fingerprint: fingerprint)
    }
    directoryOffset = Int(number(Header.directoryOffset, 4))
    directoryCount = Int(number(Header.directoryCount, 4))
    let shards = Int(number(Header.shards, 4))
    guard let total = Int(exactly: number(Header.totalBytes, 8)),
      shards >= 1, shards <= CountersLayout.shardsMax,
      directoryCount
        <= CountersLayout.commonTables + CountersLayout.shardTables * CountersLayout.shardsMax
    else { throw .malformed }
    totalBytes = total
    return CountersHeader(
      processID: UInt32(number(Header.processID, 4)), instance: number(Header.instance, 8),
      startedNs: number(Header.startedNs, 8), shards: shards, totalBytes: total)
  }

  func readDirectory() throws(CountersReadError) -> [Entry] {
    let entryBytes = CountersLayout.directoryEntryBytes
    let bytes = try exactly(directoryOffset, directoryCount * entryBytes)
    var entries: [Entry] = []
    for index in 0..<directoryCount {
      let entry = bytes[(index * entryBytes)..<((index + 1) * entryBytes)]
      // A kind of a later version is not known here; the fingerprint says that there is none.
      guard let kind = CounterKind(rawValue: UInt16(Self.number(entry, 0, 2))) else {
        throw .malformed
      }
      let shard = UInt16(Self.number(entry, CountersLayout.Entry.shard, 2))
      let rowBytes = Int(Self.number(entry, CountersLayout.Entry.rowBytes, 4))
      let capacity = Int(Self.number(entry, CountersLayout.Entry.capacity, 4))
      let used = Int(Self.number(entry, CountersLayout.Entry.highWater, 4))
      guard let offset = Int(exactly: Self.number(entry, CountersLayout.Entry.offset, 8)),
        rowBytes >= 16, rowBytes % 8 == 0, used <= capacity,
        offset <= totalBytes, rowBytes * used <= totalBytes - offset
      else { throw .malformed }
      entries.append(
        Entry(
          kind: kind, shard: shard == CountersLayout.noShard ? nil : Int(shard),
          rowBytes: rowBytes, offset: offset, rowsUsed: used))
    }
    return entries
  }

  /// The rows in use of one table, each consistent or marked as torn.
  func rows<Row: CounterRow>(
    _ entry: Entry, all: Bool = false
  ) throws(CountersReadError) -> [RowSnapshot<Row>] {
    guard entry.rowBytes == Row.rowBytes else { throw .malformed }
    var result: [RowSnapshot<Row>] = []
    let rowsPerChunk = max(1, CountersSnapshot.chunkBytesMax / entry.rowBytes)
    var next = 0
    while next < entry.rowsUsed {
      let count = min(rowsPerChunk, entry.rowsUsed - next)
      let offset = entry.offset + next * entry.rowBytes
      let first = try exactly(offset, count * entry.rowBytes)
      let second = try exactly(offset, count * entry.rowBytes)
      for index in 0..<count {
        let range = (index * entry.rowBytes)..<((index + 1) * entry.rowBytes)
        var bytes = first[range]
        var isTorn = !Self.agree(bytes, second[range])
        if isTorn {
          (bytes, isTorn) = try again(offset + range.lowerBound, entry.rowBytes, second[range])
        }
        if Self.number(bytes, 0, 8) == 0 { continue }
        let row = RowSnapshot<Row>(
          slot: next + index, shard: entry.shard, isTorn: isTorn, bytes: bytes)
        if all || isTorn || (row.state != .free && row.state != .retired) { result.append(row) }
      }
      next += count
    }
    return result
  }

  /// Whether the first of two copies is of one moment: the sequence was even before it, and had not
  /// moved after it.
  private static func agree(_ first: ArraySlice<UInt8>, _ second: ArraySlice<UInt8>) -> Bool {
    let before = number(first, 0, 8)
    return before % 2 == 0 && before == number(second, 0, 8)
  }

  private func again(
    _ offset: Int, _ rowBytes: Int, _ last: ArraySlice<UInt8>
  ) throws(CountersReadError) -> (ArraySlice<UInt8>, isTorn: Bool) {
    var earlier = last
    for _ in 0..<CountersSnapshot.triesMax {
      let later = try exactly(offset, rowBytes)[...]
      if Self.agree(earlier, later) { return (earlier, false) }
      earlier = later
    }
    return (earlier, true)
  }
}
