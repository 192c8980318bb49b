import CKernel

/// Where a stream socket listens or connects to.
public enum SocketAddress: Hashable, Sendable {
  case ipv4(IPv4Host, port: UInt16)
  case ipv6(IPv6Host, port: UInt16)
  /// A path in the file system; empty for a peer without a name.
  case unix(path: String)

  /// IPv4 on this machine only.
  public static func loopback(port: UInt16) -> SocketAddress {
    .ipv4(.loopback, port: port)
  }

  /// Nil for a path.
  public var port: UInt16? {
    switch self {
    case .ipv4(_, let port), .ipv6(_, let port): port
    case .unix: nil
    }
  }

  public var isUnix: Bool {
    if case .unix = self { true } else { false }
  }

  /// The most bytes of a socket's path (the kernel's 108 without the terminator).
  public static var pathBytesMax: Int { ck_address_path_max() }
}

/// An IPv4 address as a number: 127.0.0.1 is 0x7F000001.
public struct IPv4Host: Hashable, Sendable {
  public let number: UInt32

  public init(number: UInt32) { self.number = number }

  public static var any: IPv4Host { IPv4Host(number: 0) }
  public static var loopback: IPv4Host { IPv4Host(number: 0x7F00_0001) }
}

/// An IPv6 address: the two halves of the number, and the interface for link-local ones (0: none).
public struct IPv6Host: Hashable, Sendable {
  public let high: UInt64
  public let low: UInt64
  public let scope: UInt32

  public init(high: UInt64, low: UInt64, scope: UInt32 = 0) {
    self.high = high
    self.low = low
    self.scope = scope
  }

  public static var any: IPv6Host { IPv6Host(high: 0, low: 0) }
  public static var loopback: IPv6Host { IPv6Host(high: 0, low: 1) }
}

extension IPv4Host: CustomStringConvertible {
  public var description: String {
    "\(number >> 24).\(number >> 16 & 255).\(number >> 8 & 255).\(number & 255)"
  }
}

extension IPv6Host: CustomStringConvertible {
  public var description: String {
    var bytes = (high.bigEndian, low.bigEndian)
    let text = unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 48) { buffer in
      guard let start = buffer.baseAddress else { return "" }
      unsafe withUnsafeBytes(of: &bytes) { raw in
        guard let host = unsafe raw.bindMemory(to: UInt8.self).baseAddress else { return }
        unsafe ck_format_ipv6(host, start)
      }
      return unsafe String(cString: start)
    }
    return scope == 0 ? text : "\(text)%\(scope)"
  }
}

extension SocketAddress: CustomStringConvertible {
  /// What `init(parsing:)` reads back as the same address.
  public var description: String {
    switch self {
    case .ipv4(let host, let port): "\(host):\(port)"
    case .ipv6(let host, let port): "[\(host)]:\(port)"
    case .unix(let path): path.utf8.contains(UInt8(ascii: "/")) ? path : "unix:\(path)"
    }
  }
}

// MARK: - The kernel's form

extension SocketAddress {
  /// Throws only for a path that is too long.
  func native(for call: StaticString) throws(SystemError) -> ck_address {
    var address = ck_address()
    switch self {
    case .ipv4(let host, let port):
      unsafe ck_address_ipv4(&address, host.number, port)
    case .ipv6(let host, let port):
      var bytes = (host.high.bigEndian, host.low.bigEndian)
      unsafe withUnsafeBytes(of: &bytes) { raw in
        guard let start = unsafe raw.bindMemory(to: UInt8.self).baseAddress else { return }
        unsafe ck_address_ipv6(&address, start, port, host.scope)
      }
    case .unix(let path):
      let fits = unsafe ck_address_unix(&address, path, path.utf8.count)
      guard fits != 0 else { throw SystemError(.nameTooLong, call) }
    }
    return address
  }

  /// An address of another family, which our sockets never have, reads as a path without a name.
  init(native: ck_address) {
    var native = native
    switch unsafe ck_address_family(&native) {
    case Int32(CK_FAMILY_IPV4):
      self = unsafe .ipv4(
        IPv4Host(number: ck_address_host_ipv4(&native)), port: ck_address_port(&native))
    case Int32(CK_FAMILY_IPV6):
      var bytes: (UInt64, UInt64) = (0, 0)
      var scope: UInt32 = 0
      unsafe withUnsafeMutableBytes(of: &bytes) { raw in
        guard let start = unsafe raw.bindMemory(to: UInt8.self).baseAddress else { return }
        unsafe ck_address_host_ipv6(&native, start, &scope)
      }
      let host = IPv6Host(
        high: UInt64(bigEndian: bytes.0), low: UInt64(bigEndian: bytes.1), scope: scope)
      self = unsafe .ipv6(host, port: ck_address_port(&native))
    default:
      self = unsafe .unix(path: SocketAddress.path(&native))
    }
  }

  private static func path(_ native: UnsafePointer<ck_address>) -> String {
    guard unsafe ck_address_family(native) == Int32(CK_FAMILY_UNIX) else { return "" }
    var count = 0
    let start = unsafe ck_address_path(native, &count)
    let bytes = unsafe UnsafeRawBufferPointer(start: start, count: count)
    return unsafe String(decoding: bytes, as: UTF8.self)
  }

  var family: Int32 {
    switch self {
    case .ipv4: Int32(CK_FAMILY_IPV4)
    case .ipv6: Int32(CK_FAMILY_IPV6)
    case .unix: Int32(CK_FAMILY_UNIX)
    }
  }
}
