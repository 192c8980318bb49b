/// What a batch may be where it is received.
public struct BatchLimits: Sendable {
  /// Largest decoded size of the records, in bytes.
  public var batchBytesMax: Int
  /// What the session has agreed on; `none` needs no bit.
  public var codecs: CodecSet
  /// Every event must have a key; compressed batches are opened to see.
  public var requireKey: Bool
  /// Compressed batches are opened and their records checked.
  public var openCompressed: Bool

  @_noLocks public init(
    batchBytesMax: Int = WireLimits.batchBytesMax, codecs: CodecSet = CodecSet(rawValue: 0),
    requireKey: Bool = false, openCompressed: Bool = false
  ) {
    self.batchBytesMax = batchBytesMax
    self.codecs = codecs
    self.requireKey = requireKey
    self.openCompressed = openCompressed
  }

  var opensCompressed: Bool { @_noLocks get { requireKey || openCompressed } }
}

/// A batch that has passed `validateBatch`.
public struct ValidBatch: Equatable, Sendable {
  /// Bytes of the batch with its header.
  public var length: Int
  /// The same with padding: where the next batch starts.
  public var paddedLength: Int
  /// Events.
  public var count: Int
  /// Bytes of the records when decoded.
  public var decodedLength: Int
  /// Publisher sequence of the first event.
  public var publisherSequence: UInt64
  public var codec: Codec
  /// Its records have not been looked at and must be: decode it before it is passed on.
  public var needsOpening: Bool

  /// What the batch costs in credit and lag.
  public var charge: Int {
    @_noLocks get { Batch.charge(count: count, decodedLength: decodedLength) }
  }
  /// What the publisher's next batch must start with.
  public var nextPublisherSequence: UInt64 { @_noLocks get { publisherSequence &+ UInt64(count) } }
}

/// Checks a batch as a broker must: its length and padding, count, codec, decoded size, checksum,
/// publisher sequence, records, in this order; the first that fails names the reason.
///
/// - Parameters:
///   - bytes: from the batch's first byte to the end of the frame it came in.
///   - expectedPublisherSequence: what the batch must continue, or 0 where any number from 1 may
///     come.
///   - codecs: for `limits` that open compressed batches; then it must be there.
/// - Throws: `malformedBatch`, `codecNotNegotiated`, `batchTooLarge`, `checksumMismatch`,
///   `publisherSequence` or `keyRequired`.
@unsafe
public func validateBatch(
  _ bytes: UnsafeRawBufferPointer, limits: BatchLimits, expectedPublisherSequence: UInt64 = 0,
  codecs: Codecs? = nil
) throws(WireError) -> ValidBatch {
  let valid = try unsafe validateClosedBatch(
    bytes, limits: limits, expectedPublisherSequence: expectedPublisherSequence)
  if valid.needsOpening {
    guard let codecs else { preconditionFailure("opening batches needs codecs") }
    _ = try unsafe codecs.openCompressed(bytes.baseAddress!, valid, requireKey: limits.requireKey)
  }
  return valid
}

/// The same checks, but that the records of a compressed batch which the limits say to open are
/// not looked at: `needsOpening` of the result is true for it. It does not allocate.
@unsafe
@_noLocks public func validateClosedBatch(
  _ bytes: UnsafeRawBufferPointer, limits: BatchLimits, expectedPublisherSequence: UInt64 = 0
) throws(WireError) -> ValidBatch {
  guard bytes.count >= BatchField.size, let base = bytes.baseAddress else {
    throw WireError(.malformedBatch, need: BatchField.size, have: bytes.count)
  }
  let length = unsafe Int(Batch.length(base))
  let padded = Batch.paddedLength(length)
  guard length >= BatchField.size, padded <= bytes.count else {
    throw WireError(
      .malformedBatch, offset: BatchField.length, need: length, have: bytes.count)
  }
  // The padding is the end of the last word.
  if padded != length, unsafe base.loadUInt64(padded - 8) >> UInt64(8 * (length & 7)) != 0 {
    throw unsafe stainedPadding(base, length..<padded)
  }

  let count = unsafe Int(Batch.count(base))
  let decodedLength = unsafe Int(Batch.decodedLength(base))
  guard count >= 1, count <= decodedLength / RecordWord.bytes else {
    throw WireError(
      .malformedBatch, offset: BatchField.count, need: decodedLength / RecordWord.bytes,
      have: count)
  }

  let codecRaw = unsafe Batch.codecRaw(base)
  guard let codec = Codec(rawValue: codecRaw), limits.codecs.contains(codec) else {
    throw WireError(.codecNotNegotiated, offset: BatchField.codec, have: Int(codecRaw))
  }
  let isCompressed = codecRaw != Codec.noneRaw

  guard decodedLength <= limits.batchBytesMax else {
    throw WireError(
      .batchTooLarge, offset: BatchField.decodedLength, need: limits.batchBytesMax,
      have: decodedLength)
  }
  // Compressed bytes are fewer than the decoded ones, so that a batch never takes more memory
  // than it is charged for.
  let stored = length - BatchField.size
  guard isCompressed ? stored < decodedLength : stored == decodedLength else {
    throw WireError(
      .malformedBatch, offset: BatchField.decodedLength, need: stored, have: decodedLength)
  }

  let covered = unsafe UnsafeRawBufferPointer(
    start: base + BatchField.checksumFrom, count: length - BatchField.checksumFrom)
  let checksum = unsafe crc32c(covered)
  let stated = unsafe Batch.crc32c(base)
  guard checksum == stated else {
    throw WireError(
      .checksumMismatch, offset: BatchField.crc32c, need: Int(checksum), have: Int(stated))
  }

  let sequence = unsafe Batch.publisherSequence(base)
  guard sequence >= 1, sequence <= UInt64.max - UInt64(count),
    expectedPublisherSequence == 0 || sequence == expectedPublisherSequence
  else {
    throw WireError(
      .publisherSequence, offset: BatchField.publisherSequence,
      need: Int(truncatingIfNeeded: expectedPublisherSequence),
      have: Int(truncatingIfNeeded: sequence))
  }

  if !isCompressed {
    let records = unsafe UnsafeRawBufferPointer(
      start: base + BatchField.size, count: decodedLength)
    // Of one record without flags there is nothing to check but its size.
    let isPlain =
      unsafe count == 1 && !limits.requireKey && base.loadUInt32(BatchField.size)
      == UInt32(truncatingIfNeeded: decodedLength - RecordWord.bytes)
      && decodedLength - RecordWord.bytes <= RecordWord.sizeMax
    if !isPlain {
      try unsafe checkRecords(records, count: count, requireKey: limits.requireKey)
    }
  }
  return ValidBatch(
    length: length, paddedLength: padded, count: count, decodedLength: decodedLength,
    publisherSequence: sequence, codec: codec,
    needsOpening: isCompressed && limits.opensCompressed)
}

/// The first byte of a batch's padding that is not 0.
@unsafe
@_noLocks private func stainedPadding(
  _ base: UnsafeRawPointer, _ padding: Range<Int>
) -> WireError {
  var at = padding.lowerBound
  while at < padding.upperBound - 1, unsafe base.loadUInt8(at) == 0 { at += 1 }
  return WireError(.malformedBatch, offset: at, have: unsafe Int(base.loadUInt8(at)))
}

extension CodecSet {
  /// Whether a batch with the codec may be sent.
  @inline(__always)
  @_noLocks public func contains(_ codec: Codec) -> Bool {
    switch codec {
    case .none: true
    case .lz4: has(.lz4)
    case .zstd: has(.zstd)
    }
  }

  /// The set of one codec; `none` is in every set.
  public init(_ codec: Codec) {
    self.init(rawValue: codec == .none ? 0 : 1 << UInt32(codec.rawValue))
  }
}

extension Codec {
  /// The number of `none`, which a comparison of optional codecs would take for nil.
  static var noneRaw: UInt8 { @_noLocks get { 0 } }
}
