import CommandSupport
import LinuxIO

/// The terminal's other screen with the cursor hidden; the first one is back when this value goes.
struct StatsScreen: ~Copyable {
  private let keys: KeyReader?

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

  /// Whether a key was pressed that means the end.
  func endKeyPressed() -> Bool { keys?.endKeyPressed() ?? false }

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

  init() throws(SystemError) {
    // Ctrl-C is a key here, and Ctrl-Z none: it would leave the shell with our screen.
    terminal = try RawTerminal(Stream.standardInput, signalKeys: false)
  }

  func endKeyPressed() -> Bool {
    var byte: UInt8 = 0
    var isEnd = false
    while true {
      let result = unsafe withUnsafeMutableBytes(of: &byte) { buffer in
        try? unsafe Stream.read(Stream.standardInput, buffer)
      }
      guard case .processed = result else { return isEnd || result == .endOfFile }
      // q, Q, Ctrl-C, Ctrl-D.
      if [0x71, 0x51, 0x03, 0x04].contains(byte) { isEnd = true }
    }
  }
}
