import Foundation

/// Says on standard error which seed runs, since a broken precondition ends the process.
enum Progress {
  static func note(seed: UInt64) {
    guard isatty(2) == 0 || seed % 10 == 0 else { return }
    FileHandle.standardError.write(Data("\rseed \(seed)".utf8))
  }

  /// A line that is seen whatever happens next.
  static func say(_ line: String) {
    FileHandle.standardOutput.write(Data((line + "\n").utf8))
  }

  /// Runs a plan in a process of its own, which may die of it.
  /// - Returns: the fault, or nil where there was none.
  static func runApart(_ arguments: String) -> String? {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    process.arguments = arguments.split(separator: " ").map(String.init) + ["--no-shrink"]
    process.environment = ["SWIFT_BACKTRACE": "enable=no"]
    let output = Pipe()
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    guard (try? process.run()) != nil else { return nil }
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    if process.terminationReason == .uncaughtSignal { return "the process died" }
    guard let line = text.split(separator: "\n").first(where: { $0.hasPrefix("seed ") }),
      let colon = line.firstIndex(of: ":")
    else { return nil }
    return String(line[line.index(colon, offsetBy: 2)...])
  }
}

/// Some run failed.
func exitWithFailure() -> Never { exit(1) }
