import Testing

@testable import WireFormat

@Suite struct FrameTests {
  @Test func helloRoundTrip() throws {
    var writer = FrameWriter()
    let hello = Hello(
      magic: ProtocolVersion.magic, versionMin: 1, versionMax: 1, codecs: [.lz4],
      clientName: "probe")
    let isWritten = hello.encode(into: &writer, correlation: 7)
    #expect(isWritten)
    let array = writer.array
    try unsafe array.withUnsafeBytes { bytes in
      let found = try unsafe nextFrame(
        in: bytes, at: 0, lengthMax: UInt32(WireLimits.frameLengthMax))
      let frame = try #require(found)
      #expect(frame.end == array.count)
      #expect(frame.header.type == .hello)
      #expect(frame.header.correlation == 7)
      var reader = unsafe FrameReader(frame, in: bytes)
      let read = try Hello(reader: &reader)
      #expect(read == hello)
    }
  }
}
