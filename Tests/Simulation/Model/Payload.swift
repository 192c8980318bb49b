/// The bytes of an event: who published it, its number, and bytes that follow from both.
enum Payload {
  static let bytesMin = 8

  static func make(_ event: Model.Event, bytes: Int) -> [UInt8] {
    var out: [UInt8] = []
    out.reserveCapacity(bytes)
    for i in 0..<4 { out.append(UInt8(truncatingIfNeeded: event.publisher >> UInt32(8 * i))) }
    for i in 0..<4 { out.append(UInt8(truncatingIfNeeded: event.number >> UInt32(8 * i))) }
    let seed = UInt8(truncatingIfNeeded: event.publisher &* 31 &+ event.number)
    for i in 8..<max(8, bytes) { out.append(seed &+ UInt8(truncatingIfNeeded: i / 8)) }
    return out
  }

  static func isRight(_ bytes: UnsafeRawBufferPointer, _ event: Model.Event) -> Bool {
    guard bytes.count >= bytesMin else { return false }
    var begin = UInt64(event.publisher) | UInt64(event.number) << 32
    for i in 0..<8 {
      guard unsafe bytes[i] == UInt8(truncatingIfNeeded: begin) else { return false }
      begin >>= 8
    }
    let seed = UInt8(truncatingIfNeeded: event.publisher &* 31 &+ event.number)
    for i in 8..<bytes.count {
      guard unsafe bytes[i] == seed &+ UInt8(truncatingIfNeeded: i / 8) else { return false }
    }
    return true
  }
}

/// Whether a pattern matches a name: the slow and plain way.
func plainlyMatches(_ pattern: String, _ name: String) -> Bool {
  let wanted = pattern.split(separator: ".", omittingEmptySubsequences: false)
  let tokens = name.split(separator: ".", omittingEmptySubsequences: false)
  if wanted.last == ">" {
    return tokens.count >= wanted.count
      && zip(wanted.dropLast(), tokens).allSatisfy { $0 == "*" || $0 == $1 }
  }
  return wanted.count == tokens.count && zip(wanted, tokens).allSatisfy { $0 == "*" || $0 == $1 }
}
