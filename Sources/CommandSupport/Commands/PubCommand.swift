import WireFormat

/// What `galleon pub` is told.
public struct PubCommand: Sendable, Equatable {
  public enum Compression: Sendable, Equatable { case none, lz4, zstd }

  public var topic: String
  public var url: String?
  /// The key of every event.
  public var key: String?
  /// What stands between the key and the payload of a line.
  public var keySeparator: String?
  /// The key is deleted, and nothing is read.
  public var deletes = false
  public var headers: [Header] = []
  /// Every event of the topic must have a key, where it is created.
  public var isKeyed = false
  /// Publishers of the topic wait for its lossless subscriptions, where it is created; and how long
  /// at most.
  public var blocks = false
  public var blockTimeoutNs: UInt64?
  public var waitsForAcknowledgement = false
  public var timeToLiveNs: UInt64?
  public var compression = Compression.none
  public var isJSON = false
  public var isQuiet = false
  /// How long to try to come back when the connection breaks.
  public var reconnectNs = SharedOptions.reconnectNs

  public struct Header: Sendable, Equatable {
    public var name: String
    public var value: String

    public init(name: String, value: String) {
      self.name = name
      self.value = value
    }
  }

  public static let spec = CommandSpec(
    name: "pub", summary: "Publishes lines of standard input.", positional: "TOPIC",
    positionalRange: 1...1,
    about: [
      "Publishes each line of standard input as one event, without the line's end; an empty line "
        + "is an empty event. Files of any size pass through in bounded memory. At the end it "
        + "says how many events it published and, with --ack, how many of them the broker has in "
        + "its order.",
      "Interrupted by Ctrl-C, it says what it had published so far and exits with 130.",
    ],
    options: [
      SharedOptions.url,
      OptionSpec("key", "KEY", "The key of every event."),
      OptionSpec(
        "key-separator", "TEXT",
        "A line is KEY TEXT PAYLOAD: what stands before the first TEXT is the event's key, what "
          + "stands behind it the payload."),
      OptionSpec(
        "delete", nil,
        "With --key: deletes the key. Publishes one event that says so, without a payload, and "
          + "reads no input. The topic must exist. From then on a keyed topic knows of the key "
          + "only that it was deleted."),
      OptionSpec(
        "keyed", nil,
        "Makes the topic a keyed one where it does not exist yet: every event must have a key, and "
          + "the newest of each is known (tail --policy latest, --from state)."),
      OptionSpec(
        "block", nil,
        "Makes the topic one that waits where it does not exist yet: its publishers wait for "
          + "subscriptions with policy lossless."),
      OptionSpec(
        "block-timeout", "TIME",
        "With --block: how long a subscription may hold publishers up; then it loses events. "
          + "Default: the broker's, 1s."),
      OptionSpec("header", "NAME=VALUE", repeatable: true, "A header of every event."),
      OptionSpec("ack", nil, "Waits until the broker has accepted every event."),
      OptionSpec("ttl", "TIME", "Events older than this are not delivered any more."),
      OptionSpec("compress", "lz4|zstd|none", "How batches are compressed. Default: none."),
      OptionSpec(
        "json", nil,
        "Prints the counts as a JSON object: topic, published, acknowledged (without --ack: read "
          + "by the broker), lost (perhaps, when the connection broke), bytes, seconds."),
      SharedOptions.reconnect,
      OptionSpec("quiet", nil, "Prints no progress and no counts."),
    ],
    examples: [
      .init("echo 'gold at 7,12' | galleon pub hunt.loot", "Publish one event:"),
      .init(
        "galleon pub hunt.positions --key-separator , --compress lz4 --ack < walks.csv",
        "Publish a file, keyed by its first column, and wait until all of it is accepted:"),
      .init("galleon pub hunt.positions --key ann --delete", "Delete a key:"),
    ])

  public init(_ parsed: ParsedArguments) throws(UsageError) {
    topic = try SharedOptions.topic(parsed.positionals[0])
    url = parsed.text("url")
    key = parsed.text("key")
    keySeparator = parsed.text("key-separator")
    if key != nil && keySeparator != nil {
      throw UsageError("give --key or --key-separator, not both")
    }
    if keySeparator == "" { throw UsageError("--key-separator needs at least one character") }
    if let key, !(1...WireLimits.keyBytesMax).contains(key.utf8.count) {
      throw UsageError("--key has 1 to \(WireLimits.keyBytesMax) bytes")
    }
    deletes = parsed.has("delete")
    if deletes && key == nil { throw UsageError("--delete needs --key") }
    if deletes && !parsed.all("header").isEmpty {
      throw UsageError("give --delete or --header, not both")
    }
    for text in parsed.all("header") {
      let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard parts.count == 2, !parts[0].isEmpty else {
        throw UsageError("--header is NAME=VALUE, not \"\(text)\"")
      }
      headers.append(Header(name: String(parts[0]), value: String(parts[1])))
    }
    try checkHeaders()
    isKeyed = parsed.has("keyed")
    if isKeyed && key == nil && keySeparator == nil {
      throw UsageError("--keyed needs keys: --key or --key-separator")
    }
    waitsForAcknowledgement = parsed.has("ack")
    // The protocol has milliseconds in 32 bits.
    let times: ClosedRange<UInt64> = 1_000_000...(UInt64(UInt32.max) * 1_000_000)
    timeToLiveNs = try parsed.durationNs("ttl", in: times)
    blocks = parsed.has("block")
    blockTimeoutNs = try parsed.durationNs("block-timeout", in: times)
    if blockTimeoutNs != nil && !blocks { throw UsageError("--block-timeout needs --block") }
    compression =
      try parsed.choice("compress", among: [("lz4", .lz4), ("zstd", .zstd), ("none", .none)])
      ?? .none
    isJSON = parsed.has("json")
    isQuiet = parsed.has("quiet")
    if let given = try parsed.durationNs("reconnect") { reconnectNs = given }
  }

  private func checkHeaders() throws(UsageError) {
    var all = EventHeaders()
    for header in headers where !all.append(name: header.name, value: header.value) {
      throw UsageError(
        "--header: an event has at most \(WireLimits.headersMax) of them; a name has 1 to "
          + "\(WireLimits.headerNameBytesMax) bytes and no control characters, a value at most "
          + "\(UInt16.max) bytes")
    }
  }
}
