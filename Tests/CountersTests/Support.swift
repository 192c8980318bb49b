import Counters

/// A region in plain memory, and what it was made with. Safe as long as the rows are not used after
/// it.
@safe final class TestRegion {
  let region: CountersRegion
  private let base: UnsafeMutableRawPointer

  static let configuration = CountersConfiguration(
    shards: 2, connectionsPerShard: 500, publishersPerShard: 8, subscriptionsPerShard: 300,
    topics: 16)

  init() {
    let bytes = CountersLayout.requiredBytes(Self.configuration)
    unsafe base = .allocate(byteCount: bytes, alignment: CountersLayout.tableAlignment)
    unsafe base.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
    region = unsafe CountersRegion(
      memory: CountersMemory(base: base, byteCount: bytes), configuration: Self.configuration,
      processID: 4711, instance: 0xABCD_EF01_2345_6789, startedNs: 1_700_000_000_000_000_000)
  }

  deinit { unsafe base.deallocate() }

  /// Overwrites the bytes at some offsets.
  func scribble(where isMeant: (Int) -> Bool) {
    for offset in 0..<region.memory.byteCount where isMeant(offset) {
      unsafe base.storeBytes(of: 0xAA, toByteOffset: offset, as: UInt8.self)
    }
  }

  func snapshot(tables: Set<CounterKind> = Set(CounterKind.allCases)) throws -> CountersSnapshot {
    let memory = region.memory
    return try CountersSnapshot(tables: tables) { memory.bytes(at: $0, count: $1) }
  }
}
