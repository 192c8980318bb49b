import CKernel

/// The text in a buffer that C filled and terminated.
func text(_ buffer: [CChar]) -> String {
  String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}

/// The number with which a system call says why it failed.
public struct Errno: RawRepresentable, Hashable, Sendable {
  public let rawValue: Int32

  @_noLocks
  public init(rawValue: Int32) { self.rawValue = rawValue }

  /// From the result of a CKernel function, which is minus the number.
  @_noLocks
  init(result: Int) { rawValue = Int32(0 - result) }

  // Written out: the one that comes with RawRepresentable is generic code of another module, which
  // the compiler cannot prove free of allocation.
  @_noLocks
  public static func == (left: Errno, right: Errno) -> Bool { left.rawValue == right.rawValue }
  @_noLocks
  public static func ~= (left: Errno, right: Errno) -> Bool { left.rawValue == right.rawValue }

  /// The name in the manual pages, such as "ECONNREFUSED"; "E" and the number when it has none.
  public var name: String {
    guard let name = unsafe ck_errno_name(rawValue) else { return "E\(rawValue)" }
    return unsafe String(cString: name)
  }
}

extension Errno: CustomStringConvertible {
  /// The system's sentence, such as "Connection refused".
  public var description: String {
    unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
      guard let start = buffer.baseAddress else { return name }
      return unsafe String(cString: ck_errno_message(rawValue, start, buffer.count))
    }
  }
}

// Computed, so that reading one on the data path never meets a lazy initialiser. The numbers are
// those of every architecture that uses the kernel's generic table (x86-64, arm64, RISC-V); a test
// compares each with its name.
extension Errno {
  public static var notPermitted: Errno { Errno(rawValue: 1) }
  public static var noSuchFile: Errno { Errno(rawValue: 2) }
  public static var noSuchProcess: Errno { Errno(rawValue: 3) }
  public static var interrupted: Errno { @_noLocks get { Errno(rawValue: 4) } }
  public static var inputOutput: Errno { Errno(rawValue: 5) }
  public static var badFileDescriptor: Errno { @_noLocks get { Errno(rawValue: 9) } }
  public static var noChildProcess: Errno { Errno(rawValue: 10) }
  public static var wouldBlock: Errno { @_noLocks get { Errno(rawValue: 11) } }
  public static var noMemory: Errno { Errno(rawValue: 12) }
  public static var permissionDenied: Errno { Errno(rawValue: 13) }
  public static var badAddress: Errno { @_noLocks get { Errno(rawValue: 14) } }
  public static var fileExists: Errno { Errno(rawValue: 17) }
  public static var notDirectory: Errno { Errno(rawValue: 20) }
  public static var isDirectory: Errno { Errno(rawValue: 21) }
  public static var invalidArgument: Errno { Errno(rawValue: 22) }
  public static var tooManyOpenFilesInSystem: Errno { Errno(rawValue: 23) }
  public static var tooManyOpenFiles: Errno { Errno(rawValue: 24) }
  public static var notTerminal: Errno { Errno(rawValue: 25) }
  public static var fileTooLarge: Errno { Errno(rawValue: 27) }
  public static var noSpace: Errno { Errno(rawValue: 28) }
  public static var readOnlyFileSystem: Errno { Errno(rawValue: 30) }
  public static var brokenPipe: Errno { @_noLocks get { Errno(rawValue: 32) } }
  public static var nameTooLong: Errno { Errno(rawValue: 36) }
  public static var notImplemented: Errno { Errno(rawValue: 38) }
  public static var directoryNotEmpty: Errno { Errno(rawValue: 39) }
  public static var tooManyLinks: Errno { Errno(rawValue: 40) }
  public static var noNetwork: Errno { Errno(rawValue: 64) }
  public static var protocolFault: Errno { Errno(rawValue: 71) }
  public static var notSocket: Errno { Errno(rawValue: 88) }
  public static var noSuchProtocolOption: Errno { Errno(rawValue: 92) }
  public static var notSupported: Errno { Errno(rawValue: 95) }
  public static var familyNotSupported: Errno { Errno(rawValue: 97) }
  public static var addressInUse: Errno { Errno(rawValue: 98) }
  public static var addressNotAvailable: Errno { Errno(rawValue: 99) }
  public static var networkDown: Errno { Errno(rawValue: 100) }
  public static var networkUnreachable: Errno { Errno(rawValue: 101) }
  public static var connectionAborted: Errno { Errno(rawValue: 103) }
  public static var connectionReset: Errno { @_noLocks get { Errno(rawValue: 104) } }
  public static var noBufferSpace: Errno { Errno(rawValue: 105) }
  public static var alreadyConnected: Errno { Errno(rawValue: 106) }
  public static var notConnected: Errno { Errno(rawValue: 107) }
  public static var timedOut: Errno { Errno(rawValue: 110) }
  public static var connectionRefused: Errno { Errno(rawValue: 111) }
  public static var hostDown: Errno { Errno(rawValue: 112) }
  public static var hostUnreachable: Errno { Errno(rawValue: 113) }
  public static var alreadyInProgress: Errno { Errno(rawValue: 114) }
  public static var inProgress: Errno { Errno(rawValue: 115) }
  public static var quotaExceeded: Errno { Errno(rawValue: 122) }
}
