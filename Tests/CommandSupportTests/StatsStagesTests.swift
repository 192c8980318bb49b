import CommandSupport
import Counters
import Foundation
import Testing

/// Where the time of a slow subscription went, in a sentence.
struct StatsStagesTests {
  @Test func aSentenceSaysWhatASubscriptionWaitedFor() throws {
    let broker = FakeBroker()
    broker.populate()
    broker.region.subscriptions(shard: 1)[5].set(.lagEvents, 0)
    let row = broker.region.observations(shard: 1).activate(0)
    row.set(.id, 12)
    let memory = broker.region.memory
    func lines() throws -> [String] {
      let snapshot = try CountersSnapshot(tables: Set(CounterKind.allCases)) {
        memory.bytes(at: $0, count: $1)
      }
      return StatsReport(
        StatsReading(
          snapshot: snapshot, source: .network(url: "galleon://x"), takenNs: 1, realtimeNs: 1)
      ).slowLines(rowsMax: nil)
    }
    row.add(.total, at: StageBuckets.bucket(of: 1_000_000), 100)
    #expect(try !lines().contains { $0.hasPrefix("Subscription") })
    row.add(.total, at: StageBuckets.bucket(of: 40_000_000), 100)
    row.set(.totalNs, 4_100_000_000)
    row.set(.creditNs, 3_690_000_000)
    row.set(.socketNs, 205_000_000)
    let line = try #require(try lines().first)
    #expect(line.hasPrefix("Subscription 12 to hunt.> ("))
    let credit = try #require(line.range(of: "waiting for its credit"))
    let socket = try #require(line.range(of: "waiting for its socket"))
    #expect(line.contains("p99 66") && credit.lowerBound < socket.lowerBound)
    #expect(line.contains("in the broker"))
  }
}
