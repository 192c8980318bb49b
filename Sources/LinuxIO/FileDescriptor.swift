import CKernel

/// The owner of an open descriptor: it closes it at the end of its life.
///
/// Connection rows on the data path keep plain numbers instead, and close them by hand; `release`
/// and `init(taking:)` pass between the two. May be used from any thread; whoever closes must know
/// that nobody else still uses the number.
public struct FileDescriptor: ~Copyable, Sendable {
  public let rawValue: Int32

  /// Takes over a descriptor that nobody else will close.
  public init(taking rawValue: Int32) {
    precondition(rawValue >= 0, "a descriptor is not negative")
    self.rawValue = rawValue
  }

  /// Gives the number away without closing it.
  public consuming func release() -> Int32 {
    let rawValue = self.rawValue
    discard self
    return rawValue
  }

  /// Closes now and says whether the system reports a late failure (files on a network).
  public consuming func close() throws(SystemError) {
    let rawValue = self.rawValue
    discard self
    try closeDescriptor(rawValue)
  }

  /// A second descriptor for the same open file, close-on-exec.
  public func duplicate() throws(SystemError) -> FileDescriptor {
    let fd = rawValue
    return FileDescriptor(taking: Int32(try perform("dup") { ck_duplicate(fd) }))
  }

  deinit {
    // A failure here is a late write error of a file; who needs to know calls `close`.
    try? closeDescriptor(rawValue)
  }
}

/// Closes once: Linux frees the number even when the call is interrupted, and a second attempt
/// could close a descriptor that another thread has just been given.
@_noLocks
func closeDescriptor(_ fd: Int32) throws(SystemError) {
  let result = ck_close(fd)
  if result >= 0 { return }
  let errno = Errno(result: result)
  if errno == .interrupted { return }
  throw failure(errno, "close")
}

/// Whether reads and writes of a new descriptor wait in the kernel.
public enum BlockingMode: Sendable {
  case nonBlocking
  case blocking
}
