import CommandSupport
import Counters
import GalleonClient
import LinuxIO
import Synchronization

/// `galleon why`.
enum Why {
  static func run(_ command: WhyCommand) throws(CommandFailure) -> ExitCode {
    try TaskRunner.holdSignals()
    var source = try StatsSource(command.place)
    source.tables = [.topic, .subscription, .observation]
    let reading = try Stats.firstReading(&source)
    if let warning = reading.warning { Console.error("galleon: \(warning)") }
    guard var answer = WhyAnswer(command.question, reading.snapshot) else {
      throw .failure(
        "there is no subscription \(command.question.subscription); galleon stats shows the ids")
    }
    if let last = answer.newestUpTo, case .network(let url) = reading.source {
      let replay = Replay(question: command.question, last: last, url: BrokerURL(flag: url))
      _ = try TaskRunner(graceNs: 500_000_000).run { await replay.run() }
      if let found = replay.found { answer.found(next: found.next, timeNs: found.timeNs) }
    }
    if command.isJSON {
      var json = JSONWriter()
      answer.write(to: &json)
      json.endLine()
      try Console.write(json.bytes)
    } else {
      try Console.write(answer.line + "\n")
    }
    return .success
  }
}

/// Reads a topic from an event on, to find the next one with the same key.
private final class Replay: Sendable {
  private let question: WhyAnswer.Question
  private let last: UInt64
  private let url: BrokerURL
  private let result = Mutex<(next: UInt64?, timeNs: UInt64)?>(nil)

  init(question: WhyAnswer.Question, last: UInt64, url: BrokerURL) {
    self.question = question
    self.last = last
    self.url = url
  }

  /// Nil where the topic does not have the event any more.
  var found: (next: UInt64?, timeNs: UInt64)? { result.withLock { $0 } }

  func run() async {
    do {
      let client = try await ClientSupport.connect(
        url, name: "galleon why", reconnectNs: 0, isQuiet: true)
      try await read(client)
      await client.close(timeout: .milliseconds(200))
    } catch {
      // The answer stays as it was without it.
    }
  }

  private func read(_ client: GalleonClient) async throws(GalleonError) {
    let events = try await client.subscribe(
      question.topic, options: .init(start: .sequence(question.sequence)))
    var key: [UInt8]?
    var timeNs: UInt64 = 0
    // A gap throws, and ends it.
    var iterator = events.makeAsyncIterator()
    while let event = try await iterator.next() {
      if event.sequence == question.sequence {
        guard let own = event.key else { return }
        key = Array(own)
        timeNs = event.timeNs
      } else if let key, let other = event.key, other.elementsEqual(key) {
        return result.withLock { $0 = (event.sequence, timeNs) }
      }
      if event.sequence >= last {
        if key != nil { result.withLock { $0 = (nil, timeNs) } }
        return
      }
    }
  }
}
