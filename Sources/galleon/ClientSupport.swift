import CommandSupport
import GalleonClient
import Synchronization

/// What `pub` and `tail` have in common.
enum ClientSupport {
  static func connect(
    _ url: BrokerURL, name: String, reconnectNs: UInt64, isQuiet: Bool
  ) async throws(CommandFailure) -> GalleonClient {
    var options = ClientOptions()
    options.name = name
    options.reconnect.isEnabled = reconnectNs > 0
    options.reconnect.delayMax = .seconds(1)
    options.reconnect.giveUpAfter = .nanoseconds(Int64(clamping: reconnectNs))
    if !isQuiet {
      let notes = ConnectionNotes()
      options.onStateChange = { notes.take($0) }
    }
    do throws(GalleonError) {
      return try await GalleonClient.connect(url.text, options: options)
    } catch {
      throw failure(error, url)
    }
  }

  /// How an error of the client ends the command.
  static func failure(_ error: GalleonError, _ url: BrokerURL) -> CommandFailure {
    switch error {
    case .invalidAddress(let text): .usage(text)
    case .cannotConnect(let text):
      .unavailable("no broker at \(url.text): \(text.withoutPrefix(url.place + ": "))")
    case .connectionLost, .eventsLost, .timeout: .unavailable("\(url.text): \(error)")
    case .closed(let reason, _) where goneReasons.contains(reason.name):
      .unavailable("\(url.text): \(error)")
    default: .failure("\(error)")
    }
  }

  /// The broker went away, rather than being displeased.
  private static let goneReasons: Set<String> = [
    "clientClosed", "disconnected", "connectionReset", "draining", "handshakeTimeout",
    "heartbeatTimeout", "tooManyConnections",
  ]
}

extension String {
  /// The address that was tried is said only where the URL does not say it already.
  fileprivate func withoutPrefix(_ prefix: String) -> Substring {
    hasPrefix(prefix) ? dropFirst(prefix.count) : self[...]
  }
}

/// Says on standard error that a connection broke and that it is back, and not how often it was
/// tried.
private final class ConnectionNotes: Sendable {
  private let isBroken = Mutex(false)

  func take(_ state: ConnectionState) {
    switch state {
    case .connected, .closed: break
    case .disconnected(let error, _):
      let wasBroken = isBroken.withLock { isBroken in
        defer { isBroken = true }
        return isBroken
      }
      if !wasBroken { Console.error("galleon: \(error) (trying to come back)") }
    case .reconnected(_, let isSame, let lost):
      isBroken.withLock { $0 = false }
      let broker = isSame ? "connected again" : "connected again, to a broker that began anew"
      Console.error("galleon: " + broker + (lost > 0 ? "; \(lost) events may be lost" : ""))
    }
  }
}
