import Foundation
import LinuxIO
import Testing

/// How long anything here may take that should take milliseconds. Only a failure waits for it.
let patienceNs: Int64 = 60_000_000_000

/// A directory that goes with the value.
final class Scratch {
  let path: String

  init() throws { path = try Files.makeTemporaryDirectory(prefix: "galleon-test") }

  deinit { try? Files.removeTree(path) }

  /// A file with these bytes, opened for reading.
  func input(_ bytes: [UInt8]) throws -> FileDescriptor {
    let name = path + "/input"
    let file = try Files.open(name, [.write, .create, .truncate])
    try unsafe bytes.withUnsafeBytes { try unsafe Files.writeAll(file.rawValue, $0, at: 0) }
    return try Files.open(name, [.read])
  }
}

/// The command: the one in GALLEON_BINARY, else that which is built as the tests are, beside them.
enum Program {
  static let path: String = {
    if let named = ProcessInfo.processInfo.environment["GALLEON_BINARY"] { return named }
    // Of the test bundle, which lies in the same directory.
    let parts = (CommandLine.arguments.first ?? "").split(separator: "/").dropLast()
    let beside = "/" + parts.joined(separator: "/") + "/galleon"
    if (try? Files.information(beside)) != nil { return beside }
    let root = #filePath.split(separator: "/").dropLast(4)
    return "/" + root.joined(separator: "/") + "/.build/debug/galleon"
  }()

  struct Finished {
    let status: ChildProcess.ExitStatus
    let output: String
    let error: String
    var lines: [String] { output.split(separator: "\n").map(String.init) }
  }

  /// Runs to the end.
  static func run(
    _ arguments: [String], input: [UInt8] = [], environment: [String] = []
  ) throws -> Finished {
    let scratch = try Scratch()
    let input = try scratch.input(input)
    let running = try Running(
      arguments, input: .descriptor(input.rawValue), environment: environment)
    let output = try running.rest()
    let status = try running.wait()
    return Finished(status: status, output: output, error: running.errorText)
  }

  /// One that is at work.
  final class Running {
    private var child: ChildProcess
    private var lines: LineReader
    private var outputFD: Int32
    private let scratch: Scratch
    let processID: Int32

    /// - Parameters:
    ///   - terminal: where its output goes, instead of a pipe to us.
    ///   - shell: what a shell does first, such as `ulimit -n 20`; then it becomes the program.
    init(
      _ arguments: [String], input: ChildProcess.Connection = .null, terminal: Int32? = nil,
      environment: [String] = [], shell: String? = nil
    ) throws {
      scratch = try Scratch()
      let errors = try Files.open(scratch.path + "/error", [.write, .create])
      let pipe = try Stream.pipe()
      defer { Socket.close(pipe.writing) }
      outputFD = pipe.reading
      child = try ChildProcess.spawn(
        shell == nil ? Program.path : "/bin/sh",
        (shell.map { ["-c", $0 + "; exec \"$0\" \"$@\"", Program.path] } ?? []) + arguments,
        environment: environment + ["PATH=/usr/bin:/bin"], input: input,
        output: .descriptor(terminal ?? pipe.writing), error: .descriptor(errors.rawValue))
      lines = LineReader(pipe.reading)
      processID = child.processID
    }

    deinit { closeOutput() }

    /// What it has written to its standard error so far.
    var errorText: String {
      let bytes = try? Files.contents(scratch.path + "/error", limitBytes: 1 << 20)
      return String(decoding: bytes ?? [], as: UTF8.self)
    }

    func line() throws -> String {
      let line = try lines.nextText(timeoutNs: patienceNs)
      return try #require(line, "the output ended: \(errorText)")
    }

    func object() throws -> [String: Any] { try jsonObject(try line()) }

    /// Whether it writes nothing for so long.
    func isSilent(forNs ns: Int64) throws -> Bool {
      try !Poll.wait(outputFD, for: .readable, timeoutNs: ns)
    }

    /// Everything up to the end of its output.
    func rest() throws -> String {
      var all: [String] = []
      while let line = try lines.nextText(timeoutNs: patienceNs) { all.append(line + "\n") }
      return all.joined()
    }

    func send(_ signal: Signal) throws { try child.send(signal) }

    func write(_ text: String) throws {
      let input = child.input
      try Stream.writeAll(try #require(input), text)
    }

    func closeInput() { child.closeInput() }

    /// As a reader does that has seen enough.
    func closeOutput() {
      if outputFD >= 0 { Socket.close(outputFD) }
      outputFD = -1
    }

    func wait() throws -> ChildProcess.ExitStatus {
      let status = try child.wait(timeoutNs: patienceNs)
      return try #require(status, "it does not end: \(errorText)")
    }
  }
}

func jsonObject(_ text: String) throws -> [String: Any] {
  try #require(
    JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any], "\(text)")
}

/// A broker of its own for a test.
final class BrokerProgram {
  let running: Program.Running
  let url: String
  let countersPath: String
  private let scratch: Scratch

  init(_ arguments: [String] = []) throws {
    scratch = try Scratch()
    countersPath = scratch.path + "/counters"
    running = try Program.Running(
      [
        "serve", "--listen", "127.0.0.1:0", "--shards", "1", "--memory", "64MiB",
        "--max-connections", "100", "--max-subscriptions", "1000", "--max-publishers", "1000",
        "--counters", countersPath, "--drain-timeout", "2s",
      ] + (arguments.contains("--max-topics") ? [] : ["--max-topics", "1000"]) + arguments)
    let line = try running.line()
    try #require(line.hasPrefix("listening tcp 127.0.0.1:"), "\(line)")
    url = "galleon://" + line.dropFirst("listening tcp ".count)
  }

  func run(_ arguments: [String], input: [UInt8] = []) throws -> Program.Finished {
    try Program.run(arguments, input: input, environment: ["GALLEON_URL=\(url)"])
  }

  func start(
    _ arguments: [String], input: ChildProcess.Connection = .null, terminal: Int32? = nil
  ) throws -> Program.Running {
    try Program.Running(
      arguments, input: input, terminal: terminal,
      environment: ["GALLEON_URL=\(url)", "TERM=xterm"])
  }

  func publish(_ topic: String, _ lines: String...) throws {
    let text = lines.map { $0 + "\n" }.joined()
    let finished = try run(["pub", topic, "--ack"], input: Array(text.utf8))
    try #require(finished.status == .exited(0), "\(finished.error)")
  }

  /// All that its counters say.
  func stats() throws -> [String: Any] {
    let finished = try run(["stats", "--json", "--interval", "0", "--counters", countersPath])
    try #require(finished.status == .exited(0), "\(finished.error)")
    return try jsonObject(finished.output)
  }

  /// Starts a tail and waits until the broker has its subscription: what is published from now on
  /// reaches it.
  func startTail(_ pattern: String, _ flags: [String] = []) throws -> Program.Running {
    let tail = try start(["tail", pattern] + flags)
    let deadlineNs = Clock.monotonicNs() + UInt64(patienceNs)
    while Clock.monotonicNs() < deadlineNs {
      let rows = try #require(try stats()["subscriptions"] as? [[String: Any]])
      if rows.contains(where: { $0["pattern"] as? String == pattern }) { return tail }
    }
    throw NotSubscribed(reason: tail.errorText)
  }

  struct NotSubscribed: Error { let reason: String }
}
