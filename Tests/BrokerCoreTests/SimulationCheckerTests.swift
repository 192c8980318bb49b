import Testing
import WireFormat

@testable import Simulation

/// The simulator's checker by itself, for what the policies that leave events out may send: what is
/// right passes, and each way to be wrong is seen.
@Suite struct SimulationCheckerTests {
  /// A keyed topic with five events, k1 k2 k1 and then k3 deleted and k2, and a subscription.
  final class Stage {
    static let topic: UInt32 = 1
    let model = Model()
    let clock = SimulatedClock()
    let checker: Checker
    let watch: Watch
    private let publisher: UInt32
    private var headers: [BatchHeader] = []
    private var keys: [UInt8] = []
    private var bytesBefore: UInt64 = 0

    init(_ policy: Policy, sampleEvery: UInt32 = 1, start: Start = .sequence) {
      checker = Checker(model: model, clock: clock)
      publisher = model.addPublisher(topic: "t")
      model.announce(Self.topic, "t")
      model.name(Self.topic, "t", options: TopicOptions.keyed.rawValue, epoch: 1)
      watch = Watch(
        who: "it", pattern: "t", terms: PolicyTerms(policy: policy, sampleEvery: sampleEvery),
        start: start, value: 1, positions: [:], isResumed: false, creditEvents: .max,
        creditBytes: .max)
      watch.before = [1: (1, 1)]
      for (key, isTombstone) in [(1, false), (2, false), (1, false), (3, true), (2, false)] {
        publish(UInt8(key), isTombstone: isTombstone)
      }
      watch.isConfirmed = true
      watch.confirmed = [1: (1, 6)]
    }

    func publish(_ key: UInt8, isTombstone: Bool = false, ttlMs: UInt32 = 0) {
      let number = model.nextNumber(publisher)
      var writer = BatchWriter()
      let payload = [UInt8](repeating: key, count: isTombstone ? 0 : Int(number) * 10)
      let isIn = unsafe payload.withUnsafeBytes { payload in
        unsafe [UInt8(ascii: "k"), key].withUnsafeBytes { key in
          unsafe writer.append(payload: payload, key: key, tombstone: isTombstone)
        }
      }
      precondition(isIn)
      let charge = writer.charge
      let bytes = unsafe [UInt8](
        writer.finish(publisherSequence: UInt64(publisher) << 32 | UInt64(number)))
      var header = unsafe bytes.withUnsafeBytes { unsafe BatchHeader(load: $0.baseAddress!) }
      header.sequence = UInt64(headers.count + 1)
      header.time = clock.realtimeNs
      header.bytesBefore = bytesBefore
      header.topic = Self.topic
      header.ttlMs = ttlMs
      bytesBefore += UInt64(charge)
      model.send(
        publisher,
        [Model.Contents(key: key, isTombstone: isTombstone, charge: UInt32(charge))], isLie: false)
      model.accept(Self.topic, header)
      headers.append(header)
      keys.append(key)
    }

    func select(_ sequences: Int...) {
      for sequence in sequences {
        checker.selected(watch, Self.topic, headers[sequence - 1], key: keys[sequence - 1])
      }
    }

    func deliver(_ sequence: Int) {
      checker.delivered(watch, Self.topic, headers[sequence - 1], skip: 0)
    }

    func lose(_ first: UInt64, _ last: UInt64, _ cause: GapCause) {
      let gap = Gap(
        topic: Self.topic, cause: cause, first: first, last: last, count: last + 1 - first,
        bytes: 0)
      checker.lost(watch, gap, isNamed: true)
    }

    /// A batch comes that the witness has not seen, from a place before 9.
    func deliverUnseen(at sequence: UInt64, number: UInt32) {
      model.skip(Self.topic, to: 9)
      watch.before = [:]
      watch.isConfirmed = false
      var header = headers[0]
      header.sequence = sequence
      header.publisherSequence = UInt64(publisher) << 32 | UInt64(number)
      checker.delivered(watch, Self.topic, header, skip: 0)
    }

    /// PASSED that leaves these events out.
    func pass(
      _ first: UInt64, _ last: UInt64, without: [Int], bytesMore: UInt64 = 0,
      isSample: Bool = false
    ) {
      let bytes = without.reduce(0) { $0 + UInt64(headers[$1 - 1].charge) } + bytesMore
      checker.passed(
        watch, Self.topic,
        Checker.Pass(
          isSample: isSample, first: first, last: last,
          leftOut: Amount(events: UInt64(without.count), bytes: bytes), expired: Amount()))
    }

    func rest() { checker.atRest(watch, after: "at rest") }
  }

  struct Scene: CustomTestStringConvertible, Sendable {
    var testDescription: String
    /// A part of what is said; nil where nothing is wrong.
    var fault: String?
    var play: @Sendable () -> Stage

    init(
      _ name: String, _ fault: String?, _ policy: Policy = .latest, every: UInt32 = 1,
      start: Start = .sequence, _ play: @escaping @Sendable (Stage) -> Void
    ) {
      testDescription = name
      self.fault = fault
      self.play = {
        let stage = Stage(policy, sampleEvery: every, start: start)
        play(stage)
        return stage
      }
    }
  }

  static let latest = [
    Scene("a pass in any order", nil) {
      $0.select(5, 3, 4)
      $0.pass(1, 5, without: [1, 2])
      $0.rest()
    },
    Scene("an event that is not counted", "not all there are") {
      $0.select(5, 3, 4)
      $0.pass(1, 5, without: [1])
    },
    Scene("a byte too many", "bytes are not") {
      $0.select(5, 3, 4)
      $0.pass(1, 5, without: [1, 2], bytesMore: 1)
    },
    Scene("a key that is left out", "key 2 has 5, which did not come") {
      $0.select(3, 4)
      $0.pass(1, 5, without: [1, 2, 5])
    },
    Scene("a deletion that is left out", "key 3 has 4, which did not come") {
      $0.select(5, 3)
      $0.pass(1, 5, without: [1, 2, 4])
    },
    Scene("an older event of a key", "was not the newest of key 1") {
      $0.select(5, 1, 3, 4)
      $0.pass(1, 5, without: [2])
    },
    Scene("a key goes back", "goes from 3 to 1") { $0.select(3, 1) },
    Scene("an event twice", "comes twice") { $0.select(3, 3) },
    Scene("an entry that a newer one replaces", nil) {
      $0.select(3, 4)
      $0.publish(2)
      $0.pass(1, 5, without: [1, 2, 5])
      $0.select(6)
      $0.pass(6, 6, without: [])
      $0.rest()
    },
    Scene("a pass that leaves a hole", "begins before") {
      $0.select(3)
      $0.pass(1, 3, without: [1, 2])
      $0.select(5)
      $0.pass(5, 5, without: [])
    },
    Scene("the ring after a pass", nil) {
      $0.select(5, 3, 4)
      $0.pass(1, 5, without: [1, 2])
      $0.publish(1)
      $0.deliver(6)
      $0.rest()
    },
    Scene("an event of the pass again", "goes on at 5, not 6") {
      $0.select(5, 3, 4)
      $0.pass(1, 5, without: [1, 2])
      $0.deliver(5)
    },
    Scene("a pass without an end", "does not end") { $0.select(5, 3, 4); $0.deliver(1) },
    Scene("an end that does not come", "7 was to come") {
      $0.select(5, 3, 4)
      $0.pass(1, 5, without: [1, 2])
      $0.publish(1)
      $0.deliver(6)
      $0.publish(1)
      $0.rest()
    },
  ]

  static let state = [
    Scene("the state, then what comes", nil, start: .state) {
      $0.checker.reset($0.watch, Stage.topic)
      $0.select(5, 3)
      $0.pass(0, 5, without: [])
      $0.publish(1)
      $0.deliver(6)
      $0.rest()
    },
    Scene("a key missing in the state", "key 1 has 3", start: .state) {
      $0.checker.reset($0.watch, Stage.topic)
      $0.select(5)
      $0.pass(0, 5, without: [])
    },
    Scene("a gap at the seam", "goes on at 7, not 6", start: .state) {
      $0.checker.reset($0.watch, Stage.topic)
      $0.select(5, 3)
      $0.pass(0, 5, without: [])
      $0.publish(1)
      $0.publish(1)
      $0.deliver(7)
    },
    Scene("a repeat at the seam", "goes on at 5, not 6", start: .state) {
      $0.checker.reset($0.watch, Stage.topic)
      $0.select(5, 3)
      $0.pass(0, 5, without: [])
      $0.deliver(5)
    },
    Scene("a laggard that forgets", nil) {
      $0.select(5, 3, 4)
      $0.checker.reset($0.watch, Stage.topic)
      $0.select(3, 5)
      $0.pass(0, 5, without: [])
      $0.rest()
    },
    Scene("a state that ends as a pass", "ends a state") {
      $0.pass(1, 0, without: [])
      $0.checker.reset($0.watch, Stage.topic)
      $0.select(3, 5, 4)
      $0.pass(1, 5, without: [1, 2])
    },
  ]

  static let sample = [
    Scene("every second", nil, .sample, every: 2) {
      $0.select(2, 4)
      $0.pass(1, 5, without: [1, 3, 5], isSample: true)
      $0.rest()
    },
    Scene("one that is none of them", "3 is no multiple", .sample, every: 2) {
      $0.select(2, 3, 4)
      $0.pass(1, 5, without: [1, 5], isSample: true)
    },
    Scene("one that does not come", "1 of 2 came", .sample, every: 2) {
      $0.select(2)
      $0.pass(1, 5, without: [1, 3, 4, 5], isSample: true)
    },
    Scene("not in order", "does not rise", .sample, every: 2) {
      $0.select(4, 2)
      $0.pass(1, 5, without: [1, 3, 5], isSample: true)
    },
    Scene("another policy from here on", nil, .sample, every: 2) {
      $0.select(2)
      $0.pass(1, 2, without: [1], isSample: true)
      $0.checker.asks($0.watch, for: PolicyTerms(policy: .latest))
      $0.checker.changed($0.watch, to: .latest)
      $0.select(3, 4, 5)
      $0.pass(3, 5, without: [])
      $0.rest()
    },
  ]

  @Test(arguments: latest + state + sample)
  func isJudged(_ scene: Scene) {
    let said = scene.play().model.fault
    if let fault = scene.fault {
      #expect(said?.contains(fault) == true, "\(said ?? "nothing was found")")
    } else {
      #expect(said == nil)
    }
  }
}
