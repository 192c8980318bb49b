import Foundation
import Testing
import WireFormat
import WireSupport

@testable import GalleonClient

/// Every frame of the protocol's vectors that a client may receive, good and bad, into a session
/// that has what they are about.
@Suite struct VectorTests {
  struct Vector: Decodable, Sendable, CustomTestStringConvertible {
    let id: String
    let to: String?
    let lengthMax: UInt32
    let hex: String
    let result: String
    let reason: String?

    var testDescription: String { id }
    var bytes: [UInt8] { Hex.bytes(hex) ?? [] }
    /// Limits of the vector that are not those of a session have no place here.
    var isForClients: Bool { to != "broker" && lengthMax == 262_144 }
  }

  private struct File: Decodable {
    let vectors: [Vector]
  }

  private static func vectors(_ name: String) -> [Vector] {
    guard let file = try? ProtocolFiles.json("vectors/\(name)", as: File.self) else { return [] }
    return file.vectors.filter(\.isForClients)
  }

  static let good = vectors("frames.json")
  static let bad = vectors("bad-frames.json")

  /// A session with a publisher 4 and a subscription 6, and topics 0, 3 and 2^32 - 1.
  private func session(for bytes: [UInt8]) throws -> ScriptedSession {
    let scripted = ScriptedSession()
    if bytes.count > 4, bytes[4] == FrameType.welcome.rawValue {
      scripted.session.connected(nowNs: scripted.nowNs)
      _ = try scripted.turn()
      return scripted
    }
    try scripted.establish()
    for _ in 1...3 { _ = scripted.shared.nextRef() }
    let publisher = try scripted.publisher(options: PublisherOptions(acknowledgement: .accepted))
    try publisher.add("one")
    _ = scripted.shared.nextRef()
    _ = try scripted.subscription()
    for id in [0, 3, .max] as [UInt32] { scripted.feed(BrokerFrames.topicInfo(id: id)) }
    _ = try scripted.turn()
    return scripted
  }

  @Test func thereAreVectors() {
    #expect(Self.good.count >= 30)
    #expect(Self.bad.count >= 40)
  }

  @Test(arguments: good)
  func goodFramesAreTakenIn(vector: Vector) throws {
    for piece in [1, 7, .max] {
      let scripted = try session(for: vector.bytes)
      scripted.feed(vector.bytes, piece: piece)
      // Its fields may be nonsense where they meet; that it is well-formed must be seen.
      if let close = try scripted.turn().first(where: { $0.type == .close })?.close() {
        #expect(close.reason != .unknownFrame && close.reason != .wrongDirection)
      }
    }
  }

  /// The same frames about the publisher and the subscription that there are: no number in them
  /// may bring the client down.
  @Test(arguments: good)
  func noNumberBringsTheClientDown(vector: Vector) throws {
    for ref in [4, 6] as [UInt32] {
      var bytes = vector.bytes
      for index in 0..<4 { bytes[8 + index] = UInt8(truncatingIfNeeded: ref >> UInt32(8 * index)) }
      let scripted = try session(for: bytes)
      scripted.feed(bytes)
      scripted.nowNs += 1
      _ = try scripted.turn()
      scripted.disconnect()
      try scripted.establish()
      _ = try scripted.turn()
    }
  }

  @Test(arguments: bad)
  func badFramesEndTheSessionWithTheirReason(vector: Vector) throws {
    guard vector.result == "invalid" else { return }
    let scripted = try session(for: vector.bytes)
    scripted.feed(vector.bytes, piece: 3)
    let close = try scripted.turn().first { $0.type == .close }?.close()
    let reason = try #require(close?.reason, "\(vector.id)")
    #expect("\(reason.name)" == vector.reason)
  }

  /// Bytes that are not a protocol at all.
  @Test func noiseNeverBringsTheClientDown() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("seed \(seed)")
    var random = Noise(state: seed)
    for _ in 0..<2000 {
      let scripted = try session(for: [])
      // A sound header, so that the noise gets as far as the bodies.
      let types = FrameType.allCases
      let type = types[Int(random.next() % UInt64(types.count))]
      let count = Int(random.next() % 200)
      var bytes = BrokerFrames.frame { writer in
        writer.beginFrame(type, ref: random.next() & 1 == 0 ? 4 : 6)
        for _ in 0..<count {
          // Small numbers reach further than large ones.
          let byte = UInt8(truncatingIfNeeded: random.next())
          writer.append(random.next() & 3 == 0 ? byte : byte & 3)
        }
        return writer.endFrame()
      }
      bytes += bytes.prefix(20)
      scripted.feed(bytes)
      _ = try scripted.turn()
    }
  }

  private struct Noise {
    var state: UInt64

    /// SplitMix64.
    mutating func next() -> UInt64 {
      state &+= 0x9E37_79B9_7F4A_7C15
      var mixed = state
      mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
      mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
      return mixed ^ (mixed >> 31)
    }
  }
}
