/// Lines of the text protocols, for everything that is not an event and therefore rare.
enum TextLine {
  /// A line longer than this ends the run. The longest is NATS' greeting with its addresses.
  static let byteCountMax = 16 * 1024

  /// Bytes of the first line with its end (`\n`), or nil if the end is not there yet.
  static func length(_ bytes: UnsafeRawPointer, _ count: Int) throws(LoadError) -> Int? {
    for index in 0..<count
    where unsafe bytes.load(fromByteOffset: index, as: UInt8.self) == UInt8(ascii: "\n") {
      return index + 1
    }
    guard count <= byteCountMax else {
      throw .unexpectedReply("a line of more than \(byteCountMax) bytes")
    }
    return nil
  }

  static func starts(_ bytes: UnsafeRawPointer, _ count: Int, with text: StaticString) -> Bool {
    guard count >= text.utf8CodeUnitCount else { return false }
    for index in 0..<text.utf8CodeUnitCount
    where unsafe bytes.load(fromByteOffset: index, as: UInt8.self) != text.utf8Start[index] {
      return false
    }
    return true
  }

  /// The line as text without its end, cut to what a sentence can hold.
  static func text(_ bytes: UnsafeRawPointer, _ count: Int) -> String {
    let shown = unsafe UnsafeRawBufferPointer(start: bytes, count: min(count, 160))
    return unsafe String(decoding: shown.filter { $0 >= 0x20 && $0 < 0x7F }, as: UTF8.self)
  }
}
