/// Raw memory with one owner, for buffers that live as long as a run.
///
/// It is `@safe` because the pointer is freed only by `deinit`, every access from outside this
/// module's loops goes through `count`, and the owner cannot be copied.
@safe struct ByteBlock: ~Copyable {
  let base: UnsafeMutableRawPointer
  let count: Int

  /// Memory of `count` bytes that reads as zero, aligned to a cache line.
  init(zeroed count: Int) {
    precondition(count > 0, "a block has at least one byte")
    unsafe base = UnsafeMutableRawPointer.allocate(byteCount: count, alignment: 64)
    unsafe base.initializeMemory(as: UInt8.self, repeating: 0, count: count)
    self.count = count
  }

  /// A copy of `bytes` (at least one).
  init(_ bytes: [UInt8]) {
    self.init(zeroed: bytes.count)
    unsafe bytes.withUnsafeBytes {
      unsafe base.copyMemory(from: $0.baseAddress.unsafelyUnwrapped, byteCount: $0.count)
    }
  }

  deinit { unsafe base.deallocate() }
}
