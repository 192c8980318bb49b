import CommandSupport
import Testing

struct CommandTests {
  private func sentence(_ body: () throws(UsageError) -> Void) -> String? {
    do throws(UsageError) {
      try body()
      return nil
    } catch {
      return error.sentence
    }
  }

  private func tail(_ arguments: String...) throws(UsageError) -> TailCommand {
    try TailCommand(ParsedArguments(arguments, of: TailCommand.spec))
  }

  private func pub(_ arguments: String...) throws(UsageError) -> PubCommand {
    try PubCommand(ParsedArguments(arguments, of: PubCommand.spec))
  }

  private func stats(_ arguments: String...) throws(UsageError) -> StatsCommand {
    try StatsCommand(ParsedArguments(arguments, of: StatsCommand.spec))
  }

  private func bench(_ arguments: String...) throws(UsageError) -> BenchCommand {
    try BenchCommand(ParsedArguments(arguments, of: BenchCommand.spec))
  }

  @Test func theHelpOfEveryCommandHasAnExample() {
    for spec in Overview.commands {
      let text = HelpText.command(spec, program: "galleon")
      #expect(text.contains("galleon \(spec.name)"))
      #expect(!spec.examples.isEmpty)
      #expect(Overview.text.contains("  \(spec.name) "))
      #expect(text.split(separator: "\n").allSatisfy { $0.count <= 80 })
    }
  }

  @Test func whereTailStarts() throws {
    #expect(try tail("a").start == .latest)
    #expect(try tail("a", "--from", "earliest").start == .earliest)
    #expect(try tail("a", "--from=17").start == .sequence(17))
    #expect(try tail("a", "--from=state").start == .state)
    #expect(try tail("a", "--from", "1970-01-01T00:00:01Z").start == .time(1_000_000_000))
    for wrong in ["0", "-1", "+1", "yesterday", "2026-01-01"] {
      #expect(sentence { () throws(UsageError) in _ = try tail("a", "--from", wrong) } != nil)
    }
  }

  @Test func aKeyedTopicNeedsKeys() throws {
    #expect(try pub("t", "--keyed", "--key", "k").isKeyed)
    #expect(sentence { () throws(UsageError) in _ = try pub("t", "--keyed") } != nil)
  }

  @Test func aKeyIsDeletedByItsName() throws {
    let deleting = try pub("t", "--key", "k", "--delete")
    #expect(deleting.deletes && deleting.key == "k")
    #expect(try !pub("t", "--key", "k").deletes)
    for wrong in [["--delete"], ["--delete", "--key-separator=,"]] {
      let parsed = try ParsedArguments(["t"] + wrong, of: PubCommand.spec)
      let problem = sentence { () throws(UsageError) in _ = try PubCommand(parsed) }
      #expect(problem == "--delete needs --key")
    }
    let problem = sentence { () throws(UsageError) in
      _ = try pub("t", "--key=k", "--delete", "--header=a=b")
    }
    #expect(problem == "give --delete or --header, not both")
  }

  @Test func aLineChangesThePolicy() throws {
    let before = try tail("a", "b", "--policy", "drop-oldest", "--max-lag-events", "5")
    let after = try before.changed(by: " latest  --max-age 2s")
    #expect(after.policy == .latest && after.bounds.ageNs == 2_000_000_000)
    #expect(after.bounds.lagEvents == nil && after.patterns == ["a", "b"])
    #expect(try after.changed(by: "lossless").bounds == TailCommand.Bounds())
    for wrong in ["", "newest", "drop-oldest", "latest x", "lossless --json", "sample"] {
      let problem = sentence { () throws(UsageError) in _ = try before.changed(by: wrong) }
      #expect(problem != nil, "\(wrong)")
    }
  }

  @Test func aTopicMayBlockForATime() throws {
    #expect(try !pub("t").blocks)
    let blocking = try pub("t", "--block", "--block-timeout", "2s")
    #expect(blocking.blocks && blocking.blockTimeoutNs == 2_000_000_000)
    #expect(sentence { () throws(UsageError) in _ = try pub("t", "--block-timeout=2s") } != nil)
  }

  @Test func policiesAndTheirBounds() throws {
    let dropping = try tail("a", "--policy", "drop-oldest", "--max-lag-events", "5")
    #expect(dropping.policy == .dropOldest && dropping.bounds.lagEvents == 5)
    let leaving = try tail(
      "a", "--policy=disconnect", "--max-lag-bytes=1KiB", "--max-no-credit", "2s")
    #expect(leaving.policy == .disconnect && leaving.bounds.lagBytes == 1024)
    #expect(leaving.bounds.withoutCreditNs == 2_000_000_000)
    #expect(try tail("a", "--policy", "disconnect", "--max-age", "5s").policy == .disconnect)
    let latest = try tail("a", "--policy", "latest", "--max-age", "250ms")
    #expect(latest.policy == .latest && latest.bounds.ageNs == 250_000_000)
    #expect(try tail("a", "--policy", "latest").bounds == TailCommand.Bounds())
    let sample = try tail("a", "--policy", "sample", "--every", "10")
    #expect(sample.policy == .sample && sample.bounds.every == 10)
    #expect(
      sentence { () throws(UsageError) in _ = try tail("a", "--policy", "newest") }
        == "--policy is one of lossless, drop-oldest, latest, sample, disconnect, not \"newest\"")
  }

  @Test(arguments: [
    "--max-lag-events 5", "--policy disconnect", "--policy drop-oldest",
    "--policy latest --max-lag-events 5", "--policy sample", "--policy latest --every 2",
    "--policy sample --every 0", "--policy sample --every 4294967296", "--max-age 1s",
    "--policy drop-oldest --max-no-credit 1s", "--policy latest --max-age 1us",
    "--policy latest --max-age 100d",
  ])
  func boundsThatMeanNothing(arguments: String) throws {
    let parsed = try ParsedArguments(
      ["a"] + arguments.split(separator: " ").map(String.init), of: TailCommand.spec)
    #expect(sentence { () throws(UsageError) in _ = try TailCommand(parsed) } != nil)
  }

  @Test func whatExcludesEachOther() {
    #expect(
      sentence { () throws(UsageError) in _ = try tail("a", "--json", "--raw") }
        == "give --json or --raw, not both")
    #expect(
      sentence { () throws(UsageError) in _ = try pub("a", "--key", "k", "--key-separator", ",") }
        == "give --key or --key-separator, not both")
    #expect(
      sentence { () throws(UsageError) in _ = try stats("--pid", "3", "--counters", "x") }
        == "give --pid or --counters, not both")
    #expect(
      sentence { () throws(UsageError) in _ = try bench("--rate", "5", "--rounds", "5") }
        == "give --rate or --rounds, not both")
  }

  @Test func positionalsAreNeeded() {
    #expect(sentence { () throws(UsageError) in _ = try tail() } == "tail needs PATTERN...")
    #expect(sentence { () throws(UsageError) in _ = try pub() } == "pub needs TOPIC")
    #expect(sentence { () throws(UsageError) in _ = try pub("a", "b") } != nil)
  }

  @Test func headersOfPub() throws {
    #expect(
      try pub("t", "--header", "a=b=c", "--header=x=").headers
        == [.init(name: "a", value: "b=c"), .init(name: "x", value: "")])
    #expect(
      sentence { () throws(UsageError) in _ = try pub("t", "--header", "a") }
        == "--header is NAME=VALUE, not \"a\"")
  }

  @Test func theRestOfPub() throws {
    let command = try pub("t", "--ack", "--ttl", "5s", "--compress", "zstd", "--json")
    #expect(command.waitsForAcknowledgement && command.isJSON)
    #expect(command.timeToLiveNs == 5_000_000_000 && command.compression == .zstd)
    #expect(sentence { () throws(UsageError) in _ = try pub("t", "--ttl", "1us") } != nil)
  }

  @Test func intervalsOfStats() throws {
    #expect(try stats().intervalNs == 500_000_000)
    #expect(try stats("--watch").intervalNs == 1_000_000_000)
    #expect(try stats("--interval", "0").intervalNs == 0)
    #expect(try stats("--rows", "all").rowsMax == nil)
    #expect(try stats("--history").showsHistory && !stats().showsHistory)
    #expect(try stats("--history", "a").recording == "a")
    let wrong = [
      ["a"], ["--history", "--watch"], ["--history", "--rows", "3"],
      ["--history", "--pid", "3", "a"],
    ]
    for arguments in wrong {
      let mistake = sentence { () throws(UsageError) in
        _ = try StatsCommand(ParsedArguments(arguments, of: StatsCommand.spec))
      }
      #expect(mistake != nil, "\(arguments)")
    }
    #expect(
      sentence { () throws(UsageError) in _ = try stats("--watch", "--interval", "1ms") } != nil)
  }

  @Test func benchNumbers() throws {
    let command = try bench("--rate", "10k", "--payload", "1KiB", "--duration", "500ms")
    #expect(command.pace == .rate(10_000) && command.payloadBytes == 1024)
    #expect(command.seconds == 0.5)
  }
}
