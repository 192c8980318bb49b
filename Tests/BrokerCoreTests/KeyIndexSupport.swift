import Simulation
import Testing
import WireFormat

@testable import BrokerCore

/// What a keyed topic holds, kept in a dictionary: the newest event of each key.
struct KeyModel {
  struct Entry: Equatable {
    var sequence: UInt64
    var record: [UInt8]
    var isRemoval: Bool
    var stamps: EventStamps
  }
  var entries: [[UInt8]: Entry] = [:]
}

/// A topic with an index of its keys, and the model of it.
///
/// `@safe`: the pointers it hands on are to arrays that live as long as the call.
@safe
final class KeyedTopic {
  struct Event {
    var key: [UInt8]
    var payload: [UInt8] = []
    var isRemoval = false
    var hasReply = false
    var hasHeaders = false
  }

  let index: KeyIndex
  let id: UInt32
  var model = KeyModel()
  var nextSequence: UInt64 = 1
  var totalBytes: UInt64 = 0
  var publisherSequence: UInt64 = 100
  var time: UInt64 = 1_000_000_000
  private let codecs = Codecs()
  private var writer = BatchWriter(batchBytesMax: WireLimits.batchBytesCeiling)

  init?(_ memory: StateMemory, id: UInt32 = 7) {
    guard let index = KeyIndex.open(memory, topic: id, after: 0) else { return nil }
    self.index = index
    self.id = id
  }

  var last: UInt64 { nextSequence - 1 }

  /// Publishes a batch, as a ring would have it, and puts it into the model as well.
  func publish(_ events: [Event], ttlMs: UInt32 = 0, codec: Codec = .none) throws {
    writer.reset()
    var stamps: [EventStamps] = []
    var bytes = totalBytes
    for (i, event) in events.enumerated() {
      let before = writer.decodedLength
      var headers = EventHeaders()
      if event.hasHeaders {
        let isAdded = headers.append(name: "a", value: Array("header".utf8))
        #expect(isAdded)
      }
      let fits = unsafe event.payload.withUnsafeBytes { payload in
        unsafe event.key.withUnsafeBytes { key in
          unsafe writer.append(
            payload: payload, key: key, headers: headers,
            replyTo: event.hasReply ? ReplyAddress(inbox: 5, token: 6) : nil,
            tombstone: event.isRemoval)
        }
      }
      try #require(fits)
      stamps.append(
        EventStamps(
          sequence: nextSequence + UInt64(i), time: time, bytesBefore: bytes, topic: id,
          ttlMs: ttlMs, publishTime: 77, publisherSequence: publisherSequence + UInt64(i)))
      bytes += UInt64(writer.decodedLength - before + WireLimits.eventCharge)
    }
    var batch = unsafe Array(
      writer.finish(
        codec: codec, codecs: codecs, ttlMs: ttlMs, publishTime: 77,
        publisherSequence: publisherSequence))
    try unsafe batch.withUnsafeMutableBytes { batch in
      let base = batch.baseAddress!
      unsafe Batch.stamp(
        base, sequence: nextSequence, time: time, bytesBefore: totalBytes, topic: id)
      let records = try unsafe codecs.decodeBatch(
        UnsafeRawBufferPointer(batch), batchBytesMax: WireLimits.batchBytesCeiling)
      unsafe index.ingest(base, records: records)
      var cursor = unsafe RecordCursor(records, count: events.count)
      for (i, event) in events.enumerated() {
        guard let view = try cursor.next() else { preconditionFailure("a batch that is short") }
        let record = unsafe Array(records[view.offset..<view.end])
        model.entries[event.key] = KeyModel.Entry(
          sequence: stamps[i].sequence, record: record, isRemoval: event.isRemoval,
          stamps: stamps[i])
      }
    }
    nextSequence += UInt64(events.count)
    publisherSequence += UInt64(events.count)
    totalBytes = bytes
  }

  func set(_ key: String, _ payload: String = "value", ttlMs: UInt32 = 0) throws {
    try publish(
      [Event(key: Array(key.utf8), payload: Array(payload.utf8))], ttlMs: ttlMs)
  }

  func remove(_ key: String) throws {
    try publish([Event(key: Array(key.utf8), isRemoval: true)])
  }

  /// A record as a reader got it: its key and the model's idea of it; a batch that is not what
  /// every receiver would take is an issue.
  func check(_ record: KeyIndex.Record) throws -> (key: [UInt8], entry: KeyModel.Entry) {
    let batch = record.batch
    let bytes = unsafe UnsafeRawBufferPointer(start: batch.start, count: batch.paddedLength)
    let valid = try unsafe validateBatch(
      bytes, limits: BatchLimits(batchBytesMax: WireLimits.batchBytesCeiling, requireKey: true))
    let isRight = valid.count == 1 && valid.paddedLength == bytes.count && valid.codec == .none
    let records = unsafe UnsafeRawBufferPointer(rebasing: bytes[BatchField.size..<valid.length])
    var cursor = unsafe RecordCursor(records, count: 1)
    guard let view = try cursor.next() else { preconditionFailure("a batch without an event") }
    if !isRight || view.isTombstone != record.isRemoval { Issue.record("not a batch to send") }
    let stamps = unsafe EventStamps(first: batch.start)
    let entry = unsafe KeyModel.Entry(
      sequence: stamps.sequence, record: Array(records), isRemoval: view.isTombstone,
      stamps: stamps)
    return unsafe (Array(records[view.key]), entry)
  }

  /// All that it holds.
  func contents() throws -> [[UInt8]: KeyModel.Entry] {
    var pass = index.beginPass(after: 0, through: last, random: 1 << 63)
    var found: [[UInt8]: KeyModel.Entry] = [:]
    while true {
      var steps = 1000
      switch index.next(&pass, realtimeNs: time, steps: &steps) {
      case .later: continue
      case .end: return found
      case .record(let record):
        let (key, entry) = try check(record)
        if found.updateValue(entry, forKey: key) != nil { Issue.record("a key is met twice") }
      }
    }
  }

  /// Compares it with the model, but for what `floor` says that it may have dropped, and looks at
  /// its parts.
  func compare(_ note: Comment) throws {
    let found = try contents()
    for (key, entry) in found where model.entries[key] != entry {
      Issue.record("\(key) is not what the model has; \(note)")
    }
    for (key, entry) in model.entries where entry.sequence > index.floor && found[key] == nil {
      Issue.record("\(key) is missing; \(note)")
    }
    #expect(found.count == index.count, note)
    #expect(found.values.count { $0.isRemoval } == index.removals, note)
    #expect(index.count(after: 0, through: last) == index.count, note)
    #expect(
      model.entries.count - found.count <= Int(index.evicted + index.forgotten), note)
    checkOrder(note)
  }

  /// The order is in order, counts its records and is not much longer than it must be.
  func checkOrder(_ note: Comment) {
    let memory = index.memory
    var last: UInt64 = 0
    var live = 0
    var length = 0
    var bytes = 0
    var isRight = true
    for i in 0..<Int(index.row.chunkCount) {
      let place = memory[index.chunkPlace(i), KeyIndex.ChunkPlace.self]
      let chunk = StateMemory.place(place.chunk)
      let header = memory[chunk, KeyIndex.Chunk.self]
      #expect(place.first == header.first, note)
      length += Int(header.used)
      var count = 0
      for at in 0..<Int(header.used) {
        let sequence = memory[index.sequencePlace(chunk, at), UInt64.self]
        isRight = isRight && sequence > last && sequence >= header.first
        last = sequence
        let block = memory[index.recordPlace(chunk, header.room, at), UInt32.self]
        guard block != noSlot else { continue }
        isRight = isRight && at >= Int(header.head)
        count += 1
        let prefix = memory[StateMemory.place(block), KeyIndex.Prefix.self]
        isRight = isRight && prefix.chunk == place.chunk && Int(prefix.position) == at
        isRight = isRight && prefix.owner == index.block
        bytes += StateMemory.classBytes(Int(prefix.sizeClass))
      }
      #expect(count == Int(header.live), note)
      live += count
    }
    #expect(isRight, note)
    #expect(live == index.count, note)
    #expect(bytes == index.recordBytes, note)
    #expect(Double(length) <= 2.3 * Double(live) + 600, note)
  }
}

/// Memory for the tests, given back at the end.
@safe
final class TestState {
  let memory: StateMemory

  init(
    bytes: Int = 8 << 20, keysMax: Int = 1 << 20,
    hash: KeyHash = KeyHash(secret: 0x5DEE_CE66_D51F_9B21)
  ) {
    memory = StateMemory(bytes: bytes, keysMax: keysMax, hash: hash)
  }

  deinit { memory.deallocate() }
}

extension SeededRandom {
  mutating func bytes(_ count: Int) -> [UInt8] {
    (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
  }
}
