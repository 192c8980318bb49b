import LinuxIO

/// Where the demo shows how it goes: the whole terminal, drawn anew every second in the size it has
/// then; or, where there is none, a line every few seconds; or nothing.
struct Screen: ~Copyable {
  enum Kind {
    case terminal
    case lines
    case nothing
  }

  let kind: Kind
  private var earlier: Reading?
  private var isOpen = false

  init(isSilent: Bool) {
    kind =
      isSilent ? .nothing : Terminal.isTerminal(Stream.standardOutput) ? .terminal : .lines
  }

  /// Time between two drawings.
  var intervalNs: UInt64 { kind == .terminal ? 1_000_000_000 : 5_000_000_000 }

  mutating func show(_ reading: Reading, _ facts: HuntFacts) {
    switch kind {
    case .nothing: break
    case .lines:
      write(LiveTable.line(reading, since: earlier, hunt: facts) + "\n")
    case .terminal:
      if !isOpen {
        // The terminal's other screen, without a cursor: what was there before comes back.
        write("\u{1B}[?1049h\u{1B}[?25l")
        isOpen = true
      }
      let size = Terminal.size(Stream.standardOutput) ?? (columns: 80, rows: 24)
      let lines = LiveTable.lines(reading, since: earlier, hunt: facts, width: size.columns)
      // Drawn over what was there, so that nothing flickers.
      let body = lines.prefix(size.rows).map { $0 + "\u{1B}[K" }.joined(separator: "\r\n")
      write("\u{1B}[H" + body + "\u{1B}[J")
    }
    earlier = reading
  }

  mutating func close() {
    if isOpen { write("\u{1B}[?25h\u{1B}[?1049l") }
    isOpen = false
  }

  /// The hunt goes on where nobody looks any more.
  private func write(_ text: String) { try? Stream.writeAll(Stream.standardOutput, text) }

  deinit {
    if isOpen { try? Stream.writeAll(Stream.standardOutput, "\u{1B}[?25h\u{1B}[?1049l") }
  }
}
