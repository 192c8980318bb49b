import Counters
import Testing
import WireFormat
import WireSupport

@testable import BrokerCore

/// Policies with bounds in time, and their change while a subscription runs.
@Suite struct PolicyTests {
  /// A subscription without credit, and a publisher beside it.
  private static func stalled(_ policy: SetPolicy, shards: Int) -> CoreHarness {
    let core = CoreHarness(shards: shards)
    core.hello(1)
    core.openTopic(1, "hunt")
    core.hello(2)
    core.subscribe(2, "hunt", ref: 5, events: 0, bytes: 0)
    core.send(on: 2) { policy.encode(into: &$0, ref: 5, correlation: 9) }
    #expect(core.takeTypes(on: 2) == [.welcome, .subscribed, .policySet])
    return core
  }

  private static func publish(
    _ core: CoreHarness, _ publisherSequence: UInt64, bytes: Int = 100
  ) {
    var writer = BatchWriter()
    let fits = unsafe [UInt8](repeating: 7, count: bytes).withUnsafeBytes {
      unsafe writer.append(payload: $0, key: nil)
    }
    precondition(fits)
    core.publish(1, unsafe [UInt8](writer.finish(publisherSequence: publisherSequence)))
  }

  private static func grant(_ core: CoreHarness) {
    core.send(on: 2) {
      Credit(eventsTotal: .max, bytesTotal: .max).encode(into: &$0, ref: 5, correlation: 0)
    }
  }

  @Test func aSessionOfVersion1HasNoneOfThis() {
    let core = CoreHarness()
    core.hello(1, version: 1)
    core.openTopic(1, "hunt", options: .keyed)
    core.subscribe(1, "hunt", ref: 1, policy: .latest)
    core.subscribe(1, "hunt", ref: 2, policy: .sample)
    core.subscribe(1, "hunt", ref: 3, start: .state)
    core.send(on: 1) { SetPolicy(policy: .lossless).encode(into: &$0, ref: 3, correlation: 1) }
    #expect(core.errorCodes(on: 1) == Array(repeating: .notSupported, count: 4))
  }

  @Test(arguments: [1, 2])
  func dropOldestDropsWhatIsTooOld(shards: Int) throws {
    let core = Self.stalled(SetPolicy(policy: .dropOldest, lagMsMax: 1000), shards: shards)
    for sequence: UInt64 in 1...4 {
      Self.publish(core, sequence)
      core.advance(milliseconds: 400)
    }
    Self.grant(core)
    #expect(core.takeTypes(on: 2) == [.blocked, .topicInfo, .gap, .deliver, .blocked])
    let row = core.region.subscriptions(shard: core.connections[2]!.shard)[0]
    #expect(row.get(.droppedEvents, at: Int(GapCause.dropOldest.rawValue)) == 2)
    #expect(row.get(.deliveredEvents) == 2)
  }

  /// A page that has one event which is too old, and one that is not.
  @Test(arguments: [1, 2])
  func dropOldestKeepsWhatIsNotTooOld(shards: Int) throws {
    let core = Self.stalled(SetPolicy(policy: .dropOldest, lagMsMax: 1000), shards: shards)
    for sequence: UInt64 in 1...4 {
      Self.publish(core, sequence, bytes: 900)
      core.advance(milliseconds: sequence == 1 ? 800 : 100)
    }
    Self.grant(core)
    let row = core.region.subscriptions(shard: core.connections[2]!.shard)[0]
    #expect(row.get(.droppedEvents, at: Int(GapCause.dropOldest.rawValue)) == 1)
    #expect(row.get(.deliveredEvents) == 3)
  }

  @Test(arguments: [1, 2])
  func disconnectEndsTheSessionOfWhoIsTooFarBehindInTime(shards: Int) throws {
    let core = Self.stalled(SetPolicy(policy: .disconnect, lagMsMax: 2000), shards: shards)
    core.advance(milliseconds: 3000)
    Self.publish(core, 1)
    core.advance(milliseconds: 1900)
    #expect(core.connections[2]?.isShut == false)
    core.advance(milliseconds: 700)
    #expect(try core.closeReason(on: 2) == .slowSubscriber)
    #expect(core.connections[1]?.isShut == false)
  }

  @Test(arguments: [1, 2])
  func disconnectEndsTheSessionOfWhoGrantsNothing(shards: Int) throws {
    let core = Self.stalled(SetPolicy(policy: .disconnect, noCreditMsMax: 2000), shards: shards)
    // Without anything to be sent nobody needs credit.
    core.advance(milliseconds: 5000)
    #expect(core.connections[2]?.isShut == false)
    Self.publish(core, 1)
    core.advance(milliseconds: 1900)
    #expect(core.connections[2]?.isShut == false)
    Self.grant(core)
    core.advance(milliseconds: 5000)
    #expect(core.connections[2]?.isShut == false)
  }

  @Test func disconnectWithoutCreditAfterItsTime() throws {
    let core = Self.stalled(SetPolicy(policy: .disconnect, noCreditMsMax: 2000), shards: 1)
    Self.publish(core, 1)
    core.advance(milliseconds: 2600)
    #expect(try core.closeReason(on: 2) == .slowSubscriber)
  }
}
