import CKernel

/// Why a text is not an address. Each description is one sentence for the operator.
public enum AddressError: Error, Equatable, Sendable {
  case empty
  case missingPort(String)
  case badPort(String)
  case badHost(String)
  /// More than one colon outside brackets.
  case bracketsMissing(String)
  case pathTooLong(String)
  /// The resolver's reason follows the name.
  case notFound(String, String)
}

extension AddressError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .empty:
      "the address is empty; write host:port or a path"
    case .missingPort(let text):
      "\"\(text)\" has no port; write host:port"
    case .badPort(let port):
      "\"\(port)\" is not a port (0 to 65535)"
    case .badHost(let host):
      "\"\(host)\" is not a host name or an IP address"
    case .bracketsMissing(let text):
      "\"\(text)\" has several colons; write an IPv6 address as [host]:port"
    case .pathTooLong(let path):
      "the socket path \"\(path)\" is longer than \(SocketAddress.pathBytesMax) bytes"
    case .notFound(let name, let reason):
      "the host \"\(name)\" was not found: \(reason)"
    }
  }
}

extension SocketAddress {
  /// At most so many addresses of one name are looked at.
  private static let resolvedMax = 16

  /// Reads "127.0.0.1:4747", "[::1]:0", "localhost:4747", ":4747" (every IPv4 interface),
  /// "/run/galleon.sock" or "unix:galleon.sock". Of a name's addresses it takes the first.
  ///
  /// A name, and only a name, asks the resolver, which may wait for the network.
  public init(parsing text: String, defaultPort: UInt16? = nil) throws(AddressError) {
    self = try SocketAddress.resolve(text, defaultPort: defaultPort)[0]
  }

  /// All addresses that a text stands for, at least one, in the order to try them.
  public static func resolve(
    _ text: String, defaultPort: UInt16? = nil
  ) throws(AddressError) -> [SocketAddress] {
    if text.isEmpty { throw .empty }
    // A zero byte would end the C string early and name something else.
    if text.utf8.contains(0) { throw .badHost(text) }
    if text.hasPrefix("unix:") { return [try path(String(text.dropFirst(5)))] }
    if text.utf8.contains(UInt8(ascii: "/")) { return [try path(text)] }
    if text.hasPrefix("[") { return [try bracketed(text, defaultPort)] }

    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    if parts.count > 2 { throw .bracketsMissing(text) }
    let host = String(parts[0])
    let port = try port(parts.count == 2 ? String(parts[1]) : nil, defaultPort, text)
    if host.isEmpty { return [.ipv4(.any, port: port)] }
    var number: UInt32 = 0
    if unsafe ck_parse_ipv4(host, &number) != 0 {
      return [.ipv4(IPv4Host(number: number), port: port)]
    }
    guard isName(host) else { throw .badHost(host) }
    return try named(host, port)
  }

  private static func path(_ path: String) throws(AddressError) -> SocketAddress {
    if path.isEmpty { throw .empty }
    if path.utf8.count > pathBytesMax { throw .pathTooLong(path) }
    return .unix(path: path)
  }

  private static func port(
    _ text: String?, _ defaultPort: UInt16?, _ whole: String
  ) throws(AddressError) -> UInt16 {
    guard let text else {
      guard let defaultPort else { throw .missingPort(whole) }
      return defaultPort
    }
    // UInt16 alone would also read a sign.
    let digits = text.utf8.allSatisfy { $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }
    guard digits, text.utf8.count <= 5, let port = UInt16(text) else { throw .badPort(text) }
    return port
  }

  private static func bracketed(
    _ text: String, _ defaultPort: UInt16?
  ) throws(AddressError) -> SocketAddress {
    guard let end = text.firstIndex(of: "]") else { throw .badHost(text) }
    let inside = text[text.index(after: text.startIndex)..<end]
    let rest = text[text.index(after: end)...]
    guard rest.isEmpty || rest.hasPrefix(":") else { throw .badHost(text) }
    let port = try port(rest.isEmpty ? nil : String(rest.dropFirst()), defaultPort, text)
    return .ipv6(try ipv6(String(inside)), port: port)
  }

  private static func ipv6(_ text: String) throws(AddressError) -> IPv6Host {
    let parts = text.split(separator: "%", maxSplits: 1, omittingEmptySubsequences: false)
    var scope: UInt32 = 0
    if parts.count == 2 {
      // An interface is named by its number or its name.
      let name = String(parts[1])
      scope = unsafe UInt32(name) ?? ck_interface_index(name)
      guard scope != 0 else { throw .badHost(text) }
    }
    var bytes: (UInt64, UInt64) = (0, 0)
    let valid = unsafe withUnsafeMutableBytes(of: &bytes) { raw -> Bool in
      guard let start = unsafe raw.bindMemory(to: UInt8.self).baseAddress else { return false }
      return unsafe ck_parse_ipv6(String(parts[0]), start) != 0
    }
    guard valid else { throw .badHost(text) }
    return IPv6Host(
      high: UInt64(bigEndian: bytes.0), low: UInt64(bigEndian: bytes.1), scope: scope)
  }

  /// Letters, digits, dots and dashes, and not made of digits and dots alone: that is a mistyped
  /// number, which some resolvers would read in surprising ways ("127.1").
  private static func isName(_ text: String) -> Bool {
    var hasLetter = false
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "-"), UInt8(ascii: "_"):
        hasLetter = true
      case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."):
        continue
      default:
        return false
      }
    }
    return hasLetter && text.utf8.count <= 253
  }

  private static func named(
    _ name: String, _ port: UInt16
  ) throws(AddressError) -> [SocketAddress] {
    var found = [ck_address](repeating: ck_address(), count: resolvedMax)
    var reason: Int32 = 0
    let count = unsafe ck_resolve(name, port, &found, resolvedMax, &reason)
    guard count >= 0 else {
      throw .notFound(name, unsafe String(cString: ck_resolve_message(reason)))
    }
    guard count > 0 else { throw .notFound(name, "it has no IP address") }
    return found.prefix(count).map { SocketAddress(native: $0) }
  }
}
