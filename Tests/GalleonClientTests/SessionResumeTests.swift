import Testing
import WireFormat

@testable import GalleonClient

@Suite struct SessionResumeTests {
  @Test func acknowledgedPublishersSendAgainWhatIsNotConfirmed() throws {
    let scripted = try ScriptedSession.established()
    let core = try scripted.publisher(options: PublisherOptions(acknowledgement: .accepted))
    for number in 1...3 {
      try core.add("\(number)")
      _ = try scripted.turn()
    }
    scripted.feed(BrokerFrames.ack(ref: core.ref, through: 1))
    scripted.disconnect()
    try core.add("4")
    try scripted.establish()
    #expect(try scripted.turn().map(\.type) == [.openTopic])
    scripted.feed(BrokerFrames.topic(ref: core.ref))
    let batches = try scripted.turn().map { try $0.batch() }
    #expect(batches.flatMap(\.events).map(\.payload) == ["2", "3", "4"])
    #expect(batches.map(\.header.publisherSequence) == [2, 3, 4])
    #expect(core.counts.lost == 0)
    #expect(
      scripted.session.notices.last
        == .reconnected(broker: "fake 1", isSameInstance: true, eventsLost: 0))
  }

  @Test func withoutResendingTheyAreCountedAsLost() throws {
    let scripted = try ScriptedSession.established()
    var options = PublisherOptions(acknowledgement: .accepted)
    options.resends = false
    let core = try scripted.publisher(options: options)
    for number in 1...3 {
      try core.add("\(number)")
      _ = try scripted.turn()
    }
    scripted.feed(BrokerFrames.ack(ref: core.ref, through: 1))
    scripted.disconnect()
    #expect(core.counts.lost == 2)
    #expect(throws: GalleonError.eventsLost(2)) { try core.reportLoss() }
    #expect(throws: Never.self) { try core.reportLoss() }
    try scripted.establish()
    #expect(
      scripted.session.notices.last
        == .reconnected(broker: "fake 1", isSameInstance: true, eventsLost: 2))
  }

  @Test func anUnacknowledgedFrameCutInHalfIsNotLost() throws {
    let scripted = try ScriptedSession.established()
    let core = try scripted.publisher()
    try core.add("whole")
    #expect(try scripted.turn().count == 1)
    try core.add("cut")
    scripted.session.handleMailbox(nowNs: scripted.nowNs)
    scripted.send(limit: 20)
    scripted.disconnect()
    // The first was written and nobody said that it was read; the second cannot have been.
    #expect(core.counts.lost == 1)
    try scripted.establish()
    _ = try scripted.turn()
    scripted.feed(BrokerFrames.topic(ref: core.ref))
    #expect(try scripted.turn().first?.batch().events.map(\.payload) == ["cut"])
  }

  @Test func closingWaitsForWhatIsSentAgain() throws {
    let scripted = try ScriptedSession.established()
    let core = try scripted.publisher(options: PublisherOptions(acknowledgement: .accepted))
    try core.add("again")
    _ = try scripted.turn()
    scripted.disconnect()
    let promise = Promise<Void>()
    scripted.shared.mailbox.post(.closePublisher(core, promise))
    try scripted.establish()
    #expect(try scripted.turn().map(\.type) == [.openTopic])
    scripted.feed(BrokerFrames.topic(ref: core.ref))
    #expect(try scripted.turn().map(\.type) == [.publish, .closeTopic])
  }

  @Test func aBreakWhileClosingClosesInTheNextSession() throws {
    let scripted = try ScriptedSession.established()
    let core = try scripted.publisher()
    try core.add("in doubt")
    let promise = Promise<Void>()
    scripted.shared.mailbox.post(.closePublisher(core, promise))
    #expect(try scripted.turn().map(\.type) == [.publish, .closeTopic])
    scripted.disconnect()
    #expect(core.counts.lost == 1)
    try scripted.establish()
    _ = try scripted.turn()
    scripted.feed(BrokerFrames.topic(ref: core.ref))
    #expect(try scripted.turn().map(\.type) == [.closeTopic])
    scripted.feed(BrokerFrames.topicClosed(ref: core.ref))
    #expect(promise.answer != nil)
    #expect(throws: GalleonError.eventsLost(1)) { try core.reportLoss() }
  }

  @Test func subscriptionsGoOnAtTheNextSequence() throws {
    let scripted = try ScriptedSession.established()
    let core = try scripted.subscription()
    scripted.feed(BrokerFrames.topicInfo(id: 1, name: "hunt.1"))
    scripted.feed(BrokerFrames.topicInfo(id: 2, name: "hunt.2"))
    scripted.feed(
      BrokerFrames.deliver(ref: core.ref, [BrokerFrames.batch(["a", "b"], sequence: 10)]))
    scripted.feed(
      BrokerFrames.gap(ref: core.ref, topic: 2, cause: .ringOverrun, first: 1, last: 40))
    scripted.nowNs += 5000
    scripted.disconnect()
    try scripted.establish()
    let frame = try #require(try scripted.turn().first)
    #expect(try frame.positions() == [1: 12, 2: 41])
    // Topics that nothing came from go on at the time of the first SUBSCRIBE, not at the end.
    let subscribe = try frame.subscribe()
    #expect(subscribe.start == .time)
    #expect(subscribe.startValue == 1_000_000)
    // Two events wait to be taken: they take up their part of the window.
    #expect(subscribe.eventsTotal == core.options.windowEvents - 2)
    scripted.feed(BrokerFrames.subscribed(ref: core.ref))
    scripted.feed(BrokerFrames.topicInfo(id: 1, name: "hunt.1"))
    scripted.feed(
      BrokerFrames.deliver(ref: core.ref, [BrokerFrames.batch(["c"], sequence: 12)]))
    #expect(
      core.takeAll() == [
        .event(10, "a"), .event(11, "b"), .gap(.ringOverrun, 1, 40), .event(12, "c"),
      ])
  }

  @Test func anotherInstanceBeginsAnewWithAGap() throws {
    let scripted = try ScriptedSession.established()
    let core = try scripted.subscription()
    scripted.feed(BrokerFrames.topicInfo())
    scripted.feed(
      BrokerFrames.deliver(ref: core.ref, [BrokerFrames.batch(["a"], sequence: 10)]))
    scripted.disconnect()
    try scripted.establish(BrokerFrames.welcome(instance: 8))
    let frame = try #require(try scripted.turn().first)
    #expect(try frame.positions().isEmpty)
    #expect(try frame.subscribe().start == .earliest)
    scripted.feed(BrokerFrames.subscribed(ref: core.ref))
    scripted.feed(BrokerFrames.topicInfo(id: 1))
    scripted.feed(
      BrokerFrames.deliver(ref: core.ref, [BrokerFrames.batch(["b"], sequence: 1)]))
    #expect(core.takeAll() == [.event(10, "a"), .gap(.newEpoch, 0, 0), .event(1, "b")])
    #expect(
      scripted.session.notices.last
        == .reconnected(broker: "fake 1", isSameInstance: false, eventsLost: 0))
  }

  @Test func whatWasAskedForBeforeTheBreakIsAskedForAgain() throws {
    let scripted = try ScriptedSession.established()
    let core = SubscriptionCore(
      ref: 9, pattern: "a", options: SubscriptionOptions(start: .earliest),
      mailbox: scripted.shared.mailbox)
    let promise = Promise<Void>()
    scripted.shared.mailbox.post(.subscribe(core, promise))
    #expect(try scripted.turn().map(\.type) == [.subscribe])
    scripted.disconnect()
    try scripted.establish(BrokerFrames.welcome(instance: 99))
    #expect(try scripted.turn().first?.subscribe().start == .earliest)
    scripted.feed(BrokerFrames.subscribed(ref: 9))
    #expect(promise.answer != nil)
    // It had not been open: nothing was missed.
    #expect(core.takeAll().isEmpty)
  }

  @Test func aRefusalForTheTimeBeingIsTriedAgain() throws {
    let scripted = try ScriptedSession.established()
    let core = try scripted.subscription()
    scripted.disconnect()
    try scripted.establish()
    #expect(try scripted.turn().map(\.type) == [.subscribe])
    scripted.feed(BrokerFrames.error(.tooManySubscriptions, ref: core.ref))
    #expect(try scripted.turn().isEmpty)
    #expect(scripted.session.nextDeadlineNs() <= scripted.nowNs + 1_000_000_000)
    scripted.nowNs += 1_000_000_000
    #expect(try scripted.turn().map(\.type) == [.subscribe])
  }

  @Test func requestsOfTheOldSessionFail() throws {
    let scripted = try ScriptedSession.established()
    let promise = Promise<Event>()
    let address = try scripted.shared.requests.add(scripted.asker, deadlineNs: .max, promise)
    #expect(address == ReplyAddress(inbox: 900, token: 5000))
    scripted.disconnect()
    #expect(throws: GalleonError.connectionLost("cut")) { try promise.answer?.get() }
    #expect(throws: GalleonError.connectionLost("not connected")) {
      try scripted.shared.requests.add(scripted.asker, deadlineNs: .max, Promise())
    }
  }
}
