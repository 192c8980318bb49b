/// The protocol's registry as tests see it: read at run time from frames.json, so that it does not
/// share the code that was generated from it.
public struct Registry: Decodable, Sendable {
  public struct Field: Decodable, Sendable {
    public var name: String
    public var type: String
    public var max: Int?
    public var `as`: String?

    public var isReserved: Bool { name.hasPrefix("reserved") }
    /// Bytes of a number; nil for string16 and rest.
    public var size: Int? { ["u8": 1, "u16": 2, "u32": 4, "u64": 8][type] }
  }

  public struct Frame: Decodable, Sendable {
    public var name: String
    public var type: String
    public var from: String
    public var fields: [Field]

    public var number: UInt8 { UInt8(type.dropFirst(2), radix: 16)! }
  }

  public struct Case: Decodable, Sendable {
    public var name: String
    public var value: UInt64
  }

  public struct Enumeration: Decodable, Sendable {
    public var name: String
    public var cases: [Case]
  }

  public struct FlagSet: Decodable, Sendable {
    public var name: String
    public var flags: [Case]
  }

  public struct Code: Decodable, Sendable {
    public var name: String
    public var code: UInt64
    public var retryable: Bool
  }

  public struct Limit: Decodable, Sendable {
    public var name: String
    public var value: Int
  }

  public struct Head: Decodable, Sendable {
    public var magic: String
    public var version: UInt64
  }

  public var `protocol`: Head
  public var frames: [Frame]
  public var enums: [Enumeration]
  public var flagSets: [FlagSet]
  public var closeReasons: [Code]
  public var errorCodes: [Code]
  public var limits: [Limit]

  public static let shared: Registry = {
    do {
      return try ProtocolFiles.json("frames.json", as: Registry.self)
    } catch {
      fatalError("Protocol/frames.json: \(error)")
    }
  }()

  public func frame(named name: String) -> Frame? { frames.first { $0.name == name } }
  public func frame(numbered number: UInt8) -> Frame? { frames.first { $0.number == number } }

  /// The number that a word stands for in a field of the kind: a case, a code, or flags joined
  /// by `+`.
  public func number(_ word: String, kind: String?) -> UInt64? {
    if let number = UInt64(word) { return number }
    if word.hasPrefix("0x") { return UInt64(word.dropFirst(2), radix: 16) }
    switch kind {
    case "CloseReason": return closeReasons.first { $0.name == word }?.code
    case "ErrorCode": return errorCodes.first { $0.name == word }?.code
    case let kind?:
      if let found = enums.first(where: { $0.name == kind }) {
        return found.cases.first { $0.name == word }?.value
      }
      guard let set = flagSets.first(where: { $0.name == kind }) else { return nil }
      var sum: UInt64 = 0
      for part in word.split(separator: "+") {
        guard let flag = set.flags.first(where: { $0.name == part }) else { return nil }
        sum |= flag.value
      }
      return sum
    case nil: return nil
    }
  }
}
