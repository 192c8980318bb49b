/// The 72 bytes before a batch's records.
///
/// Loading all of it is for tools and tests; code that looks at every batch reads the fields it
/// needs with the functions of `Batch`.
public struct BatchHeader: Equatable, Sendable {
  /// Bytes of the header on the wire.
  public static var size: Int { BatchField.size }

  /// Bytes of the batch with this header, without padding.
  public var length: UInt32
  public var crc32c: UInt32
  /// Topic sequence of the first event; 0 until the broker stamps it.
  public var sequence: UInt64
  /// Nanoseconds since the Unix epoch when the broker accepted the batch; 0 until then.
  public var time: UInt64
  /// Charged bytes of all events of the topic before this batch.
  public var bytesBefore: UInt64
  /// The topic's id; 0 until the broker stamps it.
  public var topic: UInt32
  /// Number of events.
  public var count: UInt32
  /// Bytes of the records when decoded.
  public var decodedLength: UInt32
  public var codecRaw: UInt8
  /// Milliseconds to live from `time`; 0 for no end.
  public var ttlMs: UInt32
  /// Nanoseconds since the Unix epoch on the publisher's clock.
  public var publishTime: UInt64
  /// The publisher's own number of the first event.
  public var publisherSequence: UInt64

  public var codec: Codec? { @_noLocks get { Codec(rawValue: codecRaw) } }
  public var paddedLength: Int { @_noLocks get { Batch.paddedLength(Int(length)) } }
  /// What the batch costs in credit and lag.
  public var charge: Int {
    @_noLocks get { Batch.charge(count: Int(count), decodedLength: Int(decodedLength)) }
  }

  /// Reads 72 bytes, which need not be a valid header.
  @unsafe
  @_noLocks public init(load batch: UnsafeRawPointer) {
    length = unsafe Batch.length(batch)
    crc32c = unsafe Batch.crc32c(batch)
    sequence = unsafe Batch.sequence(batch)
    time = unsafe Batch.time(batch)
    bytesBefore = unsafe Batch.bytesBefore(batch)
    topic = unsafe Batch.topic(batch)
    count = unsafe Batch.count(batch)
    decodedLength = unsafe Batch.decodedLength(batch)
    codecRaw = unsafe Batch.codecRaw(batch)
    ttlMs = unsafe Batch.ttlMs(batch)
    publishTime = unsafe Batch.publishTime(batch)
    publisherSequence = unsafe Batch.publisherSequence(batch)
  }
}

/// Single fields of a batch in memory, and arithmetic about batches.
///
/// The functions that take a pointer read or write the 72 bytes from there; nothing is checked.
public enum Batch {
  /// The batch's length with the zero bytes after it.
  @inline(__always)
  @_noLocks public static func paddedLength(_ length: Int) -> Int { (length + 7) & ~7 }

  /// Charged bytes of a batch: what it costs in credit and lag.
  @inline(__always)
  @_noLocks public static func charge(count: Int, decodedLength: Int) -> Int {
    decodedLength + count * WireLimits.eventCharge
  }

  @unsafe @inline(__always)
  @_noLocks public static func length(_ batch: UnsafeRawPointer) -> UInt32 {
    unsafe batch.loadUInt32(BatchField.length)
  }

  @unsafe @inline(__always)
  @_noLocks public static func crc32c(_ batch: UnsafeRawPointer) -> UInt32 {
    unsafe batch.loadUInt32(BatchField.crc32c)
  }

  @unsafe @inline(__always)
  @_noLocks public static func sequence(_ batch: UnsafeRawPointer) -> UInt64 {
    unsafe batch.loadUInt64(BatchField.sequence)
  }

  @unsafe @inline(__always)
  @_noLocks public static func time(_ batch: UnsafeRawPointer) -> UInt64 {
    unsafe batch.loadUInt64(BatchField.time)
  }

  @unsafe @inline(__always)
  @_noLocks public static func bytesBefore(_ batch: UnsafeRawPointer) -> UInt64 {
    unsafe batch.loadUInt64(BatchField.bytesBefore)
  }

  @unsafe @inline(__always)
  @_noLocks public static func topic(_ batch: UnsafeRawPointer) -> UInt32 {
    unsafe batch.loadUInt32(BatchField.topic)
  }

  @unsafe @inline(__always)
  @_noLocks public static func count(_ batch: UnsafeRawPointer) -> UInt32 {
    unsafe batch.loadUInt32(BatchField.count)
  }

  @unsafe @inline(__always)
  @_noLocks public static func decodedLength(_ batch: UnsafeRawPointer) -> UInt32 {
    unsafe batch.loadUInt32(BatchField.decodedLength)
  }

  @unsafe @inline(__always)
  @_noLocks public static func codecRaw(_ batch: UnsafeRawPointer) -> UInt8 {
    unsafe batch.loadUInt8(BatchField.codec)
  }

  /// Nil where the number is not defined.
  @unsafe @inline(__always)
  @_noLocks public static func codec(_ batch: UnsafeRawPointer) -> Codec? {
    unsafe Codec(rawValue: codecRaw(batch))
  }

  @unsafe @inline(__always)
  @_noLocks public static func ttlMs(_ batch: UnsafeRawPointer) -> UInt32 {
    unsafe batch.loadUInt32(BatchField.ttlMs)
  }

  @unsafe @inline(__always)
  @_noLocks public static func publishTime(_ batch: UnsafeRawPointer) -> UInt64 {
    unsafe batch.loadUInt64(BatchField.publishTime)
  }

  @unsafe @inline(__always)
  @_noLocks public static func publisherSequence(_ batch: UnsafeRawPointer) -> UInt64 {
    unsafe batch.loadUInt64(BatchField.publisherSequence)
  }

  /// Charged bytes of the batch in memory.
  @unsafe @inline(__always)
  @_noLocks public static func charge(_ batch: UnsafeRawPointer) -> Int {
    unsafe charge(count: Int(count(batch)), decodedLength: Int(decodedLength(batch)))
  }

  /// Writes what the broker says about the batch, outside the checksum.
  @unsafe @inline(__always)
  @_noLocks public static func stamp(
    _ batch: UnsafeMutableRawPointer, sequence: UInt64, time: UInt64, bytesBefore: UInt64,
    topic: UInt32
  ) {
    unsafe batch.store(sequence, at: BatchField.sequence)
    unsafe batch.store(time, at: BatchField.time)
    unsafe batch.store(bytesBefore, at: BatchField.bytesBefore)
    unsafe batch.store(topic, at: BatchField.topic)
    unsafe batch.store(0 as UInt32, at: BatchField.topic + 4)
  }
}
