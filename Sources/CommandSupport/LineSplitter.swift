/// Cuts a stream of bytes into lines without keeping more than one unfinished line.
public struct LineSplitter: Sendable {
  public enum Piece: Equatable, Sendable {
    /// A line without its end, as a range of `bytes`.
    case line(Range<Int>)
    /// Everything there was has been cut; append more.
    case needsMore
    /// The unfinished line is longer than the limit, of which this many bytes have come.
    case tooLong(Int)
  }

  public private(set) var bytes: [UInt8] = []
  /// Longest line, in bytes.
  public let lineBytesMax: Int
  private var start = 0
  private var searched = 0

  public init(lineBytesMax: Int) { self.lineBytesMax = lineBytesMax }

  /// Adds what was read, and forgets the lines that were taken.
  public mutating func append(_ more: ArraySlice<UInt8>) {
    bytes.removeSubrange(..<start)
    searched -= start
    start = 0
    bytes += more
  }

  public mutating func next() -> Piece {
    guard let end = bytes[searched...].firstIndex(of: UInt8(ascii: "\n")) else {
      searched = bytes.count
      let held = bytes.count - start
      return held > lineBytesMax ? .tooLong(held) : .needsMore
    }
    if end - start > lineBytesMax { return .tooLong(end - start) }
    defer {
      start = end + 1
      searched = start
    }
    return .line(start..<end)
  }

  /// The last line, where the stream does not end with a line's end.
  public mutating func finish() -> Range<Int>? {
    defer { start = bytes.count }
    return start < bytes.count ? start..<bytes.count : nil
  }
}
