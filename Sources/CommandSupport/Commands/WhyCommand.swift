/// What `galleon why` is told.
public struct WhyCommand: Sendable, Equatable {
  public var place: StatsCommand.Place
  public var question: WhyAnswer.Question
  public var isJSON: Bool

  public static let spec = CommandSpec(
    name: "why", summary: "Says what became of one event for one subscription.",
    positional: "SUBSCRIPTION TOPIC SEQUENCE", positionalRange: 3...3,
    about: [
      "Delivered, and when; conflated, and into which event; sampled out, expired or dropped, and "
        + "why; not yet sent, and what it waits for; never matched; or too long ago to tell. The "
        + "subscription is named by the id that stats shows.",
      "It is told from a small record that the broker keeps of each subscription. For a conflated "
        + "event the topic is read from there on, to find the next event of its key.",
      "With --json: subscription, topic, sequence; fate; cause, notBefore, notAfter and into (a "
        + "sequence), null where there is none; and the sentence.",
    ],
    options: [
      SharedOptions.url,
      OptionSpec("pid", "PID", "Reads the file of the broker with this process id."),
      OptionSpec("counters", "PATH", "Reads this file of counters."),
      OptionSpec("json", nil, "The answer as one JSON object."),
    ],
    examples: [.init("galleon why 7 hunt.1.positions 4711", "What became of event 4711:")])

  public init(_ parsed: ParsedArguments) throws(UsageError) {
    place = try StatsCommand.place(parsed)
    isJSON = parsed.has("json")
    let words = parsed.positionals
    guard let subscription = UInt64(words[0]), let sequence = UInt64(words[2]), sequence > 0 else {
      throw UsageError("SUBSCRIPTION and SEQUENCE are numbers, and sequences begin with 1")
    }
    question = WhyAnswer.Question(
      subscription: subscription, topic: try SharedOptions.topic(words[1]), sequence: sequence)
  }
}
