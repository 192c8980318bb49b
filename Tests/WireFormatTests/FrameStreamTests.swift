import Testing
import WireSupport

@testable import WireFormat

/// Streams of random frames, cut anywhere, and what is decoded encoded again.
@Suite struct FrameStreamTests {
  /// A frame with random numbers, strings and batches, made from the registry.
  static func randomFrame(_ random: inout SeededRandom) -> LooseFrame {
    let layout = Registry.shared.frames.randomElement(using: &random)!
    var frame = LooseFrame(
      layout.name, ref: UInt32(truncatingIfNeeded: random.next()),
      correlation: UInt32(truncatingIfNeeded: random.next()))
    for field in layout.fields where !field.isReserved {
      if let size = field.size {
        let bits = random.next() >> UInt64(64 - 8 * size)
        frame.fields[field.name] = .number(field.as == "Bool" ? bits & 1 : bits)
      } else if field.type == "string16" {
        let count = Int.random(in: 0...(field.max! / 4), using: &random)
        let scalars = (0..<count).map { _ in ["a", "é", "宝", "💰"].randomElement(using: &random)! }
        frame.fields[field.name] = .text(scalars.joined())
      } else {
        let events = (0..<Int.random(in: 1...9, using: &random)).map { _ in
          LooseBatch.Event(payload: String(repeating: "x", count: Int(random.next() % 60)))
        }
        frame.fields[field.name] = .bytes(LooseBatch.encoded(events))
      }
    }
    if layout.name == "SUBSCRIBE" {
      let count = Int(random.next() % 4)
      frame.fields["positions_count"] = .number(UInt64(count))
      frame.fields["positions"] = .bytes(random.bytes(count * ResumePosition.size))
    }
    return frame
  }

  @Test func positionsAreReadAsTheyWereWritten() throws {
    let positions = (0..<3).map {
      ResumePosition(topic: UInt32($0), sequence: .max - UInt64($0))
    }
    var writer = FrameWriter()
    let subscribe = Subscribe(
      policy: .lossless, start: .latest, eventsTotal: 1, bytesTotal: 1, pattern: "hunt.>")
    let isWritten = subscribe.encode(
      into: &writer, ref: 1, correlation: 2, positions: positions)
    #expect(isWritten)
    let bytes = writer.array
    guard case .frame(_, let frame) = try receive(bytes, lengthMax: 8192, isBroker: true),
      let found = frame as? Subscribe
    else {
      Issue.record("no SUBSCRIBE")
      return
    }
    let memory = ExactMemory(bytes)
    let read = (0..<Int(found.positionsCount)).map {
      unsafe found.position(at: $0, in: memory.bytes)
    }
    #expect(read == positions)
  }

  @Test(arguments: 0..<20)
  func aStreamCutAnywhereGivesTheSameFrames(round: Int) throws {
    let seed = SeededRandom.freshSeed()
    var random = SeededRandom(seed: seed)
    let frames = (0..<100).map { _ in Self.randomFrame(&random) }
    let stream = try frames.flatMap { try $0.encoded() }
    // A receiver's buffer: pieces come in at the end, whole frames leave at the front.
    var buffer: [UInt8] = []
    var found: [LooseFrame] = []
    var sent = 0
    while sent < stream.count {
      let most = round % 2 == 0 ? 7 : 400
      let count = min(Int.random(in: 1...most, using: &random), stream.count - sent)
      buffer += stream[sent..<(sent + count)]
      sent += count
      var at = 0
      try unsafe buffer.withUnsafeBytes { bytes in
        while let view = try unsafe nextFrame(in: bytes, at: at, lengthMax: 1 << 20) {
          #expect(unsafe frameBytesNeeded(in: bytes, at: at) == view.header.frameBytes)
          found.append(unsafe try LooseFrame(decoding: [UInt8](bytes[at..<view.end])))
          at = view.end
        }
        if at < bytes.count {
          let needed = unsafe frameBytesNeeded(in: bytes, at: at)
          #expect(needed > bytes.count - at, "seed \(seed)")
        }
      }
      buffer.removeFirst(at)
    }
    #expect(buffer.isEmpty, "seed \(seed)")
    #expect(found == frames, "seed \(seed)")
  }

  @Test func whatIsDecodedIsEncodedAgain() throws {
    let seed = SeededRandom.freshSeed()
    var random = SeededRandom(seed: seed)
    var seen: Set<String> = []
    for _ in 0..<2000 {
      let loose = Self.randomFrame(&random)
      seen.insert(loose.name)
      let bytes = try loose.encoded()
      let again = try Self.reencode(bytes, rest: loose.rest ?? [])
      #expect(again == bytes, "\(loose.name), seed \(seed)")
    }
    #expect(seen.count == FrameType.allCases.count, "seed \(seed)")
  }

  /// Decodes one frame and encodes what was decoded.
  static func reencode(_ bytes: [UInt8], rest: [UInt8]) throws -> [UInt8] {
    var writer = FrameWriter()
    guard
      case .frame(let header, let frame) = try receive(
        bytes, lengthMax: 1 << 20,
        isBroker: FrameType(rawValue: bytes[4])!.sender != .broker)
    else { return [] }
    let (ref, id) = (header.ref, header.correlation)
    let tail = unsafe rest.span.bytes
    let isWritten =
      switch frame {
      case let frame as Hello: frame.encode(into: &writer, ref: ref, correlation: id)
      case let frame as Welcome: frame.encode(into: &writer, ref: ref, correlation: id)
      case let frame as Ping: frame.encode(into: &writer, ref: ref, correlation: id)
      case let frame as Pong: frame.encode(into: &writer, ref: ref, correlation: id)
      case let frame as Close: frame.encode(into: &writer, ref: ref, correlation: id)
      case let frame as ErrorFrame: frame.encode(into: &writer, ref: ref, correlation: id)
      case let frame as OpenTopic: frame.encode(into: &writer, ref: ref, correlation: id)
      case let frame as Topic: frame.encode(into: &writer, ref: ref, correlation: id)
      case let frame as Publish:
        frame.encode(into: &writer, ref: ref, correlation: id, batches: tail)
      case let frame as Ack: frame.encode(into: &writer, ref: ref, correlation: id)
      case let frame as PublishCredit: frame.encode(into: &writer, ref: ref, correlation: id)
      case let frame as CloseTopic: frame.encode(into: &writer, ref: ref, correlation: id)
      case let frame as TopicClosed: frame.encode(into: &writer, ref: ref, correlation: id)
      case let frame as Subscribe:
        frame.encode(into: &writer, ref: ref, correlation: id, positions: tail)
      case let frame as Subscribed: frame.encode(into: &writer, ref: ref, correlation: id)
      case let frame as Unsubscribe: frame.encode(into: &writer, ref: ref, correlation: id)
      case let frame as Unsubscribed: frame.encode(into: &writer, ref: ref, correlation: id)
      case let frame as Credit: frame.encode(into: &writer, ref: ref, correlation: id)
      case let frame as Deliver:
        frame.encode(into: &writer, ref: ref, correlation: id, batches: tail)
      case let frame as Gap: frame.encode(into: &writer, ref: ref, correlation: id)
      case let frame as TopicInfo: frame.encode(into: &writer, ref: ref, correlation: id)
      case let frame as SetPolicy: frame.encode(into: &writer, ref: ref, correlation: id)
      case let frame as PolicySet: frame.encode(into: &writer, ref: ref, correlation: id)
      case let frame as DeliverSelected:
        frame.encode(into: &writer, ref: ref, correlation: id, batches: tail)
      case let frame as Passed: frame.encode(into: &writer, ref: ref, correlation: id)
      case let frame as StateReset: frame.encode(into: &writer, ref: ref, correlation: id)
      case let frame as Blocked: frame.encode(into: &writer, ref: ref, correlation: id)
      case let frame as Reply:
        frame.encode(into: &writer, ref: ref, correlation: id, batch: tail)
      case let frame as Stats: frame.encode(into: &writer, ref: ref, correlation: id)
      case let frame as StatsPage:
        frame.encode(into: &writer, ref: ref, correlation: id, bytes: tail)
      default: false
      }
    #expect(isWritten)
    return writer.array
  }
}
