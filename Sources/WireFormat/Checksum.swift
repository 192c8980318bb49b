internal import CChecksum

/// CRC32C of the bytes, as batches carry it.
@unsafe
@_noLocks public func crc32c(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
  unsafe cchecksum_crc32c(bytes.baseAddress, bytes.count)
}

/// The same with the processor's instruction for checksums alone; for tests.
@unsafe
@_noLocks package func crc32cByInstruction(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
  unsafe cchecksum_crc32c_instruction(bytes.baseAddress, bytes.count)
}

/// The same without the processor's help; for tests.
@unsafe
@_noLocks package func crc32cPortable(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
  unsafe cchecksum_crc32c_portable(bytes.baseAddress, bytes.count)
}
