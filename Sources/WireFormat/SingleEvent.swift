/// What a broker says about one event, as the header of a batch of that event alone says it.
public struct EventStamps: Equatable, Sendable {
  public var sequence: UInt64
  public var time: UInt64
  public var bytesBefore: UInt64
  public var topic: UInt32
  public var ttlMs: UInt32
  public var publishTime: UInt64
  public var publisherSequence: UInt64

  public init(
    sequence: UInt64, time: UInt64, bytesBefore: UInt64, topic: UInt32, ttlMs: UInt32 = 0,
    publishTime: UInt64 = 0, publisherSequence: UInt64
  ) {
    self.sequence = sequence
    self.time = time
    self.bytesBefore = bytesBefore
    self.topic = topic
    self.ttlMs = ttlMs
    self.publishTime = publishTime
    self.publisherSequence = publisherSequence
  }

  /// Those of a batch's first event; `advance` goes on to the next.
  @unsafe @inline(__always)
  public init(first batch: UnsafeRawPointer) {
    sequence = unsafe Batch.sequence(batch)
    time = unsafe Batch.time(batch)
    bytesBefore = unsafe Batch.bytesBefore(batch)
    topic = unsafe Batch.topic(batch)
    ttlMs = unsafe Batch.ttlMs(batch)
    publishTime = unsafe Batch.publishTime(batch)
    publisherSequence = unsafe Batch.publisherSequence(batch)
  }

  /// Goes on to the next event of the batch, past a record of so many bytes.
  @inline(__always)
  public mutating func advance(past recordBytes: Int) {
    sequence += 1
    publisherSequence &+= 1
    bytesBefore += UInt64(Batch.charge(count: 1, decodedLength: recordBytes))
  }
}

/// A keyed record of a batch that was validated: its key, and where the next one starts.
@unsafe @inline(__always)
public func keyedRecord(
  _ records: UnsafeRawBufferPointer, _ start: Int
) -> (key: Range<Int>, end: Int, isTombstone: Bool) {
  let word = unsafe records.loadUnaligned(fromByteOffset: start, as: UInt32.self)
  let flags = RecordFlags(rawValue: UInt8(truncatingIfNeeded: word &>> RecordWord.flagsShift))
  let body = start &+ RecordWord.bytes
  let end = body &+ Int(word & RecordWord.sizeMask)
  precondition(flags.has(.key) && end <= records.count, "a record that was not validated")
  let at = flags.has(.replyTo) ? body &+ 16 : body
  let count = unsafe Int(records.loadUnaligned(fromByteOffset: at, as: UInt16.self))
  let key = (at &+ 2)..<(at &+ 2 &+ count)
  precondition(key.upperBound <= end, "a record that was not validated")
  return (key, end, flags.has(.tombstone))
}

// Uncompressed batches of one event, made by the broker from a record of a larger batch.

extension Batch {
  /// Bytes that a batch of one record takes, with its padding.
  @inline(__always)
  @_noLocks public static func singleBytes(record: Int) -> Int {
    paddedLength(BatchField.size + record)
  }

  /// Writes a batch of one record, all but its checksum.
  ///
  /// - Parameters:
  ///   - record: one whole record with its first word.
  ///   - target: room for `singleBytes(record:)`.
  @unsafe @inline(__always)
  public static func writeSingle(
    _ record: UnsafeRawBufferPointer, _ stamps: EventStamps, to target: UnsafeMutableRawPointer
  ) {
    let length = BatchField.size + record.count
    // The last word may be padding in part; the record overwrites what is not.
    unsafe target.store(0 as UInt64, at: paddedLength(length) - 8)
    unsafe target.store(UInt64(length), at: BatchField.length)
    unsafe stamp(
      target, sequence: stamps.sequence, time: stamps.time, bytesBefore: stamps.bytesBefore,
      topic: stamps.topic)
    unsafe target.store(UInt64(record.count) << 32 | 1, at: BatchField.count)
    unsafe target.store(UInt64(stamps.ttlMs) << 32, at: BatchField.codec)
    unsafe target.store(stamps.publishTime, at: BatchField.publishTime)
    unsafe target.store(stamps.publisherSequence, at: BatchField.publisherSequence)
    unsafe (target + BatchField.size).copyMemory(
      from: record.baseAddress!, byteCount: record.count)
  }

  /// Writes the checksum of an uncompressed batch whose other bytes are in place.
  @unsafe
  public static func seal(_ batch: UnsafeMutableRawPointer) {
    let covered = unsafe UnsafeRawBufferPointer(
      start: batch + BatchField.checksumFrom, count: Int(length(batch)) - BatchField.checksumFrom)
    let checksum = unsafe WireFormat.crc32c(covered)
    unsafe batch.store(checksum, at: BatchField.crc32c)
  }

  /// Where the key of a batch of one keyed record stands, from the batch's first byte.
  @unsafe @inline(__always)
  @_noLocks public static func singleKey(_ batch: UnsafeRawPointer) -> Range<Int> {
    let flags = unsafe RecordFlags(rawValue: batch.loadUInt8(BatchField.size + 3))
    let at = BatchField.size + RecordWord.bytes + (flags.has(.replyTo) ? 16 : 0)
    let start = at + 2
    return unsafe start..<(start + Int(batch.loadUInt16(at)))
  }

  /// Makes of a batch of one keyed record the removal of its key, in place: sequence and times
  /// stay, payload, headers and time to live go. It is to be sealed again.
  @unsafe
  public static func bury(_ batch: UnsafeMutableRawPointer) {
    let key = unsafe singleKey(batch)
    let record = RecordWord.bytes + 2 + key.count
    let keyAt = BatchField.size + RecordWord.bytes + 2
    unsafe (batch + keyAt).copyMemory(from: batch + key.lowerBound, byteCount: key.count)
    let flags = RecordFlags.key.rawValue | RecordFlags.tombstone.rawValue
    unsafe batch.store(
      UInt32(2 + key.count) | UInt32(flags) << RecordWord.flagsShift, at: BatchField.size)
    unsafe batch.store(UInt16(key.count), at: BatchField.size + RecordWord.bytes)
    let length = BatchField.size + record
    for at in length..<paddedLength(length) { unsafe batch.store(0 as UInt8, at: at) }
    unsafe batch.store(UInt64(length), at: BatchField.length)
    unsafe batch.store(UInt32(record), at: BatchField.decodedLength)
    unsafe batch.store(0 as UInt32, at: BatchField.ttlMs)
  }
}
