public import WireFormat

/// A batch in a transcript: what it says of itself, and its events as text.
public struct LooseBatch: Equatable, Sendable {
  public struct Event: Equatable, Sendable {
    public var key: String?
    /// Nil for a tombstone.
    public var payload: String?
    public var replyTo: ReplyAddress?

    public init(key: String? = nil, payload: String?, replyTo: ReplyAddress? = nil) {
      self.key = key
      self.payload = payload
      self.replyTo = replyTo
    }
  }

  public var header: BatchHeader
  public var events: [Event]

  /// The bytes of an uncompressed batch, padded.
  public static func encoded(
    _ events: [Event], publisherSequence: UInt64 = 1, ttlMs: UInt32 = 0, publishTime: UInt64 = 0
  ) -> [UInt8] {
    var writer = BatchWriter()
    for event in events {
      let key = event.key.map { [UInt8]($0.utf8) }
      let payload = [UInt8]((event.payload ?? "").utf8)
      let isIn = unsafe payload.withUnsafeBytes { payload in
        if let key {
          unsafe key.withUnsafeBytes { key in
            unsafe writer.append(
              payload: payload, key: key, replyTo: event.replyTo, tombstone: event.payload == nil)
          }
        } else {
          unsafe writer.append(payload: payload, key: nil, replyTo: event.replyTo)
        }
      }
      precondition(isIn, "a transcript's batch is too large")
    }
    return unsafe [UInt8](
      writer.finish(
        ttlMs: ttlMs, publishTime: publishTime, publisherSequence: publisherSequence))
  }

  /// All the batches of a PUBLISH, DELIVER or REPLY, each checked as a receiver checks it.
  public static func decode(_ bytes: [UInt8], limit: Int = WireLimits.batchBytesCeiling) throws
    -> [LooseBatch]
  {
    let codecs = Codecs()
    var batches: [LooseBatch] = []
    try unsafe bytes.withUnsafeBytes { all in
      var at = 0
      while at < all.count {
        let rest = unsafe UnsafeRawBufferPointer(rebasing: all[at...])
        let limits = BatchLimits(batchBytesMax: limit, codecs: .all, openCompressed: true)
        let valid = try unsafe validateBatch(rest, limits: limits, codecs: codecs)
        let records = try unsafe codecs.decodeBatch(rest, batchBytesMax: limit)
        var cursor = unsafe RecordCursor(records, count: valid.count)
        var events: [Event] = []
        while let event = try cursor.next() {
          let key = unsafe String(decoding: records[event.key], as: UTF8.self)
          let payload = unsafe String(decoding: records[event.payload], as: UTF8.self)
          events.append(
            Event(
              key: event.hasKey ? key : nil, payload: event.isTombstone ? nil : payload,
              replyTo: event.replyTo))
        }
        batches.append(
          LooseBatch(header: unsafe BatchHeader(load: rest.baseAddress!), events: events))
        at += valid.paddedLength
      }
    }
    return batches
  }
}
