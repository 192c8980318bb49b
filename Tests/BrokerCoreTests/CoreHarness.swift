import Counters
import CountersSupport
import Testing
import WireFormat
import WireSupport

@testable import BrokerCore

/// A core in memory: its shards take turns in one thread, and its connections' bytes are at hand.
final class CoreHarness: TranscriptBroker {
  final class Connection {
    let shard: Int
    var id: ConnectionID
    var incoming: [UInt8] = []
    var isShut = false
    var isClosed = false
    /// The socket takes no more than this many bytes until it is drained.
    var room = Int.max

    init(shard: Int, id: ConnectionID) {
      self.shard = shard
      self.id = id
    }
  }

  let broker: Broker
  private(set) var shards: [Shard] = []
  private let counters: CountersOnHeap
  var region: CountersRegion { counters.region }
  private(set) var connections: [Int: Connection] = [:]
  private(set) var nowNs: UInt64 = 1_000_000_000
  /// Bytes go in one by one, each in a turn of its own.
  var isDripping = false

  init(_ limits: BrokerLimits = CoreHarness.smallLimits, shards count: Int = 1) {
    broker = Broker(limits: limits, shards: count, instance: 0x1234_0000, name: "test")
    counters = CountersOnHeap(limits.countersConfiguration(shards: count))
    shards = (0..<count).map { Shard(broker, index: $0, counters: region) }
  }

  // What writes to the counters goes before their memory.
  deinit { shards = [] }

  static var smallLimits: BrokerLimits {
    var limits = BrokerLimits()
    limits.ringBytes = 16 << 20
    limits.stateBytes = 16 << 20
    limits.connectionsMax = 64
    limits.subscriptionsMax = 256
    limits.publishersMax = 256
    limits.topicsMax = 64
    limits.cursorsMax = 1024
    limits.linksMax = 4096
    limits.requestsMax = 64
    return limits
  }

  // MARK: Turns

  /// Lets all shards go on until they sleep.
  func pump() {
    // Twice, since what the last one did may be for the first one.
    var quietRounds = 0
    for _ in 0..<20_000 {
      var areAsleep = true
      for (index, shard) in shards.enumerated() {
        turn(shard, index) {}
        if shard.hasTransmit || !shard.prepareToSleep() { areAsleep = false }
        shard.wakeUp()
      }
      // What a later one did may be for an earlier one.
      for shard in shards {
        if !shard.prepareToSleep() { areAsleep = false }
        shard.wakeUp()
      }
      quietRounds = areAsleep ? quietRounds + 1 : 0
      if quietRounds == 2 { return }
    }
    Issue.record("the core does not come to rest")
  }

  /// One turn of one shard, and nothing else but what happens elsewhere when it has taken what the
  /// others have put there, and has not yet told anybody.
  func turn(of index: Int, meanwhile: () -> Void = {}) { turn(shards[index], index, meanwhile) }

  private func turn(_ shard: Shard, _ index: Int, _ read: () -> Void) {
    shard.beginTurn(nowNs: nowNs, realtimeNs: nowNs + 1_700_000_000_000_000_000)
    _ = shard.handleInbound()
    read()
    _ = shard.retryPaused()
    while shard.pollResumed() != nil {}
    shard.fanOut()
    while let id = shard.pollTransmit() { write(shard, index, id) }
    while let id = shard.pollShutdown() { find(index, id)?.isShut = true }
    while let id = shard.pollClosed() { find(index, id)?.isClosed = true }
    _ = shard.endTurn()
    if let fault = shard.findFault() { Issue.record("\(fault)") }
  }

  private func find(_ shard: Int, _ id: ConnectionID) -> Connection? {
    connections.values.first { $0.shard == shard && $0.id == id }
  }

  private func write(_ shard: Shard, _ index: Int, _ id: ConnectionID) {
    guard let connection = find(index, id) else {
      Issue.record("a connection that nobody knows is written to")
      return
    }
    let count = min(connection.room, shard.transmitBytes)
    if connection.room != .max { connection.room -= count }
    var left = count
    for unsafe vector in unsafe shard.transmitVectors where left > 0 {
      let n = unsafe min(left, vector.count)
      unsafe connection.incoming.append(
        contentsOf: UnsafeRawBufferPointer(start: vector.base, count: n))
      left -= n
    }
    shard.transmitted(count, realtimeNs: nowNs + 1_700_000_000_000_000_000)
  }

  /// The socket takes what there is again.
  func unblock(_ number: Int) {
    guard let connection = connections[number] else { return }
    connection.room = .max
    shards[connection.shard].handleWritable(connection.id)
    pump()
  }

  // MARK: Connections

  @discardableResult
  func open(_ number: Int) -> Connection? {
    if let connection = connections[number] { return connection }
    let index = (number - 1) % shards.count
    guard let id = shards[index].openConnection(peer: "test") else { return nil }
    let connection = Connection(shard: index, id: id)
    connections[number] = connection
    return connection
  }

  func send(_ bytes: [UInt8], on number: Int) {
    guard open(number) != nil else { return }
    for piece in isDripping ? bytes.map({ [$0] }) : [bytes] { sendAlone(piece, on: number) }
    pump()
  }

  /// Bytes come in one turn of their shard, and no shard goes on after it.
  func sendAlone(_ bytes: [UInt8], on number: Int) {
    guard let connection = open(number) else { return }
    let shard = shards[connection.shard]
    turn(shard, connection.shard) {
      guard let room = unsafe shard.receiveRoom(connection.id) else { return }
      for (i, byte) in bytes.enumerated() { unsafe room[i] = byte }
      shard.received(bytes.count, on: connection.id)
    }
  }

  func send(on number: Int, _ encode: (inout FrameWriter) -> Bool) {
    var writer = FrameWriter(reserving: 1024)
    precondition(encode(&writer), "a frame that does not fit")
    send(writer.array, on: number)
  }

  /// The next frame, nil at the end; a broker that says nothing is given a second more.
  func receive(on number: Int) throws -> [UInt8]? {
    guard let connection = connections[number] else { throw TranscriptError("not connected") }
    for attempt in 0..<12 {
      if let frame = takeFrame(connection) { return frame }
      if connection.isShut || connection.isClosed { return nil }
      if attempt > 0 { advance(milliseconds: 100) }
    }
    throw TranscriptError("nothing comes")
  }

  private func takeFrame(_ connection: Connection) -> [UInt8]? {
    let bytes = connection.incoming
    guard bytes.count >= 16 else { return nil }
    let length = (0..<4).reduce(0) { $0 | Int(bytes[$1]) << (8 * $1) } + 4
    guard bytes.count >= length else { return nil }
    connection.incoming.removeFirst(length)
    return Array(bytes[..<length])
  }

  /// The next frame that has come, taken out.
  func takeBytes(on number: Int) -> [UInt8]? { connections[number].flatMap(takeFrame) }

  /// Types of all frames that have come, taken out.
  func takeTypes(on number: Int) -> [FrameType] {
    var types: [FrameType] = []
    while let connection = connections[number], let frame = takeFrame(connection) {
      if let type = FrameType(rawValue: frame[4]) { types.append(type) }
    }
    return types
  }

  func advance(milliseconds: Int) {
    var left = milliseconds
    while left > 0 {
      let step = min(100, left)
      nowNs += UInt64(step) * 1_000_000
      left -= step
      pump()
    }
  }

  /// The process stands still, while the world goes on.
  func stop(milliseconds: Int) { nowNs += UInt64(milliseconds) * 1_000_000 }

  func hangUp(_ number: Int) {
    guard let connection = connections[number] else { return }
    shards[connection.shard].handleEndOfInput(connection.id, reset: false)
    pump()
  }

  // MARK: Short ways

  func hello(
    _ number: Int, codecs: CodecSet = .all, heartbeatMs: UInt32 = 0,
    version: UInt16 = ProtocolVersion.version
  ) {
    let hello = Hello(
      magic: ProtocolVersion.magic, versionMin: 1, versionMax: version,
      codecs: codecs, frameLengthMax: 0, heartbeatMs: heartbeatMs, clientName: "test")
    send(on: number) { hello.encode(into: &$0, ref: 0, correlation: 1) }
  }

  func openTopic(
    _ number: Int, _ topic: String, ref: UInt32 = 1, options: TopicOptions = [],
    mode: OpenMode = .openOrCreate
  ) {
    let open = OpenTopic(mode: mode, options: options, ackLevel: .accepted, topic: topic)
    send(on: number) { open.encode(into: &$0, ref: ref, correlation: 2) }
  }

  func subscribe(
    _ number: Int, _ pattern: String, ref: UInt32 = 1, policy: Policy = .lossless,
    start: Start = .latest, lagEventsMax: UInt64 = 0, events: UInt64 = .max,
    bytes: UInt64 = .max
  ) {
    let subscribe = Subscribe(
      policy: policy, start: start, lagEventsMax: lagEventsMax, eventsTotal: events,
      bytesTotal: bytes, pattern: pattern)
    let none: [UInt8] = []
    send(on: number) {
      unsafe subscribe.encode(
        into: &$0, ref: ref, correlation: 3, positions: none.span.bytes)
    }
  }

  func publish(_ number: Int, _ batch: [UInt8], ref: UInt32 = 1) {
    send(Self.publishFrame(batch, ref: ref), on: number)
  }

  static func publishFrame(_ body: [UInt8], ref: UInt32 = 1) -> [UInt8] {
    var writer = FrameWriter(reserving: 1024)
    writer.beginFrame(.publish, ref: ref, correlation: 0)
    writer.append(body)
    _ = writer.endFrame()
    return writer.array
  }

  /// The reason of the CLOSE that comes last, where the connection has ended with one.
  func closeReason(on number: Int) throws -> CloseReason? {
    while let frame = try receive(on: number) {
      if frame[4] == FrameType.close.rawValue {
        let reason = CloseReason(rawValue: UInt16(frame[16]) | UInt16(frame[17]) << 8)
        if try receive(on: number) != nil { Issue.record("something after CLOSE") }
        return reason
      }
    }
    return nil
  }

  /// The codes of the ERROR frames that have come.
  func errorCodes(on number: Int) -> [ErrorCode] {
    var codes: [ErrorCode] = []
    while let connection = connections[number], let frame = takeFrame(connection) {
      guard frame[4] == FrameType.error.rawValue else { continue }
      if let code = ErrorCode(rawValue: UInt16(frame[16]) | UInt16(frame[17]) << 8) {
        codes.append(code)
      }
    }
    return codes
  }
}
