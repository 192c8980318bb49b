import Testing
import WireSupport

@testable import WireFormat

@Suite struct BatchWriterTests {
  static func append(_ payload: [UInt8], to writer: inout BatchWriter) -> Bool {
    unsafe writer.append(payload: payload.span.bytes)
  }

  @Test func aBatchIsFilledToItsLimitAndNotBeyond() throws {
    for limit in [4, 5, 19, 20, 21, 100, 4096] {
      var writer = BatchWriter(batchBytesMax: limit)
      var events = 0
      while Self.append([UInt8](repeating: 7, count: 16), to: &writer) { events += 1 }
      #expect(events == limit / 20)
      #expect(writer.count == events && writer.decodedLength == events * 20)
      #expect(writer.room == limit - events * 20)
      // The room that is left is filled to the last byte.
      if writer.room >= 4 {
        let isIn = Self.append([UInt8](repeating: 1, count: writer.room - 4), to: &writer)
        #expect(isIn && writer.room == 0)
      }
      guard !writer.isEmpty else { continue }
      let batch = unsafe writer.finish(publisherSequence: 1)
      let valid = try unsafe validateBatch(batch, limits: BatchLimits(batchBytesMax: limit))
      #expect(valid.count == writer.count && valid.charge == writer.charge)
      #expect(batch.count % 8 == 0)
      writer.reset()
      #expect(writer.isEmpty && writer.decodedLength == 0)
    }
  }

  @Test func recordBytesAreExact() {
    let seed = SeededRandom.freshSeed()
    var random = SeededRandom(seed: seed)
    var writer = BatchWriter()
    for _ in 0..<2000 {
      var headers = EventHeaders()
      for _ in 0..<Int.random(in: 0...3, using: &random) {
        let isAdded = headers.append(name: "name", value: random.bytes(Int(random.next() % 40)))
        #expect(isAdded)
      }
      let key = random.bytes(Int(random.next() % 20))
      let payload = random.bytes(Int(random.next() % 100))
      let replyTo = Bool.random(using: &random) ? ReplyAddress(inbox: 1, token: 2) : nil
      let wanted = BatchWriter.recordBytes(
        payload: payload.count, key: key.count, headers: headers, hasReplyTo: replyTo != nil)
      let before = (writer.decodedLength, writer.count)
      let room = writer.room
      let isIn = unsafe payload.withUnsafeBytes { payload in
        unsafe key.withUnsafeBytes { key in
          unsafe writer.append(
            payload: payload, key: key.isEmpty ? nil : key, headers: headers, replyTo: replyTo)
        }
      }
      #expect(isIn == (wanted <= room), "seed \(seed)")
      if isIn {
        #expect(writer.decodedLength == before.0 + wanted, "seed \(seed)")
      } else {
        #expect(writer.decodedLength == before.0 && writer.count == before.1, "seed \(seed)")
        writer.reset()
      }
    }
  }

  @Test(arguments: [Codec.lz4, .zstd])
  func compressionIsUsedWhereItHelps(codec: Codec) throws {
    let codecs = Codecs()
    var random = SeededRandom(seed: 3)
    for (payload, count, isCompressed) in [
      ([UInt8](repeating: 65, count: 100), 40, true),
      // Too small to be worth it.
      ([UInt8](repeating: 65, count: 100), 2, false),
      // Nothing to save.
      (random.bytes(5000), 1, false),
    ] {
      var writer = BatchWriter()
      for _ in 0..<count {
        let isIn = Self.append(payload, to: &writer)
        #expect(isIn)
      }
      let batch = unsafe writer.finish(codec: codec, codecs: codecs, publisherSequence: 9)
      let header = unsafe BatchHeader(load: batch.baseAddress!)
      #expect(header.codec == (isCompressed ? codec : Codec.none))
      #expect(Int(header.decodedLength) == writer.decodedLength)
      if isCompressed { #expect(Int(header.length) < writer.decodedLength / 2) }
      let limits = BatchLimits(codecs: .all, openCompressed: true)
      let valid = try unsafe validateBatch(batch, limits: limits, codecs: codecs)
      #expect(valid.count == count)
      let records = try unsafe codecs.decodeBatch(batch, batchBytesMax: 65536)
      let events = try unsafe BatchVectorTests.events(records, count: count)
      #expect(events.allSatisfy { $0.payload == Hex.text(payload) })
    }
  }

  @Test func aBatchLeavesAsOneFrame() throws {
    var writer = BatchWriter()
    let isIn = Self.append([1, 2, 3], to: &writer)
    #expect(isIn)
    let frame = unsafe [UInt8](
      writer.finishPublish(ref: 7, ttlMs: 5, publishTime: 6, publisherSequence: 8))
    guard
      case .frame(let header, let body) = try receive(
        frame, lengthMax: 8192, isBroker: true)
    else {
      Issue.record("no frame")
      return
    }
    #expect(header.type == .publish && header.ref == 7)
    let batch = try #require(body as? Publish).batches
    let found = try LooseBatch.decode(Array(frame[batch]))
    #expect(found.count == 1 && found[0].header.publisherSequence == 8)
    #expect(found[0].header.ttlMs == 5 && found[0].header.publishTime == 6)
    // The next batch starts from nothing: no field of this one is left in it.
    writer.reset()
    let isNextIn = Self.append([9], to: &writer)
    #expect(isNextIn)
    let next = unsafe [UInt8](writer.finish(publisherSequence: 1))
    let after = try LooseBatch.decode(next)[0].header
    #expect(after.ttlMs == 0 && after.publishTime == 0 && after.count == 1)
  }

  @Test func headersThatAreNoneAreRefused() {
    var headers = EventHeaders()
    for (name, value, isGood) in [
      ("", 0, false), (String(repeating: "n", count: 129), 0, false), ("a\nb", 0, false),
      ("a\u{85}", 0, false), ("big", 65536, false), ("big", 65535, true), ("größe", 1, true),
    ] {
      let isAdded = headers.append(name: name, value: [UInt8](repeating: 0, count: value))
      #expect(isAdded == isGood, "\(name)")
    }
    #expect(headers.count == 2)
    for index in 2..<70 {
      let isAdded = headers.append(name: "n", value: "v")
      #expect(isAdded == (index < WireLimits.headersMax))
    }
    #expect(headers.count == WireLimits.headersMax)
  }
}
