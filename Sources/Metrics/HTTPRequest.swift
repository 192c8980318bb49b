/// A request of HTTP/1.x without a body, as far as somebody who asks for metrics sends one. What is
/// not understood is refused; nothing is guessed.
public struct HTTPRequest: Equatable, Sendable {
  public enum Method: Equatable, Sendable {
    case get
    case head
  }

  public var method: Method
  /// Without the query.
  public var path: String
  /// Whether the connection stays open after the answer.
  public var isKeptAlive: Bool

  public init(method: Method, path: String, isKeptAlive: Bool) {
    self.method = method
    self.path = path
    self.isKeptAlive = isKeptAlive
  }

  /// Why a request is refused.
  public enum Refusal: Int, Error, Equatable, Sendable {
    case malformed = 400
    case unknownMethod = 405
    case tooLong = 431
  }

  /// Bytes of the longest head of a request; scrapers send a few hundred.
  public static let headBytesMax = 8192

  /// Reads the request at the beginning of what has come.
  ///
  /// - Returns: the request and its length in bytes; nil where it has not come whole.
  public static func parse(
    _ bytes: ArraySlice<UInt8>
  ) throws(Refusal) -> (request: HTTPRequest, length: Int)? {
    guard let end = headEnd(bytes) else {
      if bytes.count >= headBytesMax { throw .tooLong }
      return nil
    }
    let length = end - bytes.startIndex
    if length > headBytesMax { throw .tooLong }
    let lines = bytes[..<end].split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
      .map { $0.last == UInt8(ascii: "\r") ? $0.dropLast() : $0 }
    let words = lines[0].split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
      .map { String(decoding: $0, as: UTF8.self) }
    guard words.count == 3, words[1].hasPrefix("/"), words[2].hasPrefix("HTTP/1.") else {
      throw .malformed
    }
    let method: Method
    switch words[0] {
    case "GET": method = .get
    case "HEAD": method = .head
    default: throw .unknownMethod
    }
    var request = HTTPRequest(
      method: method, path: String(words[1].prefix { $0 != "?" }),
      isKeptAlive: words[2] != "HTTP/1.0")
    for line in lines.dropFirst() where !line.isEmpty {
      try request.read(header: String(decoding: line, as: UTF8.self))
    }
    return (request, length)
  }

  private mutating func read(header: String) throws(Refusal) {
    guard let colon = header.firstIndex(of: ":") else { throw .malformed }
    let value = header[header.index(after: colon)...].filter { $0 != " " && $0 != "\t" }
      .lowercased()
    switch header[..<colon].lowercased() {
    case "connection":
      if value == "close" { isKeptAlive = false }
      if value == "keep-alive" { isKeptAlive = true }
    // A body would be taken for the next request.
    case "content-length": if value != "0" { throw .malformed }
    case "transfer-encoding": throw .malformed
    default: break
    }
  }

  /// The index behind the empty line; lines may end without a carriage return.
  private static func headEnd(_ bytes: ArraySlice<UInt8>) -> Int? {
    var lineStart = bytes.startIndex
    for index in bytes.indices where bytes[index] == UInt8(ascii: "\n") {
      let isEmpty =
        index == lineStart || (index == lineStart + 1 && bytes[lineStart] == UInt8(ascii: "\r"))
      if isEmpty && lineStart > bytes.startIndex { return index + 1 }
      lineStart = index + 1
    }
    return nil
  }
}

/// An answer, whole.
public struct HTTPResponse: Sendable {
  public var status: Int
  public var contentType = "text/plain; charset=utf-8"
  public var body: [UInt8]

  public init(_ status: Int, _ text: String) {
    self.status = status
    body = Array((text + "\n").utf8)
  }

  public init(_ exposition: Exposition) {
    status = 200
    contentType = Exposition.contentType
    body = exposition.bytes
  }

  private var reason: String {
    switch status {
    case 200: "OK"
    case 400: "Bad Request"
    case 404: "Not Found"
    case 405: "Method Not Allowed"
    case 431: "Request Header Fields Too Large"
    default: "Service Unavailable"
    }
  }

  /// The bytes to be sent; the answer to HEAD has everything but the body.
  public func bytes(for method: HTTPRequest.Method, isKeptAlive: Bool) -> [UInt8] {
    var head = "HTTP/1.1 \(status) \(reason)\r\nContent-Type: \(contentType)\r\n"
    head += "Content-Length: \(body.count)\r\n"
    if status == 405 { head += "Allow: GET, HEAD\r\n" }
    if !isKeptAlive { head += "Connection: close\r\n" }
    head += "\r\n"
    return Array(head.utf8) + (method == .get ? body : [])
  }
}
