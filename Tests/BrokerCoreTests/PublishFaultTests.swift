import Counters
import Testing
import WireFormat
import WireSupport

@testable import BrokerCore

/// What a session still gets before a CLOSE, and what a subscription with policy disconnect bears.
@Suite struct PublishFaultTests {
  private func batch(_ sequence: UInt64) -> [UInt8] {
    LooseBatch.encoded([.init(payload: "gold")], publisherSequence: sequence)
  }

  /// The publisher's shard owns the topic, or another one does.
  @Test(arguments: [1, 2])
  func whatWasAcceptedIsAcknowledgedBeforeClose(shards: Int) throws {
    let publish = CoreHarness.publishFrame
    let faults: [(bytes: [UInt8], reason: CloseReason)] = [
      (publish(batch(1), 1) + publish(batch(3), 1), .publisherSequence),
      (publish(batch(1) + batch(3), 1), .publisherSequence),
      (publish(batch(1), 1) + publish(batch(2), 9), .unknownPublisher),
      (publish(batch(1), 1) + [11, 0, 0, 0], .frameTooShort),
      (publish(batch(1), 1) + [0xFF, 0xFF, 0xFF, 0x7F], .frameTooLarge),
      (publish(batch(1), 1) + CloseReasonTests.frame(0x21, [UInt8](repeating: 0, count: 8)),
        .wrongDirection),
      (publish(batch(1), 1) + CloseReasonTests.frame(0x03, [1]), .malformedFrame),
    ]
    for fault in faults {
      let core = CoreHarness(shards: shards)
      core.hello(1)
      core.openTopic(1, "hunt")
      core.hello(2)
      core.openTopic(2, "hunt")
      _ = core.takeTypes(on: 2)
      core.send(fault.bytes, on: 2)
      #expect(core.takeTypes(on: 2) == [.ack, .close], "\(fault.reason)")
      let row = core.region.shard(shards - 1)
      core.hangUp(2)
      #expect(row.get(.closed, at: Int(fault.reason.rawValue)) == 1, "\(fault.reason)")
      core.hangUp(1)
      for shard in core.shards { #expect(shard.usage == ShardUsage()) }
    }
  }

  @Test func aCompressedReply() throws {
    for codecs in [CodecSet.all, []] {
      let core = CoreHarness()
      core.hello(1, codecs: codecs)
      var writer = FrameWriter()
      writer.beginFrame(.reply, ref: 0, correlation: 4)
      writer.append(1 as UInt64)
      writer.append(1 as UInt64)
      writer.append(Array(CloseReasonTests.compressed().dropFirst(FrameHeader.size)))
      _ = writer.endFrame()
      core.send(writer.array, on: 1)
      #expect(try core.closeReason(on: 1) == .malformedBatch)
    }
  }

  // MARK: Policy disconnect

  private func slow(events: UInt64) -> CoreHarness {
    let core = CoreHarness()
    core.hello(1)
    core.openTopic(1, "hunt")
    core.hello(2)
    core.subscribe(2, "hunt", policy: .disconnect, lagEventsMax: 10, events: events)
    _ = core.takeTypes(on: 2)
    return core
  }

  private func publishMany(_ core: CoreHarness, from first: UInt64 = 1, count: UInt64 = 50) {
    core.publish(1, (first..<first + count).flatMap { batch($0) })
  }

  @Test func onePublishBeyondTheBoundsIsEnough() throws {
    let core = slow(events: 1)
    publishMany(core)
    #expect(core.takeTypes(on: 2) == [.topicInfo, .deliver, .close])
  }

  @Test func aFullSocketIsNoExcuse() throws {
    let core = slow(events: .max)
    core.connections[2]?.room = 100
    publishMany(core)
    core.unblock(2)
    #expect(try core.closeReason(on: 2) == .slowSubscriber)
  }

  @Test func whoeverIsSentItAllGoesOn() {
    let core = slow(events: .max)
    publishMany(core)
    publishMany(core, from: 51)
    #expect(core.takeTypes(on: 2).allSatisfy { $0 == .topicInfo || $0 == .deliver })
    #expect(core.region.subscriptions(shard: 0)[0].get(.deliveredEvents) == 100)
  }

  @Test func withinTheBoundsItWaits() {
    let core = slow(events: 1)
    publishMany(core, count: 11)
    #expect(core.takeTypes(on: 2) == [.topicInfo, .deliver])
    publishMany(core, from: 12, count: 1)
    #expect(core.takeTypes(on: 2) == [.close])
  }
}
