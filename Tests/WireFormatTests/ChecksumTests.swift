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
}
