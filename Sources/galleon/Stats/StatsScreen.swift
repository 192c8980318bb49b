import CommandSupport
import LinuxIO

/// The terminal's other screen with the cursor hidden; the first one is back when this value goes.
struct StatsScreen: ~Copyable {
  /// Nil where there is no keyboard.
  let keys: KeyReader?

  init() throws(CommandFailure) {
    // Without a keyboard there is still the screen.
    keys = try? KeyReader()
    try Console.write("\u{1B}[?1049h\u{1B}[?25l")
  }

  deinit {
    // A terminal that has gone needs no restoring.
    try? Console.write("\u{1B}[?25h\u{1B}[?1049l")
  }

  /// The descriptor that becomes readable when a key is pressed.
  var keyboard: Int32? { keys == nil ? nil : Stream.standardInput }

  /// Draws over what was there, so that nothing flickers.
  func show(_ lines: [String]) throws(CommandFailure) {
    let body = lines.map { $0 + "\u{1B}[K" }.joined(separator: "\r\n")
    try Console.write("\u{1B}[H" + body + "\u{1B}[J")
  }

  static var size: (columns: Int, rows: Int) {
    Terminal.size(Stream.standardOutput) ?? (columns: 80, rows: 24)
  }
}

/// Reads single keys from standard input, which is put back when this object goes.
final class KeyReader {
  private let terminal: RawTerminal
  private var isEnd = false

  init() throws(SystemError) {
    // Ctrl-C is a key here, and Ctrl-Z none: it would leave the shell with our screen.
    terminal = try RawTerminal(Stream.standardInput, signalKeys: false)
  }

  /// Whether a key was pressed that means the end, now or when this was asked before: a key that
  /// was read is nowhere else.
  func endKeyPressed() -> Bool {
    var byte: UInt8 = 0
    // Reading from a raw terminal without a key looks like its end.
    while !isEnd, (try? Poll.wait(Stream.standardInput, for: .readable, timeoutNs: 0)) == true {
      let result = unsafe withUnsafeMutableBytes(of: &byte) { buffer in
        try? unsafe Stream.read(Stream.standardInput, buffer)
      }
      guard case .processed = result else {
        isEnd = result == .endOfFile
        break
      }
      // q, Q, Ctrl-C, Ctrl-D.
      isEnd = [0x71, 0x51, 0x03, 0x04].contains(byte)
    }
    return isEnd
  }
}
