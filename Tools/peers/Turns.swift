import CommandSupport
import LinuxIO

/// `peers turns`: what a saturated stream of positions does to the rewards of the same connection.
struct Turns {
  static let spec = CommandSpec(
    name: "turns", summary: "Measure what positions do to rewards on one connection.",
    about: [
      "Starts the broker on 127.0.0.1 and, on the client library, publishes a reward each "
        + "millisecond: alone, with a stream of positions on another connection, and with the "
        + "stream on the connection of the rewards. There are half as many positions again as "
        + "their reader takes, so that some always wait for its credit, and nobody's processor is "
        + "the limit.",
      "The goal is a p99 of the rewards beside the positions of at most twice the one alone. The "
        + "p99 of a machine that does something else says nothing.",
    ],
    options: [
      OptionSpec("repetitions", "N", "How often everything is done, in turn. Default: 5."),
      OptionSpec("seconds", "S", "Length of one measurement. Default: 2."),
      OptionSpec("window", "SIZE", "Credit of the positions. Default: 64KiB."),
      OptionSpec(
        "reader", "SIZE", "Bytes of positions a second that their reader takes. Default: 8MB."),
      OptionSpec("galleon", "PATH", "The broker. Default: .build/release/galleon."),
    ],
    examples: [CommandSpec.Example("peers turns --seconds 5", "Five times five seconds of each.")])

  private let repetitions: Int
  private let seconds: Double
  private let windowBytes: UInt64
  private let readerBytes: UInt64
  private var programs = Programs()
  /// What the p99 beside the positions may be of the one alone.
  private static let factorMax = 2.0

  init(_ arguments: ParsedArguments) throws(UsageError) {
    repetitions = Int(try arguments.count("repetitions", in: 1...100) ?? 5)
    seconds = try Options.seconds(arguments) ?? 2
    windowBytes = try arguments.size("window", in: 1024...(1 << 30)) ?? 64 << 10
    readerBytes = try arguments.size("reader", in: 100_000...(1 << 30)) ?? 8_000_000
    if let path = arguments.text("galleon") { programs.galleon = path }
  }

  /// - Returns: the table; false where the stream was not saturated, so that it says nothing.
  func run(progress: (String) -> Void) async throws -> (text: String, isSound: Bool) {
    var outcomes: [TurnsRun.Place: [TurnsRun.Outcome]] = [:]
    let server = try RunningServer.start(Contender.all[0], programs)
    for repetition in 1...repetitions {
      for place in TurnsRun.Place.allCases {
        let run = TurnsRun(
          address: "galleon://127.0.0.1:\(server.port)", place: place,
          prefix: "turns.\(repetition).\(place)", seconds: seconds, windowBytes: windowBytes,
          readerBytesPerSecond: Double(readerBytes))
        let outcome = try await run.measure()
        outcomes[place, default: []].append(outcome)
        progress("\(place) \(repetition): p99 \(HumanNumber.duration(outcome.quantileNs(0.99)))")
      }
    }
    try server.end()
    return report(outcomes)
  }

  private func report(
    _ outcomes: [TurnsRun.Place: [TurnsRun.Outcome]]
  ) -> (text: String, isSound: Bool) {
    func median(_ place: TurnsRun.Place, _ share: Double) -> Double {
      let all = outcomes[place, default: []].map { Double($0.quantileNs(share)) }
      return Series.median(all.sorted()) ?? 0
    }
    var table = TextTable([
      .init("positions", right: false), .init("rewards"), .init("p50"), .init("p99"),
      .init("p99 / alone"), .init("positions/s"), .init("lost"),
    ])
    let alone = median(.alone, 0.99)
    for place in TurnsRun.Place.allCases {
      let all = outcomes[place, default: []]
      let published = all.reduce(0) { $0 + $1.published }
      let lost = all.reduce(0) { $0 + $1.lost }
      let perSecond = Double(published - lost) / Double(repetitions) / seconds
      table.add([
        place.rawValue, HumanNumber.plain(UInt64(all.reduce(0) { $0 + $1.latenciesNs.count })),
        HumanNumber.duration(UInt64(median(place, 0.5))),
        HumanNumber.duration(UInt64(median(place, 0.99))),
        HumanNumber.short((median(place, 0.99) / alone * 100).rounded() / 100),
        place == .alone ? "" : HumanNumber.short(perSecond),
        place == .alone ? "" : HumanNumber.plain(lost),
      ])
    }
    let isSound = outcomes.allSatisfy { place, all in
      place == .alone || all.allSatisfy(\.isSaturated)
    }
    let verdict =
      !isSound
      ? "The reader was not the limit: this says nothing."
      : median(.beside, 0.99) <= Self.factorMax * alone
        ? "reached: at most twice the p99 alone" : "MISSED: at most twice the p99 alone"
    let title =
      "window of \(HumanNumber.size(windowBytes)), \(repetitions) repetitions of \(seconds) s"
    let lines = [title, ""] + table.lines(width: 200) + ["", verdict, ""]
    return (lines.joined(separator: "\n"), isSound)
  }
}
