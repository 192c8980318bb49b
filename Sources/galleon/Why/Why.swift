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
    if answer.newestUpTo != nil, case .network(let url) = reading.source {
      let replay = Replay(answer, url: BrokerURL(flag: url))
      _ = try TaskRunner(graceNs: 500_000_000).run { await replay.run() }
      if let found = replay.found { answer.found(found.own, next: found.next) }
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
  private let answer: WhyAnswer
  private let url: BrokerURL
  private let result = Mutex<(own: WhyAnswer.Own, next: WhyAnswer.Next?)?>(nil)

  init(_ answer: WhyAnswer, url: BrokerURL) {
    self.answer = answer
    self.url = url
  }

  /// Nil where the topic does not have the event any more.
  var found: (own: WhyAnswer.Own, next: WhyAnswer.Next?)? { result.withLock { $0 } }

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
    let question = answer.question
    let events = try await client.subscribe(
      question.topic, options: .init(start: .sequence(question.sequence)))
    var found: (key: [UInt8], own: WhyAnswer.Own)?
    // A gap throws, and ends it.
    var iterator = events.makeAsyncIterator()
    while let event = try await iterator.next() {
      if event.sequence == question.sequence {
        guard let key = event.key else { return }
        let own = WhyAnswer.Own(
          timeNs: event.timeNs, timeToLive: event.timeToLive, isTombstone: event.isTombstone)
        found = (Array(key), own)
      } else if let found, let other = event.key, other.elementsEqual(found.key) {
        let next = WhyAnswer.Next(sequence: event.sequence, timeNs: event.timeNs)
        return result.withLock { $0 = (found.own, next) }
      }
      if !answer.readsOn(behind: event.sequence, timeNs: event.timeNs) {
        if let found { result.withLock { $0 = (found.own, nil) } }
        return
      }
    }
  }
}
