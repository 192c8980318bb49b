import Counters
import CountersSupport

/// Counters for these tests, and what they were made with.
struct TestRegion {
  private let counters = CountersOnHeap(
    Self.configuration, processID: 4711, instance: 0xABCD_EF01_2345_6789,
    startedNs: 1_700_000_000_000_000_000)
  var region: CountersRegion { counters.region }

  static let configuration = CountersConfiguration(
    shards: 2, connectionsPerShard: 500, publishersPerShard: 8, subscriptionsPerShard: 300,
    observationsPerShard: 8, deliveriesPerShard: 8, topics: 16)

  func scribble(where isMeant: (Int) -> Bool) { counters.scribble(where: isMeant) }

  func snapshot(tables: Set<CounterKind> = Set(CounterKind.allCases)) throws -> CountersSnapshot {
    let memory = region.memory
    return try CountersSnapshot(tables: tables) { memory.bytes(at: $0, count: $1) }
  }
}
