import LinuxIO
import Testing

@Suite struct TerminalTests {
  @Test func aTerminalIsRecognisedAndMeasured() throws {
    let pseudo = try PseudoTerminal(columns: 132, rows: 43)
    let fd = pseudo.terminal.rawValue
    #expect(Terminal.isTerminal(fd))
    let first = try #require(Terminal.size(fd))
    #expect(first == (132, 43))
    try pseudo.resize(columns: 80, rows: 24)
    let second = try #require(Terminal.size(fd))
    #expect(second == (80, 24))
    try pseudo.resize(columns: 0, rows: 0)
    #expect(Terminal.size(fd) == nil, "a size of zero is no size")
  }

  @Test func rawKeysArriveAloneAndUnechoed() throws {
    let pseudo = try PseudoTerminal(columns: 80, rows: 24)
    let (keyboard, fd) = (pseudo.screen.rawValue, pseudo.terminal.rawValue)
    do {
      let raw = try RawTerminal(fd)
      try Stream.writeAll(keyboard, "q")
      #expect(try Poll.wait(fd, for: .readable, timeoutNs: patienceNs))
      var byte: [UInt8] = [0]
      let result = try unsafe byte.withUnsafeMutableBytes { try unsafe Stream.read(fd, $0) }
      #expect(result == .processed(1) && byte == [UInt8(ascii: "q")])
      #expect(try !Poll.wait(keyboard, for: .readable, timeoutNs: 0), "no echo")
      _ = consume raw
    }
    // As before: a key is shown, and only a whole line can be read.
    try Stream.writeAll(keyboard, "x")
    var lines = LineReader(keyboard)
    #expect(try Poll.wait(keyboard, for: .readable, timeoutNs: patienceNs))
    #expect(try !Poll.wait(fd, for: .readable, timeoutNs: 0))
    try Stream.writeAll(keyboard, "yz\n")
    #expect(try lines.nextText(timeoutNs: patienceNs) == "xyz\r")
    var typed = LineReader(fd)
    #expect(try typed.nextText(timeoutNs: patienceNs) == "xyz")
  }
}
