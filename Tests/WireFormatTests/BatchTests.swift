import Testing

@testable import WireFormat

@Suite struct BatchTests {
  @Test(arguments: [Codec.none, .lz4, .zstd])
  func whatIsWrittenIsRead(codec: Codec) throws {
    let codecs = Codecs()
    var writer = BatchWriter()
    var headers = EventHeaders()
    let isAdded = headers.append(name: "trace", value: "abc")
    #expect(isAdded)
    let text = [UInt8](repeating: 0x41, count: 100)
    for index in 0..<40 {
      let key = [UInt8]("key\(index)".utf8)
      unsafe text.withUnsafeBytes { payload in
        unsafe key.withUnsafeBytes { key in
          let isIn = unsafe index % 2 == 0
            ? writer.append(payload: payload)
            : writer.append(
              payload: payload, key: key, headers: headers,
              replyTo: ReplyAddress(inbox: 7, token: UInt64(index)))
          #expect(isIn)
        }
      }
    }
    let batch = unsafe writer.finish(
      codec: codec, codecs: codecs, ttlMs: 5, publishTime: 99, publisherSequence: 12)
    let limits = BatchLimits(codecs: .all, openCompressed: true)
    let valid = try unsafe validateBatch(
      batch, limits: limits, expectedPublisherSequence: 12, codecs: codecs)
    #expect(valid.count == 40)
    #expect(valid.nextPublisherSequence == 52)
    #expect(valid.paddedLength == batch.count)
    let header = unsafe BatchHeader(load: batch.baseAddress!)
    #expect(header.codec == codec)
    #expect(header.ttlMs == 5)
    #expect(header.publishTime == 99)
    let records = try unsafe codecs.decodeBatch(batch, batchBytesMax: 65536)
    #expect(records.count == valid.decodedLength)
    var cursor = unsafe RecordCursor(records, count: valid.count)
    var index = 0
    while let event = try cursor.next() {
      #expect(event.payload.count == 100)
      #expect(event.hasKey == (index % 2 == 1))
      if index % 2 == 1 {
        #expect(event.replyTo == ReplyAddress(inbox: 7, token: UInt64(index)))
        let key = unsafe [UInt8](records[event.key])
        #expect(key == [UInt8]("key\(index)".utf8))
        var headers = unsafe HeaderCursor(event, in: records)
        let header = try headers.next()!
        let (name, value) = unsafe ([UInt8](records[header.name]), [UInt8](records[header.value]))
        #expect(name == [UInt8]("trace".utf8))
        #expect(value == [UInt8]("abc".utf8))
        let after = try headers.next()
        #expect(after == nil)
      }
      index += 1
    }
    try cursor.finish()
    #expect(index == 40)
  }
}
