import CKernel

/// This process and the machine it runs on.
public enum System {
  /// Ends the process at once: nothing is flushed, no handler runs.
  public static func exitNow(_ code: Int32) -> Never { ck_exit_now(code) }

  public static var processID: Int32 { ck_process_id() }

  /// The effective user.
  public static var userID: UInt32 { ck_user_id() }

  /// Nil when it is not set.
  public static func environment(_ name: String) -> String? {
    guard let value = unsafe ck_environment(name) else { return nil }
    return unsafe String(cString: value)
  }

  /// A path that means the same in every process; as it is where there is no working directory.
  public static func absolutePath(_ path: String) -> String {
    if path.hasPrefix("/") { return path }
    // As long as any path that the kernel takes.
    var buffer = [CChar](repeating: 0, count: 4096)
    let size = buffer.count
    guard unsafe ck_working_directory(&buffer, size) != nil else { return path }
    let directory = text(buffer)
    return directory == "/" ? "/" + path : directory + "/" + path
  }

  /// Processors that are switched on.
  public static var onlineCPUs: Int { max(1, ck_cpus_online()) }

  /// Processors that this process may run on.
  public static var usableCPUs: Int { max(1, ck_cpus_usable()) }

  /// How many descriptors this process may open now, and up to how many it may raise that.
  public static func descriptorLimit() throws(SystemError) -> (soft: UInt64, hard: UInt64) {
    var (soft, hard): (UInt64, UInt64) = (0, 0)
    _ = try perform("getrlimit") { unsafe ck_descriptor_limit(&soft, &hard) }
    return (soft, hard)
  }

  /// Raises the soft limit to the hard one and returns it.
  @discardableResult
  public static func raiseDescriptorLimit() throws(SystemError) -> UInt64 {
    let hard = try descriptorLimit().hard
    try setDescriptorLimit(hard)
    return hard
  }

  /// Sets the soft limit; it may not pass the hard one.
  public static func setDescriptorLimit(_ soft: UInt64) throws(SystemError) {
    _ = try perform("setrlimit") { ck_set_descriptor_limit(soft) }
  }

  /// Memory that a process really occupies now; of this one without a number. Throws `noSuchFile`
  /// when there is no such process.
  public static func residentMemoryBytes(of processID: Int32? = nil) throws(SystemError) -> Int {
    let who = processID.map { "\($0)" } ?? "self"
    let text = try Files.contents("/proc/\(who)/statm", limitBytes: 4096)
    // Pages: all, resident, and so on.
    let fields = String(decoding: text, as: UTF8.self).split(separator: " ")
    guard fields.count >= 2, let pages = Int(fields[1]) else {
      throw SystemError(.invalidArgument, "statm")
    }
    return pages * memoryPageBytes
  }

  /// Whether a process with this number exists, whoever owns it. (One that has ended but was not
  /// waited for still counts.)
  public static func isAlive(processID: Int32) -> Bool {
    guard processID > 0 else { return false }
    let result = ck_kill(processID, 0)
    return result == 0 || result == -Int(Errno.notPermitted.rawValue)
  }

  /// Processor time and context switches of this process so far.
  public struct Usage: Sendable {
    public let userNs: UInt64
    public let systemNs: UInt64
    /// Gave up the processor to wait.
    public let voluntarySwitches: Int64
    /// Was taken off the processor.
    public let involuntarySwitches: Int64
  }

  public static func usage() throws(SystemError) -> Usage {
    var (user, system): (UInt64, UInt64) = (0, 0)
    var (voluntary, involuntary): (Int64, Int64) = (0, 0)
    _ = try perform("getrusage") { unsafe ck_usage(&user, &system, &voluntary, &involuntary) }
    return Usage(
      userNs: user, systemNs: system, voluntarySwitches: voluntary,
      involuntarySwitches: involuntary)
  }

  /// Fills the buffer with bytes that nobody can foresee.
  public static func secureRandomBytes(_ buffer: UnsafeMutableRawBufferPointer) {
    var filled = 0
    while let start = buffer.baseAddress, filled < buffer.count {
      let result = unsafe ck_random(start + filled, buffer.count - filled)
      if result == -Int(Errno.interrupted.rawValue) { continue }
      precondition(result > 0, "the kernel has had random bytes since 3.17")
      filled += result
    }
  }

  public static func secureRandomNumber() -> UInt64 {
    var number: UInt64 = 0
    unsafe withUnsafeMutableBytes(of: &number) { unsafe secureRandomBytes($0) }
    return number
  }
}
