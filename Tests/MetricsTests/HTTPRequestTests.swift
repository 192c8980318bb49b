import Metrics
import Testing

@Suite struct HTTPRequestTests {
  private func parse(_ text: String) throws -> (request: HTTPRequest, length: Int)? {
    try HTTPRequest.parse(Array(text.utf8)[...])
  }

  @Test func aRequestOfAScraperIsRead() throws {
    let text =
      "GET /metrics?x=1 HTTP/1.1\r\nHost: here:9477\r\nUser-Agent: Prometheus/2.42.0\r\n\r\nGET"
    let parsed = try #require(try parse(text))
    #expect(parsed.request == HTTPRequest(method: .get, path: "/metrics", isKeptAlive: true))
    #expect(parsed.length == text.utf8.count - 3)
  }

  @Test func nothingIsReadBeforeTheEmptyLine() throws {
    let text = "HEAD / HTTP/1.0\nConnection: Keep-Alive\n\n"
    for count in 0..<text.utf8.count {
      #expect(try parse(String(text.prefix(count))) == nil, "\(count)")
    }
    let parsed = try #require(try parse(text))
    #expect(parsed.request == HTTPRequest(method: .head, path: "/", isKeptAlive: true))
  }

  @Test func connectionsCloseWhereTheyAreToldTo() throws {
    #expect(try parse("GET / HTTP/1.0\r\n\r\n")?.request.isKeptAlive == false)
    #expect(try parse("GET / HTTP/1.1\r\nconnection: close\r\n\r\n")?.request.isKeptAlive == false)
  }

  @Test(arguments: [
    ("POST /metrics HTTP/1.1\r\n\r\n", HTTPRequest.Refusal.unknownMethod),
    ("GET metrics HTTP/1.1\r\n\r\n", .malformed),
    ("GET /metrics\r\n\r\n", .malformed),
    ("GET /metrics HTTP/2\r\n\r\n", .malformed),
    ("GET /  HTTP/1.1\r\n\r\n", .malformed),
    ("GET / HTTP/1.1\r\nno colon\r\n\r\n", .malformed),
    ("GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", .malformed),
    ("GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", .malformed),
    ("GET /" + String(repeating: "a", count: 9000), .tooLong),
    ("GET / HTTP/1.1\r\nA: " + String(repeating: "a", count: 9000) + "\r\n\r\n", .tooLong),
  ])
  func whatIsNotUnderstoodIsRefused(text: String, refusal: HTTPRequest.Refusal) {
    #expect(throws: refusal) { try parse(text) }
  }

  @Test func answersSayHowLongTheyAre() {
    let response = HTTPResponse(405, "no")
    let get = String(decoding: response.bytes(for: .get, isKeptAlive: false), as: UTF8.self)
    #expect(
      get == "HTTP/1.1 405 Method Not Allowed\r\nContent-Type: text/plain; charset=utf-8\r\n"
        + "Content-Length: 3\r\nAllow: GET, HEAD\r\nConnection: close\r\n\r\nno\n")
    let head = String(decoding: response.bytes(for: .head, isKeptAlive: true), as: UTF8.self)
    #expect(head.hasSuffix("Content-Length: 3\r\nAllow: GET, HEAD\r\n\r\n"))
  }
}
