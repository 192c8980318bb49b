import Counters
import CountersSupport
import Metrics
import Testing

@Suite struct ResponderTests {
  /// Counters of a broker that is asked.
  private struct Region {
    private let counters = CountersOnHeap(
      CountersConfiguration(
        shards: 2, connectionsPerShard: 4, publishersPerShard: 4, subscriptionsPerShard: 4,
        observationsPerShard: 8, deliveriesPerShard: 8, topics: 4),
      instance: 2, startedNs: 3_500_000_000)
    var region: CountersRegion { counters.region }

    func ask(_ path: String, nowNs: UInt64 = 0) -> (status: Int, lines: [String]) {
      let memory = region.memory
      let response = MetricsResponder.respond(to: path, realtimeNs: nowNs) {
        memory.bytes(at: $0, count: $1)
      }
      let text = String(decoding: response.body, as: UTF8.self)
      return (response.status, text.split(separator: "\n").map(String.init))
    }
  }

  @Test func readinessFollowsTheBrokersLife() {
    let broker = Region()
    #expect(broker.ask("/readyz").status == 503)
    #expect(broker.ask("/healthz").status == 200)
    broker.region.broker.activate(.active)
    #expect(broker.ask("/readyz") == (200, ["ok"]))
    broker.region.broker.activate(.draining)
    #expect(broker.ask("/readyz") == (503, ["draining"]))
    #expect(broker.ask("/healthz") == (200, ["draining"]))
  }

  @Test func aTurnWithoutEndIsNoHealth() {
    let broker = Region()
    broker.region.broker.activate(.active)
    broker.region.shard(1).set(.turnStartedNs, 1_000_000_000)
    #expect(broker.ask("/healthz", nowNs: 6_000_000_000).status == 200)
    let late = broker.ask("/healthz", nowNs: 8_000_000_000)
    #expect(late == (503, ["shard 1 hangs for 7 s"]))
    // A clock that went back is no reason.
    #expect(broker.ask("/healthz", nowNs: 0).status == 200)
  }

  @Test func theHistogramIsCumulativeAndItsSumIsTrue() throws {
    let broker = Region()
    let shard = broker.region.shard(0)
    for ns: UInt64 in [100, 3000, 3000, 20_000_000_000] { shard.recordLatency(ns: ns) }
    let lines = broker.ask("/metrics").lines.filter { $0.hasPrefix("galleon_latency_seconds") }
    let counts = lines.compactMap { line -> UInt64? in
      line.contains("_bucket") ? UInt64(line.split(separator: " ")[1]) : nil
    }
    #expect(counts == counts.sorted())
    #expect(counts.first == 1 && counts.last == 4)
    #expect(lines.contains { $0.hasPrefix("galleon_latency_seconds_bucket{le=\"+Inf\"} 4") })
    #expect(lines.contains("galleon_latency_seconds_count 4"))
    #expect(lines.contains("galleon_latency_seconds_sum 20.0000061"))
  }

  @Test func whatIsNotThereIsSaid() {
    let broker = Region()
    #expect(broker.ask("/nothing").status == 404)
    #expect(broker.ask("/").status == 200)
    let response = MetricsResponder.respond(to: "/metrics", realtimeNs: 0) { _, _ in [] }
    #expect(response.status == 503)
  }
}
