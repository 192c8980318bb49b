import LinuxIO
import Testing

@Suite struct StreamTests {
  /// Closes both ends.
  private struct Pipe: ~Copyable {
    let reading: FileDescriptor
    let writing: FileDescriptor

    init() throws {
      let ends = try Stream.pipe()
      reading = FileDescriptor(taking: ends.reading)
      writing = FileDescriptor(taking: ends.writing)
    }
  }

  @Test func linesAreCutWhereTheyEnd() throws {
    let ends = try Stream.pipe()
    let reading = FileDescriptor(taking: ends.reading)
    let writing = FileDescriptor(taking: ends.writing)
    var lines = LineReader(reading.rawValue)
    try Stream.writeAll(writing.rawValue, "one\n\nthr")
    #expect(try lines.nextText(timeoutNs: patienceNs) == "one")
    #expect(try lines.nextText(timeoutNs: patienceNs) == "")
    #expect(throws: SystemError(.timedOut, "read")) {
      try lines.nextText(timeoutNs: 5_000_000)
    }
    try Stream.writeAll(writing.rawValue, "ee\nwithout an end")
    #expect(try lines.nextText(timeoutNs: patienceNs) == "three")
    try writing.close()
    #expect(try lines.nextText(timeoutNs: patienceNs) == "without an end")
    #expect(try lines.nextText(timeoutNs: patienceNs) == nil)
    #expect(try lines.nextText(timeoutNs: patienceNs) == nil)
  }

  @Test func aLineHasALimit() throws {
    let pipe = try Pipe()
    var lines = LineReader(pipe.reading.rawValue, lineBytesMax: 10)
    try Stream.writeAll(pipe.writing.rawValue, "0123456789\n0123456789X")
    #expect(try lines.nextText(timeoutNs: patienceNs) == "0123456789")
    #expect(throws: SystemError(.fileTooLarge, "read")) {
      try lines.nextText(timeoutNs: patienceNs)
    }
  }

  /// More than a pipe holds, through a writing end that does not wait by itself.
  @Test(arguments: [BlockingMode.blocking, .nonBlocking])
  func writingWaitsForTheReader(mode: BlockingMode) throws {
    let ends = try Stream.pipe()
    let writing = FileDescriptor(taking: ends.writing)
    try Socket.setMode(mode, on: writing.rawValue)
    let text = String(repeating: "0123456789abcde\n", count: 20_000)
    let reader = try Thread.spawn(name: "reader") {
      defer { Socket.close(ends.reading) }
      var lines = LineReader(ends.reading)
      var count = 0
      while let line = try? lines.nextText(timeoutNs: patienceNs) {
        if line != "0123456789abcde" { Issue.record("a wrong line: \(line)") }
        count += 1
      }
      if count != 20_000 { Issue.record("\(count) lines") }
    }
    try Stream.writeAll(writing.rawValue, text)
    try writing.close()
    reader.join()
  }

  /// Started with a closed output, the command must say so and not die of it.
  @Test func aClosedStandardStreamIsAnError() async {
    await #expect(processExitsWith: .success) {
      let (one, other) = try Socket.pair()
      Socket.close(one)
      Socket.close(other)
      do throws(SystemError) {
        try Stream.writeAll(one, "x")
        preconditionFailure("it is closed")
      } catch {
        precondition(error == SystemError(.badFileDescriptor, "write"))
      }
    }
  }

  @Test func aPipeIsNoTerminal() throws {
    let pipe = try Pipe()
    #expect(!Terminal.isTerminal(pipe.reading.rawValue))
    #expect(Terminal.size(pipe.reading.rawValue) == nil)
    #expect(throws: SystemError(.notTerminal, "tcsetattr")) {
      _ = try RawTerminal(pipe.reading.rawValue)
    }
  }
}
