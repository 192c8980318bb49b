import Testing
import WireFormat

@testable import GalleonClient

@Suite struct SmallPartsTests {
  @Test func addressesAreRead() throws {
    func read(_ text: String) throws -> Endpoint { try Endpoint(text, defaultPort: 4747) }
    #expect(try read("galleon://localhost") == .tcp(host: "localhost", port: 4747))
    #expect(try read("galleon://10.0.0.1:99/") == .tcp(host: "10.0.0.1", port: 99))
    #expect(try read("galleon://[::1]:5") == .tcp(host: "::1", port: 5))
    #expect(try read("galleon://[::1]") == .tcp(host: "::1", port: 4747))
    #expect(try read("galleon+unix:///run/g.sock") == .unix(path: "/run/g.sock"))
    #expect("\(try read("galleon://[::1]:5"))" == "[::1]:5")
  }

  @Test(arguments: [
    "", "localhost:4747", "http://localhost", "galleon://", "galleon://:4747",
    "galleon://host:0", "galleon://host:65536", "galleon://host:+5", "galleon://host:",
    "galleon://[::1", "galleon://[::1]4747", "galleon+unix://",
  ])
  func whatIsNoAddressIsRefused(text: String) {
    #expect {
      try Endpoint(text, defaultPort: 4747)
    } throws: { error in
      if case .invalidAddress = error as? GalleonError { true } else { false }
    }
  }

  @Test func waitsGrowAndAreSpread() {
    var options = ReconnectOptions()
    options.delayMin = .milliseconds(100)
    options.delayMax = .milliseconds(1000)
    var random = SystemRandomNumberGenerator()
    var backoff = Backoff(options)
    for limit in [100, 200, 400, 800, 1000, 1000] as [UInt64] {
      let wait = backoff.next(hint: nil, using: &random)
      #expect(wait >= limit * 500_000 && wait <= limit * 1_000_000)
    }
    let hinted = backoff.next(hint: (afterNs: 5000, spreadNs: 10), using: &random)
    #expect(hinted >= 5000 && hinted <= 5010)
    backoff.reset()
    #expect(backoff.next(hint: nil, using: &random) <= 100_000_000)
  }

  @Test func gapsSayWhatIsKnownOfThem() {
    func text(_ first: UInt64, _ last: UInt64, _ cause: ClientGapCause) -> String {
      let count = last == 0 ? 0 : last - first + 1
      let gap = ClientGap(
        topic: "hunt", first: first, last: last, count: count, bytes: 0, cause: cause)
      return "\(gap)"
    }
    #expect(text(5, 7, .dropOldest) == "3 events of hunt lost (5 to 7): dropOldest")
    #expect(text(5, 5, .expired) == "1 event of hunt lost (5 to 5): expired")
    #expect(text(5, 0, .unexplained) == "events of hunt from 5 on may be lost: unexplained")
    #expect(text(0, 0, .newEpoch) == "hunt began anew at the broker; what was missed is not known")
  }

  @Test func queuesKeepTheirOrder() {
    var queue = Queue<Int>()
    var model: [Int] = []
    for number in 0..<500 {
      queue.append(number)
      model.append(number)
      if number % 3 == 0 { #expect(queue.popFirst() == model.removeFirst()) }
      if number % 50 == 0 {
        queue.prepend(-number)
        model.insert(-number, at: 0)
      }
      #expect(queue.count == model.count)
    }
    var seen: [Int] = []
    queue.forEach { seen.append($0) }
    #expect(seen == model)
    while let next = queue.popFirst() { #expect(next == model.removeFirst()) }
    #expect(model.isEmpty && queue.isEmpty && queue.first == nil)
  }

  @Test func headersKeepOrderAndRefuseWhatIsNone() {
    var headers: Headers = ["a": "1", "b": "2"]
    headers.append(name: "a", value: [3] as [UInt8])
    #expect(headers.count == 3)
    #expect(headers["a"] == "1")
    #expect(headers["c"] == nil)
    #expect(headers.map(\.name) == ["a", "b", "a"])
    #expect(headers.problem == nil)
    headers.append(name: "", value: "x")
    #expect(headers.problem != nil)
    var many = Headers()
    for number in 0...WireLimits.headersMax { many.append(name: "\(number)", value: "") }
    #expect(many.count == WireLimits.headersMax)
    #expect(many.problem != nil)
  }

  @Test func durationsFitTheirFields() {
    #expect(Duration.milliseconds(1500).wireMilliseconds == 1500)
    #expect(Duration.nanoseconds(1).wireMilliseconds == 1)
    #expect(Duration.zero.wireMilliseconds == 0)
    #expect(Duration.seconds(-5).wireMilliseconds == 0)
    #expect(Duration.seconds(Int64.max).wireMilliseconds == .max)
    #expect(clampedToUInt32(Duration.seconds(Int64.max).wireMilliseconds) == .max)
    #expect(Duration.milliseconds(2).nanosecondsClamped == 2_000_000)
  }

  @Test func errorsAreSentences() {
    let gap = ClientGap(
      topic: "hunt.1", first: 3, last: 5, count: 3, bytes: 9, cause: .ringOverrun)
    #expect("\(GalleonError.gap(gap))" == "3 events of hunt.1 lost (3 to 5): ringOverrun")
    let refusal = Refusal(.topicNotFound, text: "no such topic")
    #expect("\(GalleonError.refused(refusal))" == "refused: topicNotFound: no such topic")
  }

  @Test func aPromiseKeepsItsFirstAnswer() async throws {
    let promise = Promise<Int>()
    #expect(promise.fulfil(.success(1)))
    #expect(!promise.fulfil(.success(2)))
    #expect(try await promise.value() == 1)
  }
}
