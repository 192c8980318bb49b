import CommandSupport
import GalleonClient
import LinuxIO

extension TailCommand {
  /// The policy that was chosen, as the client has it.
  var deliveryPolicy: DeliveryPolicy {
    let maxAge = Self.duration(bounds.ageNs)
    return
      switch policy {
      case .lossless: .lossless
      case .dropOldest:
        .dropOldest(lagEvents: bounds.lagEvents, lagBytes: bounds.lagBytes, maxAge: maxAge)
      case .latest: .latest(maxAge: maxAge)
      case .sample: .sample(every: bounds.every ?? 1, maxAge: maxAge)
      case .disconnect:
        .disconnect(
          lagEvents: bounds.lagEvents, lagBytes: bounds.lagBytes, maxAge: maxAge,
          withoutCredit: Self.duration(bounds.withoutCreditNs))
      }
  }

  private static func duration(_ ns: UInt64?) -> Duration? {
    ns.map { .nanoseconds(Int64(clamping: $0)) }
  }
}

/// Lines of standard input that change the policy of everything that `tail` follows.
struct PolicyLines {
  private let command: TailCommand
  private let lines: AsyncStream<String>
  /// Longer than any policy with its bounds.
  private static let lineBytesMax = 4096

  /// Begins to read, on a thread of its own: reading waits.
  init(_ command: TailCommand) throws(CommandFailure) {
    self.command = command
    let (lines, continuation) = AsyncStream.makeStream(of: String.self)
    self.lines = lines
    do throws(SystemError) {
      let input = try StandardInput()
      _ = try Thread.spawn(name: "policies") { Self.read(input, into: continuation) }
    } catch {
      throw .inputOutput("standard input", error)
    }
  }

  private static func read(
    _ input: StandardInput, into continuation: AsyncStream<String>.Continuation
  ) {
    var splitter = LineSplitter(lineBytesMax: lineBytesMax)
    while let chunk = try? input.read() {
      splitter.append(chunk[...])
      while case .line(let range) = splitter.next() {
        continuation.yield(String(decoding: splitter.bytes[range], as: UTF8.self))
      }
    }
    continuation.finish()
  }

  /// Changes the policy of all subscriptions with each line, and says on standard error what came
  /// of it; a line that is wrong changes nothing.
  func follow(_ subscriptions: [Subscription]) -> Task<Void, Never> {
    Task { [command, lines] in
      var current = command
      for await line in lines where line.contains(where: { !$0.isWhitespace }) {
        do {
          current = try current.changed(by: line)
          for subscription in subscriptions {
            try await subscription.setPolicy(current.deliveryPolicy)
          }
          Console.error("galleon: the policy is \(TerminalText.text(line)) from here on")
        } catch let error as UsageError {
          Console.error("galleon: \(error.sentence)")
        } catch {
          Console.error("galleon: the policy is as it was: \(error)")
        }
      }
    }
  }
}
