internal import CLZ4

/// Single LZ4 blocks. Its working memory is allocated at the first use and kept.
///
/// Safe although it holds a pointer: it is allocated and freed here alone. The two functions are
/// unsafe for the memory they are given.
@safe
struct LZ4Codec: ~Copyable {
  private var state: UnsafeMutableRawPointer?
  /// LZ4's own word: 1 compresses best, each step more is some percent faster.
  private let acceleration: Int32

  init(acceleration: Int32) {
    unsafe state = nil
    self.acceleration = acceleration
  }

  deinit { unsafe state?.deallocate() }

  /// Bytes written to `target`, or nil where the result does not fit.
  @unsafe
  mutating func compress(
    _ source: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer
  ) -> Int? {
    guard source.count <= Int(LZ4_MAX_INPUT_SIZE), target.count <= Int(Int32.max) else {
      return nil
    }
    if unsafe state == nil {
      unsafe state = UnsafeMutableRawPointer.allocate(
        byteCount: Int(LZ4_sizeofState()), alignment: 16)
    }
    let written = unsafe LZ4_compress_fast_extState(
      state, source.baseAddress?.assumingMemoryBound(to: CChar.self),
      target.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(source.count),
      Int32(target.count), acceleration)
    return written > 0 ? Int(written) : nil
  }

  /// Bytes written to `target`, or nil where `source` is not a block of at most that size.
  @unsafe
  func decompress(
    _ source: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer
  ) -> Int? {
    guard source.count <= Int(Int32.max), target.count <= Int(Int32.max) else { return nil }
    let written = unsafe LZ4_decompress_safe(
      source.baseAddress?.assumingMemoryBound(to: CChar.self),
      target.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(source.count),
      Int32(target.count))
    return written >= 0 ? Int(written) : nil
  }
}
