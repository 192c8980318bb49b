import Testing
import WireFormat

@testable import BrokerCore

/// Limits that contradict each other or mean nothing are one sentence for the operator.
@Suite struct LimitTests {
  static var numbers: [(name: String, field: WritableKeyPath<BrokerLimits, Int>)] {
    [
      ("ringBytes", \.ringBytes), ("inputBytes", \.inputBytes), ("outputBytes", \.outputBytes),
      ("controlBytesPerSession", \.controlBytesPerSession), ("connectionsMax", \.connectionsMax),
      ("subscriptionsMax", \.subscriptionsMax), ("publishersMax", \.publishersMax),
      ("observationsMax", \.observationsMax),
      ("topicsMax", \.topicsMax), ("cursorsMax", \.cursorsMax), ("linksMax", \.linksMax),
      ("requestsMax", \.requestsMax), ("subscriptionsPerSessionMax", \.subscriptionsPerSessionMax),
      ("publishersPerSessionMax", \.publishersPerSessionMax), ("frameLengthMax", \.frameLengthMax),
      ("batchBytesMax", \.batchBytesMax), ("topicRetentionBytes", \.topicRetentionBytes),
      ("heartbeatMs", \.heartbeatMs), ("handshakeTimeoutMs", \.handshakeTimeoutMs),
      ("blockTimeoutMs", \.blockTimeoutMs), ("meshBytes", \.meshBytes), ("stateBytes", \.stateBytes),
      ("keysPerTopicMax", \.keysPerTopicMax),
    ]
  }

  @Test func everyNumberIsAmongThese() {
    let stored = Mirror(reflecting: BrokerLimits()).children.compactMap(\.label)
    let forTests = ["ringBytesLeft", "stalledTailsMin"]
    #expect(Set(stored) == Set(Self.numbers.map(\.name)).union(forTests))
  }

  @Test func theDefaultsAreFine() {
    for shards in [1, 2, 64] { #expect(BrokerLimits().validate(shards: shards) == nil) }
  }

  @Test func aCeilingIsDividedWithoutALoss() {
    for shards in [1, 2, 64] {
      for bytes in [shards * (2 << 20 + 256 << 10), 256 << 20 + 1, 1 << 34] {
        var limits = BrokerLimits()
        limits.divideMemory(bytes, shards: shards)
        #expect(limits.memoryBytes == bytes && limits.validate(shards: shards) == nil)
      }
    }
    #expect(BrokerLimits().memoryBytes == 256 << 20)
    var default256 = BrokerLimits()
    default256.divideMemory(256 << 20, shards: 1)
    #expect(default256.ringBytes == BrokerLimits().ringBytes)
  }

  @Test(arguments: [Int.min, -1, 0, Int.max / 2, Int.max])
  func nonsenseIsRefused(value: Int) {
    for number in Self.numbers {
      for shards in [1, 64] {
        var limits = BrokerLimits()
        limits[keyPath: number.field] = value
        let sentence = limits.validate(shards: shards)
        #expect(sentence != nil, "\(number.name) of \(value)")
        #expect(sentence?.contains("\n") == false)
      }
    }
  }

  @Test func shardsThatThereCannotBe() {
    for shards in [-1, 0, 65] { #expect(BrokerLimits().validate(shards: shards) != nil) }
  }

  /// At the smallest bound a session gets every answer, the counters in small pieces.
  @Test func theLeastRoomForControlFramesIsEnough() {
    var limits = CoreHarness.smallLimits
    limits.controlBytesPerSession = BrokerLimits.controlBytesMin
    let core = CoreHarness(limits)
    core.hello(1)
    core.openTopic(1, String(repeating: "x", count: WireLimits.topicNameBytesMax))
    core.subscribe(1, ">", ref: 1)
    core.subscribe(1, "a..b", ref: 2)
    core.send(on: 1) {
      Stats(offset: 0, count: 1 << 20).encode(into: &$0, ref: 0, correlation: 9)
    }
    #expect(core.takeTypes(on: 1) == [.welcome, .topic, .subscribed, .error, .statsPage])
  }
}
