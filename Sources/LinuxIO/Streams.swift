import CKernel

/// Pipes, terminals and the three standard descriptors: for the command and for tools.
///
/// These may be closed by whoever starts us, so a closed one is an error here and not a fault.
public enum Stream {
  public static var standardInput: Int32 { 0 }
  public static var standardOutput: Int32 { 1 }
  public static var standardError: Int32 { 2 }

  /// Reads what is there, at most the buffer, which must not be empty.
  public static func read(
    _ fd: Int32, _ buffer: UnsafeMutableRawBufferPointer
  ) throws(SystemError) -> IOResult {
    guard let start = buffer.baseAddress, buffer.count > 0 else {
      preconditionFailure("read needs room for at least one byte")
    }
    while true {
      let result = unsafe ck_read(fd, start, buffer.count)
      if result > 0 { return .processed(result) }
      if result == 0 { return .endOfFile }
      let errno = Errno(result: result)
      if errno == .interrupted { continue }
      if errno == .wouldBlock { return .wouldBlock }
      throw SystemError(errno, "read")
    }
  }

  /// Writes all bytes, waiting if need be. Throws `brokenPipe` when nobody reads any more (call
  /// `Signal.ignoreBrokenPipe` first, or the process ends instead).
  public static func writeAll(
    _ fd: Int32, _ bytes: UnsafeRawBufferPointer
  ) throws(SystemError) {
    var written = 0
    while let start = bytes.baseAddress, written < bytes.count {
      let result = unsafe ck_write(fd, start + written, bytes.count - written)
      if result >= 0 {
        written += result
        continue
      }
      let errno = Errno(result: result)
      switch errno {
      case .interrupted: continue
      // Another process may have put the terminal or pipe that we share into non-blocking mode.
      case .wouldBlock: _ = try Poll.wait(fd, for: .writable, timeoutNs: -1)
      default: throw SystemError(errno, "write")
      }
    }
  }

  public static func writeAll(_ fd: Int32, _ text: String) throws(SystemError) {
    var text = text
    var problem: SystemError?
    text.withUTF8 { bytes in
      do throws(SystemError) {
        try unsafe writeAll(fd, UnsafeRawBufferPointer(bytes))
      } catch {
        problem = error
      }
    }
    if let problem { throw problem }
  }

  /// A pipe, both ends blocking and close-on-exec.
  public static func pipe() throws(SystemError) -> (reading: Int32, writing: Int32) {
    var ends = ck_ends()
    _ = try perform("pipe") { unsafe ck_pipe(&ends) }
    return (ends.first, ends.second)
  }
}

/// Reads lines from a descriptor, which it does not own.
public struct LineReader: Sendable {
  private let fd: Int32
  private var buffered: [UInt8] = []
  private var ended = false
  /// Longest line; a longer one is an error, so that a peer cannot make us keep its bytes.
  public let lineBytesMax: Int

  public init(_ fd: Int32, lineBytesMax: Int = 1 << 20) {
    self.fd = fd
    self.lineBytesMax = lineBytesMax
  }

  /// The next line without its end; nil at the end of the file. The last line may lack its end.
  /// Throws `timedOut`, and `fileTooLarge` for a line beyond the limit.
  public mutating func next(timeoutNs: Int64 = -1) throws(SystemError) -> [UInt8]? {
    let deadline = Deadline(timeoutNs: timeoutNs)
    var searched = 0
    while true {
      if let end = buffered[searched...].firstIndex(of: UInt8(ascii: "\n")) {
        let line = Array(buffered[..<end])
        buffered.removeSubrange(...end)
        return line
      }
      if ended {
        if buffered.isEmpty { return nil }
        defer { buffered = [] }
        return buffered
      }
      searched = buffered.count
      guard searched <= lineBytesMax else { throw SystemError(.fileTooLarge, "read") }
      try fill(deadline)
    }
  }

  /// The next line as text.
  public mutating func nextText(timeoutNs: Int64 = -1) throws(SystemError) -> String? {
    guard let line = try next(timeoutNs: timeoutNs) else { return nil }
    return String(decoding: line, as: UTF8.self)
  }

  private mutating func fill(_ deadline: Deadline) throws(SystemError) {
    guard try Poll.wait(fd, for: .readable, timeoutNs: deadline.remainingNs) else {
      throw SystemError(.timedOut, "read")
    }
    var chunk = [UInt8](repeating: 0, count: 16384)
    var result = IOResult.wouldBlock
    var problem: SystemError?
    unsafe chunk.withUnsafeMutableBytes { bytes in
      do throws(SystemError) {
        result = try unsafe Stream.read(fd, bytes)
      } catch {
        problem = error
      }
    }
    if let problem { throw problem }
    switch result {
    case .processed(let count): buffered.append(contentsOf: chunk[..<count])
    case .wouldBlock: break
    case .endOfFile: ended = true
    }
  }
}
