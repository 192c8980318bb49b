import CommandSupport
import Glibc
import LinuxIO

/// Why the command ends before its time: a sentence for people, none where nothing need be said.
struct CommandFailure: Error {
  let code: ExitCode
  let sentence: String?

  init(_ code: ExitCode, _ sentence: String?) {
    self.code = code
    self.sentence = sentence
  }

  static func usage(_ sentence: String) -> CommandFailure { CommandFailure(.usage, sentence) }

  static func unavailable(_ sentence: String) -> CommandFailure {
    CommandFailure(.unavailable, sentence)
  }

  static func failure(_ sentence: String) -> CommandFailure { CommandFailure(.failure, sentence) }

  /// Something with a file, a pipe or a terminal. Nobody reading any more is no fault of ours and
  /// nothing to talk about: `galleon tail '>' | head -1` ends well.
  static func inputOutput(_ what: String, _ error: SystemError) -> CommandFailure {
    if error.errno == .brokenPipe { return CommandFailure(.success, nil) }
    return CommandFailure(.inputOutput, "\(what): \(error.errno)")
  }
}

/// Turns a mistake on the command line into the end of the command.
func checked<Value>(_ body: () throws(UsageError) -> Value) throws(CommandFailure) -> Value {
  do throws(UsageError) {
    return try body()
  } catch {
    throw .usage(error.sentence)
  }
}

/// Standard output and standard error.
enum Console {
  static func write(_ text: String) throws(CommandFailure) {
    do throws(SystemError) {
      try Stream.writeAll(Stream.standardOutput, text)
    } catch {
      throw .inputOutput("standard output", error)
    }
  }

  static func write(_ bytes: [UInt8]) throws(CommandFailure) {
    var problem: SystemError?
    unsafe bytes.withUnsafeBytes { buffer in
      do throws(SystemError) {
        try unsafe Stream.writeAll(Stream.standardOutput, buffer)
      } catch {
        problem = error
      }
    }
    if let problem { throw .inputOutput("standard output", problem) }
  }

  /// A line on standard error. Where nobody reads that, nobody is told.
  static func error(_ line: String) {
    try? Stream.writeAll(Stream.standardError, TerminalText.text(line) + "\n")
  }
}

/// Ends the process.
func exit(_ code: ExitCode) -> Never { Glibc.exit(code.rawValue) }
