import Foundation
import Testing

/// The README shows the example that runs here, and not one that ran once.
@Suite struct ReadmeQuoteTests {
  @Test func theReadmeQuotesTheExampleWordForWord() throws {
    let here = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    let source = try String(
      contentsOf: here.appendingPathComponent("ReadmeExample.swift"), encoding: .utf8)
    let example = try #require(
      between("// example begins\n", "// example ends", in: source), "the marks of the example")
    let root = here.deletingLastPathComponent().deletingLastPathComponent()
    let readme = try String(
      contentsOf: root.appendingPathComponent("README.md"), encoding: .utf8)
    let quote = try #require(between("```swift\n", "```", in: readme), "Swift in the README")
    #expect(quote == example)
  }

  private func between(_ start: String, _ end: String, in text: String) -> String? {
    guard let from = text.range(of: start)?.upperBound,
      let to = text.range(of: end, range: from..<text.endIndex)?.lowerBound
    else { return nil }
    return String(text[from..<to])
  }
}
