import LinuxIO
import Testing

/// `why` against a broker at work.
struct WhyTests {
  @Test func whatBecameOfAnEvent() throws {
    let broker = try BrokerProgram()
    try broker.publish("hunt.1", "before")
    let tail = try broker.startTail("hunt.>")
    try broker.publish("hunt.1", "a", "b")
    for _ in 0..<2 { _ = try tail.line() }
    let stats = try broker.stats()
    let rows = try #require(stats["subscriptions"] as? [[String: Any]])
    let id = try #require(rows.first { $0["pattern"] as? String == "hunt.>" }?["id"] as? Int)

    func ask(_ topic: String, _ sequence: Int, _ flags: String...) throws -> String {
      let answer = try broker.run(["why", "\(id)", topic, "\(sequence)"] + flags)
      #expect(answer.status == .exited(0), "\(answer.error)")
      return answer.output
    }
    #expect(try ask("hunt.1", 2).hasPrefix("Event 2 of hunt.1 was delivered "))
    #expect(try ask("hunt.1", 1).contains("never matched: the subscription began with 2"))
    #expect(try ask("hunt.1", 9).contains("not been published yet"))
    #expect(try ask("world", 1).contains("never matched: the subscription's pattern is hunt.>"))
    let object = try jsonObject(try ask("hunt.1", 3, "--json"))
    #expect(object["fate"] as? String == "delivered" && object["sequence"] as? Int == 3)
    #expect((object["notBefore"] as? String)?.hasSuffix("Z") == true)

    let file = try broker.run(["why", "\(id)", "hunt.1", "2", "--counters", broker.countersPath])
    #expect(file.output.hasPrefix("Event 2 of hunt.1 was delivered "), "\(file.error)")
    let nobody = try broker.run(["why", "4711", "hunt.1", "2"])
    #expect(nobody.status != .exited(0) && nobody.error.contains("no subscription 4711"))
  }
}
