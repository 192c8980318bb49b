public import Foundation

/// The repository's Protocol folder, found from this file's own place.
public enum ProtocolFiles {
  public static let root = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  public static let folder = root.appendingPathComponent("Protocol")

  /// A file of the folder, such as `vectors/frames.json`.
  public static func data(_ path: String) throws -> Data {
    try Data(contentsOf: folder.appendingPathComponent(path))
  }

  public static func json<Content: Decodable>(_ path: String, as type: Content.Type) throws
    -> Content
  {
    try JSONDecoder().decode(type, from: data(path))
  }

  /// The names of the transcripts, sorted.
  public static func transcriptNames() throws -> [String] {
    let folder = folder.appendingPathComponent("vectors/transcripts").path
    return try FileManager.default.contentsOfDirectory(atPath: folder)
      .filter { $0.hasSuffix(".txt") }.sorted()
  }

  public static func transcript(_ name: String) throws -> Transcript {
    let data = try data("vectors/transcripts/\(name)")
    return try Transcript(name: name, text: String(decoding: data, as: UTF8.self))
  }
}

/// Bytes as hex text, and back.
public enum Hex {
  public static func text(_ bytes: some Sequence<UInt8>) -> String {
    let digits = [Character]("0123456789abcdef")
    var out = ""
    for byte in bytes {
      out.append(digits[Int(byte >> 4)])
      out.append(digits[Int(byte & 15)])
    }
    return out
  }

  /// Nil where the text is not pairs of hex digits, which blanks may part.
  public static func bytes(_ text: String) -> [UInt8]? {
    var out: [UInt8] = []
    var high: Int?
    for character in text where character != " " {
      guard let digit = character.hexDigitValue else { return nil }
      if let first = high {
        out.append(UInt8(first * 16 + digit))
        high = nil
      } else {
        high = digit
      }
    }
    return high == nil ? out : nil
  }
}
