public import Counters

extension BrokerLimits {
  /// How much the counters of a broker with these limits have room for.
  public func countersConfiguration(shards: Int) -> CountersConfiguration {
    // One topic more, as ids of topics count from 1 and are the places in the table.
    CountersConfiguration(
      shards: shards, connectionsPerShard: connectionsMax, publishersPerShard: publishersMax,
      subscriptionsPerShard: subscriptionsMax,
      observationsPerShard: min(observationsMax, subscriptionsMax), deliveriesPerShard: topicsMax,
      topics: topicsMax + 1)
  }
}
