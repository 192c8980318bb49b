import LinuxIO
import Testing

@Suite struct AnonymousMemoryTests {
  @Test func pagesComeWhenTouchedAndGoWhenDiscarded() throws {
    let page = memoryPageBytes
    let memory = try AnonymousMemory(byteCount: 64 * page)
    #expect(try memory.residentByteCount() == 0)
    for index in 0..<16 { unsafe memory.bytes[index * page] = UInt8(index + 1) }
    #expect(try memory.residentByteCount() == 16 * page)
    try memory.discard(offset: 4 * page, byteCount: 8 * page)
    #expect(try memory.residentByteCount() == 8 * page)
    for index in 0..<16 {
      let expected = (4..<12).contains(index) ? 0 : UInt8(index + 1)
      let found = unsafe memory.bytes[index * page]
      #expect(found == expected)
    }
  }

  @Test func aRegionFarBeyondTheMachineCostsNothing() throws {
    let memory = try AnonymousMemory(byteCount: 1 << 42)
    let place = (1 << 42) - 1
    unsafe memory.bytes[place] = 7
    let found = unsafe memory.base.load(fromByteOffset: place, as: UInt8.self)
    #expect(found == 7)
  }

  @Test func sizesAreRoundedUpToPages() throws {
    #expect(try AnonymousMemory(byteCount: 1).byteCount == memoryPageBytes)
    #expect(
      try AnonymousMemory(byteCount: memoryPageBytes + 1).byteCount == 2 * memoryPageBytes)
  }

  @Test func discardingNothingIsAllowed() throws {
    let memory = try AnonymousMemory(byteCount: memoryPageBytes)
    try memory.discard(offset: memoryPageBytes, byteCount: 0)
  }

  @Test func discardingOutsideOrInsideAPageEndsTheProcess() async {
    await #expect(processExitsWith: .failure) {
      let memory = try AnonymousMemory(byteCount: memoryPageBytes)
      try memory.discard(offset: 0, byteCount: 2 * memoryPageBytes)
    }
    await #expect(processExitsWith: .failure) {
      let memory = try AnonymousMemory(byteCount: memoryPageBytes)
      try memory.discard(offset: 0, byteCount: 100)
    }
    await #expect(processExitsWith: .failure) {
      let memory = try AnonymousMemory(byteCount: 4 * memoryPageBytes)
      try memory.discard(offset: 2 * memoryPageBytes, byteCount: Int.max - memoryPageBytes + 1)
    }
  }
}

@Suite struct MappedFileTests {
  @Test func aSparseFileTakesMemoryWhereItIsReserved() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path + "/sparse"
    let page = memoryPageBytes
    let writer = try MappedFile.create(path: path, byteCount: 8 * page, sparse: true)
    let reader = try MappedFile.openReadOnly(path: path)
    try writer.reserve(offset: page + 5, byteCount: page)
    unsafe writer.mutableBytes[2 * page] = 7
    let seen = unsafe reader.bytes[2 * page]
    #expect(seen == 7)
    // What is detached is zero again, and no longer shared.
    try writer.detach(offset: 2 * page, byteCount: page)
    let own = unsafe writer.mutableBytes[2 * page]
    #expect(own == 0)
    unsafe writer.mutableBytes[2 * page] = 9
    let still = unsafe reader.bytes[2 * page]
    #expect(still == 7)
  }

  @Test func twoMappingsShareTheirBytes() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path + "/counters"
    let writer = try MappedFile.create(path: path, byteCount: 10_000)
    let reader = try MappedFile.openReadOnly(path: path)
    #expect(reader.byteCount == 10_000 && !reader.isWritable)
    #expect(unsafe reader.bytes.allSatisfy { $0 == 0 })
    unsafe writer.mutableBytes[9_999] = 5
    let seen = unsafe reader.bytes[9_999]
    #expect(seen == 5)
  }

  @Test func theFileIsPrivateAndHasItsSpace() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path + "/counters"
    let file = try MappedFile.create(path: path, byteCount: 5_000)
    let information = try Files.information(path)
    #expect(information.kind == .file && information.mode == 0o600)
    #expect(information.byteCount == 5_000 && file.path == path)
    #expect(information.ownerID == System.userID)
  }

  @Test func aNewFileReplacesAnOldOneForThoseWhoComeLater() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path + "/counters"
    let first = try MappedFile.create(path: path, byteCount: 100)
    unsafe first.mutableBytes[0] = 1
    let early = try MappedFile.openReadOnly(path: path)
    let second = try MappedFile.create(path: path, byteCount: 200)
    unsafe second.mutableBytes[0] = 2
    let late = try MappedFile.openReadOnly(path: path)
    let seen = unsafe (early.bytes[0], late.bytes[0])
    #expect(seen == (1, 2))
    #expect(early.byteCount == 100 && late.byteCount == 200)
  }

  /// As long as it is mapped, although nobody has its descriptor any more.
  @Test func theFileIsLockedWhileItsWriterLives() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path + "/counters"
    func isFree() throws -> Bool {
      let file = try Files.open(path, [.read])
      let isLocked = try Files.lock(file.rawValue)
      try file.close()
      return isLocked
    }
    do {
      let writer = try MappedFile.create(path: path, byteCount: 64)
      #expect(try !isFree())
      unsafe writer.mutableBytes[3] = 9
    }
    #expect(try isFree())
  }

  @Test func theBytesOutliveTheirWriter() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path + "/counters"
    do {
      let writer = try MappedFile.create(path: path, byteCount: 64)
      unsafe writer.mutableBytes[3] = 9
    }
    let reader = try MappedFile.openReadOnly(path: path)
    let seen = unsafe reader.bytes[3]
    #expect(seen == 9)
  }

  @Test func whatCannotBeMappedSaysWhy() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path + "/none"
    #expect(
      errno { () throws(SystemError) in _ = try MappedFile.openReadOnly(path: path) }
        == .noSuchFile)
    #expect(
      errno { () throws(SystemError) in
        _ = try MappedFile.create(path: path + "/deeper", byteCount: 1)
      } == .noSuchFile)
    try Files.open(path, [.write, .create]).close()
    #expect(
      errno { () throws(SystemError) in _ = try MappedFile.openReadOnly(path: path) }
        == .invalidArgument)
  }

  /// A file too large for its disk fails when it is made, not when a page is touched, and leaves
  /// nothing behind.
  @Test func aFullDiskShowsAtOnce() throws {
    let directory = try TemporaryDirectory()
    let failed = errno { () throws(SystemError) in
      _ = try MappedFile.create(path: directory.path + "/huge", byteCount: 1 << 50)
    }
    #expect(failed == .noSpace || failed == .fileTooLarge)
    #expect(try Files.list(directory.path) == [])
  }

  @Test func aReaderCannotWrite() async {
    await #expect(processExitsWith: .failure) {
      let directory = try TemporaryDirectory()
      let path = directory.path + "/counters"
      _ = try MappedFile.create(path: path, byteCount: 64)
      let reader = try MappedFile.openReadOnly(path: path)
      // A process that ends this way cleans up nothing.
      try Files.removeTree(directory.path)
      unsafe reader.mutableBytes[0] = 1
    }
  }
}
