import Counters

/// `stats --json`: the names are those of the counters' registry, and are documented beside it. A
/// number that means "no bound" (2^64 - 1) is null.
extension StatsReport {
  /// One object.
  public func write(to json: inout JSONWriter) {
    let snapshot = now.snapshot
    json.object { json in
      json.field("time", RFC3339.text(ns: now.realtimeNs))
      switch now.source {
      case .file(let path, let process):
        json.field("source", path)
        json.field("processAlive", process != .gone)
      case .network(let url):
        json.field("source", url)
        json.field("processAlive", true)
      }
      json.field("health", now.health.name)
      json.field("intervalSeconds", hasRates ? seconds : nil)
      json.field("pid", UInt64(snapshot.header.processID))
      json.field("instance", String(snapshot.header.instance, radix: 16))
      json.field("startTime", RFC3339.text(ns: snapshot.header.startedNs))
      json.field("ledgersBalance", ledgersBalance)
      json.object("broker") { json in
        fields(snapshot.broker, &json, leaveOut: ["memoryUsedBytes", "topics"])
        json.field("memoryUsedBytes", memoryUsedBytes)
        json.field("topics", topicsInUse)
        totals(&json)
      }
      json.array("shards") { json in for row in snapshot.shards { shard(row, &json) } }
      json.array("topics") { json in for row in snapshot.topics { topic(row, &json) } }
      json.array("connections") { json in
        for row in snapshot.connections { connection(row, &json) }
      }
      json.array("publishers") { json in for row in snapshot.publishers { publisher(row, &json) } }
      let observations = Dictionary(
        snapshot.observations.map { ($0[.id], $0) }, uniquingKeysWith: { first, _ in first })
      json.array("subscriptions") { json in
        for row in snapshot.subscriptions { subscription(row, observations[row[.id]], &json) }
      }
    }
  }

  private func totals(_ json: inout JSONWriter) {
    for (name, field) in Self.summed { json.field(name, total(field)) }
    for (name, field) in Self.rated { json.field(name + "PerSecond", totalRate(field)) }
    latency(now.snapshot.latency, recentLatency, &json)
    counts("closed", now.snapshot.shards.map { $0[.closed] }, StatsNames.closeReason, &json)
    counts(
      "errors", now.snapshot.shards.map { $0[.errors] }, { StatsNames.errorCode($0 + 100) }, &json)
  }

  private static let summed: [(String, ShardRow.Word)] =
    [
      ("connections", .connections), ("subscriptions", .subscriptions), ("publishers", .publishers),
      ("framesIn", .framesIn), ("framesOut", .framesOut), ("droppedEvents", .droppedEvents),
      ("gapsSent", .gapsSent),
    ] + rated

  private static let rated: [(String, ShardRow.Word)] = [
    ("eventsIn", .eventsIn), ("eventsOut", .eventsOut), ("bytesIn", .bytesIn),
    ("bytesOut", .bytesOut),
  ]

  private func shard(_ row: RowSnapshot<ShardRow>, _ json: inout JSONWriter) {
    json.object { json in
      fields(row, &json, leaveOut: ["latency", "closed", "errors"])
      for (name, field) in Self.rated { json.field(name + "PerSecond", rate(row, field)) }
      json.field("turnsPerSecond", rate(row, .turns))
      json.field("busyShare", rate(row, .busyNs).map { $0 / 1e9 })
      latency(row.latency, recentLatency(row), &json)
      counts("closed", [row[.closed]], StatsNames.closeReason, &json)
      counts("errors", [row[.errors]], { StatsNames.errorCode($0 + 100) }, &json)
    }
  }

  private func topic(_ row: RowSnapshot<TopicRow>, _ json: inout JSONWriter) {
    json.object { json in
      fields(row, &json, leaveOut: ["subscriptions", "publishers", "readToRing"])
      Self.stage("readToRing", StageHistogram(row[.readToRing]), &json)
      // Names do not go: of a topic without keys it is empty.
      let fresh = Self.isKeyed(row) ? times(row)?.all.total.histogram : nil
      Self.stage("freshness", fresh ?? StageHistogram(), &json)
      times(of: row, &json)
      json.field("subscriptions", subscriptions(of: row))
      json.field("publishers", publishers(of: row))
      json.field("eventsInPerSecond", rate(row, .eventsIn))
      json.field("bytesInPerSecond", rate(row, .bytesIn))
    }
  }

  private func connection(_ row: RowSnapshot<ConnectionRow>, _ json: inout JSONWriter) {
    json.object { json in
      json.field("shard", row.shard ?? 0)
      json.field("slot", row.slot)
      fields(row, &json)
      json.field("eventsInPerSecond", rate(row, .eventsIn))
      json.field("eventsOutPerSecond", rate(row, .eventsOut))
      json.field("bytesInPerSecond", rate(row, .bytesIn))
      json.field("bytesOutPerSecond", rate(row, .bytesOut))
    }
  }

  private func publisher(_ row: RowSnapshot<PublisherRow>, _ json: inout JSONWriter) {
    json.object { json in
      json.field("shard", row.shard ?? 0)
      json.field("session", session(row.shard, row[.connection]))
      json.field("topicName", topicName(row[.topic]))
      fields(row, &json)
      json.field("eventsPerSecond", rate(row, .events))
      json.field("bytesPerSecond", rate(row, .bytes))
    }
  }

  private func subscription(
    _ row: RowSnapshot<SubscriptionRow>, _ observation: RowSnapshot<ObservationRow>?,
    _ json: inout JSONWriter
  ) {
    json.object { json in
      json.field("shard", row.shard ?? 0)
      json.field("session", session(row.shard, row[.connection]))
      fields(row, &json, leaveOut: ["droppedEvents", "blocked"])
      json.field("blocked", "\(blocked(row))")
      counts("droppedEvents", [row[.droppedEvents]], StatsNames.gapCause, &json, zeros: true)
      json.ledger(of: row)
      json.field("deliveredEventsPerSecond", rate(row, .deliveredEvents))
      json.field("deliveredBytesPerSecond", rate(row, .deliveredBytes))
      if let observation { times(observation, &json) }
    }
  }

  private func latency(
    _ all: LatencyHistogram, _ recent: LatencyHistogram?, _ json: inout JSONWriter
  ) {
    func write(_ name: String, _ histogram: LatencyHistogram) {
      json.object(name) { json in
        json.field("count", histogram.count)
        json.field("p50Ns", histogram.percentile(0.5))
        json.field("p99Ns", histogram.percentile(0.99))
        json.field("p999Ns", histogram.percentile(0.999))
        json.field("maxNs", histogram.maxNs)
      }
    }
    write("latency", all)
    if let recent { write("recentLatency", recent) }
  }

  /// Numbers by name; those that are 0 are left out unless they are wanted.
  private func counts(
    _ name: String, _ arrays: [[UInt64]], _ names: (Int) -> String, _ json: inout JSONWriter,
    zeros: Bool = false
  ) {
    json.object(name) { json in
      for index in arrays.first?.indices ?? 0..<0 {
        let sum = arrays.reduce(0) { $0 &+ $1[index] }
        if sum > 0 || zeros { json.field(names(index), sum) }
      }
    }
  }

  /// Every field of a row by its name in the registry.
  private func fields<Row>(
    _ row: RowSnapshot<Row>, _ json: inout JSONWriter, leaveOut: [String] = []
  ) {
    for field in Row.fields where !leaveOut.contains(field.name) {
      switch field.kind {
      case .text: json.field(field.name, row.text(field.offset, field.count))
      case .word:
        let value = row.word(field.offset)
        json.field(field.name, value == .max ? nil : value)
      case .small: small(field.name, row.small(field.offset), &json)
      case .array:
        json.array(field.name) { json in
          for value in row.words(field.offset, field.count) { json.value(value) }
        }
      }
    }
    if row.isTorn { json.field("torn", true) }
  }

  private func small(_ name: String, _ value: UInt32, _ json: inout JSONWriter) {
    switch name {
    case "state": json.field(name, StatsNames.state(value))
    case "policy": json.field(name, StatsNames.policy(value))
    case "codecs":
      json.array(name) { json in for codec in StatsNames.codecs(value) { json.value(codec) } }
    case "options":
      json.array(name) { json in
        for option in StatsNames.topicOptions(value) { json.value(option) }
      }
    default: json.field(name, UInt64(value))
    }
  }
}
