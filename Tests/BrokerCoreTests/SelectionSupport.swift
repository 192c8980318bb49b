import Counters
import Testing
import WireFormat
import WireSupport

@testable import BrokerCore

/// A publisher of a keyed topic, and a subscriber to it.
struct Selection {
  /// What a subscriber was sent, in order.
  enum Sent: Equatable {
    case event(UInt64, String, String)
    case gap(UInt64, UInt64)
    case passed(LeftOut?, UInt64, UInt64, UInt64)
    case reset
  }

  let core: CoreHarness

  init(
    shards: Int, _ limits: BrokerLimits = CoreHarness.smallLimits, options: TopicOptions = .keyed
  ) {
    core = CoreHarness(limits, shards: shards)
    core.hello(1)
    core.openTopic(1, "map", options: options)
    core.hello(2)
    _ = core.takeTypes(on: 2)
  }

  static func batch(
    _ first: UInt64, _ events: [(String, String?)], codec: Codec = .none, ttlMs: UInt32 = 0
  ) -> [UInt8] {
    var writer = BatchWriter()
    for (key, value) in events {
      let fits = unsafe Array((value ?? "").utf8).withUnsafeBytes { payload in
        unsafe Array(key.utf8).withUnsafeBytes { key in
          unsafe writer.append(payload: payload, key: key, tombstone: value == nil)
        }
      }
      precondition(fits)
    }
    return unsafe [UInt8](
      writer.finish(codec: codec, codecs: Codecs(), ttlMs: ttlMs, publisherSequence: first))
  }

  func publish(_ first: UInt64, _ events: (String, String?)..., ttlMs: UInt32 = 0) {
    core.publish(1, Self.batch(first, events, ttlMs: ttlMs))
  }

  func subscribe(
    _ policy: SetPolicy, start: Start = .latest, events: UInt64 = 0, bytes: UInt64 = .max
  ) {
    core.subscribe(2, "map", ref: 5, policy: .lossless, start: start, events: 0, bytes: 0)
    core.send(on: 2) { policy.encode(into: &$0, ref: 5, correlation: 9) }
    if events > 0 { grant(events, bytes) }
  }

  /// Begins with a sequence.
  func resume(at sequence: UInt64, policy: Policy, events: UInt64 = 0, bytes: UInt64 = 0) {
    let subscribe = Subscribe(
      policy: policy, start: .sequence, startValue: sequence, eventsTotal: events,
      bytesTotal: bytes, pattern: "map")
    let none: [UInt8] = []
    core.send(on: 2) {
      unsafe subscribe.encode(into: &$0, ref: 5, correlation: 3, positions: none.span.bytes)
    }
  }

  func grant(_ events: UInt64 = .max, _ bytes: UInt64 = .max) {
    core.send(on: 2) {
      Credit(eventsTotal: events, bytesTotal: bytes).encode(into: &$0, ref: 5, correlation: 0)
    }
  }

  /// The same in one turn, and nothing else happens.
  func grantAlone() {
    var writer = FrameWriter(reserving: 64)
    let fits = Credit(eventsTotal: .max, bytesTotal: .max)
      .encode(into: &writer, ref: 5, correlation: 0)
    precondition(fits)
    core.sendAlone(writer.array, on: 2)
  }

  /// What has come for the subscription since the last time.
  func taken() throws -> [Sent] {
    var sent: [Sent] = []
    while let bytes = core.takeBytes(on: 2) {
      try unsafe bytes.withUnsafeBytes { all in
        guard let frame = try unsafe nextFrame(in: all, at: 0, lengthMax: 1 << 24) else { return }
        var reader = unsafe FrameReader(frame, in: all)
        switch frame.header.type {
        case .deliver:
          let deliver = try Deliver(reader: &reader)
          sent += try Self.events(bytes, deliver.batches, skip: Int(deliver.skip))
        case .deliverSelected:
          sent += try Self.events(bytes, DeliverSelected(reader: &reader).batches, skip: 0)
        case .gap:
          let gap = try Gap(reader: &reader)
          sent.append(.gap(gap.first, gap.last))
        case .passed:
          let passed = try Passed(reader: &reader)
          sent.append(.passed(passed.kind, passed.first, passed.last, passed.events))
        case .stateReset: sent.append(.reset)
        default: break
        }
      }
    }
    return sent
  }

  private static func events(_ frame: [UInt8], _ range: Range<Int>, skip: Int) throws -> [Sent] {
    var sent: [Sent] = []
    try unsafe frame.withUnsafeBytes { all in
      var at = range.lowerBound
      while at < range.upperBound {
        let rest = unsafe UnsafeRawBufferPointer(rebasing: all[at..<range.upperBound])
        let valid = try unsafe validateBatch(rest, limits: BatchLimits())
        let records = unsafe UnsafeRawBufferPointer(
          rebasing: rest[BatchHeader.size..<valid.length])
        var cursor = unsafe RecordCursor(records, count: valid.count)
        var sequence = unsafe Batch.sequence(rest.baseAddress!)
        while let event = try cursor.next() {
          sent.append(
            .event(
              sequence, unsafe String(decoding: records[event.key], as: UTF8.self),
              unsafe String(decoding: records[event.payload], as: UTF8.self)))
          sequence += 1
        }
        at += valid.paddedLength
      }
    }
    return Array(sent.dropFirst(skip))
  }

  var ledger: Ledger {
    core.region.subscriptions(shard: core.connections[2]!.shard)[0].ledger
  }

  static func isEvent(_ sent: Sent) -> Bool {
    if case .event = sent { true } else { false }
  }
}
