import Testing
import WireFormat

@testable import BrokerCore

/// What one peer asks for, or leaves undone, is not at the expense of others.
@Suite struct NeighbourTests {
  private static func frame(_ encode: (inout FrameWriter) -> Bool) -> [UInt8] {
    var writer = FrameWriter(reserving: 1024)
    precondition(encode(&writer), "a frame that does not fit")
    return writer.array
  }

  private static func subscribe(_ pattern: String, ref: UInt32) -> [UInt8] {
    let none: [UInt8] = []
    return frame {
      unsafe Subscribe(
        policy: .lossless, start: .latest, eventsTotal: .max, bytesTotal: .max, pattern: pattern
      ).encode(into: &$0, ref: ref, correlation: 3, positions: none.span.bytes)
    }
  }

  /// A batch of one event, as a client sends it.
  private static func batch(_ publisherSequence: UInt64) -> [UInt8] {
    var writer = BatchWriter()
    let fits = unsafe [UInt8](repeating: 7, count: 500).withUnsafeBytes {
      unsafe writer.append(payload: $0, key: nil)
    }
    precondition(fits)
    return unsafe [UInt8](writer.finish(publisherSequence: publisherSequence))
  }

  @Test(arguments: [1, 2])
  func wideSubscriptionsTakeSeveralTurns(shards: Int) throws {
    let core = CoreHarness(shards: shards)
    core.hello(1)
    for topic in 1...60 { core.openTopic(1, "t.\(topic)", ref: UInt32(topic)) }
    core.hello(2)
    _ = core.takeTypes(on: 2)
    let pair =
      Self.subscribe("t.>", ref: 1)
      + Self.frame { Unsubscribe().encode(into: &$0, ref: 1, correlation: 4) }
    let pairs = 1500
    core.sendAlone((0..<pairs).flatMap { _ in pair }, on: 2)
    // One that is closed before another shard has answered is never confirmed.
    func ended() -> Int { core.takeTypes(on: 2).count { $0 == .unsubscribed } }
    let first = ended()
    // Looking for topics, and linking and unlinking them, are work.
    #expect(first > 0 && first < pairs)
    var rest = 0
    for _ in 1...5000 where first + rest < pairs {
      core.advance(milliseconds: 1)
      rest += ended()
    }
    #expect(first + rest == pairs)
  }

  @Test func aPatternWithoutWildcardsLooksAtNoTopic() {
    let core = CoreHarness()
    core.hello(1)
    for topic in 1...60 { core.openTopic(1, "t.\(topic)", ref: UInt32(topic)) }
    core.hello(2)
    core.sendAlone(
      (1...100).flatMap { Self.subscribe("t.\($0)", ref: UInt32($0)) }, on: 2)
    #expect(core.shards[0].scansLeft > Shard.scansPerTurn - 200)
    _ = core.takeTypes(on: 2)
    core.publish(1, Self.batch(1), ref: 7)
    #expect(core.takeTypes(on: 2) == [.topicInfo, .deliver])
    core.openTopic(1, "t.61", ref: 61)
    core.publish(1, Self.batch(1), ref: 61)
    #expect(core.takeTypes(on: 2) == [.topicInfo, .deliver])
  }

  @Test func manyLargeAnswersToOneRead() {
    let core = CoreHarness()
    core.hello(1)
    let stats = Self.frame {
      Stats(offset: 0, count: 1 << 20).encode(into: &$0, ref: 0, correlation: 9)
    }
    core.send((0..<50).flatMap { _ in stats }, on: 1)
    for _ in 1...50 { core.advance(milliseconds: 1) }
    #expect(core.takeTypes(on: 1) == [.welcome] + Array(repeating: .statsPage, count: 50))
  }

  @Test func manyLargeAnswersThatNobodyReadsEndTheSession() throws {
    let core = CoreHarness()
    core.hello(1)
    _ = core.takeTypes(on: 1)
    core.connections[1]?.room = 1000
    let stats = Self.frame {
      Stats(offset: 0, count: 1 << 20).encode(into: &$0, ref: 0, correlation: 9)
    }
    core.send((0..<50).flatMap { _ in stats }, on: 1)
    for _ in 1...50 { core.advance(milliseconds: 1) }
    #expect(core.connections[1]?.isClosed == true)
  }

  @Test func unfinishedFramesMakeRoomForWholeOnes() throws {
    var limits = CoreHarness.smallLimits
    limits.inputBytes = 4 << 20
    let core = CoreHarness(limits)
    let large = CoreHarness.publishFrame([UInt8](repeating: 0, count: 100_000))
    for number in 1...50 {
      core.hello(number)
      core.advance(milliseconds: 10)
      for start in stride(from: 0, to: 60_000, by: 10_000) {
        core.send(Array(large[start..<(start + 10_000)]), on: number)
      }
    }
    core.advance(milliseconds: 1500)
    core.hello(60)
    core.openTopic(60, "honest")
    core.subscribe(60, "honest")
    _ = core.takeTypes(on: 60)
    for sequence: UInt64 in 1...20 {
      let frame = CoreHarness.publishFrame(Self.batch(sequence))
      core.send(Array(frame[..<40]), on: 60)
      core.send(Array(frame[40...]), on: 60)
      #expect(core.takeTypes(on: 60).contains(.deliver))
    }
    // Those that have been at it for longest were ended, and no more than had to be.
    let ended = (1...50).filter { core.connections[$0]?.isShut == true }
    #expect(!ended.isEmpty && ended.count < 50)
    #expect(ended == Array(1...ended.count))
    #expect(try core.closeReason(on: 1) == .inputMemory)
  }

  @Test func whoWaitsForInputMemoryIsNotReadAgainAndAgain() throws {
    var limits = CoreHarness.smallLimits
    limits.inputBytes = 4 << 20
    let core = CoreHarness(limits)
    let shard = core.shards[0]
    core.hello(60)
    core.openTopic(60, "honest")
    let publisher = try #require(core.connections[60]?.id)
    func mayRead() -> Bool { unsafe shard.receiveRoom(publisher) != nil }
    #expect(mayRead())
    // Frames that have just begun take what there is.
    let large = CoreHarness.publishFrame([UInt8](repeating: 0, count: 100_000))
    var number = 0
    while mayRead() {
      number += 1
      core.hello(number)
      for start in stride(from: 0, to: 60_000, by: 10_000) {
        core.send(Array(large[start..<(start + 10_000)]), on: number)
      }
      try #require(number < 60)
    }
    for _ in 1...10 {
      #expect(shard.retryPaused() == 1)
      #expect(shard.pollResumed() == nil)
    }
    // Those that stay unfinished end.
    core.stop(milliseconds: 1500)
    shard.beginTurn(nowNs: core.nowNs, realtimeNs: core.nowNs)
    #expect(shard.retryPaused() == 0)
    #expect(shard.pollResumed() == publisher)
    #expect(mayRead())
  }

  @Test func whoWasHeldUpWithTheBrokerIsNotSilent() throws {
    let core = CoreHarness()
    core.hello(1, heartbeatMs: 1000)
    core.hello(2, heartbeatMs: 1000)
    core.stop(milliseconds: 60_000)
    // The first turn after it has nothing from anybody yet.
    core.turn(of: 0)
    core.send(on: 1) { Ping(time: 1).encode(into: &$0, ref: 0, correlation: 5) }
    core.advance(milliseconds: 1900)
    #expect(core.connections[1]?.isShut == false && core.connections[2]?.isShut == false)
    core.send(on: 1) { Ping(time: 1).encode(into: &$0, ref: 0, correlation: 5) }
    core.advance(milliseconds: 700)
    #expect(core.connections[1]?.isShut == false)
    #expect(try core.closeReason(on: 2) == .heartbeatTimeout)
  }

  @Test func idleSessionsWakeNobodyBeforeTheirHeartbeat() {
    let core = CoreHarness()
    core.hello(1)
    core.openTopic(1, "hunt")
    core.hello(2, heartbeatMs: 60_000)
    core.subscribe(2, "hunt")
    core.publish(1, Self.batch(1))
    // Until a stranger would have had to say HELLO.
    core.advance(milliseconds: 6000)
    let seconds = (core.shards[0].nextDeadlineNs - core.nowNs) / 1_000_000_000
    #expect(seconds == 9)
    core.advance(milliseconds: 9100)
    #expect(core.takeTypes(on: 1).contains(.ping))
    #expect(!core.takeTypes(on: 2).contains(.ping))
    // Not answered: then at the end of two and a half intervals.
    #expect((core.shards[0].nextDeadlineNs - core.nowNs) / 1_000_000_000 == 22)
  }

  @Test func timeGoesOnWhereTheClockWasSetBack() {
    let core = CoreHarness()
    let shard = core.shards[0]
    let hourNs: UInt64 = 3_600_000_000_000
    let startNs: UInt64 = 1_700_000_000_000_000_000
    var nowNs: UInt64 = 1_000_000_000
    func turn(_ realtimeNs: UInt64) {
      nowNs += 100_000_000
      shard.beginTurn(nowNs: nowNs, realtimeNs: realtimeNs)
      shard.fanOut()
      _ = shard.endTurn()
    }
    turn(startNs)
    turn(startNs + hourNs)
    #expect(shard.realtimeNs == startNs + hourNs)
    // Corrected: it goes on at half speed,
    for step in 1...10 {
      turn(startNs + UInt64(step) * 100_000_000)
      #expect(shard.realtimeNs == startNs + hourNs + UInt64(step) * 50_000_000)
    }
    // until the clock has caught up.
    turn(startNs + 2 * hourNs)
    #expect(shard.realtimeNs == startNs + 2 * hourNs)
  }
}
