import CommandSupport
import Counters
import LinuxIO

/// `galleon stats --history`.
enum History {
  /// No recording is longer; what is, is none.
  private static let byteCountMax = 64 << 20

  static func run(_ command: StatsCommand) throws(CommandFailure) -> ExitCode {
    let path = try path(command)
    let report = HistoryReport(
      try recording(path, isNamed: command.recording != nil), path: path,
      nowNs: Clock.realtimeNs())
    if command.isJSON {
      var json = JSONWriter()
      report.write(to: &json)
      json.endLine()
      try Console.write(json.bytes)
    } else {
      let width = Terminal.size(Stream.standardOutput)?.columns ?? 120
      try Console.write(report.lines(width: width).joined(separator: "\n") + "\n")
    }
    return .success
  }

  /// What was named, or what the broker's counters name.
  private static func path(_ command: StatsCommand) throws(CommandFailure) -> String {
    if let path = command.recording { return path }
    var source = try StatsSource(command.place)
    let path = try Stats.firstReading(&source).snapshot.broker[.recording]
    if path.isEmpty {
      throw .unavailable(
        "\(source.name): this broker records nothing; galleon serve --record PATH does")
    }
    return path
  }

  private static func recording(
    _ path: String, isNamed: Bool
  ) throws(CommandFailure) -> Recording {
    let bytes: [UInt8]
    do throws(SystemError) {
      bytes = try Files.contents(path, limitBytes: byteCountMax)
    } catch {
      let hint = isNamed ? "" : ", which is where the broker's machine has its recording"
      throw .unavailable("\(path): \(error.errno)\(hint)")
    }
    do throws(Recording.Refusal) {
      return try Recording(bytes)
    } catch {
      switch error {
      case .notRecording: throw .unavailable("\(path): it holds no recording")
      case .otherVersion: throw .unavailable("\(path): its recording is of another version")
      case .torn: throw .unavailable("\(path): its recording is torn")
      }
    }
  }
}
