import Testing
import WireFormat
import WireSupport

@testable import BrokerCore

/// Which request is refused with which code, in a session that goes on.
@Suite struct ErrorCodeTests {
  /// A core with two sessions, the first of which has a publisher and a subscription numbered 1.
  private func core(_ change: (inout BrokerLimits) -> Void = { _ in }) -> CoreHarness {
    var limits = CoreHarness.smallLimits
    change(&limits)
    let core = CoreHarness(limits)
    core.hello(1)
    core.openTopic(1, "hunt")
    core.subscribe(1, "hunt")
    _ = core.takeTypes(on: 1)
    return core
  }

  private func expectAlive(_ core: CoreHarness) {
    core.send(on: 1) { Ping(time: 1).encode(into: &$0, ref: 0, correlation: 0) }
    #expect(core.takeTypes(on: 1).last == .pong)
  }

  @Test func names() {
    let core = core()
    core.openTopic(1, "a..b", ref: 2)
    core.openTopic(1, "a.*", ref: 2)
    core.openTopic(1, "$broker", ref: 2)
    core.subscribe(1, "a.>.b", ref: 2)
    #expect(
      core.errorCodes(on: 1)
        == [.invalidTopicName, .invalidTopicName, .invalidTopicName, .invalidPattern])
    expectAlive(core)
  }

  @Test func topicsThatAreThereOrNot() {
    let core = core()
    core.openTopic(1, "nowhere", ref: 2, mode: .mustExist)
    core.openTopic(1, "hunt", ref: 2, mode: .mustCreate)
    #expect(core.errorCodes(on: 1) == [.topicNotFound, .topicExists])
    expectAlive(core)
  }

  @Test func numbers() {
    let core = core()
    core.openTopic(1, "hunt", ref: 1)
    core.subscribe(1, "hunt", ref: 1)
    core.openTopic(1, "hunt", ref: 0)
    core.subscribe(1, "hunt", ref: 0)
    core.send(on: 1) { CloseTopic().encode(into: &$0, ref: 7, correlation: 0) }
    core.send(on: 1) { Unsubscribe().encode(into: &$0, ref: 7, correlation: 0) }
    core.send(on: 1) {
      Credit(eventsTotal: 1, bytesTotal: 1).encode(into: &$0, ref: 7, correlation: 0)
    }
    #expect(
      core.errorCodes(on: 1)
        == [
          .duplicateRef, .duplicateRef, .invalidOption, .invalidOption, .unknownRef, .unknownRef,
          .unknownRef,
        ])
    expectAlive(core)
  }

  @Test func whatThisVersionHasNot() {
    let core = core()
    let open = OpenTopic(mode: .openOrCreate, options: [], ackLevel: .persisted, topic: "b")
    core.send(on: 1) { open.encode(into: &$0, ref: 2, correlation: 0) }
    #expect(core.errorCodes(on: 1) == [.notSupported])
    expectAlive(core)
  }

  @Test func limits() {
    let core = core {
      $0.topicsMax = 1
      $0.publishersPerSessionMax = 2
      $0.subscriptionsPerSessionMax = 1
    }
    core.openTopic(1, "other", ref: 2)
    core.openTopic(1, "hunt", ref: 2)
    core.openTopic(1, "hunt", ref: 3)
    core.subscribe(1, "hunt", ref: 2)
    #expect(
      core.errorCodes(on: 1) == [.tooManyTopics, .tooManyPublishers, .tooManySubscriptions])
    expectAlive(core)
  }

  @Test func memoryForPatterns() {
    let core = core {
      $0.linksMax = 1
    }
    core.openTopic(1, "b", ref: 2)
    core.subscribe(1, "*", ref: 2)
    #expect(core.errorCodes(on: 1) == [.memoryExhausted])
    expectAlive(core)
  }

  @Test(arguments: [1, 2])
  func aReplyToNobody(shards: Int) {
    let core = CoreHarness(shards: shards)
    core.hello(1)
    core.hello(2)
    _ = core.takeTypes(on: 1)
    for inbox in [0, 99 << 32, 1 << 56 | 5] as [UInt64] {
      var writer = FrameWriter()
      writer.beginFrame(.reply, ref: 0, correlation: 4)
      writer.append(inbox)
      writer.append(1 as UInt64)
      writer.append(LooseBatch.encoded([.init(payload: "a")]))
      _ = writer.endFrame()
      core.send(writer.array, on: 1)
      #expect(core.errorCodes(on: 1) == [.noReceiver])
    }
  }
}
