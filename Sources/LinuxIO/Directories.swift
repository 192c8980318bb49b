import CKernel

extension Files {
  /// The names in a directory, without "." and "..", sorted.
  public static func list(_ directory: String) throws(SystemError) -> [String] {
    var handle: UnsafeMutableRawPointer?
    _ = try perform("opendir") { unsafe ck_opendir(directory, &handle) }
    guard let handle = unsafe handle else { return [] }
    defer { unsafe ck_closedir(handle) }
    var names: [String] = []
    while let name = unsafe ck_readdir(handle) { unsafe names.append(String(cString: name)) }
    return names.sorted()
  }

  public static func makeDirectory(_ path: String, mode: UInt32 = 0o700) throws(SystemError) {
    _ = try perform("mkdir") { unsafe ck_mkdir(path, mode) }
  }

  /// Removes an empty directory.
  public static func removeDirectory(_ path: String) throws(SystemError) {
    _ = try perform("rmdir") { unsafe ck_rmdir(path) }
  }

  /// Makes a directory of mode 0700, or makes sure that the one there is a directory, ours, and
  /// closed to others. Throws `permissionDenied` when it belongs to someone else: in a place that
  /// everybody may write to, somebody could have put it there for us.
  public static func makePrivateDirectory(_ path: String) throws(SystemError) {
    do throws(SystemError) {
      return try makeDirectory(path, mode: 0o700)
    } catch {
      if error.errno != .fileExists { throw error }
    }
    let found = try information(path)
    guard found.kind == .directory else { throw SystemError(.notDirectory, "mkdir") }
    guard found.ownerID == ck_user_id() else { throw SystemError(.permissionDenied, "mkdir") }
    if found.mode & 0o077 != 0 {
      _ = try perform("chmod") { unsafe ck_chmod(path, 0o700) }
    }
  }

  /// Where the counters' files of this user's brokers are: `$XDG_RUNTIME_DIR/galleon`, or
  /// `/dev/shm/galleon-<user>` without one. Both are in memory. Not created by this.
  public static var runtimeDirectory: String {
    if let base = System.environment("XDG_RUNTIME_DIR"), base.hasPrefix("/") {
      return base + "/galleon"
    }
    return "/dev/shm/galleon-\(ck_user_id())"
  }

  /// Makes a directory with a name that nobody else has, mode 0700, in `$TMPDIR` or `/tmp`.
  public static func makeTemporaryDirectory(prefix: String) throws(SystemError) -> String {
    let base = System.environment("TMPDIR") ?? "/tmp"
    while true {
      let path = "\(base)/\(prefix)-" + String(System.secureRandomNumber(), radix: 36)
      do throws(SystemError) {
        try makeDirectory(path, mode: 0o700)
        return path
      } catch {
        if error.errno != .fileExists { throw error }
      }
    }
  }

  /// Removes a directory with everything in it, without following links. What has gone meanwhile
  /// is no error.
  public static func removeTree(_ path: String) throws(SystemError) {
    do throws(SystemError) {
      guard try information(path).kind == .directory else { return try remove(path) }
      for name in try list(path) { try removeTree("\(path)/\(name)") }
      try removeDirectory(path)
    } catch {
      if error.errno != .noSuchFile { throw error }
    }
  }
}
