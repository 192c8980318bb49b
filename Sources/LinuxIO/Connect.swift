import CKernel

extension Socket {
  /// A new stream socket for this kind of address, not yet connected; close-on-exec.
  public static func open(
    for address: SocketAddress, _ mode: BlockingMode = .nonBlocking
  ) throws(SystemError) -> FileDescriptor {
    let family = address.family
    let fd = try perform("socket") { ck_socket(family, mode == .nonBlocking ? 1 : 0) }
    return FileDescriptor(taking: Int32(fd))
  }

  /// Begins to connect a non-blocking socket. True: it is connected already (local sockets always
  /// are). False: when it becomes writable, `finishConnect` says how it went.
  ///
  /// A Unix listener whose queue is full refuses with `wouldBlock`, thrown here because no
  /// readiness would ever follow.
  public static func startConnect(
    _ fd: Int32, to address: SocketAddress
  ) throws(SystemError) -> Bool {
    var native = try address.native(for: "connect")
    let errno = performOnce("connect") { unsafe ck_connect(fd, &native) }
    switch errno {
    case nil: return true
    // Interrupted means the attempt goes on without us: asking again would fail as "in progress".
    case .some(.inProgress), .some(.interrupted): return false
    case .some(let errno): throw SystemError(errno, "connect")
    }
  }

  /// How the attempt went: true connected, false still under way, or the error thrown.
  public static func finishConnect(_ fd: Int32) throws(SystemError) -> Bool {
    guard try Poll.wait(fd, for: .writable, timeoutNs: 0) else { return false }
    let pending = try perform("getsockopt") { ck_get_option(fd, Int32(CK_SOCKET_ERROR)) }
    if pending != 0 { throw SystemError(Errno(rawValue: Int32(pending)), "connect") }
    return true
  }

  /// Connects and waits for it; throws `timedOut` after `timeoutNs` (below zero: when the kernel
  /// gives up). `mode` is the mode of the connected socket.
  public static func connect(
    to address: SocketAddress, timeoutNs: Int64 = -1, _ mode: BlockingMode = .nonBlocking
  ) throws(SystemError) -> FileDescriptor {
    let socket = try open(for: address)
    let fd = socket.rawValue
    let deadline = Deadline(timeoutNs: timeoutNs)
    var connected = try startConnect(fd, to: address)
    while !connected {
      guard try Poll.wait(fd, for: .writable, timeoutNs: deadline.remainingNs) else {
        throw SystemError(.timedOut, "connect")
      }
      connected = try finishConnect(fd)
    }
    if mode == .blocking { try setMode(.blocking, on: fd) }
    return socket
  }

  /// Tries the addresses in order and throws what the last one said. The time is for all of them.
  public static func connect(
    toFirstOf addresses: [SocketAddress], timeoutNs: Int64 = -1,
    _ mode: BlockingMode = .nonBlocking
  ) throws(SystemError) -> FileDescriptor {
    precondition(!addresses.isEmpty, "nothing to connect to")
    let deadline = Deadline(timeoutNs: timeoutNs)
    for address in addresses.dropLast() {
      do throws(SystemError) {
        return try connect(to: address, timeoutNs: deadline.remainingNs, mode)
      } catch {
        continue
      }
    }
    return try connect(
      to: addresses[addresses.count - 1], timeoutNs: deadline.remainingNs, mode)
  }
}
