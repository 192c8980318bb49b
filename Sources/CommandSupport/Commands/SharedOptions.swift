import WireFormat

/// What several commands have in common.
public enum SharedOptions {
  public static let program = "galleon"
  public static let urlVariable = "GALLEON_URL"
  public static let defaultURL = "galleon://127.0.0.1:4747"

  static let url = OptionSpec(
    "url", "URL",
    "The broker: galleon://HOST:PORT or galleon+unix://PATH. Default: $GALLEON_URL, or "
      + "\(defaultURL).")

  static let reconnect = OptionSpec(
    "reconnect", "TIME",
    "How long it tries to come back when the connection breaks; 0 not at all. Default: 10s.")

  static let reconnectNs: UInt64 = 10_000_000_000

  /// A topic's name as the broker would take it.
  static func topic(_ text: String) throws(UsageError) -> String {
    if text.isValidTopicName { return text }
    if text.hasPrefix("$") {
      throw UsageError("\"\(text)\" is no topic: names that begin with $ are the broker's own")
    }
    throw UsageError("\"\(text)\" is no topic: \(nameRule)")
  }

  /// A pattern as the broker would take it.
  static func pattern(_ text: String) throws(UsageError) -> String {
    if text.isValidPattern { return text }
    throw UsageError(
      "\"\(text)\" is no pattern: \(nameRule); `*` is a whole part, and `>` the last one")
  }

  private static let nameRule =
    "write 1 to \(WireLimits.topicTokensMax) parts with dots between them, at most "
    + "\(WireLimits.topicNameBytesMax) bytes without blanks, such as hunt.1.loot"
}

/// The text of `galleon --help`.
public enum Overview {
  public static let commands = [
    ServeCommand.spec, PubCommand.spec, TailCommand.spec, StatsCommand.spec, WhyCommand.spec,
    BenchCommand.spec,
  ]

  public static var text: String {
    HelpText.overview(
      program: SharedOptions.program,
      about: [
        "Galleon is an event bus in one process: topics that remember, subscriptions that never "
          + "slow one another, and an account of every event."
      ],
      commands: commands,
      footer: [
        "\(SharedOptions.program) COMMAND --help says more. "
          + "\(SharedOptions.program) --version says which version this is.",
        "Exit codes: 0 done; 64 wrong command line; 69 the broker is not there; 70 refused or "
          + "failed; 74 a file, pipe or terminal failed; 130 interrupted.",
      ])
  }
}
