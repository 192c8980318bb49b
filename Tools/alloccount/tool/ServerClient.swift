import LinuxIO
import WireFormat

/// One publisher and some subscribers on sockets, without an allocation after they are made.
///
/// `@safe`: the buffer is allocated and freed here, and every read is bounded by its size.
@safe
struct ServerClient: ~Copyable {
  private static let bufferBytes = 1 << 20
  /// Batches that are on their way at once.
  private static let windowBatches = 64

  private let publisher: FileDescriptor
  private let subscribers: UnsafeMutablePointer<Int32>
  /// Bytes of a frame that has not come whole, per subscriber.
  private let carried: UnsafeMutablePointer<Int>
  private let buffers: UnsafeMutableRawPointer
  private let count: Int
  private let batch: Int
  private var writer = BatchWriter()
  private var sequence: UInt64 = 1
  private let payload: UnsafeMutableRawBufferPointer

  init(_ scenario: ServerScenario, port: UInt16) throws(SystemError) {
    let opened = try Self.connect(port: port, answer: .topic) {
      OpenTopic(mode: .openOrCreate, options: [], ackLevel: .none, topic: "hunt.t0")
        .encode(into: &$0, ref: 1, correlation: 2)
    }
    let subscribe = Subscribe(
      policy: .lossless, start: .latest, eventsTotal: .max, bytesTotal: .max, pattern: "hunt.>")
    var numbers: [Int32] = []
    for _ in 0..<scenario.subscribers {
      let socket = try Self.connect(port: port, answer: .subscribed) {
        subscribe.encode(into: &$0, ref: 1, correlation: 3, positions: RawSpan())
      }
      numbers.append(socket.release())
    }
    publisher = opened
    count = scenario.subscribers
    batch = scenario.batch
    unsafe subscribers = .allocate(capacity: count)
    unsafe carried = .allocate(capacity: count)
    unsafe buffers = .allocate(byteCount: count * Self.bufferBytes, alignment: 16)
    unsafe payload = .allocate(byteCount: Scenario.payloadBytes, alignment: 16)
    unsafe payload.initializeMemory(as: UInt8.self, repeating: 7)
    for i in 0..<count {
      unsafe (subscribers + i).initialize(to: numbers[i])
      unsafe (carried + i).initialize(to: 0)
    }
  }

  deinit {
    for i in 0..<count { unsafe Socket.close(subscribers[i]) }
    unsafe subscribers.deallocate()
    unsafe carried.deallocate()
    unsafe buffers.deallocate()
    unsafe payload.deallocate()
  }

  /// Connects and sends HELLO and one request; reads until its answer is there.
  private static func connect(
    port: UInt16, answer: FrameType, _ encode: (inout FrameWriter) -> Bool
  ) throws(SystemError) -> FileDescriptor {
    let socket = try Socket.connect(to: .loopback(port: port), .blocking)
    let fd = socket.rawValue
    let hello = Hello(
      magic: ProtocolVersion.magic, versionMin: ProtocolVersion.versionMin,
      versionMax: ProtocolVersion.version, codecs: [], heartbeatMs: 300_000, clientName: "counted")
    let bytes =
      frameBytes { hello.encode(into: &$0, ref: 0, correlation: 1) } + frameBytes(encode)
    let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 8)
    defer { unsafe room.deallocate() }
    do {
      let all = UnsafeMutableRawBufferPointer.allocate(
        byteCount: bytes.count, alignment: 8)
      defer { unsafe all.deallocate() }
      unsafe all.copyBytes(from: bytes)
      try unsafe Socket.sendAll(fd, UnsafeRawBufferPointer(all))
    }
    // Frame by frame, so that nothing behind the answer is read here.
    while true {
      let prefix = unsafe UnsafeMutableRawBufferPointer(rebasing: room[..<FrameHeader.size])
      guard try unsafe Socket.receiveAll(fd, prefix) else {
        preconditionFailure("the broker closed the connection")
      }
      let length = unsafe Int(room.load(as: UInt32.self)) - (FrameHeader.size - 4)
      let type = unsafe room[4]
      if length > 0 {
        let rest = unsafe UnsafeMutableRawBufferPointer(rebasing: room[..<length])
        guard try unsafe Socket.receiveAll(fd, rest) else {
          preconditionFailure("the broker closed the connection")
        }
      }
      if type == answer.rawValue { return socket }
    }
  }

  /// Publishes so many batches, a window of them at a time, and receives them at every subscriber.
  mutating func run(batches: Int) throws(SystemError) {
    var left = batches
    while left > 0 {
      let now = min(left, Self.windowBatches)
      for _ in 0..<now { try publish() }
      for i in 0..<count { try receive(i, events: now * batch) }
      left -= now
    }
  }

  private mutating func publish() throws(SystemError) {
    writer.reset()
    for _ in 0..<batch {
      let fits = unsafe writer.append(payload: UnsafeRawBufferPointer(payload))
      precondition(fits, "a batch that is too large for these events")
    }
    let frame = unsafe writer.finishPublish(
      ref: 1, publishTime: 1, publisherSequence: sequence)
    sequence += UInt64(batch)
    try unsafe Socket.sendAll(publisher.rawValue, frame)
  }

  private mutating func receive(_ i: Int, events: Int) throws(SystemError) {
    let buffer = unsafe buffers + i * Self.bufferBytes
    var missing = events
    while missing > 0 {
      let room = unsafe UnsafeMutableRawBufferPointer(
        start: buffer + carried[i], count: Self.bufferBytes - carried[i])
      guard case .processed(let received) = try unsafe Socket.receive(subscribers[i], room) else {
        preconditionFailure("the broker closed the connection")
      }
      let bytes = unsafe UnsafeRawBufferPointer(start: buffer, count: carried[i] + received)
      var at = 0
      do throws(WireError) {
        while let frame = try unsafe nextFrame(in: bytes, at: at, lengthMax: 1 << 20) {
          if frame.header.type == .deliver {
            missing -= unsafe countEvents(in: bytes, from: at + Deliver.prefixSize, to: frame.end)
          }
          at = frame.end
        }
      } catch {
        preconditionFailure("the broker sent what nobody can read")
      }
      unsafe carried[i] = bytes.count - at
      unsafe buffer.copyMemory(from: buffer + at, byteCount: bytes.count - at)
    }
    precondition(missing == 0, "more events than were published")
  }

  /// Events of the batches in a part of the buffer.
  private func countEvents(in bytes: UnsafeRawBufferPointer, from: Int, to end: Int) -> Int {
    var at = from
    var sum = 0
    while at < end {
      let batch = unsafe bytes.baseAddress! + at
      sum += unsafe Int(Batch.count(batch))
      at += unsafe Batch.paddedLength(Int(Batch.length(batch)))
    }
    return sum
  }
}
