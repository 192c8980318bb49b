import CommandSupport
import Counters
import Foundation
import Testing
import WireFormat

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

  @Test func tablesAndJSONHaveTheTimes() throws {
    let broker = FakeBroker()
    broker.populate()
    let row = broker.region.observations(shard: 1).activate(0)
    row.set(.id, 12)
    row.add(.total, at: StageBuckets.bucket(of: 40_000_000), 100)
    row.add(.creditWait, at: StageBuckets.bucket(of: 30_000_000), 100)
    let topicRow = broker.region.topics[0]
    topicRow.set(.options, UInt32(TopicOptions.keyed.rawValue))
    // On two shards.
    for (shard, batches) in [(0, UInt64(1)), (1, 2)] {
      let delivery = broker.region.deliveries(shard: shard).activate(0)
      delivery.set(.topic, topicRow.get(.id))
      delivery.add(.total, at: StageBuckets.bucket(of: 5_000_000), batches)
      delivery.add(.totalNs, 5_000_000 * batches)
      delivery.add(.creditWait, at: StageBuckets.bucket(of: 4_000_000), batches)
      delivery.add(.creditNs, 4_000_000 * batches)
    }
    let memory = broker.region.memory
    let snapshot = try CountersSnapshot(tables: Set(CounterKind.allCases)) {
      memory.bytes(at: $0, count: $1)
    }
    let report = StatsReport(
      StatsReading(
        snapshot: snapshot, source: .network(url: "galleon://x"), takenNs: 1, realtimeNs: 1))
    let text = report.lines(width: 200, rowsMax: 20)
    let times = try #require(text.firstIndex(of: "TIMES OF SUBSCRIPTIONS"))
    let topics = try #require(text.firstIndex(of: "TIMES OF TOPICS"))
    #expect(text[times + 1].hasPrefix("pattern ") && text[topics + 1].hasPrefix("topic "))
    #expect(text[times + 2].hasPrefix("hunt.>") && text[times + 2].contains("66"))
    #expect(text[topics + 2].hasPrefix("hunt.loot"))
    #expect(text[topics + 2].contains("8.3") && topics < times)
    #expect(text.contains { $0.contains("fresh p99") })
    var json = JSONWriter()
    report.write(to: &json)
    let object = try #require(
      JSONSerialization.jsonObject(with: Data(json.bytes)) as? [String: Any])
    let subscription = try #require((object["subscriptions"] as? [[String: Any]])?.first)
    let credit = (subscription["times"] as? [String: Any])?["credit"] as? [String: Any]
    #expect(credit?["count"] as? Int == 100)
    let topic = try #require((object["topics"] as? [[String: Any]])?.first)
    let freshness = try #require(topic["freshness"] as? [String: Any])
    #expect(freshness["count"] as? Int == 3)
    let topicTimes = try #require(topic["times"] as? [String: Any])
    #expect(topicTimes["totalNs"] as? Int == 15_000_000)
    #expect(topicTimes["creditNs"] as? Int == 12_000_000)
    #expect((topicTimes["credit"] as? [String: Any])?["count"] as? Int == 3)
    #expect((topicTimes["echo"] as? [String: Any])?["count"] as? Int == 0)
  }

  /// Whoever reads a name finds it of every topic.
  @Test func aTopicWithoutKeysHasAnEmptyFreshness() throws {
    let broker = FakeBroker()
    broker.populate()
    let delivery = broker.region.deliveries(shard: 0).activate(0)
    delivery.set(.topic, broker.region.topics[0].get(.id))
    delivery.add(.total, at: StageBuckets.bucket(of: 5_000_000), 1)
    var json = JSONWriter()
    StatsReport(try broker.reading(at: 1)).write(to: &json)
    let object = try #require(
      JSONSerialization.jsonObject(with: Data(json.bytes)) as? [String: Any])
    let topic = try #require((object["topics"] as? [[String: Any]])?.first)
    let freshness = try #require(topic["freshness"] as? [String: Any])
    #expect(freshness["count"] as? Int == 0)
  }
}
