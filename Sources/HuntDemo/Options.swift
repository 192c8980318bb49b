import CommandSupport

/// What the demo is told on its command line.
struct Options: Sendable {
  var url = "galleon://127.0.0.1:4747"
  var brokerProcess: Int32?
  var players = 3000
  var speed: UInt64 = 60
  var durationNs: UInt64 = 30_000_000_000
  var treasuresPerSecond: Double = 100
  var seed: UInt64?
  var walksPath: String?
  var isJSON = false

  static let spec = CommandSpec(
    name: "hunt-demo", summary: "a treasure hunt on recorded walks",
    about: [
      """
      Replays recorded walks as players of a treasure hunt: real fixes in their real order and \
      rhythm, sped up, each player with a start and an offset of their own. A service drops \
      treasures near the paths and gives them to who comes by; subscriptions with different \
      patterns and policies follow, one of them too slow on purpose. At the end all sums are \
      checked.
      """,
      """
      Pauses of the recordings, when the receiver was off, are pauses of the players; jumps are \
      jumps. After its last fix a walk begins again.
      """,
      """
      Ends with 0 where every sum is right, 70 where one is wrong, 69 where the broker is not \
      there, 130 after Ctrl-C with right sums.
      """,
    ],
    options: [
      OptionSpec("url", "URL", "The broker. Default: galleon://127.0.0.1:4747."),
      OptionSpec("players", "N", "Players on all walks together. Default: 3000."),
      OptionSpec("speed", "N", "How many times faster than recorded. Default: 60."),
      OptionSpec("duration", "TIME", "How long players walk. Default: 30s."),
      OptionSpec("treasures", "N", "Treasures dropped in a second. Default: 100."),
      OptionSpec("seed", "N", "Starts, offsets and treasures; the same for the same number."),
      OptionSpec("walks", "FILE", "Recorded walks. Default: those that come with the source."),
      OptionSpec("broker-process", "ID", "The broker's process, to show its memory."),
      OptionSpec("json", nil, "Print nothing but the summary, as JSON."),
    ],
    examples: [
      CommandSpec.Example(
        "Tools/demo --players 10000 --speed 20 --duration 1m",
        "More players for a longer time, with a broker of its own:")
    ])

  init() {}

  init(_ parsed: ParsedArguments) throws(UsageError) {
    if let url = parsed.text("url") { self.url = url }
    if let id = try parsed.count("broker-process", in: 1...4_194_304) { brokerProcess = Int32(id) }
    if let count = try parsed.count("players", in: 1...1_000_000) { players = Int(count) }
    if let speed = try parsed.count("speed", in: 1...100_000) { self.speed = speed }
    if let ns = try parsed.durationNs("duration", in: 1_000_000_000...86_400_000_000_000) {
      durationNs = ns
    }
    if let rate = try parsed.count("treasures", in: 0...100_000) {
      treasuresPerSecond = Double(rate)
    }
    seed = try parsed.count("seed")
    walksPath = parsed.text("walks")
    isJSON = parsed.has("json")
  }
}
