/// What `galleon bench` is told.
public struct BenchCommand: Sendable, Equatable {
  public enum Pace: Sendable, Equatable {
    case flatOut(window: Int?)
    case rate(Double)
    case rounds(events: Int)
  }

  public var url: String?
  public var publishers = 1
  public var subscribers = 1
  public var topics = 1
  public var stalledSubscribers = 0
  public var payloadBytes = 128
  public var batch = 64
  public var pace = Pace.flatOut(window: nil)
  public var seconds = 2.0
  public var warmupSeconds = 0.3
  public var topicPrefix: String?
  public var isJSON = false

  public static let spec = CommandSpec(
    name: "bench", summary: "Measures a broker that is running on this machine.",
    about: [
      "Publishes and subscribes as fast as the broker allows, or at a fixed rate, and checks that "
        + "every subscriber got every event once and in order. It exits with 70 if one did not.",
      "Flat out, a bounded number of events is in flight, so the figure is that of the slowest "
        + "subscriber. Latency is measured well with --rate only: it counts from the time an "
        + "event was due.",
      "Ctrl-C ends the measurement: what was measured so far is checked and shown, and the exit "
        + "code is 130.",
      "The generator takes processor time too. Compare figures of one machine, in one sitting.",
      "With --json: publishers, subscribers, topics, payloadBytes, batch; seconds and "
        + "setupSeconds; eventsPerSecond, deliveriesPerSecond and bytesPerSecond; published, "
        + "delivered and announcedGaps; latency with count, p50Ns, p99Ns, p999Ns and maxNs, where "
        + "there is one; verdict, which is exact or faulty, and then fault.",
    ],
    options: [
      OptionSpec(
        "url", "URL",
        "The broker: galleon://127.0.0.1:PORT. Default: $GALLEON_URL, or "
          + "\(SharedOptions.defaultURL)."),
      OptionSpec("publishers", "N", "Publishing connections. Default: 1."),
      OptionSpec("subscribers", "N", "Subscribing connections. Default: 1."),
      OptionSpec("topics", "N", "Topics, shared out among both. Default: 1."),
      OptionSpec("stalled", "N", "Further subscribers that never read. Default: 0."),
      OptionSpec("payload", "SIZE", "Bytes of a payload. Default: 128."),
      OptionSpec("batch", "N", "Events of a batch. Default: 64."),
      OptionSpec("rate", "N", "Events a second over all publishers. Default: flat out."),
      OptionSpec("window", "N", "Events of a topic in flight when flat out."),
      OptionSpec(
        "rounds", "N", "Publishes so many events to each topic, waits for them, and repeats."),
      OptionSpec("duration", "TIME", "Of the measurement. Default: 2s."),
      OptionSpec("warmup", "TIME", "Before it. Default: 300ms."),
      OptionSpec(
        "topic-prefix", "TEXT",
        "First part of the topics' names. Default: one that no other run has used."),
      OptionSpec("json", nil, "Prints the result as a JSON object."),
    ],
    examples: [
      .init("galleon bench --subscribers 100", "One publisher to a hundred subscribers, flat out:"),
      .init("galleon bench --rate 10k --duration 10s", "Latency at 10,000 events a second:"),
    ])

  public init(_ parsed: ParsedArguments) throws(UsageError) {
    func number(_ name: String, _ range: ClosedRange<UInt64>, _ value: Int) throws(UsageError)
      -> Int
    {
      try parsed.count(name, in: range).map { Int($0) } ?? value
    }
    let many: ClosedRange<UInt64> = 1...100_000
    url = parsed.text("url")
    publishers = try number("publishers", many, publishers)
    subscribers = try number("subscribers", many, subscribers)
    topics = try number("topics", many, topics)
    stalledSubscribers = try number("stalled", 0...100_000, stalledSubscribers)
    payloadBytes = try parsed.size("payload", in: 1...(1 << 20)).map { Int($0) } ?? payloadBytes
    batch = try number("batch", 1...1_000_000, batch)
    let paces = ["rate", "window", "rounds"].filter { parsed.has($0) }
    if paces.count > 1 { throw UsageError("give --\(paces[0]) or --\(paces[1]), not both") }
    if let rate = try parsed.count("rate", in: 1...1_000_000_000) { pace = .rate(Double(rate)) }
    if let window = try parsed.count("window", in: 1...1_000_000_000) {
      pace = .flatOut(window: Int(window))
    }
    if let events = try parsed.count("rounds", in: 1...1_000_000_000) {
      pace = .rounds(events: Int(events))
    }
    let hour: UInt64 = 3_600_000_000_000
    if let ns = try parsed.durationNs("duration", in: 1_000_000...hour) {
      seconds = Double(ns) / 1e9
    }
    if let ns = try parsed.durationNs("warmup", in: 0...hour) { warmupSeconds = Double(ns) / 1e9 }
    topicPrefix = parsed.text("topic-prefix")
    isJSON = parsed.has("json")
  }
}
