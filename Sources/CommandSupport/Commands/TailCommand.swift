/// What `galleon tail` is told.
public struct TailCommand: Sendable, Equatable {
  public enum Start: Sendable, Equatable {
    case latest
    case earliest
    case sequence(UInt64)
    /// Nanoseconds since the Unix epoch.
    case time(UInt64)
    case state
  }

  public enum Policy: Sendable, Equatable { case lossless, dropOldest, latest, sample, disconnect }

  /// What may be given beside a policy.
  public struct Bounds: Sendable, Equatable {
    public var lagEvents: UInt64?
    public var lagBytes: UInt64?
    public var ageNs: UInt64?
    public var withoutCreditNs: UInt64?
    /// Of `sample`: every n-th event.
    public var every: UInt32?

    public init() {}
  }

  public enum Format: Sendable, Equatable { case people, json, raw }

  public var patterns: [String]
  public var url: String?
  public var start = Start.latest
  public var policy = Policy.lossless
  public var bounds = Bounds()
  /// Whether lines of standard input change the policy while it runs.
  public var readsPolicies = false
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
      "Events are shown as: time, topic, sequence, key, headers, payload. Control characters and "
        + "bytes that are not UTF-8 are escaped, so that no payload can disturb the terminal.",
      "With --json each line is an object with topic, sequence, time, key, headers and payload; "
        + "keyBase64, valueBase64 and payloadBase64 stand for what is not UTF-8. A loss is "
        + "an object with gap, topic, first, last, count, bytes and cause; a deletion of a key has "
        + "tombstone. What the policy leaves out is told in its place too: leftOut, and the same "
        + "fields with expiredCount and expiredBytes for what was too old. With --from state, "
        + "stateReset and stateComplete stand around the state of a topic.",
    ],
    options: [
      SharedOptions.url,
      OptionSpec(
        "from", "POSITION",
        "Where to start in topics there are: latest (the next event), earliest (the oldest one "
          + "kept), state (the newest event of each key, then the next event), a sequence, or a "
          + "time such as 2026-03-01T12:00:00Z. Default: latest."),
      OptionSpec("count", "N", "Ends after so many events."),
      OptionSpec(
        "policy", "POLICY",
        "What is printed when this end falls behind: lossless waits, drop-oldest loses the oldest "
          + "events, latest brings the newest event of each key, disconnect ends. sample brings "
          + "every n-th event, always. Default: lossless."),
      OptionSpec("every", "N", "With sample: which events, those whose sequence N divides."),
      OptionSpec("max-lag-events", "N", "Bound for drop-oldest and disconnect."),
      OptionSpec("max-lag-bytes", "SIZE", "Bound for drop-oldest and disconnect."),
      OptionSpec(
        "max-age", "TIME",
        "Bound for drop-oldest and disconnect; with latest and sample, what is older is left out."),
      OptionSpec(
        "max-no-credit", "TIME", "Bound for disconnect: how long nothing is taken at this end."),
      OptionSpec(
        "policy-lines", nil,
        "Each line of standard input changes the policy from there on. It is written as here, "
          + "without --policy: latest --max-age 2s."),
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
      .init(
        "galleon tail hunt.positions --from state --policy latest",
        "Where everybody is, and who moves, however slow this end is:"),
    ])

  public init(_ parsed: ParsedArguments) throws(UsageError) {
    patterns = []
    for text in parsed.positionals { patterns.append(try SharedOptions.pattern(text)) }
    url = parsed.text("url")
    if let text = parsed.text("from") { start = try Self.start(text) }
    count = try parsed.count("count", in: 1...UInt64.max)
    try readPolicy(parsed)
    readsPolicies = parsed.has("policy-lines")
    if parsed.has("json") && parsed.has("raw") {
      throw UsageError("give --json or --raw, not both")
    }
    format = parsed.has("json") ? .json : parsed.has("raw") ? .raw : .people
    isQuiet = parsed.has("quiet")
    if let given = try parsed.durationNs("reconnect") { reconnectNs = given }
  }

  /// What a line of standard input changes: the same command with that policy and those bounds.
  public func changed(by line: String) throws(UsageError) -> TailCommand {
    let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" }).map { String($0) }
    let parsed = try ParsedArguments(["--policy"] + words + patterns.prefix(1), of: Self.spec)
    let known = [
      "policy", "every", "max-lag-events", "max-lag-bytes", "max-age", "max-no-credit",
    ]
    let other = Self.spec.options.first { parsed.has($0.name) && !known.contains($0.name) }
    if let other { throw UsageError("--\(other.name) cannot be changed while it runs") }
    if let word = parsed.positionals.dropLast().first {
      throw UsageError("\"\(word)\" is too much")
    }
    var changed = self
    try changed.readPolicy(parsed)
    return changed
  }

  private mutating func readPolicy(_ parsed: ParsedArguments) throws(UsageError) {
    policy =
      try parsed.choice(
        "policy",
        among: [
          ("lossless", .lossless), ("drop-oldest", .dropOldest), ("latest", .latest),
          ("sample", .sample), ("disconnect", .disconnect),
        ]) ?? .lossless
    // The protocol has whole milliseconds, of 32 bits.
    let times: ClosedRange<UInt64> = 1_000_000...(UInt64(UInt32.max) * 1_000_000)
    bounds.lagEvents = try parsed.count("max-lag-events", in: 1...UInt64.max)
    bounds.lagBytes = try parsed.size("max-lag-bytes", in: 1...UInt64(Int.max))
    bounds.ageNs = try parsed.durationNs("max-age", in: times)
    bounds.withoutCreditNs = try parsed.durationNs("max-no-credit", in: times)
    bounds.every = try parsed.count("every", in: 1...UInt64(UInt32.max)).map { UInt32($0) }
    let hasLag = bounds.lagEvents != nil || bounds.lagBytes != nil
    let isBounded = hasLag || bounds.ageNs != nil || bounds.withoutCreditNs != nil
    if hasLag, policy != .dropOldest, policy != .disconnect {
      throw UsageError("a lag bound needs --policy drop-oldest or --policy disconnect")
    }
    if bounds.ageNs != nil, policy == .lossless {
      throw UsageError("--max-age needs a --policy other than lossless")
    }
    if bounds.withoutCreditNs != nil, policy != .disconnect {
      throw UsageError("--max-no-credit needs --policy disconnect")
    }
    if (bounds.every != nil) != (policy == .sample) {
      throw UsageError("--policy sample and --every N go together")
    }
    if policy == .dropOldest || policy == .disconnect, !isBounded {
      throw UsageError(
        "that policy needs a bound: --max-lag-events, --max-lag-bytes"
          + (policy == .disconnect ? ", --max-age or --max-no-credit" : " or --max-age"))
    }
  }

  private static func start(_ text: String) throws(UsageError) -> Start {
    switch text {
    case "latest": return .latest
    case "earliest": return .earliest
    case "state": return .state
    default:
      if let sequence = UInt64(text), sequence > 0, text.first != "+" { return .sequence(sequence) }
      if let time = RFC3339.parse(text) { return .time(time) }
      throw UsageError(
        "--from is latest, earliest, state, a sequence from 1, or a time such as "
          + "2026-03-01T12:00:00Z, not \"\(text)\"")
    }
  }
}
