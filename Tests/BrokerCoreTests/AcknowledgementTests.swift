import Testing
import WireFormat
import WireSupport

@testable import BrokerCore

/// What an ACK says to whoever subscribes after it.
@Suite struct AcknowledgementTests {
  /// The owner of a topic tells the publisher's shard of a batch as soon as it has it, and the
  /// others of the topic's end at the end of its turn. A subscription to what comes that begins in
  /// between, on a shard that need not ask the owner, comes behind what is acknowledged.
  @Test func whatIsAcknowledgedIsBehindASubscriptionToWhatComes() throws {
    // 0 owns the topic, 1 has a publisher of it, 2 one subscription already.
    let core = CoreHarness(shards: 3)
    core.hello(1)
    core.openTopic(1, "hunt")
    core.hello(2)
    core.openTopic(2, "hunt")
    core.hello(3)
    core.subscribe(3, "hunt", ref: 1)
    for number in 1...3 { _ = core.takeTypes(on: number) }

    core.sendAlone(
      CoreHarness.publishFrame(LooseBatch.encoded([.init(payload: "before")])), on: 2)
    core.turn(of: 0) {
      core.turn(of: 1)
      #expect(core.takeTypes(on: 2) == [.ack])
      core.sendAlone(Self.subscription(ref: 2), on: 3)
    }
    core.pump()
    #expect(Self.delivered(core, 3) == [1: [1]])
    let next = LooseBatch.encoded([.init(payload: "after")], publisherSequence: 2)
    core.publish(2, next)
    #expect(Self.delivered(core, 3) == [1: [2], 2: [2]])
  }

  private static func subscription(ref: UInt32) -> [UInt8] {
    var writer = FrameWriter(reserving: 256)
    let subscribe = Subscribe(
      policy: .lossless, start: .latest, eventsTotal: .max, bytesTotal: .max, pattern: "hunt")
    let none: [UInt8] = []
    _ = unsafe subscribe.encode(
      into: &writer, ref: ref, correlation: 3, positions: none.span.bytes)
    return writer.array
  }

  /// The first sequences of the DELIVER frames that have come, by reference.
  private static func delivered(_ core: CoreHarness, _ number: Int) -> [UInt32: [UInt64]] {
    var sequences: [UInt32: [UInt64]] = [:]
    while let frame = core.takeBytes(on: number) {
      guard frame[4] == FrameType.deliver.rawValue else { continue }
      let batch = unsafe frame.withUnsafeBytes { unsafe BatchHeader(load: $0.baseAddress! + 24) }
      sequences[UInt32(frame[8]), default: []].append(batch.sequence)
    }
    return sequences
  }
}
