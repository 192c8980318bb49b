import Counters
import Testing
import WireFormat
import WireSupport

@testable import BrokerCore

/// A client with a limit of its own gets the state in frames within it.
@Suite struct SelectionFrameTests {
  @Test(arguments: [1, 2])
  func framesKeepToTheClientsLimit(shards: Int) throws {
    var limits = CoreHarness.smallLimits
    limits.batchBytesMax = 1024
    let core = CoreHarness(limits, shards: shards)
    let lengthMax = UInt32(limits.batchBytesMax + 128)
    core.hello(1)
    core.openTopic(1, "map", options: .keyed)
    for number in UInt64(1)...8 {
      var writer = BatchWriter(batchBytesMax: limits.batchBytesMax)
      let payload = [UInt8](repeating: 1, count: limits.batchBytesMax / 3)
      let isIn = unsafe payload.withUnsafeBytes { payload in
        unsafe [UInt8(number)].withUnsafeBytes { unsafe writer.append(payload: payload, key: $0) }
      }
      #expect(isIn)
      core.publish(1, unsafe [UInt8](writer.finish(publisherSequence: number)))
    }
    let hello = Hello(
      magic: ProtocolVersion.magic, versionMin: 1, versionMax: ProtocolVersion.version,
      codecs: .all, frameLengthMax: lengthMax, heartbeatMs: 0, clientName: "small")
    core.send(on: 2) { hello.encode(into: &$0, ref: 0, correlation: 1) }
    core.subscribe(2, "map", start: .state)
    var selected = 0
    while let frame = core.takeBytes(on: 2) {
      let header = unsafe frame.withUnsafeBytes { unsafe FrameHeader(load: $0.baseAddress!) }
      #expect(header.length <= lengthMax)
      if header.type == .deliverSelected { selected += 1 }
    }
    #expect(selected == 4)
  }
}

/// Policies that leave events out: what is sent, what is told, and the account of it.
@Suite struct SelectionTests {
  // MARK: Sample

  @Test(arguments: [1, 2])
  func sampleDeliversMultiplesAndTellsTheRest(shards: Int) throws {
    let test = Selection(shards: shards)
    test.subscribe(SetPolicy(policy: .sample, sampleEvery: 3), events: .max)
    test.publish(1, ("a", "1"), ("b", "2"), ("c", "3"), ("d", "4"))
    test.publish(5, ("e", "5"), ("f", "6"))
    #expect(
      try test.taken() == [
        .event(3, "c", "3"), .passed(.sampledOut, 1, 4, 3),
        .event(6, "f", "6"), .passed(.sampledOut, 5, 6, 1),
      ])
    let ledger = test.ledger
    #expect(ledger.delivered.events == 2 && ledger.sampled.events == 4 && ledger.lag.events == 0)
    #expect(ledger.matched == ledger.sum)
  }

  @Test func sampleStopsWhereItsCreditEnds() throws {
    let test = Selection(shards: 1)
    test.subscribe(SetPolicy(policy: .sample, sampleEvery: 2), events: 2)
    test.publish(1, ("a", "1"), ("b", "2"), ("c", "3"), ("d", "4"), ("e", "5"), ("f", "6"))
    #expect(
      try test.taken() == [
        .event(2, "b", "2"), .event(4, "d", "4"), .passed(.sampledOut, 1, 5, 3),
      ])
    test.grant(3)
    #expect(try test.taken() == [.event(6, "f", "6"), .passed(.sampledOut, 6, 6, 0)])
    #expect(test.ledger.matched == test.ledger.sum && test.ledger.lag.events == 0)
  }

  /// A batch of which sample has passed the beginning is delivered, and charged, as a whole.
  @Test func aBatchThatWasSampledInPartIsChargedAsAWhole() throws {
    let test = Selection(shards: 1)
    test.subscribe(SetPolicy(policy: .sample, sampleEvery: 2), events: 1)
    test.publish(1, ("a", "1"), ("b", "2"), ("c", "3"), ("d", "4"))
    #expect(try test.taken() == [.event(2, "b", "2"), .passed(.sampledOut, 1, 3, 2)])
    let batchBytes = test.ledger.sum.bytes
    let before = test.ledger.delivered.bytes
    test.core.send(on: 2) {
      SetPolicy(policy: .lossless).encode(into: &$0, ref: 5, correlation: 10)
    }
    test.grant()
    #expect(try test.taken() == [.event(4, "d", "4")])
    let ledger = test.ledger
    #expect(ledger.delivered.bytes == before + batchBytes)
    #expect(ledger.matched == ledger.sum && ledger.lag.bytes == 0)
  }

  // MARK: Latest

  @Test(arguments: [1, 2])
  func latestThatKeepsUpGetsEverything(shards: Int) throws {
    let test = Selection(shards: shards)
    test.subscribe(SetPolicy(policy: .latest), events: .max)
    test.publish(1, ("a", "1"), ("a", "2"))
    test.publish(3, ("a", "3"))
    #expect(
      try test.taken() == [.event(1, "a", "1"), .event(2, "a", "2"), .event(3, "a", "3")])
  }

  @Test(arguments: [1, 2])
  func latestThatHasFallenBehindGetsTheNewestOfEachKey(shards: Int) throws {
    let test = Selection(shards: shards)
    test.subscribe(SetPolicy(policy: .latest))
    test.publish(1, ("a", "1"), ("b", "1"), ("c", "1"))
    test.publish(4, ("a", "2"), ("b", nil), ("a", "3"))
    test.core.advance(milliseconds: 100)
    test.grant()
    let sent = try test.taken()
    #expect(sent.last == .passed(.conflated, 1, 6, 3))
    #expect(
      sent.filter(Selection.isEvent).sorted { "\($0)" < "\($1)" } == [
        .event(3, "c", "1"), .event(5, "b", ""), .event(6, "a", "3"),
      ])
    let ledger = test.ledger
    #expect(ledger.delivered.events == 3 && ledger.conflated.events == 3)
    #expect(ledger.lag.events == 0 && ledger.lag.bytes == 0 && ledger.matched == ledger.sum)
    // Caught up: the ring again.
    test.publish(7, ("a", "4"))
    #expect(try test.taken() == [.event(7, "a", "4")])
  }

  @Test(arguments: [1, 2])
  func latestGoesOnWhereItsCreditEnded(shards: Int) throws {
    let test = Selection(shards: shards)
    test.subscribe(SetPolicy(policy: .latest))
    for i in 0..<10 { test.publish(UInt64(i + 1), ("k\(i % 5)", "\(i)")) }
    test.core.advance(milliseconds: 100)
    test.grant(2)
    #expect(try test.taken().filter(Selection.isEvent).count == 2)
    #expect(test.ledger.lag.events == 8 && test.ledger.matched == test.ledger.sum)
    test.grant(4)
    // An update of a key in the middle of the pass comes with the next one.
    test.publish(11, ("k0", "new"))
    test.grant(20)
    let sent = try test.taken()
    #expect(sent.contains(.event(11, "k0", "new")))
    #expect(test.ledger.lag.events == 0 && test.ledger.matched == test.ledger.sum)
  }

  /// The first answer is not taken by the socket, so that nothing of the pass has been sent.
  @Test(arguments: [1, 2])
  func latestBeginsAgainWhereNothingWasTaken(shards: Int) throws {
    let test = Selection(shards: shards)
    test.subscribe(SetPolicy(policy: .latest))
    test.publish(1, ("a", "1"), ("b", "1"), ("a", "2"))
    test.core.advance(milliseconds: 100)
    _ = try test.taken()
    // TOPIC_INFO goes, and not a byte of the pass.
    test.core.connections[2]?.room = 60
    test.grant()
    #expect(try test.taken().isEmpty)
    test.core.unblock(2)
    let sent = try test.taken()
    #expect(Set(sent.map { "\($0)" }).count == 3 && sent.last == .passed(.conflated, 1, 3, 1))
    #expect(sent.contains(.event(2, "b", "1")) && sent.contains(.event(3, "a", "2")))
    #expect(test.ledger.lag.events == 0 && test.ledger.matched == test.ledger.sum)
  }

  @Test(arguments: [1, 2])
  func latestOutlivesARingThatRanOver(shards: Int) throws {
    var limits = CoreHarness.smallLimits
    limits.topicRetentionBytes = 16 << 10
    let test = Selection(shards: shards, limits)
    test.subscribe(SetPolicy(policy: .latest))
    let payload = String(repeating: "x", count: 400)
    for i in 0..<500 { test.publish(UInt64(i + 1), ("k\(i % 7)", payload)) }
    test.core.advance(milliseconds: 100)
    test.grant()
    let sent = try test.taken()
    #expect(sent.filter(Selection.isEvent).count == 7)
    #expect(sent.last == .passed(.conflated, 1, 500, 493))
    #expect(test.ledger.matched == test.ledger.sum && test.ledger.dropped.events == 0)
  }

  @Test(arguments: [1, 2])
  func latestDoesNotDeliverWhatIsTooOld(shards: Int) throws {
    let test = Selection(shards: shards)
    test.subscribe(SetPolicy(policy: .latest, lagMsMax: 1000))
    test.publish(1, ("a", "1"))
    test.core.advance(milliseconds: 2000)
    test.publish(2, ("b", "1"))
    test.core.advance(milliseconds: 100)
    test.grant()
    #expect(try test.taken() == [.event(2, "b", "1"), .passed(.conflated, 1, 2, 0)])
    #expect(test.ledger.expired.events == 1 && test.ledger.matched == test.ledger.sum)
  }

  // MARK: State

  @Test(arguments: [1, 2])
  func aStateComesFirstAndThenTheNextEvent(shards: Int) throws {
    let test = Selection(shards: shards)
    test.publish(1, ("a", "1"), ("b", "1"), ("a", "2"))
    test.subscribe(SetPolicy(policy: .lossless), start: .state)
    test.publish(4, ("b", "2"), ("c", "1"))
    test.grant()
    #expect(
      try test.taken() == [
        .reset, .event(3, "a", "2"), .passed(.conflated, 0, 3, 0), .event(4, "b", "2"),
        .event(5, "c", "1"),
      ])
    #expect(test.ledger.matched == test.ledger.sum && test.ledger.lag.events == 0)
  }

  /// What the ring runs over while the state waits for credit is told behind the state.
  @Test(arguments: [1, 2])
  func aGapComesBehindTheState(shards: Int) throws {
    var limits = CoreHarness.smallLimits
    limits.topicRetentionBytes = 16 << 10
    let test = Selection(shards: shards, limits)
    test.publish(1, ("a", "1"))
    test.subscribe(SetPolicy(policy: .dropOldest), start: .state)
    let payload = String(repeating: "x", count: 400)
    for i in 2...500 { test.publish(UInt64(i), ("b", payload)) }
    test.core.advance(milliseconds: 100)
    #expect(try test.taken().isEmpty)
    test.grant()
    let sent = try test.taken()
    #expect(
      Array(sent.prefix(3)) == [.reset, .event(1, "a", "1"), .passed(.conflated, 0, 1, 0)])
    guard case .gap(2, let last) = sent[3] else {
      Issue.record("\(sent[3]) is no gap")
      return
    }
    #expect(sent.dropFirst(4).first == .event(last + 1, "b", payload))
    #expect(test.ledger.matched == test.ledger.sum && test.ledger.lag.events == 0)
  }

  @Test(arguments: [1, 2])
  func anEmptyStateIsTold(shards: Int) throws {
    let test = Selection(shards: shards)
    test.subscribe(SetPolicy(policy: .latest), start: .state)
    test.grant()
    #expect(try test.taken() == [.reset, .passed(.conflated, 0, 0, 0)])
    test.publish(1, ("a", "1"))
    #expect(try test.taken() == [.event(1, "a", "1")])
  }

  @Test(arguments: [1, 2])
  func aPolicyThatChangesInAPassGoesOnInTheRing(shards: Int) throws {
    let test = Selection(shards: shards)
    test.subscribe(SetPolicy(policy: .latest))
    test.publish(1, ("a", "1"), ("b", "1"), ("c", "1"))
    test.core.advance(milliseconds: 100)
    test.grant(1)
    let first = try test.taken()
    #expect(first.filter(Selection.isEvent).count == 1)
    test.core.send(on: 2) {
      SetPolicy(policy: .lossless).encode(into: &$0, ref: 5, correlation: 10)
    }
    test.publish(4, ("a", "2"), ("a", "3"))
    test.grant()
    let sent = try test.taken()
    #expect(Array(sent.suffix(2)) == [.event(4, "a", "2"), .event(5, "a", "3")])
    // Unless a was the first, it was overtaken.
    #expect(sent.contains(.passed(.conflated, 1, 3, first == [.event(1, "a", "1")] ? 0 : 1)))
    #expect(test.ledger.matched == test.ledger.sum && test.ledger.lag.events == 0)
  }
}
