import CKernel

/// A program that this one started. It is killed and reaped when this value goes, so that a test
/// or a tool that fails leaves nothing behind.
public struct ChildProcess: ~Copyable, Sendable {
  /// Where one of the child's standard streams goes.
  public enum Connection: Sendable {
    case inherit
    case null
    /// To us: see `input`, `output` and `error`.
    case pipe
    /// To a descriptor of ours, which stays ours.
    case descriptor(Int32)
  }

  public enum ExitStatus: Equatable, Sendable {
    case exited(Int32)
    case signalled(Signal)
  }

  public let processID: Int32
  /// Our end of the pipe to the child's input; nil without one.
  public private(set) var input: Int32?
  /// Our end of the pipe from the child's output; nil without one. Blocking; `LineReader` reads it.
  public private(set) var output: Int32?
  /// The same for its error stream.
  public private(set) var error: Int32?
  private var status: ExitStatus?

  /// Starts a program. `executable` is looked for in PATH when it has no slash; `arguments` do not
  /// include its name. `environment` ("NAME=value") replaces ours when given. The child starts
  /// without blocked signals and without any descriptor of ours but the three.
  public static func spawn(
    _ executable: String, _ arguments: [String] = [], environment: [String]? = nil,
    input: Connection = .null, output: Connection = .inherit, error: Connection = .inherit
  ) throws(SystemError) -> ChildProcess {
    let inputEnds = try Ends(input, childReads: true)
    let outputEnds = try Ends(output, childReads: false)
    let errorEnds = try Ends(error, childReads: false)
    let arguments = CStrings([executable] + arguments)
    let environment = environment.map { CStrings($0) }
    let processID = try perform("spawn") {
      unsafe ck_spawn(
        executable, arguments.pointers, environment?.pointers, inputEnds.child, outputEnds.child,
        errorEnds.child)
    }
    return ChildProcess(
      processID: Int32(processID), input: inputEnds.takeOurs(), output: outputEnds.takeOurs(),
      error: errorEnds.takeOurs())
  }

  private init(processID: Int32, input: Int32?, output: Int32?, error: Int32?) {
    self.processID = processID
    self.input = input
    self.output = output
    self.error = error
  }

  /// Sends a signal, unless the child has been waited for already.
  public func send(_ signal: Signal) throws(SystemError) {
    if status == nil { try signal.send(to: processID) }
  }

  /// Ends the child's input, as at the end of a file.
  public mutating func closeInput() {
    if let fd = input { Socket.close(fd) }
    input = nil
  }

  /// Waits for the child's end, at most `timeoutNs` (below zero: for ever); nil at the timeout.
  public mutating func wait(timeoutNs: Int64 = -1) throws(SystemError) -> ExitStatus? {
    if let status { return status }
    if timeoutNs >= 0 {
      let processID = self.processID
      let handle = try perform("pidfd_open") { ck_pidfd(processID) }
      let descriptor = FileDescriptor(taking: Int32(handle))
      guard try Poll.wait(descriptor.rawValue, for: .readable, timeoutNs: timeoutNs) else {
        return nil
      }
    }
    status = try reap()
    return status
  }

  private func reap() throws(SystemError) -> ExitStatus {
    let processID = self.processID
    var (kind, code): (Int32, Int32) = (0, 0)
    _ = try perform("waitpid") { unsafe ck_wait_process(processID, 1, &kind, &code) }
    return kind == 0 ? .exited(code) : .signalled(Signal(rawValue: code))
  }

  deinit {
    for case let fd? in [input, output, error] { Socket.close(fd) }
    if status == nil {
      // Not waited for, so the number is still this child's.
      try? Signal.kill.send(to: processID)
      _ = try? reap()
    }
  }
}

/// The two ends of one of the child's streams. Closes what the child got, and ours if not taken.
private final class Ends {
  let child: Int32
  private let childOwned: FileDescriptor?
  private var ours: FileDescriptor?

  init(_ connection: ChildProcess.Connection, childReads: Bool) throws(SystemError) {
    switch connection {
    case .inherit:
      child = Int32(CK_FD_INHERIT)
      childOwned = nil
    case .null:
      child = Int32(CK_FD_NULL)
      childOwned = nil
    case .descriptor(let fd):
      child = fd
      childOwned = nil
    case .pipe:
      let pipe = try Stream.pipe()
      child = childReads ? pipe.reading : pipe.writing
      childOwned = FileDescriptor(taking: child)
      ours = FileDescriptor(taking: childReads ? pipe.writing : pipe.reading)
    }
  }

  func takeOurs() -> Int32? {
    ours.take()?.release()
  }
}

/// Strings for C: an array of pointers that ends with null.
///
/// `@safe`: owns every string and the array.
@safe
private final class CStrings {
  let pointers: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
  private let count: Int

  init(_ strings: [String]) {
    count = strings.count
    unsafe pointers = .allocate(capacity: count + 1)
    for (index, string) in strings.enumerated() {
      let bytes = string.utf8CString
      let copy = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count)
      for (position, byte) in bytes.enumerated() { unsafe copy[position] = byte }
      unsafe (pointers + index).initialize(to: copy)
    }
    unsafe (pointers + count).initialize(to: nil)
  }

  deinit {
    for index in 0..<count { unsafe pointers[index]?.deallocate() }
    unsafe pointers.deallocate()
  }
}
