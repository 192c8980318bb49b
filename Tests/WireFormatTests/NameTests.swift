import Testing
import WireSupport

@testable import WireFormat

/// Protocol/vectors/names.json, and matching against a slow matcher that cannot be wrong.
@Suite struct NameTests {
  struct Vectors: Decodable {
    var names: [Vector]
    var patterns: [Vector]
    var matches: [Match]
  }

  struct Vector: Decodable, CustomTestStringConvertible, Sendable {
    var id: String
    var hex: String
    var result: String
    var testDescription: String { id }
  }

  struct Match: Decodable, CustomTestStringConvertible, Sendable {
    var id: String
    var pattern: String
    var name: String
    var result: String
    var testDescription: String { "\(pattern) on \(name)" }
  }

  static let all = try! ProtocolFiles.json("vectors/names.json", as: Vectors.self)

  @Test(arguments: all.names)
  func name(vector: Vector) {
    let memory = ExactMemory(Hex.bytes(vector.hex)!)
    let isValid = unsafe isValidTopicName(memory.bytes)
    #expect(isValid == (vector.result == "valid"))
  }

  @Test(arguments: all.patterns)
  func pattern(vector: Vector) {
    let memory = ExactMemory(Hex.bytes(vector.hex)!)
    let isValid = unsafe isValidPattern(memory.bytes)
    #expect(isValid == (vector.result == "valid"))
  }

  @Test(arguments: all.matches)
  func match(vector: Match) {
    #expect(vector.pattern.isValidPattern)
    #expect(vector.pattern.matches(topicName: vector.name) == (vector.result == "matches"))
    #expect(Self.slowly(vector.pattern, vector.name) == (vector.result == "matches"))
  }

  @Test func reservedNames() {
    #expect(!"$stats.a".isValidTopicName)
    let bytes = ExactMemory([UInt8]("$stats.a".utf8))
    let isAllowed = unsafe isValidTopicName(bytes.bytes, allowReserved: true)
    #expect(isAllowed)
  }

  static func slowly(_ pattern: String, _ name: String) -> Bool {
    // Arrays of bytes: equal strings may have other bytes.
    func tokens(_ text: String) -> [[UInt8]] {
      text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        .map { [UInt8]($0) }
    }
    let (star, rest) = ([UInt8(ascii: "*")], [UInt8(ascii: ">")])
    let (name, pattern) = (tokens(name), tokens(pattern))
    if name[0].first == UInt8(ascii: "$"), pattern[0].first != UInt8(ascii: "$") { return false }
    if pattern.last == rest {
      guard name.count >= pattern.count else { return false }
      return zip(pattern.dropLast(), name).allSatisfy { $0 == star || $0 == $1 }
    }
    return name.count == pattern.count && zip(pattern, name).allSatisfy { $0 == star || $0 == $1 }
  }

  @Test func matchingAgreesWithTheSlowMatcher() {
    let seed = SeededRandom.freshSeed()
    var random = SeededRandom(seed: seed)
    let words = ["a", "b", "ab", "é", "$", "7"]
    var matched = 0
    for _ in 0..<20_000 {
      let name = (0..<Int.random(in: 1...5, using: &random))
        .map { _ in words.randomElement(using: &random)! }.joined(separator: ".")
      var tokens = (0..<Int.random(in: 1...5, using: &random)).map { _ in
        Bool.random(using: &random) ? "*" : words.randomElement(using: &random)!
      }
      if Bool.random(using: &random) { tokens[tokens.count - 1] = ">" }
      let pattern = tokens.joined(separator: ".")
      #expect(pattern.isValidPattern && name.isValidTopicName == !name.hasPrefix("$"))
      let (fast, slow) = (pattern.matches(topicName: name), Self.slowly(pattern, name))
      if slow { matched += 1 }
      #expect(fast == slow, "\(pattern) on \(name), seed \(seed)")
    }
    #expect(matched > 1000, "seed \(seed)")
  }

  /// Validity against the standard library's own idea of UTF-8 and its scalars.
  @Test func validityAgreesWithTheSlowRules() {
    let seed = SeededRandom.freshSeed()
    var random = SeededRandom(seed: seed)
    let pieces: [[UInt8]] = [
      [0x61], [0x2E], [0x2E], [0x2A], [0x3E], [0x20], [0x00], [0x7F], [0xC2, 0x80], [0xC3, 0xA9],
      [0xE2, 0x82, 0xAC], [0xF0, 0x9F, 0x92, 0xB0], [0xED, 0xA0, 0x80], [0xFF], [0x80], [0xC0],
      [0x24], [0x62, 0x63],
    ]
    for _ in 0..<20_000 {
      let bytes = (0..<Int.random(in: 0...7, using: &random)).flatMap { _ in
        pieces.randomElement(using: &random)!
      }
      let memory = ExactMemory(bytes)
      let (isName, isPattern) = unsafe (
        isValidTopicName(memory.bytes), isValidPattern(memory.bytes)
      )
      let text = String(validating: bytes, as: UTF8.self)
      let isSlowly = text.map { Self.isValidSlowly($0, wildcards: false) } ?? false
      #expect(isName == (isSlowly && bytes.first != 0x24), "\(bytes), seed \(seed)")
      #expect(
        isPattern == (text.map { Self.isValidSlowly($0, wildcards: true) } ?? false),
        "\(bytes), seed \(seed)")
      let isUTF8 = unsafe isValidUTF8(memory.bytes)
      #expect(isUTF8 == (text != nil), "\(bytes), seed \(seed)")
    }
  }

  static func isValidSlowly(_ text: String, wildcards: Bool) -> Bool {
    let tokens = text.unicodeScalars.split(separator: ".", omittingEmptySubsequences: false)
    return tokens.enumerated().allSatisfy { index, token in
      if token.isEmpty { return false }
      if wildcards, String(token) == "*" { return true }
      if wildcards, String(token) == ">" { return index == tokens.count - 1 }
      return token.allSatisfy {
        $0 != "*" && $0 != ">" && $0 != " " && $0.properties.generalCategory != .control
      }
    }
  }
}
