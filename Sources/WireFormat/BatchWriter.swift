/// Builds one batch at a time in memory of its own, with room for the header of a PUBLISH in
/// front, so that a frame with one batch leaves in one piece.
///
/// Used by one thread at a time. It allocates when it is made and, where it compresses, once more.
///
/// Safe although it holds pointers: the memory is allocated and freed here alone, and every write
/// is checked against its size. What `finish` returns lasts until the next change.
@safe
public struct BatchWriter: ~Copyable {
  /// Batches with fewer decoded bytes are not compressed: the codecs' own frame and the time of
  /// two calls outweigh what they save.
  public static var compressFromBytes: Int { 256 }

  /// A codec must save at least this part of the bytes, else every receiver decodes for nothing.
  private static var leastSaving: Int { 16 }

  private let memory: UnsafeMutableRawPointer
  private var compressed: UnsafeMutableRawPointer?
  /// Where the next record goes, from the start of `memory`.
  private var at: Int
  private let end: Int
  /// Events in the batch.
  public private(set) var count = 0
  /// The most that the records may take, in bytes.
  public let batchBytesMax: Int

  /// Where the records start: behind the frame's and the batch's headers.
  private static var recordsAt: Int { FrameHeader.size + BatchField.size }

  /// - Parameter batchBytesMax: the session's limit, at most `WireLimits.batchBytesCeiling`.
  public init(batchBytesMax: Int = WireLimits.batchBytesMax) {
    precondition(batchBytesMax >= RecordWord.bytes)
    precondition(batchBytesMax <= WireLimits.batchBytesCeiling)
    self.batchBytesMax = batchBytesMax
    at = Self.recordsAt
    end = Self.recordsAt + batchBytesMax
    unsafe memory = Self.allocate(batchBytesMax)
    unsafe compressed = nil
  }

  deinit {
    unsafe memory.deallocate()
    unsafe compressed?.deallocate()
  }

  private static func allocate(_ records: Int) -> UnsafeMutableRawPointer {
    // Seven bytes more hold any padding.
    .allocate(byteCount: recordsAt + records + 7, alignment: 16)
  }

  /// Bytes of the records so far.
  @inline(__always)
  public var decodedLength: Int { at - Self.recordsAt }

  /// Bytes of records that still fit.
  @inline(__always)
  public var room: Int { end - at }

  @inline(__always)
  public var isEmpty: Bool { count == 0 }

  /// What the batch costs in credit so far.
  public var charge: Int { Batch.charge(count: count, decodedLength: decodedLength) }

  /// Begins a new batch.
  @inline(__always)
  public mutating func reset() {
    at = Self.recordsAt
    count = 0
  }

  /// Bytes of the record of an event. One that needs more than `batchBytesMax` fits no batch.
  public static func recordBytes(
    payload: Int, key: Int = 0, headers: EventHeaders? = nil, hasReplyTo: Bool = false
  ) -> Int {
    var bytes = RecordWord.bytes + payload + (hasReplyTo ? 16 : 0) + (key > 0 ? 2 + key : 0)
    if let headers, !headers.isEmpty { bytes += headers.encoded.count }
    return bytes
  }

  // MARK: - Events

  /// Adds an event that is a payload alone. False where it does not fit any more; then nothing is
  /// added.
  @unsafe @inline(__always)
  public mutating func append(payload: UnsafeRawBufferPointer) -> Bool {
    let size = payload.count
    guard size <= end - at - RecordWord.bytes else { return false }
    unsafe memory.store(UInt32(truncatingIfNeeded: size), at: at)
    at += RecordWord.bytes
    if let source = payload.baseAddress {
      unsafe (memory + at).copyMemory(from: source, byteCount: size)
    }
    at += size
    count += 1
    return true
  }

  /// Adds an event that is a payload alone. False where it does not fit any more.
  @inline(__always)
  public mutating func append(payload: RawSpan) -> Bool {
    unsafe payload.withUnsafeBytes { bytes in unsafe append(payload: bytes) }
  }

  /// Adds an event. False where it does not fit any more; then nothing is added.
  ///
  /// - Parameters:
  ///   - key: 1 to `keyBytesMax` bytes, or nil for none.
  ///   - replyTo: where the answer goes, for a request.
  ///   - tombstone: the event deletes its key; it has a key and no payload.
  @unsafe
  public mutating func append(
    payload: UnsafeRawBufferPointer, key: UnsafeRawBufferPointer?, headers: EventHeaders? = nil,
    replyTo: ReplyAddress? = nil, tombstone: Bool = false
  ) -> Bool {
    let keyCount = unsafe key?.count ?? 0
    precondition(unsafe key == nil || (keyCount >= 1 && keyCount <= WireLimits.keyBytesMax))
    precondition(!tombstone || (keyCount > 0 && payload.count == 0))
    let need = Self.recordBytes(
      payload: payload.count, key: keyCount, headers: headers, hasReplyTo: replyTo != nil)
    guard need <= end - at else { return false }

    var flags: RecordFlags = tombstone ? .tombstone : []
    let wordAt = at
    at += RecordWord.bytes
    if let replyTo {
      flags.insert(.replyTo)
      unsafe memory.store(replyTo.inbox, at: at)
      unsafe memory.store(replyTo.token, at: at + 8)
      at += 16
    }
    if let key = unsafe key {
      flags.insert(.key)
      unsafe memory.store(UInt16(keyCount), at: at)
      at += 2
      unsafe put(key)
    }
    if let headers, !headers.isEmpty {
      flags.insert(.headers)
      unsafe headers.encoded.withUnsafeBytes { unsafe put($0) }
    }
    unsafe put(payload)
    let size = UInt32(at - wordAt - RecordWord.bytes)
    unsafe memory.store(
      size | UInt32(flags.rawValue) << RecordWord.flagsShift, at: wordAt)
    count += 1
    return true
  }

  @unsafe
  private mutating func put(_ bytes: UnsafeRawBufferPointer) {
    guard let source = bytes.baseAddress else { return }
    unsafe (memory + at).copyMemory(from: source, byteCount: bytes.count)
    at += bytes.count
  }

  // MARK: - The batch

  /// Ends the batch, which must have an event.
  ///
  /// - Parameters:
  ///   - codec: how to compress it; small batches, and those that it would not make smaller, stay
  ///     as they are.
  ///   - codecs: needed for a codec other than none.
  ///   - ttlMs: milliseconds to live, or 0.
  ///   - publishTime: nanoseconds since the Unix epoch.
  ///   - publisherSequence: of the first event, from 1.
  /// - Returns: the batch with its padding, until the next change.
  @unsafe
  public mutating func finish(
    codec: Codec = .none, codecs: Codecs? = nil, ttlMs: UInt32 = 0, publishTime: UInt64 = 0,
    publisherSequence: UInt64
  ) -> UnsafeRawBufferPointer {
    let frame = unsafe build(
      codec: codec, codecs: codecs, ttlMs: ttlMs, publishTime: publishTime,
      publisherSequence: publisherSequence)
    return unsafe UnsafeRawBufferPointer(
      start: frame.baseAddress! + FrameHeader.size, count: frame.count - FrameHeader.size)
  }

  /// The same as a whole PUBLISH frame with this one batch.
  @unsafe
  public mutating func finishPublish(
    ref: UInt32, codec: Codec = .none, codecs: Codecs? = nil, ttlMs: UInt32 = 0,
    publishTime: UInt64 = 0, publisherSequence: UInt64
  ) -> UnsafeRawBufferPointer {
    let frame = unsafe build(
      codec: codec, codecs: codecs, ttlMs: ttlMs, publishTime: publishTime,
      publisherSequence: publisherSequence)
    let header = FrameHeader(
      length: UInt32(frame.count - FrameHeader.lengthBytes), typeRaw: Publish.type.rawValue,
      ref: ref, correlation: 0)
    unsafe header.store(to: frame.baseAddress!)
    return UnsafeRawBufferPointer(frame)
  }

  /// The batch behind the room for a frame's header.
  @unsafe
  private mutating func build(
    codec: Codec, codecs: Codecs?, ttlMs: UInt32, publishTime: UInt64, publisherSequence: UInt64
  ) -> UnsafeMutableRawBufferPointer {
    precondition(count > 0 && publisherSequence > 0)
    var target = unsafe memory
    var stored = decodedLength
    var used = Codec.none
    if codec != .none, decodedLength >= Self.compressFromBytes {
      guard let codecs else { preconditionFailure("compressing needs codecs") }
      if let size = unsafe compress(codec, codecs) {
        unsafe target = compressed!
        stored = size
        used = codec
      }
    }
    let batch = unsafe target + FrameHeader.size
    let length = BatchField.size + stored
    unsafe batch.initializeMemory(as: UInt8.self, repeating: 0, count: BatchField.size)
    unsafe batch.store(UInt32(length), at: BatchField.length)
    unsafe batch.store(UInt32(count), at: BatchField.count)
    unsafe batch.store(UInt32(decodedLength), at: BatchField.decodedLength)
    unsafe batch.store(used.rawValue, at: BatchField.codec)
    unsafe batch.store(ttlMs, at: BatchField.ttlMs)
    unsafe batch.store(publishTime, at: BatchField.publishTime)
    unsafe batch.store(publisherSequence, at: BatchField.publisherSequence)
    unsafe sealBatch(batch, length: length)
    return unsafe UnsafeMutableRawBufferPointer(
      start: target, count: FrameHeader.size + Batch.paddedLength(length))
  }

  /// The size of the records compressed behind the headers' room in `compressed`, or nil where
  /// that saves too little.
  @unsafe
  private mutating func compress(_ codec: Codec, _ codecs: Codecs) -> Int? {
    if unsafe compressed == nil { unsafe compressed = Self.allocate(batchBytesMax) }
    let most = decodedLength - max(1, decodedLength / Self.leastSaving)
    let source = unsafe UnsafeRawBufferPointer(
      start: memory + Self.recordsAt, count: decodedLength)
    let target = unsafe UnsafeMutableRawBufferPointer(
      start: compressed! + Self.recordsAt, count: most)
    return unsafe codecs.compress(source, codec: codec, into: target)
  }
}
