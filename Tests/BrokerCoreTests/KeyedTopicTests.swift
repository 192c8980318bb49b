import Counters
import Testing
import WireFormat

@testable import BrokerCore

/// The owner of a keyed topic knows its keys, whoever publishes and however.
@Suite struct KeyedTopicTests {
  private func batch(
    _ events: [(key: String, payload: String?)], codec: Codec, from sequence: UInt64
  ) -> [UInt8] {
    var writer = BatchWriter()
    for event in events {
      let payload = Array((event.payload ?? "").utf8)
      let fits = unsafe payload.withUnsafeBytes { payload in
        unsafe Array(event.key.utf8).withUnsafeBytes { key in
          unsafe writer.append(payload: payload, key: key, tombstone: event.payload == nil)
        }
      }
      precondition(fits)
    }
    return unsafe Array(
      writer.finish(codec: codec, codecs: Codecs(), publisherSequence: sequence))
  }

  /// What an index holds, in the order of sequences: each key with its payload, nil for a removal.
  private func contents(_ index: KeyIndex) throws -> [(sequence: UInt64, text: String)] {
    var found: [(sequence: UInt64, text: String)] = []
    var pass = index.beginPass(after: 0, through: index.lastSequence, random: 0)
    while true {
      var steps = 1 << 20
      guard case .record(let record) = index.next(&pass, realtimeNs: 0, steps: &steps) else {
        return found
      }
      let bytes = unsafe UnsafeRawBufferPointer(
        start: record.batch.start, count: record.batch.paddedLength)
      let valid = try unsafe validateBatch(bytes, limits: BatchLimits(requireKey: true))
      let records = unsafe UnsafeRawBufferPointer(rebasing: bytes[BatchField.size..<valid.length])
      let view = unsafe keyedRecord(records, 0)
      let key = unsafe String(decoding: records[view.key], as: UTF8.self)
      let payload = unsafe records[view.key.upperBound...]
      let text = unsafe String(decoding: payload.prefix(3), as: UTF8.self)
      found.append((record.batch.sequence, key + (record.isRemoval ? " gone" : " " + text)))
    }
  }

  @Test(arguments: [1, 2], [Codec.none, .lz4, .zstd])
  func itsOwnerKnowsTheNewestOfEachKey(shards: Int, codec: Codec) throws {
    let core = CoreHarness(shards: shards)
    core.hello(1)
    core.hello(2)
    core.openTopic(1, "board", options: .keyed)
    core.openTopic(2, "board", options: .keyed)
    core.openTopic(2, "plain", ref: 2)
    let owner = core.shards[0]
    #expect(owner.topics[1].keys?.block == nil)
    // Long enough to be compressed.
    let rest = String(repeating: " and so on", count: 60)
    core.publish(1, batch([("a", "one" + rest), ("b", "two" + rest)], codec: codec, from: 1))
    core.publish(2, batch([("b", "six" + rest), ("c", "ten" + rest)], codec: codec, from: 1))
    core.publish(1, batch([("a", nil), ("d", "new" + rest)], codec: codec, from: 3))
    core.publish(2, batch([("x", "y")], codec: .none, from: 1), ref: 2)
    let index = try #require(owner.topics[1].keys)
    let found = try contents(index)
    #expect(found.map(\.text) == ["b six", "c ten", "a gone", "d new"])
    #expect(found.map(\.sequence) == [3, 4, 5, 6])
    #expect(index.lastSequence == 6 && index.floor == 0)
    #expect(index.topic == 1 && owner.topics[2].keys?.block == nil)
    if shards == 2 { #expect(core.shards[1].topics[1].keys?.block == nil) }
    // It counts against the ceiling.
    let used = core.shards.reduce(0) { $0 + $1.pages.usedBytes }
    #expect(owner.state.usedBytes > 0)
    #expect(core.region.broker.get(.memoryUsedBytes) == UInt64(used + owner.state.usedBytes))
  }

  /// A batch that has to wait for a page counts once.
  @Test func itKnowsAsMuchAsTheRingWhereABatchHasToWait() throws {
    var limits = CoreHarness.smallLimits
    limits.topicRetentionBytes = 4096
    limits.keysPerTopicMax = 3
    let core = CoreHarness(limits)
    core.hello(1)
    core.hello(2)
    core.openTopic(1, "board", options: .keyed)
    core.subscribe(2, "board", events: 2)
    let long = String(repeating: "x", count: 1000)
    for i in 0..<40 {
      core.publish(1, batch([("\(i % 5)", long)], codec: .none, from: UInt64(i + 1)))
    }
    let index = try #require(core.shards[0].topics[1].keys)
    #expect(index.lastSequence == 40 && index.count == 3 && index.floor == 37)
    #expect(try contents(index).map(\.sequence) == [38, 39, 40])
  }
}
