/// What `galleon stats` is told.
public struct StatsCommand: Sendable, Equatable {
  public enum Place: Sendable, Equatable {
    case url(String?)
    case process(Int32)
    case file(String)
  }

  public var place: Place
  public var watches = false
  public var isJSON = false
  /// Between two readings.
  public var intervalNs: UInt64 = 500_000_000
  /// Rows shown of each table; nil for all.
  public var rowsMax: Int? = 20
  /// Who is slow, instead of everything.
  public var showsSlow = false
  /// Where the time of each topic's and each subscription's events went as well.
  public var showsTimes = false
  /// What was recorded, instead of what is.
  public var showsHistory = false
  /// The recording, where it is named.
  public var recording: String?

  /// A second is short enough to see a change and long enough to read it.
  static let watchIntervalNs: UInt64 = 1_000_000_000
  /// The session would be given up by the broker if nothing were said for longer.
  static let intervalNsMax: UInt64 = 30_000_000_000

  public static let spec = CommandSpec(
    name: "stats", summary: "Shows what a broker is doing.", positional: "[RECORDING]",
    positionalRange: 0...1,
    about: [
      "Shows the broker's counters: events and bytes, in rates and totals; every topic, "
        + "connection, publisher and subscription with its credit and its lag; latencies; memory "
        + "of the ceiling; and sessions ended by reason. Rates are taken between two readings.",
      "The counters come over the protocol, or with --pid or --counters from the broker's file on "
        + "the same machine, which also tells of a broker that hangs or has died. Without any of "
        + "them, and where no broker answers, the file of the one that lives is read, or of the "
        + "last one that died.",
      "With --history it shows what a broker that was started with serve --record has recorded, "
        + "also where it has been killed since: rates, losses, lag, memory and latencies of each "
        + "second of the last hour under load, and when it was idle. The recording is the one "
        + "named, or that of the broker.",
      "Reading costs the broker next to nothing, and nothing at all from its file.",
    ],
    options: [
      SharedOptions.url,
      OptionSpec("pid", "PID", "Reads the file of the broker with this process id."),
      OptionSpec("counters", "PATH", "Reads this file of counters."),
      OptionSpec("watch", nil, "Goes on until Ctrl-C or q, on the whole screen."),
      OptionSpec(
        "interval", "TIME",
        "Between two readings; 0 takes one and shows no rates. Default: 500ms, and 1s with "
          + "--watch."),
      OptionSpec("slow", nil, "Who is behind, and why, in a sentence each, the worst first."),
      OptionSpec(
        "times", nil,
        "Also where the time of each topic's and each subscription's events went: in the broker, "
          + "without credit, with a full socket; and how long clients take for a delivery."),
      OptionSpec("history", nil, "What was recorded, instead of what is."),
      OptionSpec("rows", "N|all", "Rows of each table. Default: 20."),
      OptionSpec(
        "json", nil,
        "One JSON object with everything; with --watch one a line. Its names do not change; "
          + "Protocol/counters.md says what they are."),
    ],
    examples: [
      .init("galleon stats --watch", "Watch the broker of this machine:"),
      .init(
        "galleon stats --json | jq '.subscriptions[] | {pattern, lagEvents}'",
        "Who is behind, and how far:"),
      .init("galleon stats --history /var/lib/galleon.rec", "What happened in the last hour:"),
    ])

  /// Where the counters are read.
  static func place(_ parsed: ParsedArguments) throws(UsageError) -> Place {
    let given = ["url", "pid", "counters"].filter { parsed.has($0) }
    if given.count > 1 {
      throw UsageError("give --\(given[0]) or --\(given[1]), not both")
    }
    if let pid = try parsed.count("pid", in: 1...UInt64(Int32.max)) { return .process(Int32(pid)) }
    return parsed.text("counters").map { .file($0) } ?? .url(parsed.text("url"))
  }

  public init(_ parsed: ParsedArguments) throws(UsageError) {
    place = try Self.place(parsed)
    showsSlow = parsed.has("slow")
    if showsSlow && parsed.has("json") {
      throw UsageError("--slow is for people; --json --times has what it says in numbers")
    }
    showsTimes = parsed.has("times")
    if showsSlow && showsTimes { throw UsageError("give --slow or --times, not both") }
    showsHistory = parsed.has("history")
    recording = parsed.positionals.first
    if recording != nil && !showsHistory {
      throw UsageError("\"\(recording ?? "")\" is too much; a recording goes with --history")
    }
    if showsHistory {
      let others = ["watch", "interval", "rows", "slow", "times"]
      if let other = others.first(where: { parsed.has($0) }) {
        throw UsageError("--\(other) does not go with --history")
      }
      let given = ["url", "pid", "counters"].first { parsed.has($0) }
      if let given, recording != nil {
        throw UsageError("give --\(given) or a recording, not both")
      }
    }
    watches = parsed.has("watch")
    isJSON = parsed.has("json")
    if let interval = try parsed.durationNs("interval", in: 0...Self.intervalNsMax) {
      if watches && interval < 50_000_000 {
        throw UsageError("--interval must be at least 50 ms with --watch")
      }
      intervalNs = interval
    } else if watches {
      intervalNs = Self.watchIntervalNs
    }
    if parsed.text("rows") == "all" {
      rowsMax = nil
    } else if let rows = try parsed.count("rows", in: 0...1_000_000) {
      rowsMax = Int(rows)
    }
  }
}
