import CommandSupport
import Counters
import CountersSupport
import Foundation
import Testing

/// A broker's counters.
struct FakeBroker {
  private let counters: CountersOnHeap
  var region: CountersRegion { counters.region }

  init(instance: UInt64 = 0xFEED) {
    let configuration = CountersConfiguration(
      shards: 2, connectionsPerShard: 100, publishersPerShard: 100, subscriptionsPerShard: 100,
      observationsPerShard: 8, deliveriesPerShard: 8, topics: 100)
    counters = CountersOnHeap(
      configuration, processID: 42, instance: instance, startedNs: 1_000_000_000_000)
    region.broker.setState(.active)
    region.broker.setText(.version, "galleon 0.1.0")
    region.broker.setText(.addresses, "127.0.0.1:4747")
    region.broker.set(.memoryCeilingBytes, 1 << 30)
    region.shard(0).set(.pageBytes, 1 << 28)
    for shard in 0..<2 { region.shard(shard).setState(.active) }
  }

  /// One topic, one connection with a publisher and a subscription that is behind.
  func populate() {
    let topic = region.topics.activate(0)
    topic.set(.id, 7)
    topic.set(.epoch, 1)
    topic.setText(.name, "hunt.loot")
    let connection = region.connections(shard: 1).activate(3)
    connection.set(.session, 99)
    connection.set(.codecs, 2)
    connection.setText(.client, "a\u{1B}[2Jb")
    let publisher = region.publishers(shard: 1).activate(0)
    publisher.set(.connection, 3)
    publisher.set(.topic, 7)
    publisher.set(.creditEvents, .max)
    let subscription = region.subscriptions(shard: 1).activate(5)
    subscription.set(.connection, 3)
    subscription.set(.policy, 1)
    subscription.set(.blocked, BlockedCause.socket.rawValue)
    subscription.set(.id, 12)
    subscription.set(.matchedEvents, 1243)
    subscription.set(.lagEvents, 1234)
    subscription.set(.creditEvents, 10)
    subscription.add(.droppedEvents, at: 3, 4)
    subscription.add(.droppedEvents, at: 1, 5)
    subscription.setText(.pattern, "hunt.>")
    region.shard(1).add(.closed, at: 25, 2)
    region.shard(0).add(.errors, at: 2, 1)
    region.shard(1).set(.connections, 1)
  }

  func reading(
    at seconds: Double, source: StatsReading.Source = .network(url: "galleon://x")
  ) throws -> StatsReading {
    let memory = region.memory
    return StatsReading(
      snapshot: try CountersSnapshot { memory.bytes(at: $0, count: $1) }, source: source,
      takenNs: UInt64(seconds * 1e9), realtimeNs: 1_060_000_000_000 + UInt64(seconds * 1e9))
  }
}

struct StatsTests {
  private func object(_ report: StatsReport) throws -> [String: Any] {
    var json = JSONWriter()
    report.write(to: &json)
    return try #require(
      JSONSerialization.jsonObject(with: Data(json.bytes)) as? [String: Any])
  }

  private func rows(_ object: [String: Any], _ name: String) throws -> [[String: Any]] {
    try #require(object[name] as? [[String: Any]])
  }

  @Test func jsonHasTheNamesOfTheRegistry() throws {
    let broker = FakeBroker()
    broker.populate()
    let object = try object(StatsReport(try broker.reading(at: 1)))
    #expect(object["health"] as? String == "serving")
    #expect(object["pid"] as? Int == 42)
    #expect(object["instance"] as? String == "feed")
    #expect(object["intervalSeconds"] is NSNull)
    let tables: [(String, [CounterFieldDescription])] = [
      ("shards", ShardRow.fields), ("topics", TopicRow.fields),
      ("connections", ConnectionRow.fields), ("publishers", PublisherRow.fields),
      ("subscriptions", SubscriptionRow.fields),
    ]
    for (name, fields) in tables {
      let row = try #require(try rows(object, name).first)
      for field in fields { #expect(row[field.name] != nil, "\(name).\(field.name)") }
    }
    let subscription = try #require(try rows(object, "subscriptions").first)
    #expect(subscription["policy"] as? String == "drop-oldest")
    #expect(subscription["blocked"] as? String == "socket")
    #expect(subscription["session"] as? Int == 99)
    #expect((subscription["droppedEvents"] as? [String: Int])?["expired"] == 4)
    let publisher = try #require(try rows(object, "publishers").first)
    #expect(publisher["topicName"] as? String == "hunt.loot")
    #expect(publisher["creditEvents"] is NSNull)
    // Counted from the rows: the broker's own numbers are 0 here.
    let topic = try #require(try rows(object, "topics").first)
    #expect(topic["subscriptions"] as? Int == 1 && topic["publishers"] as? Int == 1)
    let totals = try #require(object["broker"] as? [String: Any])
    #expect(totals["topics"] as? Int == 1)
    #expect((totals["closed"] as? [String: Int]) == ["outputMemory": 2])
    #expect((totals["errors"] as? [String: Int]) == ["topicNotFound": 1])
    #expect(totals["eventsInPerSecond"] is NSNull)
  }

  @Test func twoReadingsMakeRates() throws {
    let broker = FakeBroker()
    broker.populate()
    let first = try broker.reading(at: 1)
    broker.region.shard(0).add(.eventsIn, 3000)
    broker.region.topics[0].add(.eventsIn, 500)
    broker.region.subscriptions(shard: 1)[5].add(.deliveredEvents, 50)
    broker.region.shard(0).recordLatency(ns: 10_000)
    let report = StatsReport(try broker.reading(at: 3), since: first)
    let object = try object(report)
    #expect(object["intervalSeconds"] as? Double == 2)
    let totals = try #require(object["broker"] as? [String: Any])
    #expect(totals["eventsInPerSecond"] as? Double == 1500)
    #expect((totals["recentLatency"] as? [String: Int])?["count"] == 1)
    #expect(try rows(object, "topics")[0]["eventsInPerSecond"] as? Double == 250)
    #expect(try rows(object, "subscriptions")[0]["deliveredEventsPerSecond"] as? Double == 25)
  }

  @Test func aRowThatIsUsedAgainCountsFromZero() throws {
    let broker = FakeBroker()
    broker.populate()
    broker.region.connections(shard: 1)[3].set(.eventsIn, 1_000_000)
    let first = try broker.reading(at: 1)
    let again = broker.region.connections(shard: 1).activate(3)
    again.set(.session, 100)
    again.set(.eventsIn, 20)
    let object = try object(StatsReport(try broker.reading(at: 2), since: first))
    #expect(try rows(object, "connections")[0]["eventsInPerSecond"] as? Double == 20)
  }

  @Test func whyASubscriptionIsHeldBack() throws {
    let broker = FakeBroker()
    let row = broker.region.subscriptions(shard: 0).activate(0)
    func blocked(rates: Bool = false) throws -> String? {
      let first = try broker.reading(at: 1)
      let report = StatsReport(try broker.reading(at: 2), since: rates ? first : nil)
      return try rows(try object(report), "subscriptions")[0]["blocked"] as? String
    }
    #expect(try blocked() == "none")
    row.set(.lagEvents, 5)
    #expect(try blocked() == "creditEvents")
    row.set(.creditEvents, 10)
    #expect(try blocked() == "creditBytes")
    row.set(.creditBytes, 10)
    #expect(try blocked() == "none")
    #expect(try blocked(rates: true) == "socket")
    row.set(.blocked, BlockedCause.turn.rawValue)
    #expect(try blocked(rates: true) == "turn")
  }

  @Test func anAccountThatDoesNotBalanceIsFlagged() throws {
    let broker = FakeBroker()
    broker.populate()
    func report() throws -> StatsReport { StatsReport(try broker.reading(at: 1)) }
    func breaches() throws -> [String] {
      try report().screen(width: 100, height: 24).filter { $0.contains("LEDGER BREACH") }
    }
    #expect(try breaches() == [])
    #expect(try object(report())["ledgersBalance"] as? Bool == true)
    let row = broker.region.subscriptions(shard: 1)[5]
    row.add(.deliveredEvents, 1)
    row.add(.matchedBytes, 1500)
    #expect(
      try breaches() == [
        "LEDGER BREACH: subscription 12 (hunt.>): 1 event too many, 1,500 bytes missing"
      ])
    let object = try object(report())
    #expect(object["ledgersBalance"] as? Bool == false)
    let ledger = try #require(try rows(object, "subscriptions")[0]["ledger"] as? [String: Any])
    #expect(ledger["balances"] as? Bool == false)
    #expect(ledger["offEvents"] as? Int == -1 && ledger["offBytes"] as? Int == 1500)
    #expect(try report().lines(width: 200, rowsMax: 20).contains { $0.hasSuffix("  BREACH") })
    // Its writer was stopped within an update: the words need not agree.
    row.beginUpdate()
    #expect(try breaches() == [])
  }

  /// What balances and what was never left out takes no room; a breach comes first.
  @Test func aLedgerHasTheColumnsThatSaySomething() throws {
    let broker = FakeBroker()
    broker.populate()
    let other = broker.region.subscriptions(shard: 0).activate(0)
    other.setText(.pattern, "other")
    other.set(.conflatedBytes, 10)
    let lines = StatsReport(try broker.reading(at: 1)).lines(width: 200, rowsMax: 20)
    let start = try #require(lines.firstIndex(of: "LEDGERS"))
    let titles = lines[start + 1]
    #expect(
      titles.split(separator: " ").filter { $0 != "bytes" } == [
        "ledger", "of", "id", "matched", "delivered", "conflated", "expired", "dropped", "pending",
        "balance",
      ])
    #expect(lines[start + 2].hasPrefix("other") && lines[start + 2].hasSuffix("BREACH"))
    #expect(
      lines[start + 3].split(whereSeparator: { " B".contains($0) }).joined(separator: " ")
        == "hunt.> 12 1,243 0 0 0 0 0 4 0 5 0 1,234 0 ok")
    #expect(lines.contains { $0.hasSuffix(": 10 bytes too many") })
  }

  @Test func whoIsSlowAndWhy() throws {
    let broker = FakeBroker()
    func lines(_ report: StatsReport, _ rowsMax: Int? = nil) -> [String] {
      report.slowLines(rowsMax: rowsMax)
    }
    #expect(
      lines(StatsReport(try broker.reading(at: 1)))
        == ["Nobody is slow: every subscription has what there is."])
    broker.populate()
    let second = broker.region.subscriptions(shard: 1).activate(7)
    second.set(.id, 13)
    second.set(.connection, 9)
    second.setText(.pattern, "x")
    second.set(.lagEvents, 1000)
    second.set(.lagBytes, 2048)
    second.set(.blocked, BlockedCause.creditEvents.rawValue)
    let publisher = broker.region.publishers(shard: 1)[0]
    publisher.set(.creditBytes, 0)
    publisher.set(.blocked, BlockedCause.subscriber.rawValue)
    let first = try broker.reading(at: 1)
    second.add(.matchedEvents, 100)
    second.add(.deliveredEvents, 300)
    let report = StatsReport(try broker.reading(at: 2), since: first)
    #expect(
      lines(report) == [
        "Subscription 13 to x (a connection that is gone) has 1 k events, 2 KiB, pending: its "
          + "reader has not granted credit for more events; it is sent 300 events/s and will have "
          + "caught up in 5 s.",
        #"Subscription 12 to hunt.> (a\x1b[2Jb, session 99) has 1.23 k events, 0 B, pending: its "#
          + "socket is full, so its reader or the network takes nothing more; it is sent nothing.",
        #"The publisher of hunt.loot (a\x1b[2Jb, session 99) is not heard: its topic waits "#
          + "for a lossless subscription.",
      ])
    #expect(lines(report, 1).count == 2 && lines(report, 1).last == "… and 2 more")
  }

  @Test func readingsOfTwoBrokersMakeNoRates() throws {
    let first = try FakeBroker(instance: 1).reading(at: 1)
    let report = StatsReport(try FakeBroker(instance: 2).reading(at: 2), since: first)
    #expect(!report.hasRates)
  }

  @Test func peopleSeeWhatMattersAndNoControlCharacters() throws {
    let broker = FakeBroker()
    broker.populate()
    let text = StatsReport(try broker.reading(at: 1)).lines(width: 200, rowsMax: 20)
      .joined(separator: "\n")
    for word in [
      "galleon 0.1.0", "127.0.0.1:4747", "serving", "256 MiB of 1 GiB (25 %)", "hunt.loot",
      "hunt.>", "drop-oldest", "socket", "1.23 k", "outputMemory", #"a\x1b[2Jb"#,
    ] {
      #expect(text.contains(word), "\(word)")
    }
    #expect(!text.unicodeScalars.contains("\u{1B}"))
  }

  @Test func aScreenIsNeverLeft() throws {
    let broker = FakeBroker()
    broker.populate()
    for slot in 0..<100 {
      let topic = broker.region.topics.activate(slot)
      topic.set(.epoch, UInt64(slot))
      topic.setText(.name, String(repeating: "t\(slot).", count: 20))
    }
    let report = StatsReport(try broker.reading(at: 1))
    for (width, height) in [(200, 60), (80, 24), (40, 10), (20, 5), (5, 1)] {
      let lines = report.screen(width: width, height: height)
      #expect(lines.count <= height)
      #expect(lines.allSatisfy { $0.count <= width })
    }
    // Other tables are not starved by a long one.
    let lines = report.screen(width: 120, height: 40)
    #expect(lines.contains { $0.hasPrefix("SUBSCRIPTIONS") })
    #expect(lines.contains { $0.hasPrefix("TOPICS (") && $0.hasSuffix("of 100)") })
    #expect(lines.count == 40)
  }

  /// None of the numbers at the top is less than the others: what does not fit goes on below.
  @Test(arguments: [24, 40, 80, 200]) func theHeadLosesNoNumber(width: Int) throws {
    let lines = StatsReport(try FakeBroker().reading(at: 1)).lines(width: width, rowsMax: 0)
    #expect(lines.allSatisfy { $0.count <= width })
    let head = lines.prefix { !$0.isEmpty }
    for word in [" topics", " connections", " publishers", " subscriptions", "lost "] {
      #expect(head.contains { $0.contains(word) }, "\(word) in \(head)")
    }
  }

  @Test func theEndOfTheTopicsIsSeenToCome() throws {
    let broker = FakeBroker()
    broker.region.broker.set(.topicsMax, 20)
    func warning() throws -> String? {
      try StatsReport(broker.reading(at: 1)).lines(width: 200, rowsMax: 0)
        .first { $0.hasPrefix("Topics are running out") }
    }
    for slot in 0..<17 { broker.region.topics.activate(slot).set(.epoch, UInt64(slot)) }
    #expect(try warning() == nil)
    broker.region.topics.activate(17).set(.epoch, 17)
    #expect(
      try warning()
        == "Topics are running out: 18 of 20, and each lasts until the broker ends "
          + "(serve --max-topics).")
  }

  @Test func longTablesAreCutAndSaySo() throws {
    let broker = FakeBroker()
    for slot in 0..<30 { broker.region.topics.activate(slot).set(.epoch, UInt64(slot)) }
    let report = StatsReport(try broker.reading(at: 1))
    #expect(report.lines(width: 100, rowsMax: 20).contains("… and 10 more"))
    #expect(!report.lines(width: 100, rowsMax: nil).contains { $0.hasPrefix("…") })
  }

  @Test func theHealthOfABroker() throws {
    let broker = FakeBroker()
    let gone = StatsReading.Source.file(path: "p", process: .gone)
    let alive = StatsReading.Source.file(path: "p", process: .runs)
    #expect(try broker.reading(at: 1, source: gone).health == .died)
    #expect(try broker.reading(at: 1, source: alive).health == .serving)
    let stopped = try broker.reading(at: 1, source: .file(path: "p", process: .isStopped))
    #expect(stopped.health == .stopped && stopped.warning?.contains("is stopped") == true)
    broker.region.shard(1).set(.turnStartedNs, 1_050_000_000_000)
    let hanging = try broker.reading(at: 1, source: alive)
    #expect(hanging.health == .hangs(shard: 1, forNs: 11_000_000_000))
    #expect(hanging.warning?.contains("hangs") == true)
    broker.region.shard(1).set(.turnStartedNs, 1_060_900_000_000)
    #expect(try broker.reading(at: 1, source: alive).health == .serving)
    broker.region.broker.setState(.draining)
    #expect(try broker.reading(at: 1, source: alive).health == .draining)
    broker.region.broker.retire()
    #expect(try broker.reading(at: 1, source: gone).health == .ended)
  }
}
