import CKernel

/// The screen and keyboard, where there is one.
public enum Terminal {
  public static func isTerminal(_ fd: Int32) -> Bool { ck_is_terminal(fd) != 0 }

  /// Columns and rows; nil when the descriptor is no terminal or does not know.
  public static func size(_ fd: Int32) -> (columns: Int, rows: Int)? {
    var columns: Int32 = 0
    var rows: Int32 = 0
    guard unsafe ck_terminal_size(fd, &columns, &rows) == 0, columns > 0, rows > 0 else {
      return nil
    }
    return (Int(columns), Int(rows))
  }
}

/// Keys are read as they are pressed and not shown, until this value goes. Reads do not wait.
public struct RawTerminal: ~Copyable {
  private let fd: Int32
  private var saved: [UInt8]

  /// `signalKeys`: Ctrl-C and Ctrl-Z keep their meaning. Throws `notTerminal`.
  public init(_ fd: Int32, signalKeys: Bool = true) throws(SystemError) {
    self.fd = fd
    var saved = [UInt8](repeating: 0, count: Int(CK_TERMINAL_STATE_SIZE))
    _ = try perform("tcsetattr") {
      unsafe ck_terminal_raw(fd, &saved, signalKeys ? 1 : 0)
    }
    self.saved = saved
  }

  deinit {
    // A terminal that has gone needs no restoring.
    _ = unsafe ck_terminal_restore(fd, saved)
  }
}

/// A terminal that exists only as two descriptors, to try what a program shows on one.
public struct PseudoTerminal: ~Copyable, Sendable {
  /// Our side: reads what is shown and writes what is typed.
  public let screen: FileDescriptor
  /// The side to give to a program.
  public let terminal: FileDescriptor

  public init(columns: Int, rows: Int) throws(SystemError) {
    var ends = ck_ends()
    _ = try perform("openpt") {
      unsafe ck_pseudo_terminal(&ends, Int32(columns), Int32(rows))
    }
    screen = FileDescriptor(taking: ends.first)
    terminal = FileDescriptor(taking: ends.second)
  }

  public func resize(columns: Int, rows: Int) throws(SystemError) {
    let fd = screen.rawValue
    _ = try perform("ioctl") { ck_terminal_resize(fd, Int32(columns), Int32(rows)) }
  }
}
