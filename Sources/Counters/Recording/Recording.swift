/// The flight recorder's file: a header, and a ring of a fixed number of entries.
///
///     0     header: magic, version, bytes of an entry, number of entries, checksum; 8 bytes each
///     4096  entries; that with the number n stands at place (n - 1) modulo the number of places
///
/// Every entry has a checksum of its own, so that a broker may end at any instant: what it was
/// writing then is left out, and what it had written is there.
public enum RecordLayout {
  /// "GALNREC1".
  static let magic: UInt64 = 0x3143_4552_4E4C_4147
  /// Rises with the layout; a reader refuses others.
  static let version: UInt64 = 1
  /// Where the entries begin: a page of its own for what never changes.
  public static let headerBytes = 4096
  /// An hour at an entry a second.
  public static let capacity = 3600

  public static func byteCount(capacity: Int) -> Int {
    headerBytes + capacity * RecordEntry.byteCount
  }

  public static func header(capacity: Int) -> [UInt8] {
    let words = [magic, version, UInt64(RecordEntry.byteCount), UInt64(capacity)]
    return RecordWords.bytes(words + [RecordWords.checksum(words[...])])
  }

  /// Where in the file an entry of this number stands.
  public static func offset(number: UInt64, capacity: Int) -> Int {
    headerBytes + Int((number &- 1) % UInt64(capacity)) * RecordEntry.byteCount
  }
}

/// A recording that was read.
public struct Recording: Sendable {
  /// Why a file is refused.
  public enum Refusal: Error, Equatable, Sendable {
    /// It does not begin like a recording.
    case notRecording
    /// It does, but of another version.
    case otherVersion
    /// It has not the length that its header says.
    case torn
  }

  /// Number of places.
  public let capacity: Int
  /// In the order in which they were written.
  public let entries: [RecordEntry]
  /// Places whose bytes are no whole entry.
  public let tornCount: Int

  /// The number of the next entry.
  public var nextNumber: UInt64 { (entries.last?[.number] ?? 0) + 1 }

  public init(_ bytes: [UInt8]) throws(Refusal) {
    let header = RecordWords.words(bytes.prefix(40))
    guard header.count == 5, header[0] == RecordLayout.magic else { throw .notRecording }
    guard RecordWords.checksum(header[..<4]) == header[4] else { throw .torn }
    guard header[1] == RecordLayout.version, header[2] == UInt64(RecordEntry.byteCount) else {
      throw .otherVersion
    }
    let capacity = (bytes.count - RecordLayout.headerBytes) / RecordEntry.byteCount
    guard header[3] == UInt64(max(0, capacity)), capacity > 0,
      bytes.count == RecordLayout.byteCount(capacity: capacity)
    else { throw .torn }
    var entries: [RecordEntry] = []
    var tornCount = 0
    for place in 0..<capacity {
      let start = RecordLayout.headerBytes + place * RecordEntry.byteCount
      let piece = bytes[start..<(start + RecordEntry.byteCount)]
      if let entry = RecordEntry(bytes: piece),
        RecordLayout.offset(number: entry[.number], capacity: capacity) == start
      {
        entries.append(entry)
      } else if piece.contains(where: { $0 != 0 }) {
        tornCount += 1
      }
    }
    self.capacity = capacity
    self.tornCount = tornCount
    self.entries = entries.sorted { $0[.number] < $1[.number] }
  }
}
