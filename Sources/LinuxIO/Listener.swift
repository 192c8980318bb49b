import CKernel

/// What an attempt to accept brought.
public enum AcceptResult: Equatable, Sendable {
  /// A connected socket, non-blocking and close-on-exec; the caller closes it.
  case accepted(Int32, peer: SocketAddress)
  case wouldBlock
  /// A connection that was over before it was accepted; try the next one.
  case aborted
  /// No descriptor or memory is left (EMFILE, ENFILE, ENOBUFS, ENOMEM). The connection stays in
  /// the queue, so a level-triggered listener stays readable: stop watching it for a while.
  case outOfResources(Errno)
}

/// A socket that accepts connections. Owns its descriptor and, for a Unix socket, the file, which
/// it removes at its end unless someone has put another one in its place.
public struct Listener: ~Copyable, Sendable {
  private let descriptor: FileDescriptor
  /// Where it listens; the real port when port 0 was asked for.
  public let localAddress: SocketAddress
  private let socketFile: SocketFile?

  /// Longest queue of connections not yet accepted; the kernel's own limit (4096 by default)
  /// applies as well. A reconnect storm must not meet a short queue.
  public static let backlogDefault: Int32 = 4096

  public var rawValue: Int32 { descriptor.rawValue }

  private init(
    _ descriptor: consuming FileDescriptor, _ localAddress: SocketAddress, _ file: SocketFile?
  ) {
    self.descriptor = descriptor
    self.localAddress = localAddress
    socketFile = file
  }

  /// Listens on an address of any kind; a Unix socket's file gets mode 0600.
  public static func listen(
    on address: SocketAddress, backlog: Int32 = backlogDefault
  ) throws(SystemError) -> Listener {
    switch address {
    case .ipv4, .ipv6: try listenTCP(address, backlog: backlog)
    case .unix(let path): try listenUnix(path, backlog: backlog)
    }
  }

  /// Listens on an IP address. `reuseAddress` lets a restarted process have the port back while old
  /// connections linger; `reusePort` shares the port between listeners that all set it.
  /// An IPv6 listener on every interface accepts IPv4 as well.
  public static func listenTCP(
    _ address: SocketAddress, backlog: Int32 = backlogDefault, reuseAddress: Bool = true,
    reusePort: Bool = false
  ) throws(SystemError) -> Listener {
    precondition(!address.isUnix, "listenTCP needs an IP address")
    let socket = try Socket.open(for: address)
    let fd = socket.rawValue
    if reuseAddress { try Socket.set(.reuseAddress, 1, on: fd) }
    if reusePort { try Socket.set(.reusePort, 1, on: fd) }
    if case .ipv6 = address {
      _ = try perform("setsockopt") {
        ck_set_option(fd, Int32(CK_IPV6_ONLY), 0)
      }
    }
    var native = try address.native(for: "bind")
    _ = try perform("bind") { unsafe ck_bind(fd, &native) }
    _ = try perform("listen") { ck_listen(fd, backlog) }
    return Listener(socket, try Socket.localAddress(fd), nil)
  }

  /// Listens on a path. A socket file that nobody accepts on any more is replaced; when somebody
  /// does, or when the file is no socket, this throws `addressInUse` and leaves it alone.
  public static func listenUnix(
    _ path: String, mode: UInt32 = 0o600, backlog: Int32 = backlogDefault
  ) throws(SystemError) -> Listener {
    let address = SocketAddress.unix(path: path)
    var native = try address.native(for: "bind")
    let socket = try Socket.open(for: address)
    let fd = socket.rawValue
    // Between the check and the end of `listen` the directory is locked, so that of two processes
    // that start together one does not take the other's new file for a stale one.
    let lock = try DirectoryLock.take(containing: path)
    try removeStaleSocket(path)
    // The kernel gives the file the socket's own mode, so that it never exists with a wider one.
    _ = try perform("fchmod") { ck_fchmod(fd, mode) }
    _ = try perform("bind") { unsafe ck_bind(fd, &native) }
    // Once more, because the process's file mask may have taken bits that were asked for.
    _ = try perform("chmod") { unsafe ck_chmod(path, mode) }
    _ = try perform("listen") { ck_listen(fd, backlog) }
    let file = SocketFile(path: path, identity: try Files.information(path))
    try lock.close()
    return Listener(socket, address, file)
  }

  private static func removeStaleSocket(_ path: String) throws(SystemError) {
    guard let found = try Files.informationIfThere(path) else { return }
    guard found.kind == .socket else { throw SystemError(.addressInUse, "bind") }
    let address = SocketAddress.unix(path: path)
    let probe = try Socket.open(for: address)
    do throws(SystemError) {
      _ = try Socket.startConnect(probe.rawValue, to: address)
    } catch {
      switch error.errno {
      case .connectionRefused: return try Files.remove(path)
      case .noSuchFile: return
      // Somebody listens, with a full queue.
      case .wouldBlock: throw SystemError(.addressInUse, "bind")
      default: throw error
      }
    }
    throw SystemError(.addressInUse, "bind")
  }

  /// Takes one connection from the queue, without waiting. Throws only when the listener itself is
  /// unusable.
  public func accept() throws(SystemError) -> AcceptResult {
    let fd = descriptor.rawValue
    var address = ck_address()
    while true {
      let result = unsafe ck_accept(fd, &address)
      if result >= 0 {
        return .accepted(Int32(result), peer: SocketAddress(native: address))
      }
      let errno = Errno(result: result)
      switch errno {
      case .interrupted: continue
      case .wouldBlock: return .wouldBlock
      case .tooManyOpenFiles, .tooManyOpenFilesInSystem, .noBufferSpace, .noMemory:
        return .outOfResources(errno)
      // Linux hands over errors that were already pending on the new connection; a firewall's
      // refusal shows as "not permitted".
      case .connectionAborted, .notPermitted, .networkDown, .protocolFault, .noSuchProtocolOption,
        .hostDown, .noNetwork, .hostUnreachable, .notSupported, .networkUnreachable, .timedOut,
        .connectionReset:
        return .aborted
      default: throw failure(errno, "accept")
      }
    }
  }

  deinit {
    socketFile?.removeIfUnchanged()
  }
}

/// A socket's file, as it was when we made it.
private struct SocketFile: Sendable {
  let path: String
  let identity: FileInformation

  func removeIfUnchanged() {
    guard let now = try? Files.information(path) else { return }
    guard now.device == identity.device, now.inode == identity.inode else { return }
    try? Files.remove(path)
  }
}

/// An advisory lock on the directory that holds a path; needs no file of its own.
private enum DirectoryLock {
  /// Others hold the lock for microseconds. A process that keeps it longer is not one of ours, and
  /// must not keep us from saying so.
  private static let patienceNs: UInt64 = 2_000_000_000
  private static let pauseNs: UInt64 = 1_000_000

  /// Closing the descriptor gives the lock back.
  static func take(containing path: String) throws(SystemError) -> FileDescriptor {
    var directory = "."
    if let slash = path.lastIndex(of: "/") {
      directory = slash == path.startIndex ? "/" : String(path[..<slash])
    }
    let descriptor = try Files.open(directory, [.read, .directory])
    let fd = descriptor.rawValue
    let giveUpNs = Clock.monotonicNs() + patienceNs
    while try performUnlessBlocking("flock", { ck_flock(fd) }) == nil {
      if Clock.monotonicNs() >= giveUpNs { throw SystemError(.wouldBlock, "flock") }
      Clock.sleep(forNs: pauseNs)
    }
    return descriptor
  }
}
