import LinuxIO
import Testing

@Suite struct ChildProcessTests {
  @Test(arguments: [Int32(0), 1, 77])
  func theExitCodeIsKnown(code: Int32) throws {
    var child = try ChildProcess.spawn("/bin/sh", ["-c", "exit \(code)"])
    #expect(try child.wait(timeoutNs: patienceNs) == .exited(code))
    #expect(try child.wait() == .exited(code), "the answer stays")
  }

  @Test func outputAndErrorAreSeparate() throws {
    var child = try ChildProcess.spawn(
      "/bin/sh", ["-c", "echo to output; echo to error >&2"], output: .pipe, error: .pipe)
    var output = LineReader(try present(child.output))
    var error = LineReader(try present(child.error))
    #expect(try output.nextText(timeoutNs: patienceNs) == "to output")
    #expect(try output.nextText(timeoutNs: patienceNs) == nil)
    #expect(try error.nextText(timeoutNs: patienceNs) == "to error")
    #expect(try error.nextText(timeoutNs: patienceNs) == nil)
    #expect(try child.wait(timeoutNs: patienceNs) == .exited(0))
  }

  @Test func inputIsGivenAndEnded() throws {
    var child = try ChildProcess.spawn("cat", input: .pipe, output: .pipe)
    let input = try present(child.input)
    var output = LineReader(try present(child.output))
    try Stream.writeAll(input, "hello\n")
    #expect(try output.nextText(timeoutNs: patienceNs) == "hello")
    child.closeInput()
    #expect(try output.nextText(timeoutNs: patienceNs) == nil)
    #expect(try child.wait(timeoutNs: patienceNs) == .exited(0))
  }

  @Test func withoutAPipeInputIsEmpty() throws {
    var child = try ChildProcess.spawn("cat", output: .pipe)
    var output = LineReader(try present(child.output))
    #expect(try output.nextText(timeoutNs: patienceNs) == nil)
    #expect(try child.wait(timeoutNs: patienceNs) == .exited(0))
  }

  @Test func argumentsArriveAsTheyAre() throws {
    let arguments = ["", "two words", "$HOME", "\u{00fc}"]
    var child = try ChildProcess.spawn("printf", ["%s|"] + arguments, output: .pipe)
    var output = LineReader(try present(child.output))
    #expect(
      try output.nextText(timeoutNs: patienceNs) == arguments.map { $0 + "|" }.joined())
    #expect(try child.wait(timeoutNs: patienceNs) == .exited(0))
  }

  @Test func theEnvironmentIsReplacedWhenGiven() throws {
    var child = try ChildProcess.spawn(
      "/bin/sh", ["-c", "echo $GALLEON_TEST-$HOME"], environment: ["GALLEON_TEST=yes"],
      output: .pipe)
    var output = LineReader(try present(child.output))
    #expect(try output.nextText(timeoutNs: patienceNs) == "yes-")
    #expect(try child.wait(timeoutNs: patienceNs) == .exited(0))
  }

  @Test func outputGoesToADescriptorOfOurs() throws {
    let directory = try TemporaryDirectory()
    let file = try Files.open(directory.path + "/file", [.write, .create])
    var child = try ChildProcess.spawn(
      "/bin/sh", ["-c", "echo one; echo two >&2"], output: .descriptor(file.rawValue),
      error: .descriptor(file.rawValue))
    #expect(try child.wait(timeoutNs: patienceNs) == .exited(0))
    #expect(
      try Files.contents(directory.path + "/file", limitBytes: 100) == Array("one\ntwo\n".utf8))
  }

  @Test func aMissingProgramIsNotFound() {
    #expect(
      errno { () throws(SystemError) in _ = try ChildProcess.spawn("/nonexistent/program") }
        == .noSuchFile)
    #expect(
      errno { () throws(SystemError) in _ = try ChildProcess.spawn("no-such-program-at-all") }
        == .noSuchFile)
  }

  @Test func aChildThatRunsIsNotOverAndCanBeStopped() throws {
    var child = try ChildProcess.spawn("sleep", ["100"])
    #expect(try child.wait(timeoutNs: 5_000_000) == nil)
    #expect(System.isAlive(processID: child.processID))
    try child.send(.terminate)
    #expect(try child.wait(timeoutNs: patienceNs) == .signalled(.terminate))
    #expect(!System.isAlive(processID: child.processID))
    // Its number may belong to another process now; nothing is sent.
    try child.send(.kill)
  }

  @Test func aForgottenChildIsKilledAndReaped() throws {
    let child = try ChildProcess.spawn("sleep", ["100"])
    let processID = child.processID
    _ = consume child
    #expect(!System.isAlive(processID: processID))
  }

  /// The child has its three standard streams and the directory it reads, and nothing of ours.
  @Test func noDescriptorOfOursReachesTheChild() throws {
    let connection = try Connection()
    let epoll = try Epoll()
    let wakeup = try EventFD()
    let directory = try TemporaryDirectory()
    let file = try Files.open(directory.path + "/file", [.write, .create])
    var child = try ChildProcess.spawn("ls", ["/proc/self/fd"], output: .pipe)
    var output = LineReader(try present(child.output))
    var numbers: Set<String> = []
    while let number = try output.nextText(timeoutNs: patienceNs) { numbers.insert(number) }
    #expect(try child.wait(timeoutNs: patienceNs) == .exited(0))
    for ours in [
      connection.client, connection.server, epoll.rawValue, wakeup.rawValue, file.rawValue,
    ] where ours > 3 {
      #expect(!numbers.contains("\(ours)"))
    }
    #expect(numbers.isSuperset(of: ["0", "1", "2"]))
  }
}
