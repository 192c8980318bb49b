/// Compression and its opposite, with the working memory for both. One per thread: it is not
/// locked, and what it returns from its own scratch lasts until the next call.
///
/// Safe although it holds a pointer: the scratch is allocated and freed here alone, and the
/// functions that give it away are unsafe.
@safe
public final class Codecs {
  private var lz4: LZ4Codec
  private var zstd: ZstdCodec
  /// Grows to the largest batch that was opened, at most the limit it was opened with.
  private var scratch: UnsafeMutableRawBufferPointer

  /// Zstandard level 1: on event batches of 64 KiB the next levels cost more time than they save
  /// bytes.
  public static var defaultZstdLevel: Int32 { 1 }

  public init(zstdLevel: Int32 = Codecs.defaultZstdLevel, lz4Acceleration: Int32 = 1) {
    lz4 = LZ4Codec(acceleration: lz4Acceleration)
    zstd = ZstdCodec(level: zstdLevel)
    unsafe scratch = UnsafeMutableRawBufferPointer(start: nil, count: 0)
  }

  deinit { unsafe scratch.deallocate() }

  /// Bytes written to `target`, or nil where the result does not fit there or `codec` is none.
  @unsafe
  public func compress(
    _ source: UnsafeRawBufferPointer, codec: Codec, into target: UnsafeMutableRawBufferPointer
  ) -> Int? {
    switch codec {
    case .none: nil
    case .lz4: unsafe lz4.compress(source, into: target)
    case .zstd: unsafe zstd.compress(source, into: target)
    }
  }

  /// Fills `target` exactly; nothing is written beyond it.
  ///
  /// - Throws: `malformedBatch` where the result is of another size or `source` is damaged.
  @unsafe
  public func decompress(
    _ source: UnsafeRawBufferPointer, codec: Codec, into target: UnsafeMutableRawBufferPointer
  ) throws(WireError) {
    let written: Int? =
      switch codec {
      case .none: nil
      case .lz4: unsafe lz4.decompress(source, into: target)
      case .zstd: unsafe zstd.decompress(source, into: target)
      }
    guard written == target.count else {
      throw WireError(
        .malformedBatch, offset: BatchField.size, need: target.count, have: written ?? 0)
    }
  }

  /// The records of a batch: where they stand if they are not compressed, else decoded into
  /// `memory` and checked.
  ///
  /// - Parameters:
  ///   - batch: from its first byte; a batch that `validateBatch` has passed, or one from a ring.
  ///   - batchBytesMax: refuse more decoded bytes than this.
  ///   - memory: at least as large as the batch's decoded length, where it is compressed.
  /// - Throws: `malformedBatch`, `batchTooLarge` or `codecNotNegotiated`. A batch that lies about
  ///   its size or count is `malformedBatch`; on a subscription it counts as a gap with cause
  ///   corrupt.
  @unsafe
  public func decodeBatch(
    _ batch: UnsafeRawBufferPointer, batchBytesMax: Int,
    into memory: UnsafeMutableRawBufferPointer
  ) throws(WireError) -> UnsafeRawBufferPointer {
    let parts = try unsafe BatchParts(batch, batchBytesMax: batchBytesMax)
    if parts.codec == .none { return unsafe parts.stored }
    guard parts.decodedLength <= memory.count else {
      throw WireError(.batchTooLarge, need: memory.count, have: parts.decodedLength)
    }
    let target = unsafe UnsafeMutableRawBufferPointer(
      start: memory.baseAddress, count: parts.decodedLength)
    try unsafe decompress(parts.stored, codec: parts.codec, into: target)
    let records = UnsafeRawBufferPointer(target)
    try unsafe checkRecords(records, count: parts.count, requireKey: false)
    return unsafe records
  }

  /// The same, decoded into scratch memory that lasts until the next call.
  @unsafe
  public func decodeBatch(
    _ batch: UnsafeRawBufferPointer, batchBytesMax: Int
  ) throws(WireError) -> UnsafeRawBufferPointer {
    let parts = try unsafe BatchParts(batch, batchBytesMax: batchBytesMax)
    if parts.codec == .none { return unsafe parts.stored }
    unsafe reserveScratch(parts.decodedLength)
    return try unsafe decodeBatch(batch, batchBytesMax: batchBytesMax, into: scratch)
  }

  /// Writes the same events as an uncompressed batch for a receiver without the codec: all header
  /// fields as they are, stamped ones too, but for length, codec and checksum; padded.
  ///
  /// - Parameter memory: at least `reframedBytes` of the batch's decoded length.
  /// - Returns: bytes written, a multiple of 8.
  /// - Throws: as `decodeBatch`.
  @unsafe
  public func reframe(
    _ batch: UnsafeRawBufferPointer, batchBytesMax: Int,
    into memory: UnsafeMutableRawBufferPointer
  ) throws(WireError) -> Int {
    let parts = try unsafe BatchParts(batch, batchBytesMax: batchBytesMax)
    let length = BatchField.size + parts.decodedLength
    let padded = Batch.paddedLength(length)
    guard padded <= memory.count, let target = memory.baseAddress else {
      throw WireError(.batchTooLarge, need: memory.count, have: padded)
    }
    let room = unsafe UnsafeMutableRawBufferPointer(
      start: target + BatchField.size, count: parts.decodedLength)
    let records = try unsafe decodeBatch(batch, batchBytesMax: batchBytesMax, into: room)
    if parts.codec == .none { unsafe room.copyMemory(from: records) }
    unsafe target.copyMemory(from: batch.baseAddress!, byteCount: BatchField.size)
    unsafe target.store(UInt32(length), at: BatchField.length)
    unsafe target.store(Codec.none.rawValue, at: BatchField.codec)
    unsafe sealBatch(target, length: length)
    return padded
  }

  /// Bytes that `reframe` writes for a batch of this decoded length.
  public static func reframedBytes(decodedLength: Int) -> Int {
    Batch.paddedLength(BatchField.size + decodedLength)
  }

  /// Opens a batch of which `validateClosedBatch` says that it needs opening, and checks its
  /// records.
  ///
  /// - Returns: the records, in scratch memory that lasts until the next call.
  @unsafe
  public func openCompressed(
    _ base: UnsafeRawPointer, _ batch: ValidBatch, requireKey: Bool
  ) throws(WireError) -> UnsafeRawBufferPointer {
    unsafe reserveScratch(batch.decodedLength)
    let target = unsafe UnsafeMutableRawBufferPointer(
      rebasing: scratch[0..<batch.decodedLength])
    let stored = unsafe UnsafeRawBufferPointer(
      start: base + BatchField.size, count: batch.length - BatchField.size)
    try unsafe decompress(stored, codec: batch.codec, into: target)
    let records = UnsafeRawBufferPointer(target)
    try unsafe checkRecords(records, count: batch.count, requireKey: requireKey)
    return unsafe records
  }

  @unsafe
  private func reserveScratch(_ bytes: Int) {
    guard unsafe scratch.count < bytes else { return }
    unsafe scratch.deallocate()
    unsafe scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes, alignment: 16)
  }
}

/// A batch taken apart, with the checks that keep a decoder inside its memory.
///
/// Safe although it holds a pointer: the initialiser is where the caller vouches for the bytes,
/// and nobody keeps the parts for longer than a call.
@safe
private struct BatchParts {
  let codec: Codec
  let count: Int
  let decodedLength: Int
  /// The records as they are stored.
  let stored: UnsafeRawBufferPointer

  @unsafe
  init(_ batch: UnsafeRawBufferPointer, batchBytesMax: Int) throws(WireError) {
    guard batch.count >= BatchField.size, let base = batch.baseAddress else {
      throw WireError(.malformedBatch, need: BatchField.size, have: batch.count)
    }
    let length = unsafe Int(Batch.length(base))
    guard length >= BatchField.size, length <= batch.count else {
      throw WireError(.malformedBatch, need: length, have: batch.count)
    }
    guard let codec = unsafe Batch.codec(base) else {
      throw WireError(.codecNotNegotiated, offset: BatchField.codec)
    }
    self.codec = codec
    count = unsafe Int(Batch.count(base))
    decodedLength = unsafe Int(Batch.decodedLength(base))
    guard decodedLength <= batchBytesMax else {
      throw WireError(.batchTooLarge, need: batchBytesMax, have: decodedLength)
    }
    unsafe stored = UnsafeRawBufferPointer(
      start: base + BatchField.size, count: length - BatchField.size)
    guard unsafe codec != .none || stored.count == decodedLength else {
      throw unsafe WireError(.malformedBatch, need: stored.count, have: decodedLength)
    }
  }
}

/// Writes the checksum and the padding of a batch whose other bytes are in place.
@unsafe
func sealBatch(_ batch: UnsafeMutableRawPointer, length: Int) {
  for at in length..<Batch.paddedLength(length) { unsafe batch.store(0 as UInt8, at: at) }
  let checksum = unsafe crc32c(
    UnsafeRawBufferPointer(
      start: batch + BatchField.checksumFrom, count: length - BatchField.checksumFrom))
  unsafe batch.store(checksum, at: BatchField.crc32c)
}
