/// A frame by the names of its fields, encoded and decoded from the registry alone.
public struct LooseFrame: Equatable, Sendable {
  public enum Value: Equatable, Sendable {
    case number(UInt64)
    case text(String)
    case bytes([UInt8])
  }

  public var name: String
  public var ref: UInt32 = 0
  public var correlation: UInt32 = 0
  /// Fields that are not here are 0 or empty when encoded; magic is the protocol's.
  public var fields: [String: Value] = [:]

  public init(
    _ name: String, ref: UInt32 = 0, correlation: UInt32 = 0, fields: [String: Value] = [:]
  ) {
    self.name = name
    self.ref = ref
    self.correlation = correlation
    self.fields = fields
  }

  public func encoded() throws -> [UInt8] {
    guard let frame = Registry.shared.frame(named: name) else {
      throw TranscriptError("no frame is named \(name)")
    }
    var body: [UInt8] = []
    for field in frame.fields {
      let value = fields[field.name]
      if let size = field.size {
        var number: UInt64 = 0
        if case .number(let given)? = value { number = given }
        if value == nil, field.name == "magic" {
          number = UInt64(Registry.shared.protocol.magic.dropFirst(2), radix: 16)!
        }
        body += Self.littleEndian(number, size)
      } else {
        var bytes: [UInt8] = []
        if case .text(let text)? = value { bytes = [UInt8](text.utf8) }
        if case .bytes(let given)? = value { bytes = given }
        if field.type == "string16" { body += Self.littleEndian(UInt64(bytes.count), 2) }
        body += bytes
      }
    }
    var out = Self.littleEndian(UInt64(body.count + 12), 4)
    out += [frame.number, 0, 0, 0]
    out += Self.littleEndian(UInt64(ref), 4) + Self.littleEndian(UInt64(correlation), 4)
    return out + body
  }

  /// One whole frame.
  public init(decoding bytes: [UInt8]) throws {
    guard bytes.count >= 16, Self.number(bytes[0..<4]) == UInt64(bytes.count - 4) else {
      throw TranscriptError("not one whole frame: \(Hex.text(bytes))")
    }
    guard let frame = Registry.shared.frame(numbered: bytes[4]) else {
      throw TranscriptError("type \(bytes[4]) is not defined")
    }
    name = frame.name
    ref = UInt32(Self.number(bytes[8..<12]))
    correlation = UInt32(Self.number(bytes[12..<16]))
    var at = 16
    func take(_ count: Int, _ what: String) throws -> ArraySlice<UInt8> {
      guard count <= bytes.count - at else {
        throw TranscriptError("\(frame.name) ends inside \(what)")
      }
      defer { at += count }
      return bytes[at..<(at + count)]
    }
    for field in frame.fields {
      if let size = field.size {
        let number = Self.number(try take(size, field.name))
        if !field.isReserved { fields[field.name] = .number(number) }
      } else if field.type == "string16" {
        let count = Self.number(try take(2, field.name))
        fields[field.name] = .text(
          String(decoding: try take(Int(count), field.name), as: UTF8.self))
      } else {
        fields[field.name] = .bytes([UInt8](try take(bytes.count - at, field.name)))
      }
    }
    guard at == bytes.count else { throw TranscriptError("\(name) has bytes left over") }
  }

  /// Where the rest field's bytes are in the frame: what its batches are aligned to.
  public var rest: [UInt8]? {
    for case .bytes(let bytes) in fields.values { return bytes }
    return nil
  }

  /// A number's bytes as the wire has them.
  public static func littleEndian(_ number: UInt64, _ size: Int) -> [UInt8] {
    (0..<size).map { UInt8(truncatingIfNeeded: number >> (8 * UInt64($0))) }
  }

  /// The number that the bytes are.
  public static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 {
    bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }
}

/// Why a transcript cannot be read or does not hold.
public struct TranscriptError: Error, CustomStringConvertible {
  public var description: String

  public init(_ description: String) { self.description = description }
}
