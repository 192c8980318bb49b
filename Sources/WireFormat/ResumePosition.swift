/// Where a resumed subscription goes on in one topic.
public struct ResumePosition: Equatable, Sendable {
  /// The topic's id.
  public var topic: UInt32
  /// The next sequence that is wanted.
  public var sequence: UInt64

  /// Bytes of an entry on the wire.
  public static var size: Int { 16 }

  public init(topic: UInt32, sequence: UInt64) {
    self.topic = topic
    self.sequence = sequence
  }
}

extension Subscribe {
  /// One of the `positionsCount` entries.
  ///
  /// - Parameter frame: the frame that was decoded, from its first byte.
  @unsafe
  public func position(at index: Int, in frame: UnsafeRawBufferPointer) -> ResumePosition {
    let at = positions.lowerBound + index * ResumePosition.size
    precondition(index >= 0 && at + ResumePosition.size <= positions.upperBound)
    precondition(positions.upperBound <= frame.count)
    let entry = unsafe frame.baseAddress! + at
    return unsafe ResumePosition(topic: entry.loadUInt32(0), sequence: entry.loadUInt64(8))
  }

  /// Writes the frame with its positions; `positionsCount` is theirs. False where it does not fit.
  public func encode(
    into writer: inout FrameWriter, ref: UInt32, correlation: UInt32,
    positions: [ResumePosition]
  ) -> Bool {
    var entries = FrameWriter(reserving: positions.count * ResumePosition.size)
    for position in positions { entries.append(position) }
    var frame = self
    frame.positionsCount = UInt32(positions.count)
    return unsafe frame.encode(
      into: &writer, ref: ref, correlation: correlation, positions: entries.bytes.bytes)
  }
}

extension FrameWriter {
  mutating func append(_ position: ResumePosition) {
    append(position.topic)
    append(0 as UInt32)
    append(position.sequence)
  }
}
