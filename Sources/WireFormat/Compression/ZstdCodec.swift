internal import CZstd

/// Single Zstandard frames. A context for each direction is made at its first use and kept.
///
/// Safe although it holds pointers: the contexts are made and freed here alone. The two functions
/// are unsafe for the memory they are given.
@safe
struct ZstdCodec: ~Copyable {
  private var compressor: OpaquePointer?
  private var decompressor: OpaquePointer?
  private let level: Int32

  init(level: Int32) {
    unsafe compressor = nil
    unsafe decompressor = nil
    self.level = level
  }

  deinit {
    unsafe ZSTD_freeCCtx(compressor)
    unsafe ZSTD_freeDCtx(decompressor)
  }

  /// Bytes written to `target`, or nil where the result does not fit.
  @unsafe
  mutating func compress(
    _ source: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer
  ) -> Int? {
    if unsafe compressor == nil { unsafe compressor = ZSTD_createCCtx() }
    precondition(unsafe compressor != nil, "no memory for a Zstandard context")
    let written = unsafe ZSTD_compressCCtx(
      compressor, target.baseAddress, target.count, source.baseAddress, source.count, level)
    return ZSTD_isError(written) == 0 ? written : nil
  }

  /// Bytes written to `target`, or nil where `source` is not one frame of at most that size.
  @unsafe
  mutating func decompress(
    _ source: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer
  ) -> Int? {
    if unsafe decompressor == nil { unsafe decompressor = ZSTD_createDCtx() }
    precondition(unsafe decompressor != nil, "no memory for a Zstandard context")
    // The library would decode any number of frames one after another, and may know the formats
    // that came before the standard.
    guard source.count >= 4, unsafe source.baseAddress!.loadUInt32(0) == ZSTD_MAGICNUMBER,
      unsafe ZSTD_findFrameCompressedSize(source.baseAddress, source.count) == source.count
    else { return nil }
    let written = unsafe ZSTD_decompressDCtx(
      decompressor, target.baseAddress, target.count, source.baseAddress, source.count)
    return ZSTD_isError(written) == 0 ? written : nil
  }
}
