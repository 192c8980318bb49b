import CommandSupport
import GalleonClient
import Glibc
import LinuxIO
import Synchronization

/// The demo's command. The main thread waits for signals and draws; the hunt runs beside it.
@main struct HuntDemo {
  static func main() {
    Signal.ignoreBrokenPipe()
    do throws(UsageError) {
      let parsed = try ParsedArguments(
        Array(CommandLine.arguments.dropFirst()), of: Options.spec)
      if parsed.wantsHelp {
        print(HelpText.command(Options.spec, program: "swift run"), terminator: "")
        exit(ExitCode.success.rawValue)
      }
      run(try Options(parsed))
    } catch {
      fail(.usage, error.sentence)
    }
  }

  private static func run(_ options: Options) -> Never {
    let hunt = Hunt(walks: readWalks(options), options: options)
    do throws(SystemError) {
      // Before any thread starts: they inherit that these signals are read and not delivered.
      let signals = try SignalFD([.interrupt, .terminate, .hangup])
      exit(try watch(hunt, signals).rawValue)
    } catch {
      fail(.inputOutput, "signals: \(error)")
    }
  }

  private static func readWalks(_ options: Options) -> [Walk] {
    let path = options.walksPath ?? defaultWalksPath
    do throws(SystemError) {
      let bytes = try Files.contents(path, limitBytes: WalkFile.bytesMax)
      do throws(WalkFileError) {
        let walks = try WalkFile.parse(bytes)
        // A position names its walk in one byte.
        if walks.count > 256 { fail(.usage, "\(path): more than 256 walks") }
        return walks
      } catch {
        fail(.usage, "\(path): \(error)")
      }
    } catch {
      fail(.usage, "\(path): \(error.errno); --walks names another file")
    }
  }

  /// Beside this source, where the program was built.
  private static var defaultWalksPath: String {
    "/" + #filePath.split(separator: "/").dropLast().joined(separator: "/") + "/Data/walks.csv"
  }

  private static func watch(
    _ hunt: Hunt, _ signals: borrowing SignalFD
  ) throws(SystemError) -> ExitCode {
    let outcome = Outcome()
    Task.detached {
      do throws(GalleonError) {
        outcome.set(.success(try await hunt.run()))
      } catch {
        outcome.set(.failure(error))
      }
    }
    let facts = HuntFacts(hunt)
    var screen = Screen(isSilent: hunt.options.isJSON)
    var wasInterrupted = false
    var brokerBytesMax: UInt64?
    var drawAtNs: UInt64 = 0
    while outcome.value == nil {
      if try Poll.wait(signals.rawValue, for: .readable, timeoutNs: 50_000_000),
        try signals.next() != nil
      {
        if wasInterrupted {
          // Asked twice: at once, and without sums.
          screen.close()
          return .interrupted
        }
        wasInterrupted = true
        hunt.stop.set()
      }
      let nowNs = Clock.monotonicNs()
      if nowNs < drawAtNs || hunt.stage == .connecting { continue }
      let reading = Reading(of: hunt)
      brokerBytesMax = reading.brokerBytes.map { max($0, brokerBytesMax ?? 0) }
      screen.show(reading, facts)
      drawAtNs = nowNs + screen.intervalNs
    }
    screen.close()
    switch outcome.value! {
    case .failure(let error): fail(.unavailable, "\(hunt.options.url): \(error)")
    case .success(let sums):
      let summary = Summary(
        facts: facts, reading: Reading(of: hunt), sums: sums, brokerBytesMax: brokerBytesMax,
        wasInterrupted: wasInterrupted, failure: hunt.failure)
      return tell(summary, isJSON: hunt.options.isJSON)
    }
  }

  private static func tell(_ summary: Summary, isJSON: Bool) -> ExitCode {
    let width = Terminal.size(Stream.standardOutput)?.columns ?? 120
    if summary.wasInterrupted && !isJSON && Terminal.isTerminal(Stream.standardOutput) {
      // The terminal has shown the ^C in the line where the summary begins.
      try? Stream.writeAll(Stream.standardOutput, "\r\u{1B}[K")
    }
    let text = isJSON ? summary.json : summary.lines(width: width).joined(separator: "\n") + "\n"
    let code: ExitCode =
      !summary.isRight ? .failure : summary.wasInterrupted ? .interrupted : .success
    do throws(SystemError) {
      try Stream.writeAll(Stream.standardOutput, text)
    } catch {
      fail(.inputOutput, "standard output: \(error.errno)")
    }
    return code
  }

  private static func fail(_ code: ExitCode, _ sentence: String) -> Never {
    try? Stream.writeAll(Stream.standardError, "hunt-demo: \(sentence)\n")
    exit(code.rawValue)
  }
}

/// How the hunt ended, handed from its task to the main thread.
private final class Outcome: Sendable {
  private let result = Mutex<Result<Sums, GalleonError>?>(nil)

  var value: Result<Sums, GalleonError>? { result.withLock { $0 } }
  func set(_ value: Result<Sums, GalleonError>) { result.withLock { $0 = value } }
}
