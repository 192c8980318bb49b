import CKernel

/// One piece of a gathered write, laid out as the kernel's `struct iovec`.
///
/// `@safe`: it only carries the pointer. Whoever hands an array of these to `sendVectors` (whose
/// own pointer parameter needs the word `unsafe`) promises that every piece is readable until the
/// call returns.
@safe
public struct IOVector {
  public var base: UnsafeRawPointer?
  public var count: Int

  @_noLocks
  public init(base: UnsafeRawPointer?, count: Int) {
    unsafe self.base = unsafe base
    self.count = count
  }

  @_noLocks
  public init(_ bytes: UnsafeRawBufferPointer) {
    unsafe self.base = bytes.baseAddress
    self.count = bytes.count
  }
}

/// Operations on stream sockets, by plain descriptor number.
///
/// The data path calls these for every connection and turn, so they allocate nothing. Sends never
/// wait and never raise SIGPIPE, whatever the descriptor's mode; a peer that is gone shows as
/// `SystemError.isPeerGone`.
public enum Socket {
  /// The most pieces of one `sendVectors`.
  public static var vectorsMax: Int { @_noLocks get { Int(CK_VECTORS_MAX) } }

  /// Reads what is there, at most the buffer. Waits only if the descriptor is in blocking mode.
  /// The buffer must not be empty: an empty read could not be told from the end.
  @_noLocks
  public static func receive(
    _ fd: Int32, _ buffer: UnsafeMutableRawBufferPointer
  ) throws(SystemError) -> IOResult {
    guard let start = buffer.baseAddress, buffer.count > 0 else {
      preconditionFailure("receive needs room for at least one byte")
    }
    while true {
      let result = unsafe ck_receive(fd, start, buffer.count)
      if result > 0 { return .processed(result) }
      if result == 0 { return .endOfFile }
      if try !shouldRepeat(result, "recv") { return .wouldBlock }
    }
  }

  /// Writes as much as the socket takes now.
  @_noLocks
  public static func send(
    _ fd: Int32, _ bytes: UnsafeRawBufferPointer
  ) throws(SystemError) -> IOResult {
    guard let start = bytes.baseAddress, bytes.count > 0 else {
      return .processed(0)
    }
    while true {
      let result = unsafe ck_send(fd, start, bytes.count)
      if result >= 0 { return .processed(result) }
      if try !shouldRepeat(result, "send") { return .wouldBlock }
    }
  }

  /// Writes as much of the pieces as the socket takes now, in order; at most `vectorsMax` pieces.
  @_noLocks
  public static func sendVectors(
    _ fd: Int32, _ vectors: UnsafePointer<IOVector>, _ count: Int
  ) throws(SystemError) -> IOResult {
    precondition(count > 0 && count <= Int(CK_VECTORS_MAX), "too many or no pieces")
    while true {
      let result = unsafe ck_send_vectors(fd, vectors, count)
      if result >= 0 { return .processed(result) }
      if try !shouldRepeat(result, "sendmsg") { return .wouldBlock }
    }
  }

  /// Writes all bytes, waiting for room; throws `timedOut` when that takes too long. Below zero it
  /// waits for ever. For clients and tools: a shard never waits.
  public static func sendAll(
    _ fd: Int32, _ bytes: UnsafeRawBufferPointer, timeoutNs: Int64 = -1
  ) throws(SystemError) {
    let deadline = Deadline(timeoutNs: timeoutNs)
    var sent = 0
    while sent < bytes.count {
      switch try unsafe send(fd, UnsafeRawBufferPointer(rebasing: bytes[sent...])) {
      case .processed(let count):
        sent += count
      case .wouldBlock, .endOfFile:
        guard try Poll.wait(fd, for: .writable, timeoutNs: deadline.remainingNs) else {
          throw SystemError(.timedOut, "send")
        }
      }
    }
  }

  /// Fills the buffer, waiting for bytes; false when the peer ended first. Throws `timedOut`.
  public static func receiveAll(
    _ fd: Int32, _ buffer: UnsafeMutableRawBufferPointer, timeoutNs: Int64 = -1
  ) throws(SystemError) -> Bool {
    let deadline = Deadline(timeoutNs: timeoutNs)
    var received = 0
    while received < buffer.count {
      guard try Poll.wait(fd, for: .readable, timeoutNs: deadline.remainingNs) else {
        throw SystemError(.timedOut, "recv")
      }
      switch try unsafe receive(fd, UnsafeMutableRawBufferPointer(rebasing: buffer[received...])) {
      case .processed(let count): received += count
      case .wouldBlock: continue
      case .endOfFile: return false
      }
    }
    return true
  }

  public enum Direction: Sendable {
    case reading
    case writing
    case both
  }

  /// Ends one or both directions; a peer that has gone already is no error.
  public static func shutdown(_ fd: Int32, _ direction: Direction) throws(SystemError) {
    let how: Int32 =
      switch direction {
      case .reading: 0
      case .writing: 1
      case .both: 2
      }
    guard let errno = performOnce("shutdown", { ck_shutdown(fd, how) }) else { return }
    if errno != .notConnected { throw SystemError(errno, "shutdown") }
  }

  /// Closes a plain descriptor number. A reset that the peer has sent meanwhile is no error.
  @_noLocks
  public static func close(_ fd: Int32) {
    do throws(SystemError) {
      try closeDescriptor(fd)
    } catch {}
  }

  public static func localAddress(_ fd: Int32) throws(SystemError) -> SocketAddress {
    var address = ck_address()
    _ = try perform("getsockname") { unsafe ck_local_address(fd, &address) }
    return SocketAddress(native: address)
  }

  public static func peerAddress(_ fd: Int32) throws(SystemError) -> SocketAddress {
    var address = ck_address()
    _ = try perform("getpeername") { unsafe ck_peer_address(fd, &address) }
    return SocketAddress(native: address)
  }

  /// Two connected sockets within this process.
  public static func pair(
    _ mode: BlockingMode = .nonBlocking
  ) throws(SystemError) -> (Int32, Int32) {
    var ends = ck_ends()
    _ = try perform("socketpair") {
      unsafe ck_socketpair(&ends, mode == .nonBlocking ? 1 : 0)
    }
    return (ends.first, ends.second)
  }
}
