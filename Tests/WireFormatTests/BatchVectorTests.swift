import Testing
import WireSupport

@testable import WireFormat

/// Protocol/vectors/batches.json against validation, decoding, re-framing and the writer.
@Suite struct BatchVectorTests {
  struct Vectors: Decodable {
    var notes: [String: String]
    var vectors: [Vector]
  }

  struct Limits: Decodable {
    var batchBytesMax: Int
    var codecs: [String]
    var requireKey: Bool
    var openCompressed: Bool

    var asLimits: BatchLimits {
      var set: CodecSet = []
      for name in codecs {
        let codec = Codec.allCases.first { "\($0.name)" == name }!
        set.formUnion(CodecSet(codec))
      }
      return BatchLimits(
        batchBytesMax: batchBytesMax, codecs: set, requireKey: requireKey,
        openCompressed: openCompressed)
    }
  }

  struct Event: Decodable, Equatable {
    var payload: String
    var key: String?
    var headers: [[String]]?
    var replyTo: [String]?
    var tombstone: Bool?
  }

  struct Vector: Decodable, CustomTestStringConvertible, Sendable {
    var id: String
    var flags: [String]
    var limits: Limits
    var expectedPublisherSequence: UInt64
    var hex: String
    var result: String
    var reason: String?
    var records: [Event]?

    var bytes: [UInt8] { Hex.bytes(hex)! }
    var testDescription: String { id }
  }

  static let all = try! ProtocolFiles.json("vectors/batches.json", as: Vectors.self)

  @Test(arguments: all.vectors)
  func vector(_ vector: Vector) throws {
    #expect(vector.flags.allSatisfy { Self.all.notes[$0] != nil })
    let memory = ExactMemory(vector.bytes)
    let batch = unsafe memory.bytes
    let codecs = Codecs()
    let valid: ValidBatch
    do {
      valid = try unsafe validateBatch(
        batch, limits: vector.limits.asLimits,
        expectedPublisherSequence: vector.expectedPublisherSequence, codecs: codecs)
    } catch {
      #expect("\(error.code.name)" == vector.reason, "\(error)")
      return
    }
    #expect(vector.result == "valid", "\(vector.id) was taken")
    guard let wanted = vector.records else { return }

    // The events, from a buffer with not a byte more than is stated.
    let room = ExactMemory(valid.decodedLength)
    let records = try unsafe codecs.decodeBatch(
      batch, batchBytesMax: vector.limits.batchBytesMax, into: room.mutable)
    let found = try unsafe Self.events(records, count: valid.count)
    #expect(found == wanted)
    // The same out of a re-framed batch.
    let size = Codecs.reframedBytes(decodedLength: valid.decodedLength)
    let target = ExactMemory(size)
    let written = try unsafe codecs.reframe(
      batch, batchBytesMax: vector.limits.batchBytesMax, into: target.mutable)
    #expect(written == size)
    let reframed = unsafe target.bytes
    let plain = try unsafe validateBatch(
      reframed, limits: BatchLimits(requireKey: vector.limits.requireKey))
    #expect(plain.count == valid.count && plain.decodedLength == valid.decodedLength)
    let again = try unsafe Self.events(
      codecs.decodeBatch(reframed, batchBytesMax: 65536), count: plain.count)
    #expect(again == wanted)
    var (before, after) = unsafe (
      BatchHeader(load: batch.baseAddress!), BatchHeader(load: reframed.baseAddress!)
    )
    #expect(after.codec == Codec.none)
    (before.codecRaw, before.length, before.crc32c) = (after.codecRaw, after.length, after.crc32c)
    #expect(before == after)
    // The writer makes the same records.
    let rebuilt = Self.rebuild(wanted)
    #expect(unsafe rebuilt == [UInt8](records))
  }

  @unsafe
  static func events(_ records: UnsafeRawBufferPointer, count: Int) throws -> [Event] {
    var cursor = unsafe RecordCursor(records, count: count)
    var events: [Event] = []
    while let view = try cursor.next() {
      var event = unsafe Event(payload: Hex.text(records[view.payload]))
      if view.hasKey { event.key = unsafe Hex.text(records[view.key]) }
      if let to = view.replyTo { event.replyTo = ["\(to.inbox)", "\(to.token)"] }
      if view.isTombstone { event.tombstone = true }
      if view.flags.contains(.headers) {
        var headers = unsafe HeaderCursor(view, in: records)
        var pairs: [[String]] = []
        while let header = try headers.next() {
          pairs.append(
            unsafe [
              String(decoding: records[header.name], as: UTF8.self),
              Hex.text(records[header.value]),
            ])
        }
        event.headers = pairs
      }
      events.append(event)
    }
    try cursor.finish()
    return events
  }

  static func rebuild(_ events: [Event]) -> [UInt8] {
    var writer = BatchWriter()
    for event in events {
      var headers = EventHeaders()
      for pair in event.headers ?? [] {
        let isAdded = headers.append(name: pair[0], value: Hex.bytes(pair[1])!)
        precondition(isAdded)
      }
      let replyTo = event.replyTo.map {
        ReplyAddress(inbox: UInt64($0[0])!, token: UInt64($0[1])!)
      }
      let key = event.key.map { Hex.bytes($0)! } ?? []
      let isIn = unsafe Hex.bytes(event.payload)!.withUnsafeBytes { payload in
        unsafe key.withUnsafeBytes { key in
          unsafe writer.append(
            payload: payload, key: event.key == nil ? nil : key, headers: headers,
            replyTo: replyTo, tombstone: event.tombstone == true)
        }
      }
      precondition(isIn)
    }
    let batch = unsafe writer.finish(publisherSequence: 1)
    let length = writer.decodedLength
    return unsafe [UInt8](batch[72..<(72 + length)])
  }
}

/// Memory of exactly a size, so that a sanitizer sees what goes beyond it.
@safe
final class ExactMemory {
  private let memory: UnsafeMutableRawBufferPointer

  init(_ count: Int) {
    unsafe memory = .allocate(byteCount: count, alignment: 8)
  }

  convenience init(_ bytes: [UInt8]) {
    self.init(bytes.count)
    unsafe memory.copyBytes(from: bytes)
  }

  deinit { unsafe memory.deallocate() }

  @unsafe var bytes: UnsafeRawBufferPointer { unsafe UnsafeRawBufferPointer(memory) }
  @unsafe var mutable: UnsafeMutableRawBufferPointer { unsafe memory }
}
