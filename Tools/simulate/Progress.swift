import Foundation

/// Says on standard error which seed runs, since a broken precondition ends the process.
enum Progress {
  static func note(seed: UInt64, steps: Int) {
    guard isatty(2) == 0 || seed % 10 == 0 else { return }
    FileHandle.standardError.write(Data("\rseed \(seed)".utf8))
  }
}
