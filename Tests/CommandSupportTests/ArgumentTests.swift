import CommandSupport
import Testing

struct ArgumentTests {
  static let spec = CommandSpec(
    name: "serve", summary: "Runs a broker.", positional: "TOPIC", positionalRange: 0...1,
    about: ["About."],
    options: [
      OptionSpec("listen", "HOST:PORT", repeatable: true, "Where to listen."),
      OptionSpec("memory", "SIZE", "Ring memory."),
      OptionSpec("max-connections", "N", "Limit."),
      OptionSpec("drain-timeout", "TIME", "How long."),
      OptionSpec("json", nil, "As JSON."),
    ],
    examples: [.init("galleon serve", "Serve.")])

  func parse(_ arguments: String...) throws(UsageError) -> ParsedArguments {
    try ParsedArguments(arguments, of: Self.spec)
  }

  func sentence(_ arguments: String...) -> String? {
    do throws(UsageError) {
      _ = try ParsedArguments(arguments, of: Self.spec)
      return nil
    } catch {
      return error.sentence
    }
  }

  @Test func bothFormsOfAValue() throws {
    let parsed = try parse("--memory", "1GiB", "--max-connections=5k", "topic", "--json")
    #expect(try parsed.size("memory") == 1 << 30)
    #expect(try parsed.count("max-connections") == 5000)
    #expect(parsed.has("json") && !parsed.has("listen"))
    #expect(parsed.positionals == ["topic"])
  }

  @Test func aRepeatableFlagKeepsItsOrderAndOthersAreGivenOnce() throws {
    #expect(try parse("--listen", "a:1", "--listen=b:2").all("listen") == ["a:1", "b:2"])
    #expect(sentence("--memory", "1", "--memory", "2") == "--memory is given twice")
  }

  @Test func aValueMayBeginWithOneDashAndHoldEqualsSigns() throws {
    #expect(try parse("--memory", "-1").text("memory") == "-1")
    #expect(try parse("--memory=a=b").text("memory") == "a=b")
    #expect(try parse("--memory=").text("memory") == "")
    #expect(try parse("--memory=--json").text("memory") == "--json")
  }

  @Test func whatComesAfterTwoDashesIsNoFlag() throws {
    #expect(try parse("--", "--json").positionals == ["--json"])
    #expect(try parse("-").positionals == ["-"])
  }

  @Test(arguments: [
    ("--memry", "there is no flag --memry; the nearest is --memory"),
    ("--max-conections=4", "there is no flag --max-conections; the nearest is --max-connections"),
    ("--max", "there is no flag --max; the nearest is --max-connections"),
    ("--jsno", "there is no flag --jsno; the nearest is --json"),
    ("-json", "flags begin with two dashes: -json is not one; the nearest is --json"),
    ("--json=1", "--json takes no value"),
    ("--memory", "--memory needs a value: --memory SIZE"),
  ])
  func aWrongFlagIsAnsweredWithTheNearest(argument: String, expected: String) {
    #expect(sentence(argument) == expected)
  }

  @Test func aMissingValueDoesNotTakeTheNextFlag() {
    #expect(sentence("--memory", "--json") == "--memory needs a value: --memory SIZE")
  }

  @Test func tooManyPositionals() {
    #expect(sentence("a", "b") == "serve takes one TOPIC: \"b\" is too much")
  }

  @Test func helpWinsOverMistakes() throws {
    #expect(try parse("--nonsense", "--help").wantsHelp)
    #expect(try !parse("--", "--help").wantsHelp)
  }

  @Test func valuesOutsideTheirRange() throws {
    let parsed = try parse("--memory", "64KiB", "--drain-timeout", "1m30s")
    #expect(try parsed.durationNs("drain-timeout") == 90_000_000_000)
    #expect(throws: UsageError("--memory must be at least 1 MiB")) {
      try parsed.size("memory", in: (1 << 20)...(1 << 30))
    }
    #expect(throws: UsageError("--drain-timeout must be at most 60 s")) {
      try parsed.durationNs("drain-timeout", in: 0...60_000_000_000)
    }
    #expect(throws: UsageError("--memory is a number such as 5000 or 5k, not \"64KiB\"")) {
      try parsed.count("memory")
    }
    #expect(throws: UsageError("--memory is one of a, b, not \"64KiB\"")) {
      try parsed.choice("memory", among: [("a", 1), ("b", 2)])
    }
  }

  @Test(
    arguments: [
      ("0", 0), ("65536", 65536), ("1B", 1), ("64KiB", 65536), ("1kB", 1000),
      ("2GB", 2_000_000_000),
      ("3TiB", 3 << 40),
    ] as [(String, UInt64)])
  func sizes(text: String, expected: UInt64) { #expect(Quantity.size(text) == expected) }

  @Test(arguments: ["", "KiB", "-1", "+1", "1.5GiB", "1 KiB", "1kib", "99999999999TiB", "١KiB"])
  func noSizes(text: String) { #expect(Quantity.size(text) == nil) }

  @Test(
    arguments: [
      ("0", 0), ("5s", 5_000_000_000), ("250ms", 250_000_000), ("10us", 10_000), ("3ns", 3),
      ("1h1m1s1ms", 3_661_001_000_000),
    ] as [(String, UInt64)])
  func durations(text: String, expected: UInt64) { #expect(Quantity.durationNs(text) == expected) }

  @Test(arguments: ["", "5", "s", "5s1m", "5s5s", "-5s", "1.5s", "5 s", "999999999d"])
  func noDurations(text: String) { #expect(Quantity.durationNs(text) == nil) }

  @Test(arguments: [
    ("0", 0), ("1", 1), ("0.5", 0.5), ("0.025", 0.025), ("50%", 0.5), ("12.5%", 0.125),
    ("200", 200),
  ])
  func shares(text: String, expected: Double) throws {
    #expect(abs(try #require(Quantity.share(text)) - expected) < 1e-9)
  }

  @Test(arguments: ["", "%", ".5", "5.", "-1", "1e3", "0.5.5", "0x1", "1 %", "1234567", "nan"])
  func noShares(text: String) { #expect(Quantity.share(text) == nil) }

  @Test func helpNamesEveryFlagAndAnExample() {
    let text = HelpText.command(Self.spec, program: "galleon")
    for option in Self.spec.options { #expect(text.contains("--\(option.name)")) }
    #expect(text.hasPrefix("usage: galleon serve TOPIC [FLAGS]\n"))
    #expect(text.contains("  galleon serve\n"))
    #expect(text.contains("May be repeated."))
    #expect(text.split(separator: "\n").allSatisfy { $0.count <= 80 })
  }

  @Test func onlyALikelyCommandIsSuggested() {
    let names = ["serve", "pub", "tail", "stats", "bench"]
    #expect(Suggestion.likely("serv", in: names) == "serve")
    #expect(Suggestion.likely("tial", in: names) == "tail")
    #expect(Suggestion.likely("benhc", in: names) == "bench")
    for strange in ["nope", "subscribe", "-x"] {
      #expect(Suggestion.likely(strange, in: names) == nil)
    }
  }
}
