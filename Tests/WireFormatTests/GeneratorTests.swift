import Foundation
import Testing
import WireSupport

/// What is generated is what the registry says, and the registry keeps what was released.
@Suite struct GeneratorTests {
  private func run(_ tool: String, _ arguments: String...) throws -> (code: Int32, text: String) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments =
      ["python3", ProtocolFiles.root.appendingPathComponent(tool).path] + arguments
    let pipe = Pipe()
    process.standardError = pipe
    process.standardOutput = pipe
    try process.run()
    let text = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return (process.terminationStatus, text)
  }

  @Test func swiftAndTablesAreFresh() throws {
    let (code, text) = try run("Tools/wiregen/wiregen", "--check")
    #expect(code == 0, "\(text)")
  }

  @Test func theGeneratorsOwnTests() throws {
    let (code, text) = try run("Tools/wiregen/tests.py")
    #expect(code == 0, "\(text)")
  }

  @Test func vectorsAreFresh() throws {
    let (code, text) = try run("Tools/wiregen/vectors", "--check")
    #expect(code == 0, "\(text)")
  }
}
