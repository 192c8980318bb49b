import LinuxIO
import Testing

@Suite struct SystemTests {
  @Test func processorsAreCounted() {
    #expect(System.onlineCPUs >= 1)
    #expect(System.usableCPUs >= 1 && System.usableCPUs <= System.onlineCPUs)
  }

  @Test func theDescriptorLimitCanBeRaised() async {
    await #expect(processExitsWith: .success) {
      let limit = try System.descriptorLimit()
      precondition(limit.soft <= limit.hard && limit.soft > 0)
      try System.setDescriptorLimit(100)
      let lowered = try System.descriptorLimit().soft
      let raised = try System.raiseDescriptorLimit()
      let now = try System.descriptorLimit().soft
      precondition(lowered == 100 && raised == limit.hard && now == limit.hard)
    }
  }

  /// Others allocate at the same time, so only a large step is certain.
  @Test func touchedMemoryIsResident() throws {
    let byteCount = 64 << 20
    let memory = try AnonymousMemory(byteCount: byteCount)
    let before = try System.residentMemoryBytes()
    for offset in stride(from: 0, to: byteCount, by: memoryPageBytes) {
      unsafe memory.bytes[offset] = 1
    }
    let after = try System.residentMemoryBytes()
    #expect(after - before > byteCount * 3 / 4)
    let asked = try System.residentMemoryBytes(of: System.processID)
    #expect(asked > byteCount)
  }

  @Test func aProcessThatIsNotThereHasNoMemory() {
    #expect(
      errno { () throws(SystemError) in
        _ = try System.residentMemoryBytes(of: Int32.max)
      } == .noSuchFile)
  }

  @Test func thisProcessAndTheFirstLive() {
    #expect(System.isAlive(processID: System.processID))
    #expect(System.isAlive(processID: 1))
    #expect(!System.isAlive(processID: Int32.max))
    #expect(!System.isAlive(processID: 0))
    #expect(!System.isAlive(processID: -1))
  }

  @Test func theEnvironmentIsRead() {
    #expect(System.environment("PATH")?.isEmpty == false)
    #expect(System.environment("GALLEON_SURELY_NOT_SET") == nil)
  }

  /// Two draws of 64 bits are equal, or 4096 bytes lack one of the values, about never.
  @Test func randomBytesDiffer() {
    #expect(System.secureRandomNumber() != System.secureRandomNumber())
    var bytes = [UInt8](repeating: 0, count: 4096)
    unsafe bytes.withUnsafeMutableBytes { unsafe System.secureRandomBytes($0) }
    #expect(Set(bytes).count > 250)
    // An empty buffer is allowed.
    unsafe System.secureRandomBytes(UnsafeMutableRawBufferPointer(start: nil, count: 0))
  }

  @Test func usageRises() throws {
    let before = try System.usage()
    Clock.sleep(forNs: 1_000_000)
    let startNs = Clock.threadCPUNs()
    while Clock.threadCPUNs() - startNs < 20_000_000 {}
    let after = try System.usage()
    #expect(after.userNs + after.systemNs > before.userNs + before.systemNs)
    #expect(after.voluntarySwitches > before.voluntarySwitches)
  }
}
