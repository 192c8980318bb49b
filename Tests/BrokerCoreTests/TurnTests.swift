import Testing
import WireFormat
import WireSupport

@testable import BrokerCore

/// Weighted turns: what subscriptions of one connection wait for each other.
@Suite struct TurnTests {
  /// A frame of batches of a kilobyte, with its header: the unit in which turns are given.
  private static let quantumBytes = WireLimits.deliverTargetBytes + 64

  /// A publisher on connection 1 with a topic for each weight, and on connection 2 a subscription
  /// for each, numbered alike from 1. The socket takes nothing yet.
  private static func core(weights: [UInt8]) -> CoreHarness {
    let core = CoreHarness()
    core.hello(1)
    core.hello(2)
    for (index, weight) in weights.enumerated() {
      let ref = UInt32(index + 1)
      core.openTopic(1, "t.\(ref)", ref: ref)
      let none: [UInt8] = []
      core.send(on: 2) {
        unsafe Subscribe(
          policy: .lossless, start: .latest, weight: weight, eventsTotal: .max, bytesTotal: .max,
          pattern: "t.\(ref)"
        ).encode(into: &$0, ref: ref, correlation: 3, positions: none.span.bytes)
      }
    }
    _ = core.takeTypes(on: 2)
    core.connections[2]?.room = 0
    return core
  }

  /// Kilobytes in batches of one event.
  private static func publish(_ core: CoreHarness, _ ref: UInt32, kilobytes: Int) {
    let payload = String(repeating: "p", count: 1024 - BatchField.size - 4)
    for start in stride(from: 0, to: kilobytes, by: 64) {
      let batches = (start..<min(kilobytes, start + 64)).flatMap {
        LooseBatch.encoded([.init(payload: payload)], publisherSequence: UInt64($0 + 1))
      }
      core.publish(1, batches, ref: ref)
    }
  }

  /// The socket takes so much more.
  private static func drain(_ core: CoreHarness, _ bytes: Int) {
    guard let connection = core.connections[2] else { return }
    connection.room = bytes
    core.shards[0].handleWritable(connection.id)
    core.pump()
  }

  /// Bytes of DELIVER frames that have come, by subscription; the last one may be cut.
  private static func delivered(_ core: CoreHarness) -> [UInt32: Int] {
    var bytes: [UInt32: Int] = [:]
    while let frame = core.takeBytes(on: 2) {
      guard frame[4] == FrameType.deliver.rawValue else { continue }
      bytes[UInt32(frame[8]), default: 0] += frame.count
    }
    return bytes
  }

  /// Steps of less than a frame, of a frame and a bit, of an odd number of frames, and of more than
  /// is offered at once.
  @Test(arguments: [1500, 20_000, 60_000, 500_000])
  func sharesAreAsTheWeights(step: Int) {
    let weights: [UInt8] = [1, 3, 2]
    let core = Self.core(weights: weights)
    for ref in UInt32(1)...3 { Self.publish(core, ref, kilobytes: 1024) }
    var bytes: [UInt32: Int] = [:]
    for _ in 1...(1_000_000 / step) {
      Self.drain(core, step)
      bytes.merge(Self.delivered(core), uniquingKeysWith: +)
    }
    let whole = bytes.values.reduce(0, +)
    #expect(whole > 1_000_000 - step - Self.quantumBytes)
    for (index, weight) in weights.enumerated() {
      // A round is six frames, and may have been cut anywhere.
      let share = whole * Int(weight) / 6
      let own = bytes[UInt32(index + 1)] ?? 0
      #expect(abs(own - share) <= 4 * Self.quantumBytes, "\(index + 1): \(own), not \(share)")
    }
  }

  @Test(arguments: [1, 4] as [UInt8], [1500, 20_000, 100_000])
  func aRewardWaitsForOneTurnOfPositions(weight: UInt8, step: Int) throws {
    let core = Self.core(weights: [weight, 1])
    Self.publish(core, 1, kilobytes: 2048)
    for round in 1...5 {
      // Somewhere in the stream.
      Self.drain(core, 50_000 + round * 7919)
      _ = Self.delivered(core)
      let cut = core.connections[2]?.incoming.count ?? 0
      let reward = LooseBatch.encoded(
        [.init(payload: "a golden compass")], publisherSequence: UInt64(round))
      core.publish(1, reward, ref: 2)
      var before = 0
      var hasCome = false
      for _ in 0..<200 where !hasCome {
        Self.drain(core, step)
        while !hasCome, let frame = core.takeBytes(on: 2) {
          hasCome = frame[4] == FrameType.deliver.rawValue && frame[8] == 2
          if !hasCome { before += frame.count }
        }
      }
      try #require(hasCome, "the reward does not come")
      // What had been cut is ended, and then the positions' turn.
      let bound = (Int(weight) + 1) * Self.quantumBytes - cut + TopicInfo.room
      #expect(before - cut <= bound, "\(before - cut) bytes went before it")
    }
  }

  @Test func topicsOfASubscriptionTakeTurnsToo() throws {
    let core = Self.core(weights: [1, 1])
    core.send(on: 2) { Unsubscribe().encode(into: &$0, ref: 1, correlation: 0) }
    core.send(on: 2) { Unsubscribe().encode(into: &$0, ref: 2, correlation: 0) }
    core.subscribe(2, "t.*", ref: 3)
    for ref in UInt32(1)...2 { Self.publish(core, ref, kilobytes: 512) }
    var bytes: [UInt8: Int] = [:]
    for _ in 1...200 {
      Self.drain(core, 1500)
      while let frame = core.takeBytes(on: 2) {
        guard frame[4] == FrameType.deliver.rawValue else { continue }
        bytes[frame[16], default: 0] += frame.count
      }
    }
    #expect(bytes.count == 2)
    #expect(abs((bytes[1] ?? 0) - (bytes[2] ?? 0)) <= Self.quantumBytes)
  }
}

extension TopicInfo {
  /// More than the one of a topic with a short name.
  fileprivate static var room: Int { 64 }
}
