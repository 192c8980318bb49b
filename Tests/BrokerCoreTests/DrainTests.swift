import Counters
import Testing
import WireFormat
import WireSupport

@testable import BrokerCore

/// A broker that shuts down: whatever it accepted is acknowledged and delivered before CLOSE, in
/// whatever order its shards are told.
@Suite struct DrainTests {
  /// Three shards: 0 owns the topic, 1 has a publisher of it, 2 a subscription.
  private func core() -> CoreHarness {
    let core = CoreHarness(shards: 3)
    core.hello(1)
    core.openTopic(1, "hunt")
    core.hello(2)
    core.openTopic(2, "hunt")
    core.hello(3)
    core.subscribe(3, "hunt")
    for number in 1...3 { _ = core.takeTypes(on: number) }
    return core
  }

  private func drain(_ core: CoreHarness, _ shard: Int) {
    core.shards[shard].commandDrain(
      deadlineNs: core.nowNs + 2_000_000_000, retryAfterMs: 5, spreadMs: 6)
  }

  static let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]]

  /// The turns that are taken before the others are told, as digits of a number of three shards.
  @Test(arguments: orders, [[], [0], [2], [0, 2], [2, 0], [0, 0, 2, 2], [2, 2, 2, 2], [1, 1, 2, 0]])
  func whatWasAcceptedComesBeforeClose(order: [Int], between: [Int]) throws {
    let core = core()
    let event = CoreHarness.publishFrame(LooseBatch.encoded([.init(payload: "a")]))
    // The batch is on its way to the owner when the first shard is told.
    core.sendAlone(event, on: 2)
    for shard in order {
      drain(core, shard)
      for other in between { core.turn(of: other) }
    }
    core.pump()
    core.advance(milliseconds: 50)
    #expect(core.takeTypes(on: 2) == [.ack, .close])
    #expect(core.takeTypes(on: 3) == [.topicInfo, .deliver, .close])
    #expect(core.takeTypes(on: 1) == [.close])
    for number in 1...3 { core.hangUp(number) }
    for shard in core.shards { #expect(shard.usage == ShardUsage()) }
  }

  /// The owner has the batch, and is told to drain before it has told anybody of it.
  @Test func aTailThatWasNotPublishedYet() {
    let core = core()
    core.sendAlone(
      CoreHarness.publishFrame(LooseBatch.encoded([.init(payload: "a")])), on: 1)
    for shard in [2, 1, 0] { drain(core, shard) }
    core.turn(of: 2)
    core.turn(of: 2)
    core.pump()
    core.advance(milliseconds: 50)
    #expect(core.takeTypes(on: 1) == [.ack, .close])
    #expect(core.takeTypes(on: 3) == [.topicInfo, .deliver, .close])
  }

  /// In the one turn that the drain takes, answers leave no room for looking at the credit that has
  /// come behind them: what it allows is sent all the same.
  @Test func creditThatWaitsToBeLookedAt() {
    var limits = CoreHarness.smallLimits
    limits.controlBytesPerSession = 1024
    let core = CoreHarness(limits)
    core.hello(1)
    core.openTopic(1, "hunt")
    core.subscribe(1, "hunt", ref: 2, events: 0)
    core.publish(1, LooseBatch.encoded([.init(payload: "a")]))
    _ = core.takeTypes(on: 1)
    let pings = 30
    var writer = FrameWriter(reserving: 2048)
    for _ in 0..<pings { _ = Ping(time: 1).encode(into: &writer, ref: 0, correlation: 0) }
    _ = Credit(eventsTotal: 1, bytesTotal: .max).encode(into: &writer, ref: 2, correlation: 0)
    drain(core, 0)
    core.sendAlone(writer.array, on: 1)
    // Some of them wait, and nothing is left that could be sent.
    let pongs = core.takeTypes(on: 1).filter { $0 == .pong }.count
    #expect(pongs > 0 && pongs < pings)
    #expect(!core.shards[0].hasTransmit)
    core.pump()
    let rest = core.takeTypes(on: 1)
    #expect(rest.filter { $0 == .pong }.count == pings - pongs)
    #expect(rest.filter { $0 != .pong } == [.topicInfo, .deliver, .close])
  }

  @Test func requestsAreRefusedAndPublishIsNotRead() {
    let core = core()
    // Somebody who does not read keeps the broker from ending.
    core.connections[3]?.room = 0
    core.publish(1, LooseBatch.encoded([.init(payload: "a")]))
    _ = core.takeTypes(on: 1)
    core.connections[1]?.room = 0
    core.send(on: 1) { Ping(time: 1).encode(into: &$0, ref: 0, correlation: 0) }
    for shard in 0...2 { drain(core, shard) }
    core.subscribe(1, "hunt", ref: 7)
    core.openTopic(1, "other", ref: 8)
    core.publish(1, LooseBatch.encoded([.init(payload: "b")], publisherSequence: 2))
    core.subscribe(1, "hunt", ref: 9)
    core.unblock(1)
    core.advance(milliseconds: 50)
    #expect(core.errorCodes(on: 1) == [.shuttingDown, .shuttingDown])
    #expect(core.region.shard(0).get(.errors, at: 13) == 2)
    #expect(core.shards[0].view(ofTopic: 1)?.nextSequence == 2)
    #expect(core.region.topics[1].get(.nextSequence) == 2)
    core.unblock(3)
    #expect(core.takeTypes(on: 3) == [.topicInfo, .deliver, .close])
  }

  @Test func theDeadlineEndsWhatNobodyTakes() {
    let core = core()
    core.connections[3]?.room = 0
    core.publish(1, LooseBatch.encoded([.init(payload: "a")]))
    for shard in 0...2 { drain(core, shard) }
    core.advance(milliseconds: 1900)
    #expect(core.connections[3]?.isClosed == false)
    core.advance(milliseconds: 110)
    #expect(core.connections[3]?.isClosed == true)
  }

  /// Whoever begins to read shortly before the deadline still hears why the session ends.
  @Test func closeComesBeforeTheDeadline() {
    let core = core()
    core.connections[3]?.room = 0
    core.publish(1, LooseBatch.encoded([.init(payload: "a")]))
    for shard in 0...2 { drain(core, shard) }
    core.advance(milliseconds: 1700)
    core.unblock(3)
    core.advance(milliseconds: 5)
    #expect(core.takeTypes(on: 3).last == .close)
  }
}
