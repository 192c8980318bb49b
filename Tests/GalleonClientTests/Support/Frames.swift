import WireFormat

/// One frame that a client sent, with its bytes.
struct SentFrame {
  let header: FrameHeader
  let bytes: [UInt8]

  var type: FrameType? { header.type }
  var ref: UInt32 { header.ref }
  var correlation: UInt32 { header.correlation }

  /// Reads the body as a frame of the registry.
  func read<Frame>(_ body: (inout FrameReader) throws(WireError) -> Frame) throws -> Frame {
    try unsafe bytes.withUnsafeBytes { raw in
      let frame = try unsafe nextFrame(in: raw, at: 0, lengthMax: .max)!
      var reader = unsafe FrameReader(frame, in: raw)
      return try body(&reader)
    }
  }

  func hello() throws -> Hello { try read { r throws(WireError) in try Hello(reader: &r) } }
  func close() throws -> Close { try read { r throws(WireError) in try Close(reader: &r) } }
  func credit() throws -> Credit { try read { r throws(WireError) in try Credit(reader: &r) } }
  func openTopic() throws -> OpenTopic {
    try read { r throws(WireError) in try OpenTopic(reader: &r) }
  }
  func subscribe() throws -> Subscribe {
    try read { r throws(WireError) in try Subscribe(reader: &r) }
  }
  func setPolicy() throws -> SetPolicy {
    try read { r throws(WireError) in try SetPolicy(reader: &r) }
  }
  func ping() throws -> Ping { try read { r throws(WireError) in try Ping(reader: &r) } }
  func stats() throws -> Stats { try read { r throws(WireError) in try Stats(reader: &r) } }
  func reply() throws -> Reply { try read { r throws(WireError) in try Reply(reader: &r) } }

  /// The positions of a SUBSCRIBE: the next sequence wanted, by topic id.
  func positions() throws -> [UInt32: UInt64] {
    let range = try subscribe().positions
    var positions: [UInt32: UInt64] = [:]
    for at in stride(from: range.lowerBound, to: range.upperBound, by: 16) {
      positions[UInt32(littleEndian: load(at))] = UInt64(littleEndian: load(at + 8))
    }
    return positions
  }

  private func load<Number: FixedWidthInteger & BitwiseCopyable>(_ at: Int) -> Number {
    unsafe bytes.withUnsafeBytes { unsafe $0.loadUnaligned(fromByteOffset: at, as: Number.self) }
  }

  /// The one batch of a PUBLISH or REPLY, decoded.
  func batch() throws -> SentBatch {
    let start = type == .reply ? try reply().batch.lowerBound : FrameHeader.size
    return try SentBatch([UInt8](bytes[start...]))
  }
}

/// One event as a client published it.
struct SentEvent: Equatable {
  var payload: String
  var key: String?
  var headers: [String: String] = [:]
  var replyTo: ReplyAddress?
  var isTombstone = false
}

/// A batch that a client published, validated as a broker would.
struct SentBatch {
  let header: BatchHeader
  let events: [SentEvent]

  init(_ bytes: [UInt8]) throws {
    var events: [SentEvent] = []
    header = try unsafe bytes.withUnsafeBytes { raw in
      let limits = BatchLimits(batchBytesMax: WireLimits.batchBytesCeiling, codecs: .all)
      _ = try unsafe validateBatch(raw, limits: limits)
      let header = unsafe BatchHeader(load: raw.baseAddress!)
      let codecs = Codecs()
      let copy = try withExtendedLifetime(codecs) {
        try unsafe [UInt8](codecs.decodeBatch(raw, batchBytesMax: WireLimits.batchBytesCeiling))
      }
      events = try Self.events(copy, count: Int(header.count))
      return header
    }
    self.events = events
  }

  private static func events(_ records: [UInt8], count: Int) throws -> [SentEvent] {
    var events: [SentEvent] = []
    try unsafe records.withUnsafeBytes { raw in
      var cursor = unsafe RecordCursor(raw, count: count)
      func text(_ range: Range<Int>) -> String {
        unsafe String(decoding: raw[range], as: UTF8.self)
      }
      while let view = try cursor.next() {
        var headers: [String: String] = [:]
        var headerCursor = unsafe HeaderCursor(view, in: raw)
        while let header = try headerCursor.next() {
          headers[text(header.name)] = text(header.value)
        }
        events.append(
          SentEvent(
            payload: text(view.payload), key: view.hasKey ? text(view.key) : nil,
            headers: headers, replyTo: view.replyTo, isTombstone: view.isTombstone))
      }
    }
    return events
  }
}

/// Cuts bytes into frames; what is not whole stays.
func takeFrames(_ bytes: inout [UInt8]) throws -> [SentFrame] {
  var frames: [SentFrame] = []
  var at = 0
  try unsafe bytes.withUnsafeBytes { raw in
    while let frame = try unsafe nextFrame(in: raw, at: at, lengthMax: .max) {
      frames.append(
        SentFrame(header: frame.header, bytes: unsafe [UInt8](raw[frame.offset..<frame.end])))
      at = frame.end
    }
  }
  bytes.removeFirst(at)
  return frames
}
