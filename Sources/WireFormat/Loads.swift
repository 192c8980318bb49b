// Loads and stores of single numbers. The protocol is little-endian and promises alignment only
// for batches, so every one of them is unaligned; on the machines we run on that costs nothing.
// Bounds are the caller's business.

extension UnsafeRawPointer {
  @inline(__always)
  @_noLocks func loadUInt8(_ offset: Int) -> UInt8 {
    unsafe load(fromByteOffset: offset, as: UInt8.self)
  }

  @inline(__always)
  @_noLocks func loadUInt16(_ offset: Int) -> UInt16 {
    unsafe UInt16(littleEndian: loadUnaligned(fromByteOffset: offset, as: UInt16.self))
  }

  @inline(__always)
  @_noLocks func loadUInt32(_ offset: Int) -> UInt32 {
    unsafe UInt32(littleEndian: loadUnaligned(fromByteOffset: offset, as: UInt32.self))
  }

  @inline(__always)
  @_noLocks func loadUInt64(_ offset: Int) -> UInt64 {
    unsafe UInt64(littleEndian: loadUnaligned(fromByteOffset: offset, as: UInt64.self))
  }
}

extension UnsafeMutableRawPointer {
  // One for each width: a generic one could look up its type's metadata.
  @inline(__always)
  @_noLocks func store(_ number: UInt8, at offset: Int) {
    unsafe storeBytes(of: number, toByteOffset: offset, as: UInt8.self)
  }

  @inline(__always)
  @_noLocks func store(_ number: UInt16, at offset: Int) {
    unsafe storeBytes(of: number.littleEndian, toByteOffset: offset, as: UInt16.self)
  }

  @inline(__always)
  @_noLocks func store(_ number: UInt32, at offset: Int) {
    unsafe storeBytes(of: number.littleEndian, toByteOffset: offset, as: UInt32.self)
  }

  @inline(__always)
  @_noLocks func store(_ number: UInt64, at offset: Int) {
    unsafe storeBytes(of: number.littleEndian, toByteOffset: offset, as: UInt64.self)
  }
}
