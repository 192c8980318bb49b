import WireFormat
import WireSupport

/// Random numbers that a test can repeat: the seed is printed when something fails.
struct SeededRandom: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  // SplitMix64.
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  mutating func bytes(_ count: Int) -> [UInt8] {
    (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
  }

  static func freshSeed() -> UInt64 { UInt64.random(in: 0...UInt64.max) }
}

/// What a receiver makes of a frame, the way a session does it.
enum Received {
  case incomplete
  case skipped(FrameHeader)
  case frame(FrameHeader, any Sendable)
}

/// Decodes the first frame of `bytes` as the given side.
func receive(_ bytes: [UInt8], lengthMax: Int, isBroker: Bool) throws(WireError) -> Received {
  // A copy of exactly this size, so that a sanitizer sees a read beyond it.
  let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 8)
  defer { unsafe copy.deallocate() }
  unsafe copy.copyBytes(from: bytes)
  let all = UnsafeRawBufferPointer(copy)
  guard let view = try unsafe nextFrame(in: all, at: 0, lengthMax: UInt32(lengthMax)) else {
    return .incomplete
  }
  guard let type = view.header.type else {
    if view.header.isIgnorable { return .skipped(view.header) }
    throw WireError(.unknownFrame, have: Int(view.header.typeRaw))
  }
  guard type.sender == .both || (type.sender == .client) == isBroker else {
    throw WireError(.wrongDirection)
  }
  var reader = unsafe FrameReader(view, in: all)
  let frame = try decode(type, &reader)
  if let publish = frame as? Publish { try unsafe checkBatches(all, publish.batches) }
  return .frame(view.header, frame)
}

/// The body of any frame.
func decode(_ type: FrameType, _ reader: inout FrameReader) throws(WireError) -> any Sendable {
  switch type {
  case .hello: try Hello(reader: &reader)
  case .welcome: try Welcome(reader: &reader)
  case .ping: try Ping(reader: &reader)
  case .pong: try Pong(reader: &reader)
  case .close: try Close(reader: &reader)
  case .error: try ErrorFrame(reader: &reader)
  case .openTopic: try OpenTopic(reader: &reader)
  case .topic: try Topic(reader: &reader)
  case .publish: try Publish(reader: &reader)
  case .ack: try Ack(reader: &reader)
  case .publishCredit: try PublishCredit(reader: &reader)
  case .closeTopic: try CloseTopic(reader: &reader)
  case .topicClosed: try TopicClosed(reader: &reader)
  case .subscribe: try Subscribe(reader: &reader)
  case .subscribed: try Subscribed(reader: &reader)
  case .unsubscribe: try Unsubscribe(reader: &reader)
  case .unsubscribed: try Unsubscribed(reader: &reader)
  case .credit: try Credit(reader: &reader)
  case .deliver: try Deliver(reader: &reader)
  case .gap: try Gap(reader: &reader)
  case .topicInfo: try TopicInfo(reader: &reader)
  case .setPolicy: try SetPolicy(reader: &reader)
  case .policySet: try PolicySet(reader: &reader)
  case .deliverSelected: try DeliverSelected(reader: &reader)
  case .passed: try Passed(reader: &reader)
  case .stateReset: try StateReset(reader: &reader)
  case .blocked: try Blocked(reader: &reader)
  case .reply: try Reply(reader: &reader)
  case .stats: try Stats(reader: &reader)
  case .statsPage: try StatsPage(reader: &reader)
  }
}

/// All batches of a PUBLISH, which has at least one.
@unsafe
func checkBatches(_ frame: UnsafeRawBufferPointer, _ range: Range<Int>) throws(WireError) {
  var at = range.lowerBound
  guard !range.isEmpty else { throw WireError(.malformedBatch) }
  while at < range.upperBound {
    let rest = unsafe UnsafeRawBufferPointer(rebasing: frame[at..<range.upperBound])
    at += try unsafe validateBatch(rest, limits: BatchLimits()).paddedLength
  }
}
