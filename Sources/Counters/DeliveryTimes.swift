/// Where the time of events went that were delivered: of one topic over all shards, or of several.
public struct DeliveryTimes: Sendable {
  /// From the read that brought a batch to the send that took it away.
  public private(set) var total = StageTimes()
  /// What of that was neither waiting for credit nor for the socket.
  public private(set) var ringToTurn = StageTimes()
  public private(set) var creditWait = StageTimes()
  public private(set) var socketWait = StageTimes()
  /// From a send to the CREDIT which shows that the client is through with it.
  public private(set) var echo = StageTimes()

  public init() {}

  public mutating func add(_ row: RowSnapshot<DeliveryRow>) {
    total.add(row[.total], row[.totalNs])
    ringToTurn.add(row[.ringToTurn], row[.ringToTurnNs])
    creditWait.add(row[.creditWait], row[.creditNs])
    socketWait.add(row[.socketWait], row[.socketNs])
    echo.add(row[.echo], row[.echoNs])
  }
}

/// One stage: a histogram, and the sum of what it counts.
public struct StageTimes: Sendable {
  public private(set) var histogram = StageHistogram()
  public private(set) var sumNs: UInt64 = 0

  public init() {}

  mutating func add(_ buckets: [UInt64], _ ns: UInt64) {
    histogram.add(StageHistogram(buckets))
    sumNs &+= ns
  }
}

extension CountersSnapshot {
  /// Of all topics together.
  public var deliveryTimes: DeliveryTimes {
    deliveries.reduce(into: DeliveryTimes()) { $0.add($1) }
  }

  /// By the topics' ids; nothing where the table was not read.
  public var deliveryTimesOfTopics: [UInt32: DeliveryTimes] {
    deliveries.reduce(into: [:]) { $0[$1[.topic], default: DeliveryTimes()].add($1) }
  }
}
