import LinuxIO

/// Where a broker listens, as a connection string says it.
enum Endpoint: Equatable, Sendable {
  /// A name, an IPv4 address, or an IPv6 address without its brackets.
  case tcp(host: String, port: UInt16)
  case unix(path: String)

  static let tcpScheme = "galleon://"
  static let unixScheme = "galleon+unix://"

  /// Reads `galleon://host[:port]`, `galleon://[::1][:port]` or `galleon+unix://path`.
  init(_ text: String, defaultPort: UInt16) throws(GalleonError) {
    if text.hasPrefix(Self.unixScheme) {
      let path = String(text.dropFirst(Self.unixScheme.count))
      if path.isEmpty {
        throw .invalidAddress("\"\(text)\" has no path; write galleon+unix:///path/of/socket")
      }
      self = .unix(path: path)
      return
    }
    guard text.hasPrefix(Self.tcpScheme) else {
      throw .invalidAddress(
        "\"\(text)\" is no address of a broker; write galleon://host:port or galleon+unix://path")
    }
    var rest = text.dropFirst(Self.tcpScheme.count)
    if rest.hasSuffix("/") { rest.removeLast() }
    let host: Substring
    var port: Substring?
    if rest.hasPrefix("[") {
      guard let end = rest.firstIndex(of: "]") else {
        throw .invalidAddress("\"\(text)\" opens a bracket and does not close it")
      }
      host = rest[rest.index(after: rest.startIndex)..<end]
      let after = rest[rest.index(after: end)...]
      if after.hasPrefix(":") {
        port = after.dropFirst()
      } else if !after.isEmpty {
        throw .invalidAddress("\"\(text)\" has something other than a port after its bracket")
      }
    } else if let colon = rest.firstIndex(of: ":") {
      host = rest[..<colon]
      port = rest[rest.index(after: colon)...]
    } else {
      host = rest
    }
    if host.isEmpty {
      throw .invalidAddress("\"\(text)\" has no host; write galleon://host:port")
    }
    var number = defaultPort
    if let port {
      guard let parsed = UInt16(port), parsed != 0, !port.hasPrefix("+") else {
        throw .invalidAddress("\"\(port)\" is no port; it is a number from 1 to 65535")
      }
      number = parsed
    }
    self = .tcp(host: String(host), port: number)
  }
}

extension Endpoint {
  /// All addresses to try, in their order. A name asks the resolver, which may wait.
  func addresses() throws(AddressError) -> [SocketAddress] {
    switch self {
    case .unix(let path):
      if path.utf8.count > SocketAddress.pathBytesMax { throw .pathTooLong(path) }
      return [.unix(path: path)]
    case .tcp(let host, let port):
      return try SocketAddress.resolve(Self.joined(host, port))
    }
  }

  private static func joined(_ host: String, _ port: UInt16) -> String {
    host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]:\(port)" : "\(host):\(port)"
  }
}

extension Endpoint: CustomStringConvertible {
  var description: String {
    switch self {
    case .tcp(let host, let port): Self.joined(host, port)
    case .unix(let path): path
    }
  }
}
