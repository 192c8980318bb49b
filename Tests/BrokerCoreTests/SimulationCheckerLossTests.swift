import Testing
import WireFormat

@testable import Simulation

/// The simulator's checker by itself, for what does not come: the causes that a GAP may give, what
/// may be forgotten of keys, and what nobody saw in a ring.
@Suite struct SimulationCheckerLossTests {
  typealias Scene = SimulationCheckerTests.Scene
  typealias Stage = SimulationCheckerTests.Stage

  static let causes = [
    Scene("what was gone before it was asked for", nil, .lossless) {
      $0.lose(1, 2, .notRetained)
      $0.deliver(3)
    },
    Scene("what was gone, in the middle", "no reason", .lossless) {
      $0.deliver(1)
      $0.lose(2, 3, .notRetained)
    },
    Scene("what was gone, told as lost since", "no reason", .lossless) {
      $0.watch.before = [Stage.topic: (4, 4)]
      $0.lose(1, 3, .ringOverrun)
    },
    Scene("the ring goes over one that is lossless", nil, .lossless) {
      $0.deliver(1)
      $0.lose(2, 3, .ringOverrun)
      $0.deliver(4)
    },
    Scene("several causes where there is one", "no reason", .lossless) {
      $0.deliver(1)
      $0.lose(2, 3, .several)
    },
    Scene("several causes", nil, .dropOldest) {
      $0.watch.terms.lagEventsMax = 1
      $0.deliver(1)
      $0.lose(2, 3, .several)
    },
    Scene("the ring goes over one that gets the newest", "no reason") {
      $0.deliver(1)
      $0.lose(2, 3, .ringOverrun)
    },
    Scene("the same, where no keys are known", nil) {
      $0.model.noteLackOfKeys(Stage.topic)
      $0.deliver(1)
      $0.lose(2, 3, .ringOverrun)
    },
    Scene("too old, in a pass", "0 events are too old") {
      $0.select(3, 4)
      let left = $0.model.charge(Stage.topic, 1, 2) ?? 0
      let expired = $0.model.charge(Stage.topic, 5, 5) ?? 0
      $0.checker.passed(
        $0.watch, Stage.topic,
        Checker.Pass(
          isSample: false, first: 1, last: 5, leftOut: Amount(events: 2, bytes: left),
          expired: Amount(events: 1, bytes: expired)))
    },
    Scene("too old, in a pass, for its time to live is over", "0 events are too old") { stage in
      stage.publish(2, ttlMs: 10)
      stage.clock.advance(by: 11_000_000)
      stage.select(3, 4)
      let left = [1, 2, 5].reduce(0) { $0 + (stage.model.charge(Stage.topic, $1, $1) ?? 0) }
      let expired = stage.model.charge(Stage.topic, 6, 6) ?? 0
      stage.checker.passed(
        stage.watch, Stage.topic,
        Checker.Pass(
          isSample: false, first: 1, last: 6, leftOut: Amount(events: 3, bytes: left),
          expired: Amount(events: 1, bytes: expired)))
    },
    Scene("too old when it was asked for", "is not") {
      $0.publish(2, ttlMs: 10)
      $0.watch.askedNs = $0.clock.realtimeNs + 11_000_000
      $0.select(6)
    },
  ]

  static let forgotten = [
    Scene("a key that is gone, and a client that has it", "no STATE_RESET") {
      $0.select(5, 3, 4)
      $0.pass(1, 5, without: [1, 2])
      $0.publish(2, isTombstone: true)
      $0.checker.keysFloor = { _ in 6 }
      $0.pass(6, 6, without: [6])
      $0.rest()
    },
    Scene("a key that is gone, and a client that forgets it", nil) {
      $0.select(5, 3, 4)
      $0.pass(1, 5, without: [1, 2])
      $0.publish(2, isTombstone: true)
      $0.checker.keysFloor = { _ in 6 }
      $0.checker.reset($0.watch, Stage.topic)
      $0.select(3)
      $0.pass(0, 6, without: [])
      $0.rest()
    },
    Scene("a pass that ends early, and the state", nil) {
      $0.checker.keysFloor = { _ in 4 }
      $0.select(3)
      $0.pass(1, 5, without: [1, 2, 4, 5])
      $0.checker.reset($0.watch, Stage.topic)
      $0.select(3, 5)
      $0.pass(0, 5, without: [])
      $0.rest()
    },
    Scene("a pass that ends early, and another one", "before STATE_RESET") {
      $0.checker.keysFloor = { _ in 4 }
      $0.select(3)
      $0.pass(1, 5, without: [1, 2, 4, 5])
      $0.publish(1)
      $0.select(6)
    },
    Scene("a pass that ends early, and the ring", "before STATE_RESET") {
      $0.checker.keysFloor = { _ in 4 }
      $0.select(3)
      $0.pass(1, 5, without: [1, 2, 4, 5])
      $0.publish(1)
      $0.deliver(6)
    },
    Scene("a pass that ends early, with nothing forgotten", "key 2 has 5, which did not come") {
      $0.select(3, 4)
      $0.pass(1, 4, without: [1, 2])
      $0.checker.keysFloor = { _ in 4 }
      $0.pass(5, 5, without: [5])
    },
    Scene("a state without a value older than what is forgotten", "key 2 has 5") {
      $0.checker.keysFloor = { _ in 5 }
      $0.checker.reset($0.watch, Stage.topic)
      $0.select(3)
      $0.pass(0, 5, without: [])
    },
    Scene("a state without a value for which there is no room", nil) {
      $0.checker.keysFloor = { _ in 5 }
      $0.model.noteLackOfKeys(Stage.topic)
      $0.checker.reset($0.watch, Stage.topic)
      $0.select(3)
      $0.pass(0, 5, without: [])
    },
  ]

  static let unseen = [
    Scene("what nobody saw", nil, .lossless) { $0.deliverUnseen(at: 7, number: 3) },
    Scene("what nobody sent", "nobody has published", .lossless) {
      $0.deliverUnseen(at: 7, number: 6)
    },
  ]

  @Test(arguments: causes + forgotten + unseen)
  func isJudged(_ scene: Scene) {
    let said = scene.play().model.fault
    if let fault = scene.fault {
      #expect(said?.contains(fault) == true, "\(said ?? "nothing was found")")
    } else {
      #expect(said == nil)
    }
  }
}
