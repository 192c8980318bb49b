import CommandSupport
import LinuxIO
import WireFormat

/// Which broker a command talks to.
struct BrokerURL {
  let text: String
  /// Whether the flag or the environment named it.
  let isChosen: Bool

  /// The flag, else the environment, else this machine.
  init(flag: String?) {
    let chosen =
      flag ?? System.environment(SharedOptions.urlVariable).flatMap { $0.isEmpty ? nil : $0 }
    text = chosen ?? SharedOptions.defaultURL
    isChosen = chosen != nil
  }

  private static let tcp = "galleon://"
  private static let unix = "galleon+unix://"

  /// What stands behind the scheme.
  var place: String {
    for scheme in [Self.unix, Self.tcp] where text.hasPrefix(scheme) {
      return String(text.dropFirst(scheme.count))
    }
    return text
  }

  /// Every address it stands for, at least one. A host's name asks the resolver.
  func addresses() throws(CommandFailure) -> [SocketAddress] {
    let place: String
    if text.hasPrefix(Self.unix) {
      place = "unix:" + text.dropFirst(Self.unix.count)
    } else if text.hasPrefix(Self.tcp) {
      var rest = text.dropFirst(Self.tcp.count)
      if rest.hasSuffix("/") { rest.removeLast() }
      place = String(rest)
      // Without a host it would stand for every interface.
      if place.isEmpty || place.hasPrefix(":") || place.contains("/") {
        throw .usage("\"\(text)\" has no host; write galleon://HOST:PORT")
      }
    } else {
      throw .usage("\"\(text)\" is no broker; write galleon://HOST:PORT or galleon+unix://PATH")
    }
    do throws(AddressError) {
      return try SocketAddress.resolve(place, defaultPort: ProtocolVersion.defaultPort)
    } catch {
      if case .notFound = error { throw .unavailable("\(error)") }
      throw .usage("\(error)")
    }
  }
}
