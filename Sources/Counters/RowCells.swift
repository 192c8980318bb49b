import Synchronization

/// The words of one row, through a pointer into the region: what every typed row is made of.
///
/// All access is by atomic words of 4 or 8 bytes with relaxed ordering, which on x86-64 and arm64
/// are plain moves; only the sequence has fences around it. There is one writer per row, so adding
/// is a load and a store.
///
/// Why `@safe`: the address is that of a row inside a region which its maker promised to keep
/// mapped (see `CountersMemory`); the offsets come from the generated fields only, which lie within
/// the row, and an index into an array of counters is clamped. Why `Sendable`: the words are
/// atomic, and that a row has one writer is the broker's assignment of rows to threads. A second
/// writer could lose counts, not memory.
@safe public struct RowCells: @unchecked Sendable {
  let base: UnsafeMutableRawPointer

  @_noLocks init(base: UnsafeMutableRawPointer) { unsafe self.base = base }

  /// The cells some bytes further on. Whoever calls it knows that the region goes that far.
  @_noLocks func advanced(by bytes: Int) -> RowCells { unsafe RowCells(base: base + bytes) }

  @_noLocks func load64(_ offset: Int) -> UInt64 {
    unsafe (base + offset).assumingMemoryBound(to: Atomic<UInt64>.self).pointee
      .load(ordering: .relaxed)
  }

  @_noLocks func store64(_ offset: Int, _ value: UInt64) {
    unsafe (base + offset).assumingMemoryBound(to: Atomic<UInt64>.self).pointee
      .store(value, ordering: .relaxed)
  }

  @_noLocks func add64(_ offset: Int, _ amount: UInt64) {
    store64(offset, load64(offset) &+ amount)
  }

  /// Adds to a word that several threads add to. Nobody stores into it otherwise.
  @_noLocks func addShared64(_ offset: Int, _ amount: UInt64) {
    unsafe (base + offset).assumingMemoryBound(to: Atomic<UInt64>.self).pointee
      .wrappingAdd(amount, ordering: .relaxed)
  }

  @_noLocks func load32(_ offset: Int) -> UInt32 {
    unsafe (base + offset).assumingMemoryBound(to: Atomic<UInt32>.self).pointee
      .load(ordering: .relaxed)
  }

  @_noLocks func store32(_ offset: Int, _ value: UInt32) {
    unsafe (base + offset).assumingMemoryBound(to: Atomic<UInt32>.self).pointee
      .store(value, ordering: .relaxed)
  }

  /// Pairs with `storeReleasing32` of the writer: what was stored before it is seen.
  @_noLocks func loadAcquiring32(_ offset: Int) -> UInt32 {
    unsafe (base + offset).assumingMemoryBound(to: Atomic<UInt32>.self).pointee
      .load(ordering: .acquiring)
  }

  /// The same for a word of 8 bytes.
  @_noLocks func loadAcquiring64(_ offset: Int) -> UInt64 {
    unsafe (base + offset).assumingMemoryBound(to: Atomic<UInt64>.self).pointee
      .load(ordering: .acquiring)
  }

  @_noLocks func storeReleasing64(_ offset: Int, _ value: UInt64) {
    unsafe (base + offset).assumingMemoryBound(to: Atomic<UInt64>.self).pointee
      .store(value, ordering: .releasing)
  }

  /// Raises a word of 4 bytes that several threads may raise.
  @_noLocks func max32(_ offset: Int, _ value: UInt32) {
    unsafe (base + offset).assumingMemoryBound(to: Atomic<UInt32>.self).pointee
      .max(value, ordering: .acquiringAndReleasing)
  }

  @_noLocks static func clamp(_ index: Int, below count: Int) -> Int {
    // As an unsigned number a negative index is large, so one comparison does for both ends.
    UInt(bitPattern: index) < UInt(bitPattern: count) ? index : count &- 1
  }

  // MARK: The sequence

  /// Makes the sequence odd. The fence keeps every store of the update behind it, so that a reader
  /// who copied any of them finds either the odd sequence or, in its second copy, a later one.
  @_noLocks func beginUpdate() {
    store64(0, load64(0) | 1)
    atomicMemoryFence(ordering: .releasing)
  }

  /// Makes the sequence even again, and larger than before. The release keeps the update before it.
  @_noLocks func endUpdate() {
    storeReleasing64(0, (load64(0) | 1) &+ 1)
  }

  /// Zeroes everything behind the sequence, within an update.
  @_noLocks func clear(rowBytes: Int) {
    var offset = 8
    while offset < rowBytes {
      store64(offset, 0)
      offset &+= 8
    }
  }

  // MARK: Text

  /// Stores UTF-8 and pads with NUL; what does not fit is cut before a character and ends in
  /// U+2026. Written in words like everything else, so that the reader's copy by words never races
  /// with bytes.
  @_noLocks func storeText(_ offset: Int, _ capacity: Int, _ bytes: RawSpan) {
    var kept = bytes.byteCount
    var isCut = false
    if kept > capacity {
      isCut = true
      kept = capacity &- 3
      // A byte 10xxxxxx continues a character: step back to its first.
      while kept > 0 {
        if byte(bytes, kept) & 0xC0 != 0x80 { break }
        kept &-= 1
      }
    }
    let ellipsis: UInt64 = 0xA6_80E2
    let ellipsisEnd = isCut ? kept &+ 3 : kept
    var at = 0
    while at < capacity {
      var word: UInt64 = 0
      var inWord = 0
      while inWord < 8 {
        let index = at &+ inWord
        let value: UInt64
        if index < kept {
          value = UInt64(byte(bytes, index))
        } else if index < ellipsisEnd {
          value = (ellipsis &>> UInt64(truncatingIfNeeded: 8 &* (index &- kept))) & 0xFF
        } else {
          value = 0
        }
        word |= value &<< UInt64(truncatingIfNeeded: 8 &* inWord)
        inWord &+= 1
      }
      store64(offset &+ at, word)
      at &+= 8
    }
  }

  @_noLocks private func byte(_ bytes: RawSpan, _ index: Int) -> UInt8 {
    unsafe bytes.unsafeLoad(fromByteOffset: index, as: UInt8.self)
  }
}
