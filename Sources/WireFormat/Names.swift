// Names of topics and patterns: what they may be, and which name a pattern matches. Nothing here
// allocates; the broker matches on its control plane, but once per topic and pattern.

private let dot = UInt8(ascii: ".")
private let star = UInt8(ascii: "*")
private let greater = UInt8(ascii: ">")
private let dollar = UInt8(ascii: "$")

/// Whether the bytes are a topic's name that a client may use.
///
/// - Parameter allowReserved: also names that begin with `$`, which are the broker's own.
@unsafe
public func isValidTopicName(
  _ bytes: UnsafeRawBufferPointer, allowReserved: Bool = false
) -> Bool {
  guard let first = unsafe bytes.first, allowReserved || first != dollar else { return false }
  return unsafe isValidName(bytes, wildcards: false)
}

/// Whether the bytes are a pattern. Every name is one.
@unsafe
public func isValidPattern(_ bytes: UnsafeRawBufferPointer) -> Bool {
  unsafe isValidName(bytes, wildcards: true)
}

/// Whether a valid pattern matches a valid name, both as bytes.
@unsafe
public func patternMatches(
  pattern: UnsafeRawBufferPointer, name: UnsafeRawBufferPointer
) -> Bool {
  // The broker's own names are seen by patterns that name them, not by `*` and `>`.
  if unsafe name.first == dollar, unsafe pattern.first != dollar { return false }
  var p = 0
  var n = 0
  while p < pattern.count {
    let byte = unsafe pattern[p]
    if byte == greater { return n < name.count }
    if byte == star {
      guard n < name.count else { return false }
      p += 1
      while n < name.count, unsafe name[n] != dot { n += 1 }
    } else {
      while p < pattern.count, unsafe pattern[p] != dot {
        guard n < name.count, unsafe pattern[p] == name[n] else { return false }
        p += 1
        n += 1
      }
    }
    // Both tokens must end here; a dot on one side needs one on the other.
    if p == pattern.count { return n == name.count }
    guard n < name.count, unsafe name[n] == dot else { return false }
    p += 1
    n += 1
  }
  return n == name.count
}

/// One walk over the bytes that checks size, tokens, UTF-8 and characters.
@unsafe
private func isValidName(_ bytes: UnsafeRawBufferPointer, wildcards: Bool) -> Bool {
  guard let base = bytes.baseAddress, bytes.count >= 1,
    bytes.count <= WireLimits.topicNameBytesMax
  else { return false }
  let count = bytes.count
  var at = 0
  var tokens = 0
  while true {
    // One token, from `at` to a dot or the end.
    let start = at
    var wild: UInt8 = 0
    while at < count {
      let byte = unsafe base.loadUInt8(at)
      if byte == dot { break }
      if byte == star || byte == greater {
        wild = byte
      } else if byte == 0x20 {
        return false
      }
      let length = unsafe characterLength(base, at: at, end: count)
      guard length > 0, unsafe !isControl(base, at: at, length: length) else { return false }
      at += length
    }
    tokens += 1
    guard at > start, tokens <= WireLimits.topicTokensMax else { return false }
    if wild != 0 {
      // A wildcard is a token of its own, and `>` the last one.
      guard wildcards, at - start == 1, wild == star || at == count else { return false }
    }
    if at == count { return true }
    at += 1
  }
}

// MARK: - Strings

extension String {
  /// Whether this is a topic's name that a client may use.
  public var isValidTopicName: Bool {
    unsafe withUTF8Bytes { unsafe WireFormat.isValidTopicName($0) }
  }

  /// Whether this is a pattern.
  public var isValidPattern: Bool {
    unsafe withUTF8Bytes { unsafe WireFormat.isValidPattern($0) }
  }

  /// Whether this, a valid pattern, matches a valid name.
  public func matches(topicName name: String) -> Bool {
    unsafe withUTF8Bytes { pattern in
      unsafe name.withUTF8Bytes { unsafe patternMatches(pattern: pattern, name: $0) }
    }
  }

  /// The string's bytes, copied only where they are not contiguous already.
  private func withUTF8Bytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
    var copy = self
    return copy.withUTF8 { unsafe body(UnsafeRawBufferPointer($0)) }
  }
}
