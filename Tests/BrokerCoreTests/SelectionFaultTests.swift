import Counters
import Testing
import WireFormat

@testable import BrokerCore

/// Policies that leave events out, where something comes between: a socket that takes nothing, a
/// limit, a batch that lies. Nothing may be left out that was not told, nor counted twice.
@Suite struct SelectionFaultTests {
  @Test(arguments: [1, 2])
  func aPassThatTheSocketDidNotTakeLosesNothing(shards: Int) throws {
    let test = Selection(shards: shards)
    test.subscribe(SetPolicy(policy: .latest))
    test.publish(1, ("a", "1"), ("b", "1"), ("a", "2"))
    test.core.advance(milliseconds: 100)
    _ = try test.taken()
    test.core.connections[2]?.room = 0
    test.grant()
    #expect(try test.taken() == [])
    test.core.unblock(2)
    let sent = try test.taken()
    #expect(sent.filter(Selection.isEvent).count == 2)
    #expect(sent.last == .passed(.conflated, 1, 3, 1))
    #expect(test.ledger.matched == test.ledger.sum && test.ledger.lag.events == 0)
  }

  /// A record that stands behind an expired one is not passed over with a frame before it that the
  /// socket has not taken.
  @Test(arguments: [1, 2])
  func aPassBeginsBehindWhatTheSocketHasTaken(shards: Int) throws {
    let test = Selection(shards: shards)
    test.subscribe(SetPolicy(policy: .latest))
    test.publish(1, ("a", "1"))
    test.publish(2, ("b", "1"), ttlMs: 1)
    test.publish(3, ("c", "1"))
    _ = try test.taken()
    test.core.connections[2]?.room = 0
    // Older than the time to live, and not so old that the first one is behind.
    test.core.stop(milliseconds: 3)
    test.grant()
    test.core.unblock(2)
    let sent = try test.taken()
    #expect(sent.contains(.event(1, "a", "1")) && sent.contains(.event(3, "c", "1")))
    #expect(test.ledger.matched == test.ledger.sum && test.ledger.lag.events == 0)
  }

  /// The removal of a key that a subscription knows is forgotten while a pass is under way that
  /// has not brought it yet.
  @Test(arguments: [1, 2])
  func aRemovalThatIsForgottenDuringAPassIsNotMissed(shards: Int) throws {
    let test = Selection(shards: shards)
    test.subscribe(SetPolicy(policy: .latest), events: 1)
    test.publish(1, ("x", "1"))
    #expect(try test.taken() == [.event(1, "x", "1")])
    test.publish(2, ("x", nil))
    for i in UInt64(3)...400 { test.publish(i, ("k\(i)", "1")) }
    test.core.advance(milliseconds: 100)
    test.grant(2)
    var sent = try test.taken()
    #expect(sent.filter(Selection.isEvent).count == 1)
    for i in UInt64(401)...(400 + UInt64(KeyIndex.removalsMin)) { test.publish(i, ("r\(i)", nil)) }
    test.grant()
    sent += try test.taken()
    #expect(sent.contains(.event(2, "x", "")) || sent.contains(.reset))
    #expect(test.ledger.matched == test.ledger.sum && test.ledger.lag.events == 0)
  }

  private static func publishLarge(_ test: Selection, _ range: ClosedRange<UInt64>) {
    let payload = String(repeating: "x", count: 400)
    for i in range { test.publish(i, ("k\(i % 3)", payload)) }
  }

  /// A topic whose ring holds the last events of 202; keys a and b have none of those.
  private static func withMoreThanTheRingHolds(_ shards: Int) -> Selection {
    var limits = CoreHarness.smallLimits
    limits.topicRetentionBytes = 16 << 10
    let test = Selection(shards: shards, limits)
    test.publish(1, ("a", "1"), ("b", "1"))
    publishLarge(test, 3...202)
    return test
  }

  /// A client that comes back with a position that the ring no longer holds is told of the gap, and
  /// then of every key's newest event.
  @Test(arguments: [1, 2])
  func whoComesBackTooLateGetsTheState(shards: Int) throws {
    let test = Self.withMoreThanTheRingHolds(shards)
    test.resume(at: 2, policy: .latest)
    test.grant()
    let sent = try test.taken()
    guard case .gap(2, let last)? = sent.first else {
      Issue.record("\(sent.prefix(1)) is no gap")
      return
    }
    #expect(sent.dropFirst().first == .reset)
    #expect(sent.last == .passed(.conflated, 0, 202, 202 - last - 3))
    let events = sent.filter(Selection.isEvent)
    #expect(events.count == 5 && events.contains(.event(1, "a", "1")))
    #expect(test.ledger.matched == test.ledger.sum && test.ledger.lag.events == 0)
    test.publish(203, ("a", "2"))
    #expect(try test.taken() == [.event(203, "a", "2")])
  }

  /// The socket takes back the gap behind which the state has been asked for already.
  @Test(arguments: [1, 2])
  func aGapThatIsTakenBackComesBeforeTheState(shards: Int) throws {
    var limits = CoreHarness.smallLimits
    limits.topicRetentionBytes = 16 << 10
    let test = Selection(shards: shards, limits)
    let payload = String(repeating: "x", count: 400)
    for i in UInt64(1)...200 { test.publish(i, ("k\(i % 3)", payload)) }
    test.core.open(2)?.room = 0
    test.resume(at: 2, policy: .latest, events: .max, bytes: .max)
    #expect(try test.taken().isEmpty)
    test.core.unblock(2)
    let sent = try test.taken()
    guard case .gap(2, _)? = sent.first else {
      Issue.record("\(sent.prefix(1)) is no gap")
      return
    }
    #expect(sent.dropFirst().first == .reset)
    #expect(sent.filter(Selection.isEvent).count == 3)
    #expect(test.ledger.matched == test.ledger.sum && test.ledger.lag.events == 0)
  }

  /// The ring runs over one that has come back too late, before it was looked at: it is brought the
  /// state all the same.
  @Test(arguments: [1, 2])
  func whoHasComeBackTooLateAndIsRunOverGetsTheState(shards: Int) throws {
    let test = Self.withMoreThanTheRingHolds(shards)
    test.core.open(2)?.room = 0
    // The socket is known to be full.
    test.core.send(on: 2) { Ping(time: 1).encode(into: &$0, ref: 0, correlation: 0) }
    test.resume(at: 2, policy: .latest, events: .max, bytes: .max)
    Self.publishLarge(test, 203...402)
    test.core.unblock(2)
    let sent = try test.taken()
    guard case .gap(2, _)? = sent.first else {
      Issue.record("\(sent.prefix(1)) is no gap")
      return
    }
    #expect(sent.dropFirst().first == .reset)
    #expect(sent.contains(.event(2, "b", "1")) && sent.filter(Selection.isEvent).count == 5)
    #expect(test.ledger.matched == test.ledger.sum && test.ledger.lag.events == 0)
  }

  /// What a pass has told as too old is not still to be told while its cursor, whose policy has
  /// changed meanwhile, waits for its place in the ring.
  @Test func aPassThatIsOverHasToldAll() throws {
    let test = Selection(shards: 2)
    test.subscribe(SetPolicy(policy: .latest, lagMsMax: 10))
    test.publish(1, ("a", "1"))
    test.core.advance(milliseconds: 100)
    _ = try test.taken()
    test.grantAlone()
    // Answers, and has more.
    test.core.sendAlone(CoreHarness.publishFrame(Selection.batch(2, [("b", "1")])), on: 1)
    var writer = FrameWriter(reserving: 64)
    let fits = SetPolicy(policy: .lossless).encode(into: &writer, ref: 5, correlation: 10)
    #expect(fits)
    test.core.sendAlone(writer.array, on: 2)
    #expect(try test.taken() == [.passed(.conflated, 1, 1, 0)])
    var places: [PlaceView] = []
    test.core.shards[1].forEachPlace(of: 0) { places.append($0) }
    #expect(places.map(\.next) == [2] && places.map(\.untold) == [Ledger.Amount()])
    test.core.pump()
    #expect(try test.taken() == [.event(2, "b", "1")])
    #expect(test.ledger.matched == test.ledger.sum && test.ledger.lag.events == 0)
  }

  /// The ring runs over what comes behind a state that waits to be asked for.
  @Test(arguments: [1, 2])
  func aGapBehindAStateThatWaits(shards: Int) throws {
    var limits = CoreHarness.smallLimits
    limits.topicRetentionBytes = 16 << 10
    let test = Selection(shards: shards, limits)
    test.publish(1, ("a", "1"))
    test.subscribe(SetPolicy(policy: .lossless), start: .state)
    // As if others had all that passes may have.
    let shard = test.core.shards[shards - 1]
    shard.passBytes += limits.outputBytes
    test.grant()
    let payload = String(repeating: "x", count: 400)
    for i in UInt64(2)...201 { test.publish(i, ("k", payload)) }
    #expect(try test.taken().allSatisfy { !Selection.isEvent($0) })
    #expect(test.ledger.dropped.events > 0)
    shard.passBytes -= limits.outputBytes
    test.core.advance(milliseconds: 100)
    let sent = try test.taken()
    #expect(sent.contains(.event(1, "a", "1")) && sent.last == .event(201, "k", payload))
    #expect(test.ledger.matched == test.ledger.sum && test.ledger.lag.events == 0)
  }

  /// A batch that cannot be opened is lost once, also where the socket takes back what came
  /// before it.
  @Test(arguments: [1, 2])
  func aCorruptBatchIsLostOnceToASample(shards: Int) throws {
    let test = Selection(shards: shards, options: [])
    test.subscribe(SetPolicy(policy: .sample, sampleEvery: 2))
    let long = String(repeating: "x", count: 500)
    test.publish(1, ("a", "1"), ("b", "2"))
    test.core.publish(1, Self.lying(Selection.batch(3, [("c", long), ("d", long)], codec: .lz4)))
    test.publish(5, ("e", "5"), ("f", "6"))
    _ = try test.taken()
    test.core.connections[2]?.room = 0
    test.grant()
    test.core.unblock(2)
    #expect(
      try test.taken() == [
        .event(2, "b", "2"), .passed(.sampledOut, 1, 2, 1), .gap(3, 4),
        .event(6, "f", "6"), .passed(.sampledOut, 5, 6, 1),
      ])
    #expect(test.ledger.matched == test.ledger.sum && test.ledger.lag.events == 0)
  }

  /// A compressed batch whose records do not decode, with a checksum that is right.
  private static func lying(_ batch: [UInt8]) -> [UInt8] {
    var batch = batch
    let length = Int(batch[0]) | Int(batch[1]) << 8
    for i in BatchField.size..<length { batch[i] = 0xFF }
    unsafe batch.withUnsafeMutableBytes { unsafe Batch.seal($0.baseAddress!) }
    return batch
  }
}
