import CKernel

/// What a path or a descriptor stands for.
public struct FileInformation: Equatable, Sendable {
  public enum Kind: Sendable {
    case file
    case directory
    case socket
    case link
    case other
  }

  public let kind: Kind
  public let byteCount: Int
  /// Nanoseconds since 1970.
  public let modifiedNs: Int64
  /// Permission bits, such as 0o600.
  public let mode: UInt32
  public let ownerID: UInt32
  public let device: UInt64
  public let inode: UInt64

  init(_ native: ck_file_info) {
    kind =
      switch Int32(native.kind) {
      case Int32(CK_KIND_FILE): .file
      case Int32(CK_KIND_DIRECTORY): .directory
      case Int32(CK_KIND_SOCKET): .socket
      case Int32(CK_KIND_LINK): .link
      default: .other
      }
    byteCount = Int(native.size)
    modifiedNs = native.modified_ns
    mode = native.mode
    ownerID = native.owner
    device = native.device
    inode = native.inode
  }
}

/// Files and directories by path, and whole files by descriptor.
public enum Files {
  public struct OpenFlags: OptionSet, Sendable {
    public let rawValue: Int32

    public init(rawValue: Int32) { self.rawValue = rawValue }

    public static var read: OpenFlags { OpenFlags(rawValue: Int32(CK_OPEN_READ)) }
    public static var write: OpenFlags { OpenFlags(rawValue: Int32(CK_OPEN_WRITE)) }
    public static var create: OpenFlags { OpenFlags(rawValue: Int32(CK_OPEN_CREATE)) }
    /// Together with `create`: fail when it exists.
    public static var exclusive: OpenFlags { OpenFlags(rawValue: Int32(CK_OPEN_EXCLUSIVE)) }
    public static var truncate: OpenFlags { OpenFlags(rawValue: Int32(CK_OPEN_TRUNCATE)) }
    public static var append: OpenFlags { OpenFlags(rawValue: Int32(CK_OPEN_APPEND)) }
    public static var directory: OpenFlags { OpenFlags(rawValue: Int32(CK_OPEN_DIRECTORY)) }
    /// Fail when the last part of the path is a link.
    public static var noFollow: OpenFlags { OpenFlags(rawValue: Int32(CK_OPEN_NO_FOLLOW)) }
    public static var nonBlocking: OpenFlags { OpenFlags(rawValue: Int32(CK_OPEN_NON_BLOCKING)) }
  }

  /// Opens a file, close-on-exec. `mode` is for a file that this creates.
  public static func open(
    _ path: String, _ flags: OpenFlags, mode: UInt32 = 0o600
  ) throws(SystemError) -> FileDescriptor {
    let fd = try perform("open") { unsafe ck_open(path, flags.rawValue, mode) }
    return FileDescriptor(taking: Int32(fd))
  }

  /// Does not follow a link in the last part of the path.
  public static func information(_ path: String) throws(SystemError) -> FileInformation {
    var native = ck_file_info()
    _ = try perform("stat") { unsafe ck_lstat(path, &native) }
    return FileInformation(native)
  }

  /// The same; nil where there is nothing at the path.
  public static func informationIfThere(
    _ path: String
  ) throws(SystemError) -> FileInformation? {
    do throws(SystemError) {
      return try information(path)
    } catch {
      if error.errno == .noSuchFile { return nil }
      throw error
    }
  }

  public static func information(_ fd: Int32) throws(SystemError) -> FileInformation {
    var native = ck_file_info()
    _ = try perform("stat") { unsafe ck_fstat(fd, &native) }
    return FileInformation(native)
  }

  /// Removes a file or a socket's file.
  public static func remove(_ path: String) throws(SystemError) {
    _ = try perform("unlink") { unsafe ck_unlink(path) }
  }

  /// Puts `path` in the place of `target`, in one step.
  public static func rename(_ path: String, to target: String) throws(SystemError) {
    _ = try perform("rename") { unsafe ck_rename(path, target) }
  }

  /// Gives a file its length and its space on the disk. File systems that cannot reserve (the call
  /// says `notSupported`) only get the length.
  public static func allocate(_ fd: Int32, byteCount: Int) throws(SystemError) {
    do throws(SystemError) {
      _ = try perform("fallocate") { ck_fallocate(fd, 0, Int64(byteCount)) }
    } catch {
      guard error.errno == .notSupported || error.errno == .notImplemented else { throw error }
      try truncate(fd, byteCount: byteCount)
    }
  }

  public static func truncate(_ fd: Int32, byteCount: Int) throws(SystemError) {
    _ = try perform("ftruncate") { ck_ftruncate(fd, Int64(byteCount)) }
  }

  /// Waits until the file's bytes (and with `metadata` all about it) are on the disk.
  public static func sync(_ fd: Int32, metadata: Bool = false) throws(SystemError) {
    _ = try perform(metadata ? "fsync" : "fdatasync") {
      metadata ? ck_fsync(fd) : ck_fdatasync(fd)
    }
  }

  /// Reads at a place; may bring less than the buffer.
  public static func read(
    _ fd: Int32, _ buffer: UnsafeMutableRawBufferPointer, at offset: Int64
  ) throws(SystemError) -> IOResult {
    guard let start = buffer.baseAddress, buffer.count > 0 else {
      preconditionFailure("read needs room for at least one byte")
    }
    let count = try perform("pread") { unsafe ck_pread(fd, start, buffer.count, offset) }
    return count == 0 ? .endOfFile : .processed(count)
  }

  /// Writes all bytes at a place.
  public static func writeAll(
    _ fd: Int32, _ bytes: UnsafeRawBufferPointer, at offset: Int64
  ) throws(SystemError) {
    var written = 0
    while let start = bytes.baseAddress, written < bytes.count {
      written += try perform("pwrite") {
        unsafe ck_pwrite(fd, start + written, bytes.count - written, offset + Int64(written))
      }
    }
  }

  /// The same for an array.
  public static func writeAll(
    _ fd: Int32, _ bytes: [UInt8], at offset: Int64
  ) throws(SystemError) {
    let result = unsafe bytes.withUnsafeBytes { bytes -> Result<Void, SystemError> in
      do throws(SystemError) {
        return .success(try unsafe writeAll(fd, bytes, at: offset))
      } catch {
        return .failure(error)
      }
    }
    try result.get()
  }

  /// Keeps others from locking the same file, until the descriptor is closed or the process ends.
  /// False where somebody else has done so.
  public static func lock(_ fd: Int32) throws(SystemError) -> Bool {
    try performUnlessBlocking("flock") { ck_flock(fd) } != nil
  }

  /// A whole file of at most `limitBytes`; throws `fileTooLarge` beyond.
  public static func contents(
    _ path: String, limitBytes: Int
  ) throws(SystemError) -> [UInt8] {
    let file = try open(path, [.read])
    var contents: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65536)
    while true {
      let fd = file.rawValue
      let size = chunk.count
      let count = try perform("read") { unsafe ck_read(fd, &chunk, size) }
      if count == 0 { return contents }
      guard contents.count + count <= limitBytes else {
        throw SystemError(.fileTooLarge, "read")
      }
      contents.append(contentsOf: chunk[..<count])
    }
  }
}
