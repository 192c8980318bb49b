import CKernel

extension Socket {
  /// Options whose value is a number.
  public enum Option: Sendable {
    /// 1: send small segments at once (TCP_NODELAY).
    case noDelay
    /// Bytes of the kernel's send buffer; the kernel keeps twice the number for its own accounts.
    case sendBufferBytes
    /// Bytes of the kernel's receive buffer; doubled likewise. Set before connecting or listening.
    case receiveBufferBytes
    /// No more is taken, and writable is not reported, while so many bytes are not yet sent
    /// (TCP_NOTSENT_LOWAT).
    case notSentLowWaterBytes
    /// 1: acknowledge at once, until the kernel decides otherwise (TCP_QUICKACK).
    case quickAck
    /// 1: find out whether an idle peer still lives.
    case keepAlive
    case keepAliveIdleSeconds
    case keepAliveIntervalSeconds
    case keepAliveProbes
    /// Give up on unacknowledged bytes after so long (TCP_USER_TIMEOUT).
    case userTimeoutMilliseconds
    case reuseAddress
    case reusePort

    var native: Int32 {
      let option =
        switch self {
        case .noDelay: CK_TCP_NO_DELAY
        case .sendBufferBytes: CK_SOCKET_SEND_BUFFER
        case .receiveBufferBytes: CK_SOCKET_RECEIVE_BUFFER
        case .notSentLowWaterBytes: CK_TCP_NOT_SENT_LOW_WATER
        case .quickAck: CK_TCP_QUICK_ACK
        case .keepAlive: CK_SOCKET_KEEPALIVE
        case .keepAliveIdleSeconds: CK_TCP_KEEPALIVE_IDLE
        case .keepAliveIntervalSeconds: CK_TCP_KEEPALIVE_INTERVAL
        case .keepAliveProbes: CK_TCP_KEEPALIVE_COUNT
        case .userTimeoutMilliseconds: CK_TCP_USER_TIMEOUT
        case .reuseAddress: CK_SOCKET_REUSE_ADDRESS
        case .reusePort: CK_SOCKET_REUSE_PORT
        }
      return Int32(option)
    }
  }

  public static func set(_ option: Option, _ value: Int32, on fd: Int32) throws(SystemError) {
    _ = try perform("setsockopt") { ck_set_option(fd, option.native, value) }
  }

  public static func get(_ option: Option, on fd: Int32) throws(SystemError) -> Int32 {
    Int32(try perform("getsockopt") { ck_get_option(fd, option.native) })
  }

  /// Looks for dead peers: a first probe after `idleSeconds` of silence, then `probes` of them.
  public static func keepAlive(
    _ fd: Int32, idleSeconds: Int32, intervalSeconds: Int32, probes: Int32
  ) throws(SystemError) {
    try set(.keepAlive, 1, on: fd)
    try set(.keepAliveIdleSeconds, idleSeconds, on: fd)
    try set(.keepAliveIntervalSeconds, intervalSeconds, on: fd)
    try set(.keepAliveProbes, probes, on: fd)
  }

  /// Chooses the congestion control by name ("cubic", "bbr", "reno"). Throws `noSuchFile` when the
  /// kernel does not have it and `notPermitted` when only the administrator may choose it.
  public static func setCongestionControl(_ name: String, on fd: Int32) throws(SystemError) {
    _ = try perform("setsockopt") { unsafe ck_set_congestion(fd, name) }
  }

  public static func congestionControl(on fd: Int32) throws(SystemError) -> String {
    var name = [CChar](repeating: 0, count: 32)
    let size = name.count
    _ = try perform("getsockopt") { unsafe ck_get_congestion(fd, &name, size) }
    return text(name)
  }

  /// From now on closing drops what is unsent and resets the connection (SO_LINGER 0).
  public static func resetOnClose(_ fd: Int32) throws(SystemError) {
    _ = try perform("setsockopt") { ck_set_reset_on_close(fd) }
  }

  public static func setMode(_ mode: BlockingMode, on fd: Int32) throws(SystemError) {
    _ = try perform("fcntl") { ck_set_non_blocking(fd, mode == .nonBlocking ? 1 : 0) }
  }
}
