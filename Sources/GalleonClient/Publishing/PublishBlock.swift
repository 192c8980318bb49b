import WireFormat

/// One event as it is handed to a block: everything but its payload and key.
struct RecordParts {
  var hasKey = false
  var isTombstone = false
  var headers: EventHeaders?
  var replyTo: ReplyAddress?

  /// Whether it is a payload alone.
  @inline(__always)
  var isPlain: Bool { !hasKey && headers == nil && replyTo == nil }
}

/// The memory of one PUBLISH frame with one batch in it. Events are written straight to where they
/// are sent from.
///
/// Exactly one owner at a time: the publisher that fills it, under its lock, then the client's
/// thread, which seals and sends it. That is why `Sendable` is unchecked.
///
/// Safe although it holds a pointer: `frame` points into the writer, which lives as long as the
/// block and does not move its memory, and is empty before the block is sealed.
@safe
final class PublishBlock: @unchecked Sendable {
  private var writer: BatchWriter
  private var publishTimeNs: UInt64 = 0
  /// Milliseconds that all events of the batch have to live; 0 for no end.
  private(set) var timeToLiveMs: UInt32 = 0
  /// The publisher's number of the first event; 0 before it has one.
  private(set) var firstSequence: UInt64 = 0
  private(set) var codec = Codec.none
  /// The whole frame, once it is sealed.
  private(set) var frame = unsafe UnsafeRawBufferPointer(start: nil, count: 0)

  /// - Parameter recordBytesMax: room for records, in bytes.
  init(recordBytesMax: Int) {
    writer = BatchWriter(batchBytesMax: recordBytesMax)
  }

  var capacity: Int { writer.batchBytesMax }
  var count: Int { writer.count }
  var recordBytes: Int { writer.decodedLength }
  var isEmpty: Bool { writer.isEmpty }
  var frameBytes: Int { unsafe frame.count }
  /// What the batch costs in publish credit.
  var chargedBytes: Int { writer.charge }
  /// The publisher's number of the last event, once the first has one.
  var lastSequence: UInt64 { firstSequence + UInt64(count) - 1 }

  /// Makes an empty block of a used one.
  func reset() {
    writer.reset()
    firstSequence = 0
    unsafe frame = UnsafeRawBufferPointer(start: nil, count: 0)
  }

  /// Says when the batch begins and how long it lives. Before its first event.
  func begin(publishTimeNs: UInt64, timeToLiveMs: UInt32) {
    self.publishTimeNs = publishTimeNs
    self.timeToLiveMs = timeToLiveMs
  }

  /// Bytes of the record of an event.
  @inline(__always)
  static func recordBytes(payload: Int, key: Int, _ parts: borrowing RecordParts) -> Int {
    BatchWriter.recordBytes(
      payload: payload, key: parts.hasKey ? key : 0, headers: parts.headers,
      hasReplyTo: parts.replyTo != nil)
  }

  /// Adds an event. False where it does not fit any more; then nothing is added.
  @inline(__always)
  func append(_ payload: RawSpan, key: RawSpan, _ parts: borrowing RecordParts) -> Bool {
    if parts.isPlain { return writer.append(payload: payload) }
    return appendParts(payload, key: key, parts)
  }

  private func appendParts(
    _ payload: RawSpan, key: RawSpan, _ parts: borrowing RecordParts
  ) -> Bool {
    unsafe payload.withUnsafeBytes { payload in
      unsafe key.withUnsafeBytes { key in
        unsafe writer.append(
          payload: payload, key: parts.hasKey ? key : nil, headers: parts.headers,
          replyTo: parts.replyTo, tombstone: parts.isTombstone)
      }
    }
  }

  /// Gives the first event its publisher sequence. Once, before it is sealed.
  func number(_ firstSequence: UInt64) {
    self.firstSequence = firstSequence
  }

  /// Compresses the batch where that makes it smaller, and writes both headers. The frame can be
  /// sent from then on. May be done again, with another codec.
  func seal(ref: UInt32, codec: Codec, codecs: Codecs) {
    unsafe frame = writer.finishPublish(
      ref: ref, codec: codec, codecs: codecs, ttlMs: timeToLiveMs, publishTime: publishTimeNs,
      publisherSequence: firstSequence)
    self.codec = codec
  }

  /// Numbers the batch and hands it over with its padding, for a REPLY.
  func sealedBatch<Result>(_ body: (RawSpan) -> Result) -> Result {
    let batch = unsafe writer.finish(publishTime: publishTimeNs, publisherSequence: 1)
    return unsafe body(batch.bytes)
  }
}
