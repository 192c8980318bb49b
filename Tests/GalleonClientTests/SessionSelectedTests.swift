import Testing
import WireFormat

@testable import GalleonClient

/// What policies leave out, and how far a subscription is meanwhile.
@Suite struct SessionSelectedTests {
  private func session() throws -> ScriptedSession {
    let scripted = ScriptedSession()
    try scripted.establish(BrokerFrames.welcome(version: 2))
    return scripted
  }

  private func subscription(
    _ scripted: ScriptedSession, _ policy: DeliveryPolicy = .latest(),
    start: StartPosition = .latest
  ) throws -> SubscriptionCore {
    let core = try scripted.subscription(
      options: SubscriptionOptions(start: start, policy: policy))
    scripted.feed(BrokerFrames.topicInfo())
    return core
  }

  private func deliver(_ core: SubscriptionCore, _ sequence: UInt64) -> [UInt8] {
    BrokerFrames.deliver(
      ref: core.ref, [BrokerFrames.batch(["live"], sequence: sequence)])
  }

  /// Where a subscription goes on when its connection breaks.
  private func positions(_ scripted: ScriptedSession) throws -> [UInt32: UInt64] {
    scripted.disconnect()
    try scripted.establish(BrokerFrames.welcome(version: 2))
    return try scripted.turn().first?.positions() ?? [:]
  }

  @Test(arguments: [1, 7, 10_000])
  func aPassComesInAnyOrderAndItsEndSaysWhatIsMissing(piece: Int) throws {
    let scripted = try session()
    let core = try subscription(scripted)
    scripted.feed(
      deliver(core, 1) + BrokerFrames.selected(ref: core.ref, [(9, "i"), (5, "e")])
        + BrokerFrames.selected(ref: core.ref, [(7, "g")])
        + BrokerFrames.passed(ref: core.ref, first: 2, last: 10, events: 5, expired: 1)
        + deliver(core, 11), piece: piece)
    #expect(
      core.takeAll() == [
        .event(1, "live"), .event(9, "i"), .event(5, "e"), .event(7, "g"),
        .leftOut(.conflated, 2, 10, count: 5, expired: 1), .event(11, "live"),
      ])
    #expect(scripted.session.end == nil)
    #expect(try positions(scripted) == [1: 12])
  }

  @Test func aPassThatWasInterruptedIsBegunAgain() throws {
    let scripted = try session()
    let core = try subscription(scripted)
    scripted.feed(deliver(core, 1) + BrokerFrames.selected(ref: core.ref, [(9, "i"), (5, "e")]))
    #expect(try positions(scripted) == [1: 2])
  }

  @Test func aPassThatLeftNothingOutIsNoNews() throws {
    let scripted = try session()
    let core = try subscription(scripted)
    scripted.feed(
      BrokerFrames.selected(ref: core.ref, [(2, "b"), (1, "a")])
        + BrokerFrames.passed(ref: core.ref, first: 1, last: 2, events: 0))
    #expect(core.takeAll() == [.event(2, "b"), .event(1, "a")])
    #expect(try positions(scripted) == [1: 3])
  }

  @Test func aPassThatBeginsTooLateIsAGap() throws {
    let scripted = try session()
    let core = try subscription(scripted)
    scripted.feed(
      deliver(core, 1) + BrokerFrames.passed(ref: core.ref, first: 4, last: 6, events: 3))
    #expect(
      core.takeAll() == [
        .event(1, "live"), .gap(.unexplained, 2, 3),
        .leftOut(.conflated, 4, 6, count: 3, expired: 0),
      ])
  }

  @Test func whatWasPassedBeforeIsNotHandedOverAgain() throws {
    let scripted = try session()
    var options = SubscriptionOptions(start: .latest, policy: .latest())
    options.windowEvents = 2
    let core = try scripted.subscription(options: options)
    scripted.feed(
      BrokerFrames.topicInfo() + deliver(core, 9)
        + BrokerFrames.selected(ref: core.ref, [(9, "old")]))
    #expect(core.takeAll() == [.event(9, "live")])
    // The credit of both is given back.
    #expect(try scripted.turn().last?.credit().eventsTotal == 4)
  }

  @Test func selectedEventsCostCredit() throws {
    let scripted = try session()
    var options = SubscriptionOptions(start: .latest, policy: .latest())
    options.windowEvents = 4
    let core = try scripted.subscription(options: options)
    scripted.feed(
      BrokerFrames.topicInfo() + BrokerFrames.selected(ref: core.ref, [(8, "a"), (6, "b")])
        + BrokerFrames.passed(ref: core.ref, first: 1, last: 8, events: 6))
    #expect(core.takeAll().count == 3)
    let credit = try #require(try scripted.turn().last).credit()
    // Six bytes in each record, and 32 for the event.
    #expect(credit == Credit(eventsTotal: 6, bytesTotal: options.windowBytes + 2 * (5 + 32)))
  }

  @Test func whatIsLeftOutGathersNoMemoryWhereNobodyReads() throws {
    let scripted = try session()
    let core = try subscription(scripted, .sample(every: 1000))
    scripted.feed(BrokerFrames.topicInfo(id: 2, name: "hunt.2"))
    for round in 0..<100 as Range<UInt64> {
      for topic in 1...2 as ClosedRange<UInt32> {
        scripted.feed(
          BrokerFrames.passed(
            ref: core.ref, topic: topic, kind: .sampledOut, first: round * 5 + 1,
            last: round * 5 + 5, events: 5))
      }
    }
    scripted.feed(
      BrokerFrames.selected(ref: core.ref, [(501, "x")])
        + BrokerFrames.passed(
          ref: core.ref, kind: .sampledOut, first: 501, last: 502, events: 1))
    let each = Taken.leftOut(.sampledOut, 1, 500, count: 500, expired: 0)
    #expect(
      core.takeAll() == [
        each, each, .event(501, "x"), .leftOut(.sampledOut, 501, 502, count: 1, expired: 0),
      ])
  }

  @Test func aDamagedOneIsAGapAndNotAPosition() throws {
    let scripted = try session()
    let core = try subscription(scripted)
    var frame = BrokerFrames.selected(ref: core.ref, [(9, "i"), (5, "e")])
    frame[24 + 72 + 4] ^= 0xFF
    scripted.feed(
      deliver(core, 1) + frame
        + BrokerFrames.passed(ref: core.ref, first: 2, last: 10, events: 7) + deliver(core, 11))
    #expect(
      core.takeAll() == [
        .event(1, "live"), .gap(.corrupt, 9, 9), .event(5, "e"),
        .leftOut(.conflated, 2, 10, count: 7, expired: 0), .event(11, "live"),
      ])
  }

  // MARK: - State

  @Test func aStateStandsBetweenItsMarks() throws {
    let scripted = try session()
    let core = try subscription(scripted, .lossless, start: .state)
    scripted.feed(
      BrokerFrames.stateReset(ref: core.ref)
        + BrokerFrames.selected(ref: core.ref, [(40, "b"), (3, "a")])
        + BrokerFrames.passed(ref: core.ref, first: 0, last: 41, events: 0) + deliver(core, 42))
    #expect(
      core.takeAll() == [
        .stateReset("hunt.1"), .event(40, "b"), .event(3, "a"), .stateComplete("hunt.1", 41),
        .event(42, "live"),
      ])
    #expect(try positions(scripted) == [1: 43])
  }

  @Test func aStateThatWasInterruptedIsAskedForAgain() throws {
    let scripted = try session()
    let core = try subscription(scripted, .lossless, start: .state)
    scripted.feed(BrokerFrames.topicInfo(id: 2, name: "hunt.2"))
    scripted.feed(
      BrokerFrames.stateReset(ref: core.ref, topic: 2)
        + BrokerFrames.passed(ref: core.ref, topic: 2, first: 0, last: 0, events: 0)
        + BrokerFrames.stateReset(ref: core.ref)
        + BrokerFrames.selected(ref: core.ref, [(40, "b")]))
    scripted.disconnect()
    try scripted.establish(BrokerFrames.welcome(version: 2))
    let subscribe = try #require(try scripted.turn().first)
    #expect(try subscribe.subscribe().start == .state)
    // The topic that nothing was ever published to goes on with its first event.
    #expect(try subscribe.positions() == [2: 1])
  }

  @Test func whatIsLostBehindAStateIsNoPosition() throws {
    let scripted = try session()
    let core = try subscription(scripted, .lossless, start: .state)
    let begin =
      BrokerFrames.topicInfo() + BrokerFrames.stateReset(ref: core.ref)
      + BrokerFrames.gap(ref: core.ref, cause: .ringOverrun, first: 42, last: 50)
    scripted.feed(begin)
    #expect(try positions(scripted).isEmpty)
    scripted.feed(BrokerFrames.subscribed(ref: core.ref) + begin)
    scripted.feed(BrokerFrames.passed(ref: core.ref, first: 0, last: 41, events: 0))
    #expect(try positions(scripted) == [1: 51])
  }

  @Test func aResetOnTheWayBringsBackWhatWasPassed() throws {
    let scripted = try session()
    let core = try subscription(scripted)
    scripted.feed(
      deliver(core, 10) + BrokerFrames.stateReset(ref: core.ref)
        + BrokerFrames.selected(ref: core.ref, [(4, "a"), (80, "b")]))
    #expect(
      core.takeAll() == [
        .event(10, "live"), .stateReset("hunt.1"), .event(4, "a"), .event(80, "b"),
      ])
    // Until it is complete the subscription stands where it stood.
    scripted.feed(BrokerFrames.passed(ref: core.ref, first: 0, last: 90, events: 79))
    #expect(
      core.takeAll() == [
        .leftOut(.conflated, 11, 90, count: 79, expired: 0), .stateComplete("hunt.1", 90),
      ])
    scripted.feed(BrokerFrames.selected(ref: core.ref, [(80, "again")]))
    #expect(core.takeAll().isEmpty)
    #expect(try positions(scripted) == [1: 91])
  }

  @Test func underAnotherInstanceTheStateIsAskedForAgain() throws {
    let scripted = try session()
    let core = try subscription(scripted, .latest(), start: .state)
    scripted.feed(
      BrokerFrames.stateReset(ref: core.ref)
        + BrokerFrames.passed(ref: core.ref, first: 0, last: 41, events: 0))
    _ = core.takeAll()
    scripted.disconnect()
    try scripted.establish(BrokerFrames.welcome(version: 2, instance: 8))
    let subscribe = try #require(try scripted.turn().first)
    #expect(try subscribe.subscribe().start == .state)
    #expect(try subscribe.positions().isEmpty)
    #expect(core.takeAll() == [.gap(.newEpoch, 0, 0)])
  }

  // MARK: - Faults and the account

  @Test func faultsOfTheBrokerEndTheSession() throws {
    for bad in [
      { BrokerFrames.passed(ref: $0, first: 5, last: 4, events: 0) },
      { BrokerFrames.passed(ref: $0, first: 5, last: .max, events: 0) },
      { BrokerFrames.passed(ref: $0, topic: 9, first: 1, last: 4, events: 0) },
      { BrokerFrames.selected(ref: $0, topic: 9, [(1, "a")]) },
      { BrokerFrames.stateReset(ref: $0, topic: 9) },
    ] as [(UInt32) -> [UInt8]] {
      let scripted = try session()
      let core = try subscription(scripted)
      scripted.feed(bad(core.ref))
      #expect(scripted.session.end != nil)
    }
  }

  @Test func theAccountSaysWhatWasLeftOut() throws {
    let scripted = try session()
    let core = try subscription(scripted)
    let closed = Promise<SubscriptionAccount>()
    scripted.shared.mailbox.post(.unsubscribe(core, closed))
    _ = try scripted.turn()
    scripted.feed(
      BrokerFrames.frame {
        Unsubscribed(
          matchedEvents: 100, deliveredEvents: 40, droppedEvents: 3, expiredEvents: 2,
          closedEvents: 5
        ).encode(into: &$0, ref: core.ref)
      })
    #expect(try closed.answer?.get().leftOut == 50)
  }

  @Test func whoOnlyWantsEventsGetsEvents() async throws {
    let scripted = try session()
    let core = try subscription(scripted, .latest(), start: .state)
    scripted.feed(
      BrokerFrames.stateReset(ref: core.ref)
        + BrokerFrames.selected(ref: core.ref, [(40, "b")])
        + BrokerFrames.passed(ref: core.ref, first: 0, last: 41, events: 39)
        + deliver(core, 42))
    core.end(nil)
    let reader = DeliveryReader(core)
    var kinds: [String] = []
    while let item = try await reader.next() {
      switch item {
      case .event: kinds.append("event")
      case .gap: kinds.append("gap")
      case .leftOut: kinds.append("left out")
      case .stateReset: kinds.append("reset")
      case .stateComplete: kinds.append("complete")
      }
    }
    #expect(kinds == ["reset", "event", "left out", "complete", "event"])
  }
}
