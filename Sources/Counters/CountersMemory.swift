import Synchronization

/// The memory of a region: a mapped file in production, plain memory in tests; of a broker's own,
/// or of another process's, mapped for reading.
///
/// Why `@safe`: whoever makes one promises, with the word `unsafe`, that the memory is there,
/// aligned to 8 bytes, for as long as anything made from it is used; everything else here checks
/// its offsets. A broker keeps it until the process ends.
@safe public struct CountersMemory: @unchecked Sendable {
  let base: UnsafeMutableRawPointer
  public let byteCount: Int

  /// - Parameter base: must stay valid, and be aligned to 8 bytes. It may be mapped for reading
  ///   only
  ///   where nothing but `copy` and `bytes` is used.
  @unsafe public init(base: UnsafeMutableRawPointer, byteCount: Int) {
    precondition(UInt(bitPattern: base) % 8 == 0, "counters need 8-byte alignment")
    unsafe self.base = base
    self.byteCount = byteCount
  }

  func cells(at offset: Int) -> RowCells {
    precondition(offset >= 0 && offset <= byteCount, "outside the region")
    return unsafe RowCells(base: base + offset)
  }

  /// Copies bytes into the memory given, in ascending order and by aligned words, as readers of
  /// rows need it. Any offset and count will do.
  /// - Returns: how many bytes were copied: fewer than asked for where the memory ends.
  public func copy(from offset: Int, into target: UnsafeMutableRawBufferPointer) -> Int {
    guard offset >= 0 && offset < byteCount else { return 0 }
    let count = min(target.count, byteCount - offset)
    // The memory ends with a whole word as regions do, else its last bytes could not be loaded as
    // one.
    let words = cells(at: 0)
    let wordsEnd = byteCount & ~7
    var done = 0
    while done < count {
      let position = offset + done
      let wordStart = position & ~7
      if wordStart >= wordsEnd { return done }
      // What comes later in a row must not be older than its sequence, which is the row's first
      // word: on x86-64 all loads keep their order, on arm64 only those that acquire.
      let word = words.loadAcquiring64(wordStart)
      if position == wordStart && count - done >= 8 {
        unsafe target.storeBytes(of: word.littleEndian, toByteOffset: done, as: UInt64.self)
        done += 8
      } else {
        unsafe target[done] = UInt8(truncatingIfNeeded: word >> UInt64(8 * (position - wordStart)))
        done += 1
      }
    }
    // Pairs with the release of `beginUpdate` and `endUpdate`: a second copy is no older than this.
    atomicMemoryFence(ordering: .acquiring)
    return done
  }

  /// The same into a new array, as `CountersSnapshot` takes it.
  public func bytes(at offset: Int, count: Int) -> [UInt8] {
    let available = offset < 0 ? 0 : max(0, min(count, byteCount - offset))
    return unsafe [UInt8](unsafeUninitializedCapacity: available) { buffer, initialized in
      initialized = unsafe copy(from: offset, into: UnsafeMutableRawBufferPointer(buffer))
    }
  }
}
