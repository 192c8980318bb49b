import Synchronization
import Testing
import WireFormat

@testable import GalleonClient

@Suite struct SessionPolicyTests {
  private func session() throws -> ScriptedSession {
    let scripted = ScriptedSession()
    try scripted.establish(BrokerFrames.welcome(version: 2))
    return scripted
  }

  private func options(
    _ policy: DeliveryPolicy, start: StartPosition = .latest
  ) -> SubscriptionOptions {
    var options = SubscriptionOptions(start: start, policy: policy)
    options.windowEvents = 10
    options.windowBytes = 1000
    return options
  }

  private func subscribe(
    _ scripted: ScriptedSession, _ options: SubscriptionOptions, _ opened: Promise<Void> = Promise()
  ) throws -> (SubscriptionCore, [SentFrame]) {
    let core = SubscriptionCore(
      ref: scripted.shared.nextRef(), pattern: "hunt.*", options: options,
      mailbox: scripted.shared.mailbox)
    scripted.shared.mailbox.post(.subscribe(core, opened))
    return (core, try scripted.turn())
  }

  @Test(arguments: [
    (DeliveryPolicy.lossless, Policy.lossless),
    (.dropOldest(lagEvents: 5, lagBytes: 6), .dropOldest),
    (.disconnect(lagEvents: 5, lagBytes: 6), .disconnect), (.latest(), .latest),
    (.sample(every: 1), .sample),
  ])
  func whatSubscribeCanSayItSays(policy: DeliveryPolicy, wire: Policy) throws {
    let (_, sent) = try subscribe(try session(), options(policy))
    #expect(sent.map(\.type) == [.subscribe])
    #expect(try sent[0].subscribe().policy == wire)
    #expect(try sent[0].subscribe().eventsTotal == 10)
  }

  @Test(arguments: [
    (
      DeliveryPolicy.dropOldest(lagEvents: 5, lagBytes: 6, maxAge: .milliseconds(70)),
      SetPolicy(policy: .dropOldest, lagEventsMax: 5, lagBytesMax: 6, lagMsMax: 70)
    ),
    (.latest(maxAge: .seconds(2)), SetPolicy(policy: .latest, lagMsMax: 2000)),
    (
      .sample(every: 7, maxAge: .microseconds(3)),
      SetPolicy(policy: .sample, sampleEvery: 7, lagMsMax: 1)
    ),
    (
      .disconnect(lagEvents: 5, maxAge: .seconds(1 << 40), withoutCredit: .seconds(9)),
      SetPolicy(
        policy: .disconnect, lagEventsMax: 5, lagMsMax: .max, noCreditMsMax: 9000)
    ),
  ])
  func whatItCannotSayIsInForceFromTheFirstEvent(policy: DeliveryPolicy, wire: SetPolicy) throws {
    let scripted = try session()
    let (core, sent) = try subscribe(scripted, options(policy))
    #expect(sent.map(\.type) == [.subscribe, .setPolicy, .credit])
    let subscribe = try sent[0].subscribe()
    #expect(subscribe.policy == wire.policy)
    #expect(subscribe.eventsTotal == 0 && subscribe.bytesTotal == 0)
    #expect(try sent[1].setPolicy() == wire)
    #expect(sent[1].ref == core.ref && sent[1].correlation != 0)
    #expect(try sent[2].credit() == Credit(eventsTotal: 10, bytesTotal: 1000))
    scripted.feed(BrokerFrames.policySet(ref: core.ref, correlation: sent[1].correlation))
    scripted.feed(BrokerFrames.subscribed(ref: core.ref))
    #expect(try scripted.turn().isEmpty)
    // And again after the connection broke.
    scripted.disconnect()
    try scripted.establish(BrokerFrames.welcome(version: 2))
    #expect(try scripted.turn().map(\.type) == [.subscribe, .setPolicy, .credit])
  }

  @Test func aPolicyThatIsRefusedEndsTheSubscription() throws {
    let scripted = try session()
    let opened = Promise<Void>()
    let (core, sent) = try subscribe(scripted, options(.sample(every: 3)), opened)
    scripted.feed(
      BrokerFrames.error(.invalidOption, ref: core.ref, correlation: sent[1].correlation))
    scripted.feed(BrokerFrames.subscribed(ref: core.ref))
    #expect(try scripted.turn().map(\.type) == [.unsubscribe])
    guard case .failure(.refused(let refusal))? = opened.answer else {
      Issue.record("\(String(describing: opened.answer))")
      return
    }
    #expect(refusal.name == "invalidOption")
  }

  @Test func anErrorThatRefusesAllThreeFramesEndsItOnce() throws {
    let scripted = try session()
    let opened = Promise<Void>()
    let (core, sent) = try subscribe(scripted, options(.sample(every: 3)), opened)
    for (frame, code) in zip(sent, [ErrorCode.notSupported, .unknownRef, .unknownRef]) {
      scripted.feed(BrokerFrames.error(code, ref: core.ref, correlation: frame.correlation))
    }
    guard case .failure(.refused(let refusal))? = opened.answer else {
      Issue.record("\(String(describing: opened.answer))")
      return
    }
    #expect(refusal.name == "notSupported")
    #expect(scripted.session.subscriptions.isEmpty)
  }

  @Test(arguments: [
    (DeliveryPolicy.latest(), StartPosition.latest), (.sample(every: 2), .latest),
    (.dropOldest(lagEvents: 1, maxAge: .seconds(1)), .latest), (.lossless, .state),
  ])
  func aBrokerOfVersion1IsNotAsked(policy: DeliveryPolicy, start: StartPosition) throws {
    let opened = Promise<Void>()
    let scripted = try ScriptedSession.established()
    let (core, sent) = try subscribe(scripted, options(policy, start: start), opened)
    #expect(sent.isEmpty)
    guard case .failure(.brokerTooOld(let text))? = opened.answer else {
      Issue.record("\(String(describing: opened.answer))")
      return
    }
    #expect(text.contains("version 1"))
    var queue = Queue<Delivery>()
    guard case .failed(.brokerTooOld) = core.fetch(into: &queue) else {
      Issue.record("it is not at its end")
      return
    }
  }

  // MARK: - Changes

  private func change(
    _ scripted: ScriptedSession, _ core: SubscriptionCore, _ policy: DeliveryPolicy
  ) throws -> (Promise<Void>, [SentFrame]) {
    let promise = Promise<Void>()
    scripted.shared.mailbox.post(.setPolicy(core, PolicyWish(policy), promise))
    return (promise, try scripted.turn())
  }

  @Test func aChangeIsAskedForAndKept() throws {
    let scripted = try session()
    let core = try scripted.subscription(options: options(.lossless))
    let (promise, sent) = try change(scripted, core, .dropOldest(lagEvents: 4))
    #expect(sent.map(\.type) == [.setPolicy])
    #expect(try sent[0].setPolicy() == SetPolicy(policy: .dropOldest, lagEventsMax: 4))
    #expect(promise.answer == nil)
    scripted.feed(BrokerFrames.policySet(ref: core.ref, correlation: sent[0].correlation))
    #expect((try promise.answer?.get()) != nil)
    scripted.disconnect()
    try scripted.establish(BrokerFrames.welcome(version: 2))
    #expect(try scripted.turn().first?.subscribe().policy == .dropOldest)
  }

  @Test func aChangeThatIsRefusedIsNone() throws {
    let scripted = try session()
    let core = try scripted.subscription(options: options(.lossless))
    let (promise, sent) = try change(scripted, core, .latest())
    scripted.feed(
      BrokerFrames.error(.invalidOption, ref: core.ref, correlation: sent[0].correlation))
    #expect(throws: GalleonError.self) { try promise.answer?.get() }
    scripted.disconnect()
    try scripted.establish(BrokerFrames.welcome(version: 2))
    #expect(try scripted.turn().first?.subscribe().policy == .lossless)
  }

  @Test func aChangeThatWasNotAnsweredComesWithTheNextSession() throws {
    let scripted = try session()
    let core = try scripted.subscription(options: options(.lossless))
    let (first, _) = try change(scripted, core, .latest())
    scripted.disconnect()
    let (second, none) = try change(scripted, core, .sample(every: 5))
    #expect(none.isEmpty)
    try scripted.establish(BrokerFrames.welcome(version: 2))
    let sent = try scripted.turn()
    #expect(sent.map(\.type) == [.subscribe, .setPolicy, .credit])
    #expect(try sent[1].setPolicy().sampleEvery == 5)
    #expect(first.answer == nil && second.answer == nil)
    scripted.feed(BrokerFrames.subscribed(ref: core.ref))
    #expect((try first.answer?.get()) != nil)
    #expect((try second.answer?.get()) != nil)
  }

  @Test func aChangeNeedsVersion2AndAnOpenSubscription() throws {
    let scripted = try ScriptedSession.established()
    let core = try scripted.subscription(options: options(.lossless))
    let (old, sent) = try change(scripted, core, .dropOldest(lagEvents: 4))
    #expect(sent.isEmpty)
    guard case .failure(.brokerTooOld)? = old.answer else {
      Issue.record("\(String(describing: old.answer))")
      return
    }
    scripted.shared.mailbox.post(.unsubscribe(core, Promise()))
    let (late, _) = try change(scripted, core, .lossless)
    #expect(throws: GalleonError.clientClosed) { try late.answer?.get() }
    // Whoever waits when the client ends hears it.
    scripted.disconnect()
    let other = try subscribe(scripted, options(.lossless)).0
    let (waiting, _) = try change(scripted, other, .latest())
    scripted.session.finish(nil)
    #expect(throws: GalleonError.clientClosed) { try waiting.answer?.get() }
  }

  // MARK: - Stops

  @Test func whoIsStoppedHearsWhyAndThatItIsOver() throws {
    let scripted = try session()
    let heard = Heard()
    var subscriptionOptions = options(.lossless)
    subscriptionOptions.onBlocked = { heard.add($0) }
    let core = try scripted.subscription(options: subscriptionOptions)
    let publisher = try scripted.publisher()
    scripted.feed(
      BrokerFrames.blocked(.subscription, ref: core.ref, by: .creditEvents, events: 3)
        + BrokerFrames.blocked(.publisher, ref: publisher.ref, by: .subscriber))
    let stop = ClientBlocked(cause: .creditEvents, pendingEvents: 3, pendingBytes: 120)
    #expect(core.blocked == stop)
    #expect(publisher.blocked?.cause == .subscriber)
    scripted.feed(BrokerFrames.blocked(.subscription, ref: core.ref, by: .none))
    #expect(core.blocked == nil && publisher.blocked != nil)
    #expect(heard.all == [stop, nil])
    // Nobody says when a stop ends that ends with the connection.
    scripted.disconnect()
    #expect(publisher.blocked == nil)
    #expect(heard.all == [stop, nil])
  }

  private final class Heard: Sendable {
    private let list = Mutex<[ClientBlocked?]>([])
    var all: [ClientBlocked?] { list.withLock { $0 } }
    func add(_ blocked: ClientBlocked?) { list.withLock { $0.append(blocked) } }
  }
}
