import LinuxIO
import Testing

/// What the command says about its own use.
struct UsageTests {
  static let commands = ["serve", "pub", "tail", "stats", "bench"]

  @Test(arguments: commands) func everyCommandHasHelp(command: String) throws {
    let finished = try Program.run([command, "--help"])
    #expect(finished.status == .exited(0))
    #expect(finished.output.hasPrefix("usage: galleon \(command)"))
    #expect(finished.output.contains("Example"))
    #expect(finished.error.isEmpty)
    #expect(try Program.run(["help", command]).output == finished.output)
  }

  @Test func theOverviewNamesEveryCommand() throws {
    let finished = try Program.run(["--help"])
    #expect(finished.status == .exited(0))
    for command in Self.commands { #expect(finished.output.contains("  \(command) ")) }
    #expect(try Program.run(["-h"]).output == finished.output)
    #expect(try Program.run(["--version"]).output.hasPrefix("galleon "))
    #expect(try Program.run(["version"]).output.hasPrefix("galleon "))
  }

  @Test(arguments: [
    (["serve", "--memroy", "1"], "galleon: there is no flag --memroy; the nearest is --memory\n"),
    (["tail", ">", "--form=earliest"], "the nearest is --from"),
    (["serv"], "galleon: there is no command \"serv\"; the nearest is serve\n"),
    (["nope"], "galleon: there is no command \"nope\"; galleon --help lists them\n"),
    (["pub", "t", "u"], "pub takes one TOPIC: \"u\" is too much"),
    (["tail"] + (0..<65).map { "t\($0)" }, "tail takes at most 64 of PATTERN..."),
    (["pub", "t", "--header", "a\u{7}=1"], "--header: an event has at most 64 of them"),
    (["pub", "t", "--key", String(repeating: "k", count: 1025)], "--key has 1 to 1024 bytes"),
    (["serve", "--unix", ""], "--unix needs the path of a socket"),
    ([], "galleon: name a command; galleon --help lists them\n"),
    (["pub"], "galleon: pub needs TOPIC\n"),
    (["pub", "t", "--url", "nats://x"], "write galleon://host:port"),
    (["tail", "t", "--url", "galleon://x:99999"], "is no port"),
    (["pub", ".."], "galleon: \"..\" is no topic: write 1 to 32 parts with dots between them"),
    (["pub", "a.>"], "\"a.>\" is no topic: "),
    (["pub", "$SYS.x"], "names that begin with $ are the broker's own"),
    (["tail", "a", "a.>.b"], "\"a.>.b\" is no pattern: "),
    (["why", "1", "a..b", "1"], "\"a..b\" is no topic: "),
    (["serve", "--memory", "1KiB", "--shards", "2"], "--memory must be at least"),
    (["serve", "--memory", "16TiB"], "ring memory must be between"),
    (["serve", "--input-memory", "2TiB"], "input memory must be between"),
    (["serve", "--output-memory", "1KiB"], "output memory must each have room for two sessions"),
    (["serve", "--max-publishers", "16000000", "--shards", "2"], "publishers of all shards must"),
    (["serve", "--max-batch-bytes", "1GiB"], "the largest batch must be between"),
    (["serve", "--listen", "127.0.0.1"], "has no port"),
    (["stats", "--watch", "--interval", "1ms"], "--interval must be at least"),
    (["bench", "--url", "galleon://192.0.2.1:1"], "bench measures on this machine only"),
  ])
  func aWrongCommandLineIsOneSentenceAndExit64(arguments: [String], sentence: String) throws {
    let finished = try Program.run(arguments)
    #expect(finished.status == .exited(64))
    #expect(finished.output.isEmpty)
    #expect(finished.error.contains(sentence), "\(finished.error)")
    #expect(finished.error.split(separator: "\n").count == 1)
  }

  @Test(arguments: [["pub", "t"], ["tail", "t"], ["stats"], ["bench"]])
  func noBrokerIsOneSentenceAndExit69(arguments: [String]) throws {
    // A port that was free a moment ago.
    var port: UInt16 = 0
    do {
      let listener = try Listener.listen(on: .loopback(port: 0))
      port = try #require(listener.localAddress.port)
    }
    let finished = try Program.run(arguments + ["--url", "galleon://127.0.0.1:\(port)"])
    #expect(finished.status == .exited(69))
    #expect(finished.output.isEmpty)
    #expect(finished.error.contains("refused"), "\(finished.error)")
    #expect(finished.error.split(separator: "\n").count == 1)
  }

  /// Whoever writes a script finds every name of the output in the command's help.
  @Test func theNamesOfJSONAreInTheHelp() throws {
    let broker = try BrokerProgram()
    let tail = try broker.startTail("t")
    try broker.publish("t", "a")
    _ = try tail.line()
    let subscription = try #require(
      (try broker.stats()["subscriptions"] as? [[String: Any]])?.first?["id"] as? Int)
    for command in [
      ["pub", "t"], ["tail", "t", "--from", "earliest", "--count", "1"],
      ["bench", "--duration", "100ms"], ["why", "\(subscription)", "t", "1"],
    ] {
      let finished = try broker.run(command + ["--json"])
      #expect(finished.status == .exited(0), "\(finished.error)")
      let words = Set(
        try Program.run([command[0], "--help"]).output.split {
          !$0.isLetter && !$0.isNumber
        })
      let object = try jsonObject(finished.output)
      let inner = object.values.compactMap { $0 as? [String: Any] }.flatMap(\.keys)
      for name in object.keys + inner {
        #expect(words.contains(name[...]), "\(command[0]): \(name)")
      }
    }
  }

  @Test func aTakenAddressIsOneSentenceAndExit70() throws {
    let listener = try Listener.listen(on: .loopback(port: 0))
    let port = try #require(listener.localAddress.port)
    let finished = try Program.run([
      "serve", "--listen", "127.0.0.1:\(port)", "--counters", "none",
    ])
    #expect(finished.status == .exited(70))
    #expect(finished.error.contains("another process listens there"))
  }
}
