import LinuxIO
import Testing

@Suite struct FilesTests {
  private func write(_ path: String, _ text: String) throws {
    let file = try Files.open(path, [.write, .create, .truncate])
    try Stream.writeAll(file.rawValue, text)
    try file.close()
  }

  @Test func contentsComeBackWithinTheLimit() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path + "/file"
    try write(path, "galleon")
    #expect(try Files.contents(path, limitBytes: 7) == Array("galleon".utf8))
    #expect(throws: SystemError(.fileTooLarge, "read")) {
      try Files.contents(path, limitBytes: 6)
    }
    let long = String(repeating: "0123456789", count: 20_000)
    try write(path, long)
    #expect(try Files.contents(path, limitBytes: 1 << 20) == Array(long.utf8))
  }

  @Test func openingSaysWhyItCannot() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path + "/file"
    #expect(
      errno { () throws(SystemError) in _ = try Files.open(path, [.read]) } == .noSuchFile)
    try write(path, "x")
    #expect(
      errno { () throws(SystemError) in
        _ = try Files.open(path, [.write, .create, .exclusive])
      } == .fileExists)
    #expect(
      errno { () throws(SystemError) in _ = try Files.open(path, [.read, .directory]) }
        == .notDirectory)
    #expect(
      errno { () throws(SystemError) in _ = try Files.open(directory.path, [.write]) }
        == .isDirectory)
  }

  @Test func appendingKeepsWhatIsThere() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path + "/file"
    try write(path, "one ")
    let file = try Files.open(path, [.write, .append])
    try Stream.writeAll(file.rawValue, "two")
    #expect(try Files.contents(path, limitBytes: 100) == Array("one two".utf8))
  }

  @Test func placesAreReadAndWritten() throws {
    let directory = try TemporaryDirectory()
    let file = try Files.open(directory.path + "/file", [.read, .write, .create])
    let fd = file.rawValue
    try Files.allocate(fd, byteCount: 8192)
    #expect(try Files.information(fd).byteCount == 8192)
    let bytes: [UInt8] = [1, 2, 3]
    try unsafe bytes.withUnsafeBytes { raw in try unsafe Files.writeAll(fd, raw, at: 4000) }
    try Files.sync(fd)
    try Files.sync(fd, metadata: true)
    var read = [UInt8](repeating: 0, count: 5)
    let result = try unsafe read.withUnsafeMutableBytes { raw in
      try unsafe Files.read(fd, raw, at: 3999)
    }
    #expect(result == .processed(5) && read == [0, 1, 2, 3, 0])
    try Files.truncate(fd, byteCount: 4001)
    let rest = try unsafe read.withUnsafeMutableBytes { raw in
      try unsafe Files.read(fd, raw, at: 4000)
    }
    #expect(rest == .processed(1))
    let end = try unsafe read.withUnsafeMutableBytes { raw in
      try unsafe Files.read(fd, raw, at: 4001)
    }
    #expect(end == .endOfFile)
  }

  @Test func renamingReplacesInOneStep() throws {
    let directory = try TemporaryDirectory()
    try write(directory.path + "/old", "old")
    try write(directory.path + "/new", "new")
    try Files.rename(directory.path + "/new", to: directory.path + "/old")
    #expect(try Files.list(directory.path) == ["old"])
    #expect(try Files.contents(directory.path + "/old", limitBytes: 10) == Array("new".utf8))
  }

  @Test func namesAreListedInOrder() throws {
    let directory = try TemporaryDirectory()
    for name in ["c", "a", ".hidden", "b"] { try write(directory.path + "/" + name, "") }
    #expect(try Files.list(directory.path) == [".hidden", "a", "b", "c"])
    #expect(
      errno { () throws(SystemError) in _ = try Files.list(directory.path + "/none") }
        == .noSuchFile)
    #expect(
      errno { () throws(SystemError) in _ = try Files.list(directory.path + "/a") }
        == .notDirectory)
  }

  @Test func aPrivateDirectoryIsMadeAndKeptPrivate() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path + "/private"
    try Files.makePrivateDirectory(path)
    #expect(try Files.information(path).mode == 0o700)
    try Files.makePrivateDirectory(path)
    try Files.removeDirectory(path)
    try Files.makeDirectory(path, mode: 0o755)
    #expect(try Files.information(path).mode & 0o077 != 0)
    try Files.makePrivateDirectory(path)
    #expect(try Files.information(path).mode == 0o700)
  }

  @Test func whatIsNoDirectoryOfOursIsRefused() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path + "/private"
    try write(path, "")
    #expect(
      errno { () throws(SystemError) in try Files.makePrivateDirectory(path) } == .notDirectory)
    try Files.remove(path)

    // A link could lead to a directory that others control.
    try Files.makeDirectory(directory.path + "/target")
    var link = try ChildProcess.spawn("ln", ["-s", directory.path + "/target", path])
    #expect(try link.wait(timeoutNs: patienceNs) == .exited(0))
    #expect(
      errno { () throws(SystemError) in try Files.makePrivateDirectory(path) } == .notDirectory)
  }

  @Test(.enabled(if: System.userID == 0, "only root can give a directory away"))
  func aDirectoryOfSomeoneElseIsRefused() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path + "/private"
    try Files.makeDirectory(path)
    var chown = try ChildProcess.spawn("chown", ["12345", path])
    #expect(try chown.wait(timeoutNs: patienceNs) == .exited(0))
    #expect(
      errno { () throws(SystemError) in try Files.makePrivateDirectory(path) }
        == .permissionDenied)
  }

  @Test func aTreeIsRemovedWithoutFollowingLinks() throws {
    let directory = try TemporaryDirectory()
    let tree = directory.path + "/tree"
    try Files.makeDirectory(tree)
    try Files.makeDirectory(tree + "/inner")
    try write(tree + "/inner/file", "x")
    try Files.makeDirectory(directory.path + "/outside")
    try write(directory.path + "/outside/precious", "x")
    var link = try ChildProcess.spawn("ln", ["-s", directory.path + "/outside", tree + "/link"])
    #expect(try link.wait(timeoutNs: patienceNs) == .exited(0))
    #expect(try Files.information(tree + "/link").kind == .link)
    try Files.removeTree(tree)
    try Files.removeTree(tree)
    #expect(try Files.list(directory.path) == ["outside"])
    #expect(try Files.list(directory.path + "/outside") == ["precious"])
  }

  @Test func theRuntimeDirectoryIsInMemory() {
    let base = System.environment("XDG_RUNTIME_DIR")
    if let base, base.hasPrefix("/") {
      #expect(Files.runtimeDirectory == base + "/galleon")
    } else {
      #expect(Files.runtimeDirectory == "/dev/shm/galleon-\(System.userID)")
    }
  }

  @Test func descriptorsAreOwnedOnce() throws {
    let directory = try TemporaryDirectory()
    let file = try Files.open(directory.path + "/file", [.read, .write, .create])
    let copy = try file.duplicate()
    #expect(copy.rawValue != file.rawValue)
    try file.close()
    try Stream.writeAll(copy.rawValue, "still open")
    let number = copy.release()
    // Still open: nobody owned the number for a moment.
    #expect(try Files.information(number).byteCount == 10)
    _ = FileDescriptor(taking: number)
  }
}
