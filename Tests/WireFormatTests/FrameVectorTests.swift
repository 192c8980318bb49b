import Testing
import WireSupport

@testable import WireFormat

/// Protocol/vectors/frames.json and bad-frames.json against the decoders.
@Suite struct FrameVectorTests {
  struct Vectors: Decodable {
    var notes: [String: String]
    var vectors: [Vector]
  }

  struct Header: Decodable {
    var length: UInt32
    var ref: UInt32
    var correlation: UInt32
  }

  enum Field: Decodable, Equatable {
    case number(UInt64)
    case text(String)

    init(from decoder: any Decoder) throws {
      let container = try decoder.singleValueContainer()
      if let number = try? container.decode(UInt64.self) {
        self = .number(number)
      } else {
        self = .text(try container.decode(String.self))
      }
    }
  }

  struct Vector: Decodable, CustomTestStringConvertible, Sendable {
    var id: String
    var flags: [String]
    var to: String
    var lengthMax: Int
    var hex: String
    var result: String
    var reason: String?
    var frame: String?
    var header: Header?
    var fields: [String: Field]?

    var bytes: [UInt8] { Hex.bytes(hex)! }
    var testDescription: String { id }
  }

  static let good = try! ProtocolFiles.json("vectors/frames.json", as: Vectors.self)
  static let bad = try! ProtocolFiles.json("vectors/bad-frames.json", as: Vectors.self)

  @Test func everyFrameIsThere() {
    let named = Set(Self.good.vectors.compactMap(\.frame))
    #expect(named == Set(FrameType.allCases.map { "\($0.name)" }))
    for vectors in [Self.good, Self.bad] {
      for vector in vectors.vectors {
        #expect(vector.flags.allSatisfy { vectors.notes[$0] != nil }, "\(vector.id)")
      }
    }
  }

  @Test(arguments: good.vectors)
  func goodFrame(vector: Vector) throws {
    let received = try receive(
      vector.bytes, lengthMax: vector.lengthMax, isBroker: vector.to == "broker")
    let header: FrameHeader
    switch received {
    case .incomplete:
      Issue.record("\(vector.id) is incomplete")
      return
    case .skipped(let found):
      header = found
      #expect(vector.frame == nil)
    case .frame(let found, let frame):
      header = found
      #expect("\(found.type!.name)" == vector.frame)
      compare(frame, vector)
    }
    #expect(header.length == vector.header?.length)
    #expect(header.ref == vector.header?.ref)
    #expect(header.correlation == vector.header?.correlation)
  }

  /// Every field that the vector states, found by its name in the decoded value.
  private func compare(_ frame: any Sendable, _ vector: Vector) {
    var left = vector.fields ?? [:]
    for child in Mirror(reflecting: frame).children {
      let label = child.label!.hasSuffix("Raw") ? String(child.label!.dropLast(3)) : child.label!
      guard let (name, wanted) = left.first(where: { Self.camel($0.key) == label }) else {
        Issue.record("\(vector.id) does not state \(label)")
        continue
      }
      left[name] = nil
      switch (child.value, wanted) {
      case (let number as any FixedWidthInteger, .number(let wanted)):
        #expect(UInt64(number) == wanted, "\(vector.id).\(name)")
      case (let number as any FixedWidthInteger, .text(let wanted)):
        #expect("\(number)" == wanted, "\(vector.id).\(name)")
      case (let flag as Bool, .number(let wanted)):
        #expect((flag ? 1 : 0) == wanted, "\(vector.id).\(name)")
      case (let text as String, .text(let wanted)):
        #expect(text == wanted, "\(vector.id).\(name)")
      case (let set as any OptionSet, .number(let wanted)):
        let raw = set.rawValue as? any FixedWidthInteger
        #expect(raw.map { UInt64($0) } == wanted, "\(vector.id).\(name)")
      case (let range as Range<Int>, .text(let wanted)):
        #expect(Hex.text(vector.bytes[range]) == wanted, "\(vector.id).\(name)")
      default:
        Issue.record("\(vector.id).\(name) is \(child.value)")
      }
    }
    #expect(left.isEmpty, "\(vector.id) has no \(left.keys)")
  }

  private static func camel(_ name: String) -> String {
    let words = name.split(separator: "_")
    return words.dropFirst().reduce(String(words[0])) {
      $0 + $1.prefix(1).uppercased() + $1.dropFirst()
    }
  }

  @Test(arguments: bad.vectors)
  func badFrame(vector: Vector) throws {
    do {
      let received = try receive(
        vector.bytes, lengthMax: vector.lengthMax, isBroker: vector.to == "broker")
      guard case .incomplete = received else {
        Issue.record("\(vector.id) was taken: \(received)")
        return
      }
      #expect(vector.result == "incomplete")
    } catch {
      #expect("\(error.code.name)" == vector.reason, "\(vector.id): \(error)")
    }
  }

  /// A receiver that gets a frame in pieces says the same as one that gets it whole, and says it
  /// of a length that is out of bounds as soon as the length is there.
  @Test(arguments: good.vectors + bad.vectors)
  func byteByByte(vector: Vector) throws {
    let bytes = vector.bytes
    for count in 0..<bytes.count {
      do {
        let received = try receive(
          Array(bytes[..<count]), lengthMax: vector.lengthMax, isBroker: vector.to == "broker")
        guard case .incomplete = received else {
          Issue.record("\(vector.id) is whole after \(count) bytes")
          return
        }
      } catch {
        let isLength = error.code == .frameTooLarge || error.code == .frameTooShort
        #expect(isLength && count >= 4 && "\(error.code.name)" == vector.reason, "\(vector.id)")
        return
      }
    }
  }

  /// The generic decoder of the test support reads what the generated one reads.
  @Test(arguments: good.vectors)
  func looseFramesAgree(vector: Vector) throws {
    guard vector.frame != nil else { return }
    let loose = try LooseFrame(decoding: vector.bytes)
    #expect(loose.name == vector.frame)
    if !vector.flags.contains("Reserved") {
      let again = try loose.encoded()
      #expect(again == vector.bytes)
    }
  }
}
