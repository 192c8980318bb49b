public import Counters
import WireFormat

/// The broker's counters as Prometheus asks for them. Names follow its conventions: base units,
/// `_total` for what only rises, what things are called in labels.
/// https://prometheus.io/docs/practices/naming/
extension Exposition {
  /// The broker and its shards: a bounded number of series whatever the load.
  public mutating func addBroker(_ snapshot: CountersSnapshot, health: BrokerHealth) {
    let broker = snapshot.broker
    family("galleon_build_info", .gauge, "Name and version of the broker; always 1.")
    sample(1, [("version", broker[.version])])
    family("galleon_ready", .gauge, "1 where clients are served, 0 while starting or draining.")
    sample(health == .serving ? 1 : 0)
    family("galleon_start_time_seconds", .gauge, "When the broker started, since the Unix epoch.")
    sample(Self.seconds(broker[.startedNs]))
    for (name, field, kind, help) in Self.brokerFields {
      family(name, kind, help)
      sample(broker[field])
    }
    for (name, field, kind, isTime, help) in Self.shardFields {
      family(name, kind, help)
      for shard in snapshot.shards {
        let value = shard[field]
        sample(isTime ? Self.seconds(value) : String(value), [("shard", "\(shard[.index])")])
      }
    }
    addEnded(snapshot)
    addLatency(snapshot)
    addStages(snapshot)
  }

  /// The stages of delivery, of all subscriptions that are observed.
  private mutating func addStages(_ snapshot: CountersSnapshot) {
    family(
      "galleon_stage_seconds", .histogram,
      "Time of a batch in the broker itself, without credit, with a full socket, and the client's "
        + "echo.")
    let times = snapshot.deliveryTimes
    for (stage, of) in [
      ("broker", times.ringToTurn), ("credit", times.creditWait), ("socket", times.socketWait),
      ("echo", times.echo),
    ] {
      stages(of.histogram.buckets, of.sumNs, [("stage", stage)])
    }
  }

  /// The samples of one histogram of stages.
  private mutating func stages(_ buckets: [UInt64], _ sumNs: UInt64, _ labels: [Label]) {
    var count: UInt64 = 0
    for (bucket, value) in buckets.enumerated() {
      count &+= value
      let end =
        bucket < StageBuckets.count - 1 ? Self.seconds(StageBuckets.upperBound(of: bucket)) : "+Inf"
      sample(count, labels + [("le", end)], suffix: "_bucket")
    }
    sample(Self.seconds(sumNs), labels, suffix: "_sum")
    sample(count, labels, suffix: "_count")
  }

  private static let brokerFields: [(String, BrokerRow.Word, Kind, String)] = [
    ("galleon_memory_ceiling_bytes", .memoryCeilingBytes, .gauge,
      "The ceiling of ring memory and what else is charged to it."),
    ("galleon_memory_used_bytes", .memoryUsedBytes, .gauge, "How much of the ceiling is in use."),
    ("galleon_topics", .topics, .gauge, "Topics there are; each lasts until the broker ends."),
    ("galleon_topics_max", .topicsMax, .gauge, "Topics there may be."),
    ("galleon_topics_created_total", .topicsCreated, .counter, "Topics created."),
  ]

  private static let shardFields: [(String, ShardRow.Word, Kind, Bool, String)] = [
    ("galleon_connections", .connections, .gauge, false, "Connections."),
    ("galleon_connections_accepted_total", .connectionsAccepted, .counter, false,
      "Connections accepted."),
    ("galleon_subscriptions", .subscriptions, .gauge, false, "Subscriptions."),
    ("galleon_publishers", .publishers, .gauge, false, "Publishers."),
    ("galleon_received_events_total", .eventsIn, .counter, false,
      "Events accepted from publishers."),
    ("galleon_delivered_events_total", .eventsOut, .counter, false,
      "Events delivered to subscriptions."),
    ("galleon_dropped_events_total", .droppedEvents, .counter, false,
      "Events that matched subscriptions and were lost to them."),
    ("galleon_gaps_total", .gapsSent, .counter, false, "GAP frames sent."),
    ("galleon_received_bytes_total", .bytesIn, .counter, false, "Bytes received from sockets."),
    ("galleon_sent_bytes_total", .bytesOut, .counter, false, "Bytes handed to sockets."),
    ("galleon_socket_full_total", .sendWouldBlocks, .counter, false,
      "Send calls that a full socket cut short or refused."),
    ("galleon_lagging_cursors", .cursorsInUse, .gauge, false,
      "Subscriptions' places in topics that are behind."),
    ("galleon_page_bytes", .pageBytes, .gauge, false,
      "Memory in use: rings, and what keyed topics keep."),
    ("galleon_output_buffer_bytes", .stashBytes, .gauge, false,
      "Memory of what waits for sockets outside the rings."),
    ("galleon_input_buffer_bytes", .inputBytes, .gauge, false,
      "Memory of frames that have not arrived whole."),
    ("galleon_busy_seconds_total", .busyNs, .counter, true, "Time spent at work."),
  ]

  private mutating func addEnded(_ snapshot: CountersSnapshot) {
    family("galleon_sessions_closed_total", .counter, "Sessions ended, by reason.")
    let reasons = snapshot.shards.map { $0[.closed] }
    for reason in CloseReason.allCases {
      let index = Int(reason.rawValue)
      let count = reasons.reduce(0) { $0 &+ (index < $1.count ? $1[index] : 0) }
      sample(count, [("reason", "\(reason.name)")])
    }
    family("galleon_errors_total", .counter, "Requests refused, by error code.")
    let errors = snapshot.shards.map { $0[.errors] }
    for code in ErrorCode.allCases {
      // The counters begin with the lowest code.
      let index = Int(code.rawValue) - 100
      let count = errors.reduce(0) { $0 &+ ($1.indices.contains(index) ? $1[index] : 0) }
      sample(count, [("code", "\(code.name)")])
    }
  }

  /// The broker's histogram has four buckets to an octave; every octave from a microsecond on is
  /// enough here.
  private mutating func addLatency(_ snapshot: CountersSnapshot) {
    let latency = snapshot.latency
    family(
      "galleon_latency_seconds", .histogram,
      "Time in the broker, from the read that brought the first batch of a frame to the send that "
        + "took it.")
    var count: UInt64 = 0
    let sumNs = snapshot.shards.reduce(0) { $0 &+ $1[.latencySumNs] }
    for (bucket, value) in latency.buckets.enumerated() {
      count &+= value
      let upper = LatencyBuckets.upperBound(of: bucket)
      if bucket % 4 == 3, upper >= 1000, bucket < LatencyBuckets.count - 1 {
        sample(count, [("le", Self.seconds(upper))], suffix: "_bucket")
      }
    }
    sample(count, [("le", "+Inf")], suffix: "_bucket")
    sample(Self.seconds(sumNs), suffix: "_sum")
    sample(count, suffix: "_count")
  }

  /// Each topic and each subscription, up to `rowsMax` of a kind: those that have the most bytes
  /// in, and those that are furthest behind.
  public mutating func addObjects(_ snapshot: CountersSnapshot, rowsMax: Int = 2000) {
    let topics = Self.largest(snapshot.topics, rowsMax) { $0[.bytesIn] }
    for (name, field, kind, help) in Self.topicFields {
      family(name, kind, help)
      for topic in topics { sample(topic[field], [("topic", topic[.name])]) }
    }
    addTopicStages(topics, snapshot.deliveryTimesOfTopics)
    let subscriptions = Self.largest(snapshot.subscriptions, rowsMax) { $0[.lagEvents] }
    let clients = Self.clients(snapshot)
    let labels = subscriptions.map { Self.labels($0, clients) }
    for (name, field, kind, help) in Self.subscriptionFields {
      family(name, kind, help)
      for (row, labels) in zip(subscriptions, labels) { sample(row[field], labels) }
    }
    // One series for each cause there is, as most subscriptions have none.
    family(
      "galleon_subscription_dropped_events_total", .counter,
      "Events lost to the subscription, by cause; expiry is one.")
    for (row, labels) in zip(subscriptions, labels) {
      for (cause, count) in row[.droppedEvents].enumerated() where count > 0 {
        let name = GapCause(rawValue: UInt8(cause)).map { "\($0)" } ?? "\(cause)"
        sample(count, labels + [("cause", name)])
      }
    }
    family(
      "galleon_subscription_blocked", .gauge,
      "1 for the cause why the subscription is sent nothing, where something is pending.")
    for (row, labels) in zip(subscriptions, labels) {
      guard let cause = BlockedCause(rawValue: row[.blocked]), cause != .none else { continue }
      sample(1, labels + [("cause", "\(cause)")])
    }
    family(
      "galleon_subscription_account_balances", .gauge,
      "1 where matched is delivered, conflated, sampled, dropped, closed and pending together.")
    for (row, labels) in zip(subscriptions, labels) {
      sample(row.isTorn || row.ledger.breach == nil ? 1 : 0, labels)
    }
    family(
      "galleon_objects_left_out", .gauge,
      "Topics and subscriptions beyond the most that are listed.")
    sample(
      UInt64(
        snapshot.topics.count - topics.count + snapshot.subscriptions.count - subscriptions.count))
  }

  private static let topicFields: [(String, TopicRow.Word, Kind, String)] = [
    ("galleon_topic_events_total", .eventsIn, .counter, "Events published to the topic."),
    ("galleon_topic_bytes_total", .bytesIn, .counter, "Charged bytes published to the topic."),
    ("galleon_topic_ring_bytes", .ringBytes, .gauge, "Ring memory of the topic."),
    ("galleon_topic_subscriptions", .subscriptions, .gauge, "Subscriptions that match the topic."),
    ("galleon_topic_publishers", .publishers, .gauge, "Publishers of the topic."),
    ("galleon_topic_keys", .keys, .gauge, "Keys of a keyed topic."),
    ("galleon_topic_evicted_keys_total", .evictedKeys, .counter,
      "Times that a key's newest event was given up for want of memory for keys."),
  ]

  private mutating func addTopicStages(
    _ topics: [RowSnapshot<TopicRow>], _ times: [UInt32: DeliveryTimes]
  ) {
    family(
      "galleon_topic_read_to_ring_seconds", .histogram,
      "Time of batches in the broker between being read and being in the topic.")
    for topic in topics where topic[.readToRing].contains(where: { $0 > 0 }) {
      stages(topic[.readToRing], topic[.readToRingSumNs], [("topic", topic[.name])])
    }
    family(
      "galleon_topic_freshness_seconds", .histogram,
      "How old values of a keyed topic are when they are delivered.")
    for topic in topics {
      let options = TopicOptions(rawValue: UInt8(truncatingIfNeeded: topic[.options]))
      guard options.contains(.keyed), let total = times[topic[.id]]?.total else { continue }
      stages(total.histogram.buckets, total.sumNs, [("topic", topic[.name])])
    }
  }

  private static func labels(
    _ row: RowSnapshot<SubscriptionRow>, _ clients: [ConnectionName.ID: ConnectionName]
  ) -> [Label] {
    let connection = clients[
      ConnectionName.ID(shard: row.shard ?? 0, slot: row[.connection])]
    return [
      ("client", connection?.client ?? ""), ("session", "\(connection?.session ?? 0)"),
      ("subscription", "\(row[.ref])"), ("pattern", row[.pattern]),
    ]
  }

  private static let subscriptionFields: [(String, SubscriptionRow.Word, Kind, String)] = [
    ("galleon_subscription_matched_events_total", .matchedEvents, .counter,
      "Events that matched the subscription."),
    ("galleon_subscription_delivered_events_total", .deliveredEvents, .counter,
      "Events delivered to the subscription."),
    ("galleon_subscription_conflated_events_total", .conflatedEvents, .counter,
      "Events left out because a newer one of their key was there."),
    ("galleon_subscription_sampled_events_total", .sampledEvents, .counter,
      "Events left out by sampling."),
    ("galleon_subscription_gaps_total", .gaps, .counter, "Gaps told to the subscription."),
    ("galleon_subscription_lag_events", .lagEvents, .gauge, "Events not yet delivered."),
    ("galleon_subscription_lag_bytes", .lagBytes, .gauge, "Charged bytes not yet delivered."),
  ]

  private static func largest<Row>(
    _ rows: [RowSnapshot<Row>], _ count: Int, by value: (RowSnapshot<Row>) -> UInt64
  ) -> [RowSnapshot<Row>] {
    if rows.count <= count { return rows }
    return Array(rows.sorted { value($0) > value($1) }.prefix(count))
  }

  /// Who a subscription's connection is.
  private struct ConnectionName {
    struct ID: Hashable {
      var shard: Int
      var slot: UInt32
    }
    var client: String
    var session: UInt64
  }

  private static func clients(_ snapshot: CountersSnapshot) -> [ConnectionName.ID: ConnectionName] {
    var names: [ConnectionName.ID: ConnectionName] = [:]
    for row in snapshot.connections {
      names[.init(shard: row.shard ?? 0, slot: UInt32(row.slot))] =
        ConnectionName(client: row[.client], session: row[.session])
    }
    return names
  }
}
