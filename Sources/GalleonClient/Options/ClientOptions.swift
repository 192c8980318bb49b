/// How a client connects and comes back.
public struct ClientOptions: Sendable {
  /// What operators see this client as; cut to 64 bytes.
  public var name = "galleon-swift"

  /// How long one attempt to connect may take, with the handshake.
  public var connectTimeout: Duration = .seconds(5)

  /// What happens when the connection breaks.
  public var reconnect = ReconnectOptions()

  /// The heartbeat interval to ask the broker for; nil takes the broker's. A connection on which
  /// nothing has come for two and a half intervals counts as broken.
  public var heartbeat: Duration?

  /// Bytes of the kernel's receive buffer for a TCP connection; the kernel keeps twice the number
  /// for its own accounts. What lies there has been sent and not been read: while this program or
  /// its machine is busy, everything that is newer waits behind it. Set rather than left to grow,
  /// which it would do to megabytes. 0 lets it grow, for a network that is both fast and far away.
  public var receiveBufferBytes = 256 * 1024

  /// The most requests that may wait for their replies at one time.
  public var requestsMax = 1024

  /// Called on the client's own thread when the connection's state changes. It must return soon:
  /// while it runs, nothing is sent or received.
  public var onStateChange: (@Sendable (ConnectionState) -> Void)?

  public init() {}
}

/// How a client comes back after its connection broke.
///
/// The wait before an attempt is drawn at random between half and the whole of a delay that doubles
/// from `delayMin` up to `delayMax`, so that many clients do not come back at one moment. It begins
/// anew after a connection that lasted for five seconds. Where the broker said when to come back,
/// that is obeyed instead.
public struct ReconnectOptions: Sendable {
  /// False: the client closes when its connection breaks.
  public var isEnabled = true

  /// The delay before the first attempt.
  public var delayMin: Duration = .milliseconds(100)

  /// What the delay grows to.
  public var delayMax: Duration = .seconds(10)

  /// The client closes when it has not been connected for so long; nil: never.
  public var giveUpAfter: Duration?

  public init() {}

  /// Does not come back.
  public static var never: ReconnectOptions {
    var options = ReconnectOptions()
    options.isEnabled = false
    return options
  }
}

/// What a client's connection is doing.
public enum ConnectionState: Hashable, Sendable {
  /// Connected, for the first time, to a broker of this name.
  case connected(broker: String)

  /// Not connected, for this reason; the next attempt comes after the delay.
  case disconnected(GalleonError, retryIn: Duration)

  /// Connected again. `isSameInstance` is false where the broker was restarted meanwhile: its
  /// sequences have begun anew, and every subscription is handed a gap. `eventsLost` counts the
  /// published events that may not have reached the broker.
  case reconnected(broker: String, isSameInstance: Bool, eventsLost: UInt64)

  /// At its end; nil where this side closed it.
  case closed(GalleonError?)
}
