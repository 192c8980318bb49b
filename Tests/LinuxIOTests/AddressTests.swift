import LinuxIO
import Testing

@Suite struct AddressTests {
  @Test(arguments: [
    ("127.0.0.1:4747", SocketAddress.ipv4(.loopback, port: 4747)),
    ("0.0.0.0:0", .ipv4(.any, port: 0)),
    ("255.255.255.255:65535", .ipv4(IPv4Host(number: .max), port: 65535)),
    ("10.20.30.40:1", .ipv4(IPv4Host(number: 0x0A14_1E28), port: 1)),
    ("[::1]:0", .ipv6(.loopback, port: 0)),
    ("[::]:80", .ipv6(.any, port: 80)),
    (
      "[2001:db8::ff00:42:8329]:443",
      .ipv6(IPv6Host(high: 0x2001_0db8_0000_0000, low: 0x0000_ff00_0042_8329), port: 443)
    ),
    ("[fe80::1%7]:9", .ipv6(IPv6Host(high: 0xfe80 << 48, low: 1, scope: 7), port: 9)),
    ("/run/galleon.sock", .unix(path: "/run/galleon.sock")),
    ("./galleon.sock", .unix(path: "./galleon.sock")),
    ("unix:galleon.sock", .unix(path: "galleon.sock")),
    ("/tmp/with:colon and space", .unix(path: "/tmp/with:colon and space")),
  ])
  func readsAndWritesTheSameText(text: String, address: SocketAddress) throws {
    #expect(try SocketAddress(parsing: text) == address)
    #expect(address.description == text)
  }

  @Test func aMissingHostMeansEveryInterface() throws {
    #expect(try SocketAddress(parsing: ":4747") == .ipv4(.any, port: 4747))
  }

  @Test func aMissingPortTakesTheDefault() throws {
    #expect(
      try SocketAddress(parsing: "127.0.0.1", defaultPort: 4747) == .loopback(port: 4747))
    #expect(
      try SocketAddress(parsing: "[::1]", defaultPort: 4747) == .ipv6(.loopback, port: 4747))
    #expect(
      try SocketAddress(parsing: "127.0.0.1:1", defaultPort: 4747) == .loopback(port: 1))
    #expect(throws: AddressError.missingPort("127.0.0.1")) {
      try SocketAddress(parsing: "127.0.0.1")
    }
    #expect(throws: AddressError.missingPort("[::1]")) { try SocketAddress(parsing: "[::1]") }
  }

  @Test func anInterfaceMayBeNamed() throws {
    let address = try SocketAddress(parsing: "[fe80::1%lo]:9")
    guard case .ipv6(let host, _) = address else {
      Issue.record("not IPv6: \(address)")
      return
    }
    #expect(host.scope > 0)
  }

  @Test(arguments: [
    ("", AddressError.empty),
    ("unix:", .empty),
    ("127.0.0.1:", .badPort("")),
    ("127.0.0.1:65536", .badPort("65536")),
    ("127.0.0.1:+80", .badPort("+80")),
    ("127.0.0.1:-1", .badPort("-1")),
    ("127.0.0.1:000080", .badPort("000080")),
    ("127.0.0.1:http", .badPort("http")),
    ("127.0.0.1: 80", .badPort(" 80")),
    ("256.0.0.1:80", .badHost("256.0.0.1")),
    ("127.1:80", .badHost("127.1")),
    ("1:80", .badHost("1")),
    ("ho st:80", .badHost("ho st")),
    ("h\u{e4}fen:80", .badHost("h\u{e4}fen")),
    ("::1:80", .bracketsMissing("::1:80")),
    ("[::1:80", .badHost("[::1:80")),
    ("[::1]80", .badHost("[::1]80")),
    ("[::1]:", .badPort("")),
    ("[127.0.0.1]:80", .badHost("127.0.0.1")),
    ("[::1%nosuchinterface]:80", .badHost("::1%nosuchinterface")),
    ("[]:80", .badHost("")),
    ("local\u{0}host:80", .badHost("local\u{0}host:80")),
    ("/tmp/\u{0}", .badHost("/tmp/\u{0}")),
  ])
  func refusesWhatIsNoAddress(text: String, problem: AddressError) {
    #expect(throws: problem) { try SocketAddress(parsing: text) }
    #expect(!problem.description.isEmpty)
  }

  @Test func pathsHaveALimit() throws {
    let longest = "/" + String(repeating: "x", count: SocketAddress.pathBytesMax - 1)
    #expect(SocketAddress.pathBytesMax == 107)
    #expect(try SocketAddress(parsing: longest) == .unix(path: longest))
    #expect(throws: AddressError.pathTooLong(longest + "x")) {
      try SocketAddress(parsing: longest + "x")
    }
    #expect(
      errno { () throws(SystemError) in _ = try Listener.listenUnix(longest + "x") } == .nameTooLong
    )
  }

  @Test func localhostIsFoundAndLoopsBack() throws {
    let found = try SocketAddress.resolve("localhost:4747")
    #expect(!found.isEmpty)
    for address in found {
      #expect(address.port == 4747)
      #expect(address == .loopback(port: 4747) || address == .ipv6(.loopback, port: 4747))
    }
  }

  /// The reserved domain never exists, with or without a network.
  @Test func anUnknownNameSaysSo() {
    #expect {
      try SocketAddress(parsing: "galleon.invalid:80")
    } throws: { error in
      guard case AddressError.notFound(let name, let reason)? = error as? AddressError else {
        return false
      }
      return name == "galleon.invalid" && !reason.isEmpty
    }
  }
}
