import Foundation
import LinuxIO
import Testing

/// From `pub` through a broker to `tail`.
struct PublishTailTests {
  @Test func linesComeOutAsTheyWentIn() throws {
    let broker = try BrokerProgram()
    let sent = try broker.run(
      ["pub", "hunt.loot", "--ack", "--json"], input: Array("gold\n\nsilver, two".utf8))
    #expect(sent.status == .exited(0))
    let counts = try jsonObject(sent.output)
    #expect(counts["published"] as? Int == 3 && counts["acknowledged"] as? Int == 3)
    #expect(counts["bytes"] as? Int == 15 && counts["topic"] as? String == "hunt.loot")

    let got = try broker.run(["tail", "hunt.>", "--from", "earliest", "--count", "3", "--raw"])
    #expect(got.status == .exited(0))
    #expect(got.output == "gold\n\nsilver, two\n")
    #expect(got.error == "3 events\n")
  }

  @Test func keysHeadersAndCompressionArrive() throws {
    let broker = try BrokerProgram()
    for codec in ["none", "lz4", "zstd"] {
      let sent = try broker.run(
        [
          "pub", "walk.\(codec)", "--key-separator", "::", "--header", "who=me", "--header", "e=",
          "--compress", codec, "--ttl", "1h", "--ack",
        ], input: Array("k1::a::b\nk2::\n".utf8))
      #expect(sent.status == .exited(0), "\(sent.error)")
      let tail = try broker.start([
        "tail", "walk.\(codec)", "--from", "1", "--count", "2", "--json",
      ])
      let first = try tail.object()
      #expect(first["key"] as? String == "k1" && first["payload"] as? String == "a::b")
      let headers = try #require(first["headers"] as? [[String: String]])
      #expect(headers == [["name": "who", "value": "me"], ["name": "e", "value": ""]])
      let second = try tail.object()
      #expect(second["key"] as? String == "k2" && second["payload"] as? String == "")
      #expect(second["sequence"] as? Int == 2)
      #expect(try tail.wait() == .exited(0))
    }
  }

  @Test func aStateKnowsThatAKeyIsDeleted() throws {
    let broker = try BrokerProgram()
    let lines = Array("a,1\nb,2\n".utf8)
    let sent = try broker.run(["pub", "map", "--keyed", "--key-separator", ","], input: lines)
    #expect(sent.status == .exited(0), "\(sent.error)")
    // The input is none of its business.
    let deleted = try broker.run(
      ["pub", "map", "--key", "a", "--delete", "--ack", "--json"], input: lines)
    #expect(deleted.status == .exited(0), "\(deleted.error)")
    let counts = try jsonObject(deleted.output)
    #expect(counts["published"] as? Int == 1 && counts["acknowledged"] as? Int == 1)
    let all = try broker.run(["tail", "map", "--from", "earliest", "--count", "3"])
    #expect(all.lines.last?.hasSuffix(" map 3 [a] (deleted)") == true)
    let tail = try broker.start(["tail", "map", "--from", "state", "--count", "2", "--json"])
    #expect(try tail.object()["stateReset"] as? Bool == true)
    let state = try [tail.object(), tail.object()]
    let gone = try #require(state.first { $0["key"] as? String == "a" })
    #expect(gone["tombstone"] as? Bool == true && gone["sequence"] as? Int == 3)
    #expect(state.contains { $0["key"] as? String == "b" && $0["payload"] as? String == "2" })
  }

  @Test func aDeletionMakesNoTopic() throws {
    let broker = try BrokerProgram()
    let finished = try broker.run(["pub", "typo", "--key", "k", "--delete"])
    #expect(finished.status == .exited(70))
    #expect(finished.error == "galleon: there is no topic typo at \(broker.url)\n")
    #expect((try broker.stats()["topics"] as? [Any])?.isEmpty == true)
  }

  @Test func jsonHasItsNamesAndBase64ForWhatIsNoText() throws {
    let broker = try BrokerProgram()
    _ = try broker.run(["pub", "t", "--ack"], input: [0x61, 0xFF, 0x0A, 0x62, 0x0A])
    let tail = try broker.start(["tail", "t", "--from", "earliest", "--count", "2", "--json"])
    let binary = try tail.object()
    #expect(
      Set(binary.keys) == ["topic", "sequence", "time", "key", "headers", "payloadBase64"])
    #expect(binary["payloadBase64"] as? String == Data([0x61, 0xFF]).base64EncodedString())
    #expect(binary["key"] is NSNull)
    let text = try tail.object()
    #expect(Set(text.keys) == ["topic", "sequence", "time", "key", "headers", "payload"])
    #expect(text["topic"] as? String == "t" && text["sequence"] as? Int == 2)
    let time = try #require(text["time"] as? String)
    #expect(time.hasSuffix("Z") && time.count == 30)
  }

  @Test func noControlCharacterGetsThrough() throws {
    let broker = try BrokerProgram()
    try broker.publish("t", "a\u{1B}[2J\u{7}\u{202E}b")
    for flags in [[], ["--json"]] {
      let got = try broker.run(["tail", "t", "--from", "earliest", "--count", "1"] + flags)
      #expect(got.output.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F || $0 == 0x0A })
    }
  }

  @Test func liveEventsAreShownOneByOne() throws {
    let broker = try BrokerProgram()
    let tail = try broker.startTail("hunt.*")
    try broker.publish("hunt.7", "first")
    #expect(try tail.line().hasSuffix(" hunt.7 1 first"))
    try broker.publish("hunt.8", "other")
    #expect(try tail.line().hasSuffix(" hunt.8 1 other"))
    try tail.send(.interrupt)
    #expect(try tail.wait() == .exited(0))
    #expect(tail.errorText == "2 events\n")
  }

  @Test func whereTailStarts() throws {
    let broker = try BrokerProgram()
    try broker.publish("t", "one", "two")
    try broker.publish("t", "three")
    let tail = try broker.start(["tail", "t", "--from", "earliest", "--count", "3", "--json"])
    let times = try (0..<3).map { _ in try #require(try tail.object()["time"] as? String) }
    func payloads(from: String, _ count: Int) throws -> String {
      try broker.run(["tail", "t", "--from", from, "--count", "\(count)", "--raw"]).output
    }
    #expect(try payloads(from: "2", 2) == "two\nthree\n")
    #expect(try payloads(from: "3", 1) == "three\n")
    #expect(try payloads(from: times[0], 3) == "one\ntwo\nthree\n")
    #expect(try payloads(from: times[2], 1) == "three\n")
  }

  @Test func aLossIsAnnouncedInItsPlace() throws {
    // A ring that keeps little, and more than it keeps.
    let broker = try BrokerProgram(["--retention", "64KiB"])
    let line = String(repeating: "x", count: 1000) + "\n"
    let sent = try broker.run(
      ["pub", "t", "--ack"], input: Array(String(repeating: line, count: 2000).utf8))
    #expect(sent.status == .exited(0))
    let tail = try broker.start(["tail", "t", "--from", "1", "--count", "1", "--json"])
    let gap = try tail.object()
    #expect(
      Set(gap.keys) == ["gap", "topic", "first", "last", "count", "bytes", "cause"])
    #expect(gap["gap"] as? Bool == true && gap["first"] as? Int == 1)
    #expect(gap["cause"] as? String == "notRetained")
    let lost = try #require(gap["last"] as? Int)
    #expect(gap["count"] as? Int == lost && lost > 1000)
    #expect(try tail.object()["sequence"] as? Int == lost + 1)
    #expect(try tail.wait() == .exited(0))
  }

  @Test func aTailMayLoseTheOldestRatherThanWait() throws {
    let broker = try BrokerProgram()
    let tail = try broker.startTail(
      "t", ["--policy", "drop-oldest", "--max-lag-events", "100", "--json"])
    try tail.send(.stop)
    let line = String(repeating: "x", count: 1000) + "\n"
    let sent = try broker.run(
      ["pub", "t", "--ack"], input: Array(String(repeating: line, count: 12_000).utf8))
    #expect(sent.status == .exited(0))
    try tail.send(.proceed)
    // Every event is either shown or announced as lost, in order.
    var next = 1
    var lost = 0
    while next <= 12_000 {
      let object = try tail.object()
      if object["gap"] as? Bool == true {
        #expect(object["first"] as? Int == next && object["cause"] as? String == "dropOldest")
        lost += try #require(object["count"] as? Int)
        next = try #require(object["last"] as? Int) + 1
      } else {
        #expect(object["sequence"] as? Int == next)
        next += 1
      }
    }
    #expect(lost > 0)
    try tail.send(.interrupt)
    #expect(try tail.wait() == .exited(0))
    #expect(tail.errorText.hasSuffix("lost\n"), "\(tail.errorText)")
  }

  @Test func aTailMayBeASample() throws {
    let broker = try BrokerProgram()
    let tail = try broker.startTail("t", ["--policy", "sample", "--every", "10", "--json"])
    let sent = try broker.run(
      ["pub", "t", "--ack"], input: Array(String(repeating: "x\n", count: 1000).utf8))
    #expect(sent.status == .exited(0))
    var shown = 0
    var leftOut = 0
    while shown + leftOut < 1000 {
      let object = try tail.object()
      if object["leftOut"] as? Bool == true {
        #expect(
          Set(object.keys) == [
            "leftOut", "topic", "first", "last", "count", "bytes", "cause", "expiredCount",
            "expiredBytes",
          ])
        #expect(object["cause"] as? String == "sampledOut")
        leftOut += try #require(object["count"] as? Int)
      } else {
        shown += 1
        #expect(object["sequence"] as? Int == shown * 10)
      }
    }
    try tail.send(.interrupt)
    #expect(try tail.wait() == .exited(0))
    #expect(tail.errorText == "100 events, 900 left out\n")
  }

  @Test func aTailMayBeginWithTheStateOfATopic() throws {
    let broker = try BrokerProgram()
    let sent = try broker.run(
      ["pub", "t", "--ack", "--keyed", "--key-separator", ","],
      input: Array("a,1\nb,2\na,3\n".utf8))
    #expect(sent.status == .exited(0), "\(sent.error)")
    let tail = try broker.startTail("t", ["--from", "state", "--json"])
    #expect(try tail.object()["stateReset"] as? Bool == true)
    let values = [try tail.object(), try tail.object()]
    #expect(Set(values.map { $0["payload"] as? String }) == ["2", "3"])
    let complete = try tail.object()
    #expect(complete["stateComplete"] as? Bool == true && complete["last"] as? Int == 3)
    try tail.send(.interrupt)
    #expect(try tail.wait() == .exited(0))
    #expect(tail.errorText == "2 events\n")
  }

  @Test func aUnixSocketDoesAsWell() throws {
    let scratch = try Scratch()
    let path = scratch.path + "/socket"
    let broker = try Program.Running(["serve", "--unix", path, "--counters", "none"])
    #expect(try broker.line() == "listening unix \(path)")
    let url = "galleon+unix://\(path)"
    let sent = try Program.run(["pub", "t", "--ack", "--url", url], input: Array("x\n".utf8))
    #expect(sent.status == .exited(0), "\(sent.error)")
    #expect(
      try Program.run(["tail", "t", "--from=1", "--count=1", "--raw", "--url=\(url)"]).output
        == "x\n")
    #expect(try Program.run(["stats", "--url", url]).output.contains("serving"))
  }

  @Test func aLargeFilePassesInBoundedMemory() throws {
    let broker = try BrokerProgram()
    let pub = try broker.start(["pub", "t", "--ack", "--json"], input: .pipe)
    let line = String(repeating: "y", count: 199) + "\n"
    let block = String(repeating: line, count: 5000)
    var largest = 0
    for _ in 0..<40 {
      try pub.write(block)
      largest = max(largest, try System.residentMemoryBytes(of: pub.processID))
    }
    pub.closeInput()
    let counts = try jsonObject(try pub.line())
    #expect(counts["published"] as? Int == 200_000 && counts["acknowledged"] as? Int == 200_000)
    #expect(try pub.wait() == .exited(0))
    // 40 MB went through.
    #expect(largest < 40 << 20, "\(largest)")
  }

  @Test func whatTheBrokerRefusesIsExit70() throws {
    let broker = try BrokerProgram(["--max-topics", "1"])
    #expect(try broker.run(["pub", "a"]).status == .exited(0))
    let pub = try broker.run(["pub", "b"])
    #expect(pub.status == .exited(70) && pub.error.contains("tooManyTopics"))
  }

  @Test func aLineThatCannotBePublishedIsNamed() throws {
    let broker = try BrokerProgram()
    let finished = try broker.run(
      ["pub", "t", "--key-separator", ",", "--json", "--ack"],
      input: Array("a,1\nb,2\nnothing\nc,3\n".utf8))
    #expect(finished.status == .exited(70))
    #expect(finished.error == "galleon: line 3 does not have the key separator\n")
    // The lines before it are published, and the counts say so.
    #expect(try jsonObject(finished.output)["acknowledged"] as? Int == 2)
  }
}
