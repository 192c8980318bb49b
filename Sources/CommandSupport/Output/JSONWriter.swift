/// Writes JSON into bytes, one value after another. What it writes is ASCII and UTF-8 without any
/// control character, so that it can be shown on a terminal as it is.
public struct JSONWriter: Sendable {
  public private(set) var bytes: [UInt8] = []
  private var needsComma = false

  public init() {}

  /// Forgets what was written and keeps the memory.
  public mutating func removeAll() {
    bytes.removeAll(keepingCapacity: true)
    needsComma = false
  }

  public var text: String { String(decoding: bytes, as: UTF8.self) }

  /// Ends a line of a stream of values.
  public mutating func endLine() {
    bytes.append(UInt8(ascii: "\n"))
    needsComma = false
  }

  // MARK: Structure

  public mutating func object(_ body: (inout JSONWriter) -> Void) {
    open("{")
    body(&self)
    close("}")
  }

  public mutating func array(_ body: (inout JSONWriter) -> Void) {
    open("[")
    body(&self)
    close("]")
  }

  public mutating func object(_ name: String, _ body: (inout JSONWriter) -> Void) {
    key(name)
    object(body)
  }

  public mutating func array(_ name: String, _ body: (inout JSONWriter) -> Void) {
    key(name)
    array(body)
  }

  private mutating func open(_ bracket: Unicode.Scalar) {
    comma()
    bytes.append(UInt8(ascii: bracket))
    needsComma = false
  }

  private mutating func close(_ bracket: Unicode.Scalar) {
    bytes.append(UInt8(ascii: bracket))
    needsComma = true
  }

  private mutating func comma() {
    if needsComma { bytes.append(UInt8(ascii: ",")) }
  }

  private mutating func key(_ name: String) {
    value(name)
    bytes.append(UInt8(ascii: ":"))
    needsComma = false
  }

  // MARK: Members of an object

  public mutating func field(_ name: String, _ text: String?) {
    key(name)
    if let text { value(text) } else { null() }
  }

  public mutating func field(_ name: String, _ number: UInt64?) {
    key(name)
    if let number { value(number) } else { null() }
  }

  public mutating func field(_ name: String, _ number: Int) {
    key(name)
    raw("\(number)")
  }

  /// A time in RFC 3339, from nanoseconds since the Unix epoch.
  public mutating func field(_ name: String, timeNs: UInt64) {
    key(name)
    quoted { RFC3339.append(ns: timeNs, to: &$0) }
  }

  /// Infinities and what is no number have no place in JSON and become null.
  public mutating func field(_ name: String, _ number: Double?) {
    key(name)
    if let number, number.isFinite { raw("\(number)") } else { null() }
  }

  public mutating func field(_ name: String, _ flag: Bool) {
    key(name)
    raw(flag ? "true" : "false")
  }

  /// Bytes as text where they are UTF-8, and else as Base64 in a member with the name given for it.
  public mutating func field(
    _ name: String, orBase64 otherName: String, _ content: ArraySlice<UInt8>
  ) {
    let start = bytes.count
    let comma = needsComma
    key(name)
    if string(content) { return }
    bytes.removeSubrange(start...)
    needsComma = comma
    key(otherName)
    bytes.append(UInt8(ascii: "\""))
    Base64.append(content, to: &bytes)
    bytes.append(UInt8(ascii: "\""))
    needsComma = true
  }

  // MARK: Values

  public mutating func value(_ text: String) {
    // Names, and nearly all topics: no copy.
    if text.utf8.allSatisfy(PlainInJSON.isPlain) {
      quoted { $0 += text.utf8 }
    } else {
      let isWhole = string(Array(text.utf8)[...])
      precondition(isWhole, "a string is UTF-8")
    }
  }

  public mutating func value(_ number: UInt64) {
    comma()
    needsComma = true
    Decimal.append(number, to: &bytes)
  }

  /// Infinities and what is no number have no place in JSON and become null.
  public mutating func number(_ number: Double) { raw(number.isFinite ? "\(number)" : "null") }

  public mutating func null() { raw("null") }

  private mutating func raw(_ text: String) {
    comma()
    bytes += text.utf8
    needsComma = true
  }

  /// A string of characters that need no escaping.
  @inline(__always)
  private mutating func quoted(_ body: (inout [UInt8]) -> Void) {
    comma()
    needsComma = true
    bytes.append(UInt8(ascii: "\""))
    body(&bytes)
    bytes.append(UInt8(ascii: "\""))
  }

  /// Appends a string; false, with something appended, where the bytes are not UTF-8.
  private mutating func string(_ content: ArraySlice<UInt8>) -> Bool {
    comma()
    needsComma = true
    bytes.append(UInt8(ascii: "\""))
    var walk = UTF8Walk<PlainInJSON>(content)
    while let step = walk.next() {
      switch step {
      case .plain(let range): bytes += content[range]
      case .invalid: return false
      case .scalar(let scalar, let range): escaped(scalar, content[range])
      }
    }
    bytes.append(UInt8(ascii: "\""))
    return true
  }

  private mutating func escaped(_ scalar: Unicode.Scalar, _ encoded: ArraySlice<UInt8>) {
    switch scalar.value {
    case 0x22: bytes += "\\\"".utf8
    case 0x5C: bytes += "\\\\".utf8
    case 0x0A: bytes += "\\n".utf8
    case 0x0D: bytes += "\\r".utf8
    case 0x09: bytes += "\\t".utf8
    case 0..<0x20, 0x7F: unicodeEscape(scalar.value)
    case _ where TerminalText.isHidden(scalar): escapeHidden(scalar)
    default: bytes += encoded
    }
  }

  private mutating func escapeHidden(_ scalar: Unicode.Scalar) {
    for unit in UTF16.encode(scalar)! { unicodeEscape(UInt32(unit)) }
  }

  private mutating func unicodeEscape(_ value: UInt32) {
    bytes += "\\u".utf8
    for shift in [12, 8, 4, 0] as [UInt32] {
      bytes.append(TerminalText.hexDigit(UInt8(truncatingIfNeeded: value >> shift) & 15))
    }
  }
}

private enum PlainInJSON: PlainRule {
  @inline(__always)
  static func isPlain(_ byte: UInt8) -> Bool {
    byte >= 0x20 && byte < 0x7F && byte != 0x22 && byte != 0x5C
  }
}
