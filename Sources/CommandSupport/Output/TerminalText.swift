/// Bytes from strangers, made fit for a terminal: no escape sequence, no line break and no change
/// of the writing direction gets through, and what was there can still be read.
public enum TerminalText {
  /// Appends the bytes. Control characters become \n, \r, \t or \x1b; bytes that are not UTF-8
  /// become \xff; other invisible controls become \u{202e}; a backslash becomes \\.
  public static func append(_ bytes: ArraySlice<UInt8>, to output: inout [UInt8]) {
    var walk = UTF8Walk<PlainOnTerminal>(bytes)
    while let step = walk.next() {
      switch step {
      case .plain(let range): output += bytes[range]
      case .invalid(let byte): appendHex(byte, to: &output)
      case .scalar(let scalar, let range):
        switch scalar.value {
        case 0x5C: output += "\\\\".utf8
        case 0x0A: output += "\\n".utf8
        case 0x0D: output += "\\r".utf8
        case 0x09: output += "\\t".utf8
        case 0..<0x20, 0x7F: appendHex(UInt8(scalar.value), to: &output)
        case _ where isHidden(scalar):
          output += "\\u{\(String(scalar.value, radix: 16))}".utf8
        default: output += bytes[range]
        }
      }
    }
  }

  /// The same as a string, at most this many characters, the last one an ellipsis where it was cut.
  public static func text(_ text: String, max limit: Int = .max) -> String {
    var bytes: [UInt8] = []
    append(Array(text.utf8)[...], to: &bytes)
    let shown = String(decoding: bytes, as: UTF8.self)
    if shown.count <= limit { return shown }
    return limit < 1 ? "" : shown.prefix(limit - 1) + "…"
  }

  /// Controls beyond ASCII: C1 (terminals obey some of them), line and paragraph separators, and
  /// the marks that turn the writing direction or show nothing at all.
  static func isHidden(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x80...0x9F, 0xAD, 0x61C, 0x200B...0x200F, 0x2028...0x202E, 0x2060...0x206F, 0xFEFF,
      0xFFF9...0xFFFB, 0xE0000...0xE007F:
      true
    default: false
    }
  }

  private static func appendHex(_ byte: UInt8, to output: inout [UInt8]) {
    output += "\\x".utf8
    output.append(hexDigit(byte >> 4))
    output.append(hexDigit(byte & 15))
  }

  static func hexDigit(_ value: UInt8) -> UInt8 {
    value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
  }
}

/// Which ASCII characters stand for themselves. A type and not a closure, so that the walk is made
/// for each rule.
protocol PlainRule {
  static func isPlain(_ byte: UInt8) -> Bool
}

private enum PlainOnTerminal: PlainRule {
  @inline(__always)
  static func isPlain(_ byte: UInt8) -> Bool { byte >= 0x20 && byte < 0x7F && byte != 0x5C }
}

/// Walks through bytes that may be UTF-8, with runs of plain characters in one step.
struct UTF8Walk<Rule: PlainRule> {
  enum Step {
    /// ASCII that needs no looking at.
    case plain(Range<Int>)
    case scalar(Unicode.Scalar, Range<Int>)
    case invalid(UInt8)
  }

  private let bytes: ArraySlice<UInt8>
  private var index: Int

  @inline(__always)
  init(_ bytes: ArraySlice<UInt8>) {
    self.bytes = bytes
    index = bytes.startIndex
  }

  @inline(__always)
  mutating func next() -> Step? {
    let start = index
    while index < bytes.endIndex, Rule.isPlain(bytes[index]) { index += 1 }
    if index > start { return .plain(start..<index) }
    return index == bytes.endIndex ? nil : scalar()
  }

  private mutating func scalar() -> Step {
    let start = index
    let first = bytes[index]
    index += 1
    if first < 0x80 { return .scalar(Unicode.Scalar(first), start..<index) }
    let more: Int
    let least: UInt32
    switch first {
    case 0xC2...0xDF: (more, least) = (1, 0x80)
    case 0xE0...0xEF: (more, least) = (2, 0x800)
    case 0xF0...0xF4: (more, least) = (3, 0x10000)
    default: return .invalid(first)
    }
    var value = UInt32(first) & (0x3F >> UInt32(more))
    var end = index
    for _ in 0..<more {
      guard end < bytes.endIndex, bytes[end] & 0xC0 == 0x80 else { return .invalid(first) }
      value = value << 6 | UInt32(bytes[end] & 0x3F)
      end += 1
    }
    // Scalar refuses surrogates and what lies beyond U+10FFFF.
    guard value >= least, let scalar = Unicode.Scalar(value) else { return .invalid(first) }
    index = end
    return .scalar(scalar, start..<end)
  }
}
