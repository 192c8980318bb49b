/// What `galleon tail` is told.
public struct TailCommand: Sendable, Equatable {
  public enum Start: Sendable, Equatable {
    case latest
    case earliest
    case sequence(UInt64)
    /// Nanoseconds since the Unix epoch.
    case time(UInt64)
  }

  public enum Policy: Sendable, Equatable {
    case lossless
    case dropOldest(lagEvents: UInt64?, lagBytes: UInt64?)
    case disconnect(lagEvents: UInt64?, lagBytes: UInt64?)
  }

  public enum Format: Sendable, Equatable { case people, json, raw }

  public var patterns: [String]
  public var url: String?
  public var start = Start.latest
  public var policy = Policy.lossless
  /// Ends after so many events.
  public var count: UInt64?
  public var format = Format.people
  public var isQuiet = false
  /// How long to try to come back when the connection breaks.
  public var reconnectNs = SharedOptions.reconnectNs

  public static let spec = CommandSpec(
    name: "tail", summary: "Prints events as they are published.", positional: "PATTERN...",
    positionalRange: 1...64,
    about: [
      "Prints the events of every topic that matches a pattern: `*` is one part of a name, `>` the "
        + "rest. Lost events are announced in their place. It goes on until Ctrl-C, which ends it "
        + "with a count on standard error, or until nobody reads what it prints.",
      "Events are shown as: time, topic, sequence, key, payload. Control characters and bytes that "
        + "are not UTF-8 are escaped, so that no payload can disturb the terminal.",
      "With --json each line is an object with topic, sequence, time, key, headers and payload; "
        + "keyBase64, valueBase64 and payloadBase64 stand for what is not UTF-8. A loss is "
        + "an object with gap, topic, first, last, count, bytes and cause.",
    ],
    options: [
      SharedOptions.url,
      OptionSpec(
        "from", "POSITION",
        "Where to start in topics there are: latest (the next event), earliest (the oldest one "
          + "kept), a sequence, or a time such as 2026-03-01T12:00:00Z. Default: latest."),
      OptionSpec("count", "N", "Ends after so many events."),
      OptionSpec(
        "policy", "POLICY",
        "When this end falls behind: lossless waits, drop-oldest loses the oldest events, "
          + "disconnect ends. Default: lossless."),
      OptionSpec("max-lag-events", "N", "Bound for drop-oldest and disconnect."),
      OptionSpec("max-lag-bytes", "SIZE", "Bound for drop-oldest and disconnect."),
      OptionSpec("json", nil, "One JSON object a line."),
      OptionSpec("raw", nil, "The payload as it is and a line's end, and nothing else."),
      SharedOptions.reconnect,
      OptionSpec("quiet", nil, "No count at the end."),
    ],
    examples: [
      .init("galleon tail 'hunt.>'", "Watch everything that happens in the hunt:"),
      .init(
        "galleon tail hunt.loot --from earliest --json | jq .payload",
        "Print everything that is kept of a topic, and go on:"),
    ])

  public init(_ parsed: ParsedArguments) throws(UsageError) {
    patterns = parsed.positionals
    url = parsed.text("url")
    if let text = parsed.text("from") { start = try Self.start(text) }
    count = try parsed.count("count", in: 1...UInt64.max)
    let lagEvents = try parsed.count("max-lag-events", in: 1...UInt64.max)
    let lagBytes = try parsed.size("max-lag-bytes", in: 1...UInt64(Int.max))
    policy =
      try parsed.choice(
        "policy",
        among: [
          ("lossless", .lossless),
          ("drop-oldest", .dropOldest(lagEvents: lagEvents, lagBytes: lagBytes)),
          ("disconnect", .disconnect(lagEvents: lagEvents, lagBytes: lagBytes)),
        ]) ?? .lossless
    if policy == .lossless, lagEvents != nil || lagBytes != nil {
      throw UsageError("a lag bound needs --policy drop-oldest or --policy disconnect")
    }
    if policy != .lossless, lagEvents == nil, lagBytes == nil {
      throw UsageError("that policy needs a bound: --max-lag-events or --max-lag-bytes")
    }
    if parsed.has("json") && parsed.has("raw") {
      throw UsageError("give --json or --raw, not both")
    }
    format = parsed.has("json") ? .json : parsed.has("raw") ? .raw : .people
    isQuiet = parsed.has("quiet")
    if let given = try parsed.durationNs("reconnect") { reconnectNs = given }
  }

  private static func start(_ text: String) throws(UsageError) -> Start {
    switch text {
    case "latest": return .latest
    case "earliest": return .earliest
    default:
      if let sequence = UInt64(text), sequence > 0, text.first != "+" { return .sequence(sequence) }
      if let time = RFC3339.parse(text) { return .time(time) }
      throw UsageError(
        "--from is latest, earliest, a sequence from 1, or a time such as 2026-03-01T12:00:00Z, "
          + "not \"\(text)\"")
    }
  }
}
