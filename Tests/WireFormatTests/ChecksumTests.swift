import Testing

@testable import WireFormat

@Suite struct ChecksumTests {
  static let known: [([UInt8], UInt32)] = [
    ([UInt8]("123456789".utf8), 0xE306_9283),
    ([], 0),
    // RFC 3720, B.4.
    ([UInt8](repeating: 0, count: 32), 0x8A91_36AA),
    ([UInt8](repeating: 0xFF, count: 32), 0x62A8_AB43),
    ([UInt8](0..<32), 0x46DD_794E),
    ([UInt8]((0..<32).reversed()), 0x113F_DB5C),
  ]

  @Test(arguments: known)
  func knownVectors(bytes: [UInt8], wanted: UInt32) {
    unsafe bytes.withUnsafeBytes { raw in
      let (fast, portable) = unsafe (crc32c(raw), crc32cPortable(raw))
      #expect(fast == wanted)
      #expect(portable == wanted)
    }
  }

  /// Folding, and the processor's instruction in one and three lanes, against the tables, at every
  /// alignment and at every length up to some blocks of each.
  @Test func allWaysAgree() {
    let seed = SeededRandom.freshSeed()
    var random = SeededRandom(seed: seed)
    let bytes = random.bytes(40_000)
    let near = [1536, 4096, 12287, 12288, 12289, 24576, 39_992]
    let some = (0..<300).map { _ in Int.random(in: 0...39_992, using: &random) }
    let lengths = Array(0...1100) + near + some
    unsafe bytes.withUnsafeBytes { raw in
      for length in lengths {
        let start = Int.random(in: 0...7, using: &random)
        let slice = unsafe UnsafeRawBufferPointer(rebasing: raw[start..<(start + length)])
        let (fast, portable) = unsafe (crc32c(slice), crc32cPortable(slice))
        #expect(fast == portable, "\(length) bytes from \(start), seed \(seed)")
        let instruction = unsafe crc32cByInstruction(slice)
        #expect(instruction == portable, "\(length) bytes from \(start), seed \(seed)")
      }
    }
  }
}
