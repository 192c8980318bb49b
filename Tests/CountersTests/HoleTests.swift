import Counters
import Testing

@Suite struct HoleTests {
  /// Rows that nobody has used are not read: in a sparse file that would take memory for them.
  @Test func whatWasNeverUsedReadsAsZeroAndIsNotTouched() throws {
    let test = TestRegion()
    let region = test.region
    region.connections(shard: 0).activate(3)
    region.topics.activate(1)
    let bytes = region.memory.byteCount
    let real = region.memory.bytes(at: 0, count: bytes)
    // Where a hole is read, these would show.
    let used = (0..<2).flatMap { region.reaches(shard: $0) }
      .map { $0.offset..<($0.offset + $0.usedBytes) }
    let head = 0..<4096
    test.scribble { offset in !head.contains(offset) && !used.contains { $0.contains(offset) } }
    for step in [bytes, 4096, 1000, 24] {
      var copy: [UInt8] = []
      while copy.count < bytes {
        var piece = [UInt8](repeating: 0xEE, count: min(step, bytes - copy.count))
        let count = unsafe piece.withUnsafeMutableBytes {
          unsafe region.copy(from: copy.count, into: $0)
        }
        #expect(count == piece.count)
        copy += piece
      }
      let wrong = copy.indices.first { copy[$0] != real[$0] }
      #expect(wrong == nil, "in pieces of \(step)")
    }
  }
}
