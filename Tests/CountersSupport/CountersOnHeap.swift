public import Counters

/// A region of counters in plain memory, for whoever makes a broker's core without its server.
///
/// `@safe`: the memory is made and freed here alone. It must outlive all that writes to its rows.
@safe public final class CountersOnHeap {
  public let region: CountersRegion
  private let base: UnsafeMutableRawPointer

  public init(
    _ configuration: CountersConfiguration, processID: UInt32 = 1, instance: UInt64 = 1,
    startedNs: UInt64 = 1
  ) {
    let bytes = CountersLayout.requiredBytes(configuration)
    unsafe base = .allocate(byteCount: bytes, alignment: CountersLayout.tableAlignment)
    unsafe base.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
    region = unsafe CountersRegion(
      memory: CountersMemory(base: base, byteCount: bytes), configuration: configuration,
      processID: processID, instance: instance, startedNs: startedNs)
  }

  deinit { unsafe base.deallocate() }

  /// Overwrites the bytes at some offsets.
  public func scribble(where isMeant: (Int) -> Bool) {
    for offset in 0..<region.memory.byteCount where isMeant(offset) {
      unsafe base.storeBytes(of: 0xAA, toByteOffset: offset, as: UInt8.self)
    }
  }
}
