/// A system call that failed, and why.
///
/// The description is one part of a sentence ("connect: Connection refused"); whoever knows the
/// path or the address puts it in front.
public struct SystemError: Error, Sendable {
  public let errno: Errno
  /// The name of the call, as in the manual.
  public let call: StaticString

  @_noLocks
  public init(_ errno: Errno, _ call: StaticString) {
    self.errno = errno
    self.call = call
  }
}

extension SystemError: CustomStringConvertible {
  public var description: String { "\(call): \(errno)" }
}

extension SystemError: Equatable {
  public static func == (left: SystemError, right: SystemError) -> Bool {
    left.errno == right.errno && left.call.description == right.call.description
  }
}

extension SystemError {
  /// The peer is gone: it reset the connection, or closed it before it had read everything.
  public var isPeerGone: Bool {
    @_noLocks get { errno == .connectionReset || errno == .brokenPipe }
  }
}

/// What a read or a write did. That it would have had to wait is an answer, not an error.
public enum IOResult: Equatable, Sendable {
  /// So many bytes, at least one.
  case processed(Int)
  case wouldBlock
  /// Reads only: the peer will send nothing more, or the file ends here.
  case endOfFile
}

// The one door to the kernel. A body calls a function of CKernel, which answers with a result or
// minus the errno.

/// Repeats a call that a signal interrupted; every other failure is thrown.
@inline(__always)
func perform(_ call: StaticString, _ body: () -> Int) throws(SystemError) -> Int {
  while true {
    let result = body()
    if result >= 0 { return result }
    let errno = Errno(result: result)
    if errno == .interrupted { continue }
    throw failure(errno, call)
  }
}

/// Like `perform` for calls that may not be able to go on now; nil says so.
@inline(__always)
func performUnlessBlocking(
  _ call: StaticString, _ body: () -> Int
) throws(SystemError) -> Int? {
  while true {
    let result = body()
    if result >= 0 { return result }
    if try !shouldRepeat(result, call) { return nil }
  }
}

/// What a negative result of a call that may block means: true, a signal interrupted it; false, it
/// would have had to wait. The data path loops on this by hand, because the compiler cannot prove
/// a closure of another file free of allocation.
@_noLocks
func shouldRepeat(_ result: Int, _ call: StaticString) throws(SystemError) -> Bool {
  let errno = Errno(result: result)
  if errno == .interrupted { return true }
  if errno == .wouldBlock { return false }
  throw failure(errno, call)
}

/// A call that must never be repeated, because the first attempt took effect although it was
/// interrupted (close, connect): any failure comes back as a value.
@inline(__always)
func performOnce(_ call: StaticString, _ body: () -> Int) -> Errno? {
  let result = body()
  if result >= 0 { return nil }
  return failure(Errno(result: result), call).errno
}

/// Two numbers can only mean that this program is wrong: a descriptor that is not open (perhaps
/// already someone else's) and a pointer outside our memory. Going on could write one connection's
/// bytes into another, so both end the process.
@_noLocks
func failure(_ errno: Errno, _ call: StaticString) -> SystemError {
  if errno == .badFileDescriptor || errno == .badAddress { trap(errno, call) }
  return SystemError(errno, call)
}

@inline(never)
func trap(_ errno: Errno, _ call: StaticString) -> Never {
  fatalError("\(call) was called wrongly: \(errno.name)")
}
