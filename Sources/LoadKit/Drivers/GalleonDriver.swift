import LinuxIO
import WireFormat

/// Galleon's own protocol, with batches of a fixed number of events laid out once and stamped
/// afterwards, one batch to a PUBLISH.
///
/// Subscriptions are lossless with unbounded credit and are checked twice: by the topic's
/// sequences, and by the numbers in the payloads.
struct GalleonDriver: WireDriver, ~Copyable {
  struct Session: BitwiseCopyable {
    var role: Role
    var isReady = false
    /// The topic sequence that the next batch must have; 0 before the first.
    var nextSequence: UInt64 = 0
  }

  /// Ours for a publisher or a subscription: a session has only one.
  private static var ref: UInt32 { 1 }
  /// The records of a batch start behind the frame's and the batch's header.
  private static var recordsAt: Int { FrameHeader.size + BatchField.size }
  /// Long enough that a run ends before the broker asks who is still there.
  private static var heartbeatMs: UInt32 { UInt32(WireLimits.heartbeatMsMax) }

  var pieceBytesMax: Int { WireLimits.frameLengthMax + FrameHeader.lengthBytes }

  private let shape: EventShape
  /// Events in a full batch, and the bytes of one event's record and of a full batch's frame.
  private let batch: Int
  private let recordBytes: Int
  /// Bytes of a record before its payload: its word, and its key where it has one.
  private var wordBytes: Int { recordBytes &- shape.payloadBytes }
  private let unitBytes: Int
  /// The first word of every record.
  private let word: UInt32
  private let cycle: KeyCycle?
  /// What a laggard is granted with its subscription.
  private static var firstGrant: UInt64 { 1 }

  init(_ shape: EventShape) throws(LoadError) {
    self.shape = shape
    let keyBytes = shape.keys > 0 ? KeyCycle.keyBytes : 0
    recordBytes = BatchWriter.recordBytes(payload: shape.payloadBytes, key: keyBytes)
    cycle = shape.keys > 0 ? KeyCycle(keys: shape.keys) : nil
    let flags: RecordFlags = shape.keys > 0 ? .key : []
    word = UInt32(truncatingIfNeeded: recordBytes - 4) | UInt32(flags.rawValue) << 24
    guard recordBytes * shape.batch <= WireLimits.batchBytesMax else {
      throw .plan(
        "a batch holds \(WireLimits.batchBytesMax) bytes: "
          + "\(WireLimits.batchBytesMax / recordBytes) events of this size")
    }
    batch = shape.batch
    unitBytes =
      FrameHeader.size + Batch.paddedLength(BatchField.size + recordBytes * shape.batch)
  }

  // MARK: - The session

  mutating func open(_ role: Role, out: inout Outbox) -> Session {
    var writer = FrameWriter()
    let hello = Hello(
      magic: ProtocolVersion.magic, versionMin: ProtocolVersion.versionMin,
      versionMax: ProtocolVersion.version, codecs: [], heartbeatMs: Self.heartbeatMs,
      clientName: "load")
    let fits = hello.encode(into: &writer)
    append(fits, writer, to: &out)
    return Session(role: role)
  }

  func isReady(_ session: Session) -> Bool { session.isReady }

  private func append(_ fits: Bool, _ writer: borrowing FrameWriter, to out: inout Outbox) {
    precondition(fits, "a writer that grows takes every frame")
    unsafe out.append(writer.bytes)
  }

  /// What follows WELCOME.
  private func request(_ role: Role, out: inout Outbox) {
    var writer = FrameWriter()
    switch role {
    case .publisher(let topic):
      let open = OpenTopic(
        mode: .openOrCreate, options: shape.keys > 0 ? .keyed : [], ackLevel: .none,
        retentionBytes: UInt64(shape.retentionBytes), topic: shape.topicName(topic))
      let fits = open.encode(into: &writer, ref: Self.ref, correlation: 1)
      append(fits, writer, to: &out)
    case .subscriber(let topic): subscribe(topic, .lossless, out: &out)
    case .stalled(let topic):
      subscribe(
        topic, Policy(name: shape.stalledPolicy) ?? .lossless,
        lagEventsMax: shape.stalledLagEventsMax, out: &out)
    case .laggard(let topic):
      subscribe(topic, .latest, eventsTotal: Self.firstGrant, out: &out)
    }
  }

  private func subscribe(
    _ topic: Int, _ policy: Policy, lagEventsMax: UInt64 = 0, eventsTotal: UInt64 = .max,
    out: inout Outbox
  ) {
    var writer = FrameWriter()
    let subscribe = Subscribe(
      policy: policy, start: .latest, lagEventsMax: lagEventsMax, eventsTotal: eventsTotal,
      bytesTotal: .max, pattern: shape.topicName(topic))
    let fits = subscribe.encode(
      into: &writer, ref: Self.ref, correlation: 1, positions: RawSpan())
    append(fits, writer, to: &out)
  }

  func grant(_ events: UInt64, to session: Session, out: inout Outbox) {
    var writer = FrameWriter()
    let credit = Credit(eventsTotal: events, bytesTotal: .max)
    let fits = credit.encode(into: &writer, ref: Self.ref, correlation: 0)
    append(fits, writer, to: &out)
  }

  // MARK: - Receiving

  mutating func receive(
    _ bytes: UnsafeRawPointer, _ count: Int, session: inout Session, tally: inout Tally,
    out: inout Outbox
  ) throws(LoadError) -> Int {
    let buffer = unsafe UnsafeRawBufferPointer(start: bytes, count: count)
    var done = 0
    var refusal: String?
    do throws(WireError) {
      while refusal == nil,
        let frame = unsafe try nextFrame(
          in: buffer, at: done, lengthMax: UInt32(WireLimits.frameLengthMax))
      {
        if frame.header.typeRaw == FrameType.deliver.rawValue {
          if tally.newest == nil {
            unsafe try deliver(bytes + done, frame.header.frameBytes, &session, &tally)
          } else {
            unsafe try deliverNewest(bytes + done, frame.header.frameBytes, &tally)
          }
        } else if frame.header.typeRaw == FrameType.deliverSelected.rawValue {
          unsafe try deliverNewest(bytes + done, frame.header.frameBytes, &tally)
        } else {
          refusal = unsafe try handle(frame, buffer, session: &session, tally: &tally, out: &out)
        }
        done = frame.end
      }
    } catch {
      throw .unexpectedReply("\(error)")
    }
    if let refusal { throw .refused(refusal) }
    return done
  }

  /// Takes the batches of one DELIVER. Each is checked once; after that only the records' first
  /// words are looked at, and what the tally compares.
  @inline(__always)
  private func deliver(
    _ frame: UnsafeRawPointer, _ frameBytes: Int, _ session: inout Session, _ tally: inout Tally
  ) throws(WireError) {
    var at = Deliver.prefixSize
    guard frameBytes >= at else { throw WireError(.malformedFrame, need: at, have: frameBytes) }
    let wholeSkip = unsafe frame.loadUnaligned(fromByteOffset: 20, as: UInt32.self)
    var skip = Int(UInt32(littleEndian: wholeSkip))
    while at &+ BatchField.size <= frameBytes {
      let batch = unsafe frame + at
      let length = unsafe Int(Batch.length(batch))
      let events = unsafe Int(Batch.count(batch))
      let sequence = unsafe Batch.sequence(batch)
      guard length <= frameBytes &- at, length == BatchField.size &+ events &* recordBytes,
        unsafe Batch.codecRaw(batch) == Codec.none.rawValue, skip < events,
        session.nextSequence == 0 || session.nextSequence == sequence &+ UInt64(skip)
      else { throw WireError(.malformedBatch, offset: at, need: recordBytes, have: length) }
      var record = unsafe batch + BatchField.size + skip &* recordBytes
      for _ in skip..<events {
        guard unsafe record.loadUnaligned(as: UInt32.self) == word.littleEndian else {
          throw WireError(.malformedBatch, offset: at, need: recordBytes, have: length)
        }
        unsafe tally.deliver(record + wordBytes)
        unsafe record += recordBytes
      }
      unsafe tally.lastPayload = record - shape.payloadBytes
      session.nextSequence = sequence &+ UInt64(events)
      skip = 0
      at &+= Batch.paddedLength(length)
    }
  }

  /// The same for a laggard, whose batches leave sequences out.
  private func deliverNewest(
    _ frame: UnsafeRawPointer, _ frameBytes: Int, _ tally: inout Tally
  ) throws(WireError) {
    var at = Deliver.prefixSize
    while at &+ BatchField.size <= frameBytes {
      let batch = unsafe frame + at
      let length = unsafe Int(Batch.length(batch))
      let events = unsafe Int(Batch.count(batch))
      guard length <= frameBytes &- at, length == BatchField.size &+ events &* recordBytes,
        unsafe Batch.codecRaw(batch) == Codec.none.rawValue
      else { throw WireError(.malformedBatch, offset: at, need: recordBytes, have: length) }
      for index in 0..<events {
        let record = unsafe batch + BatchField.size + index &* recordBytes
        guard unsafe record.loadUnaligned(as: UInt32.self) == word.littleEndian else {
          throw WireError(.malformedBatch, offset: at, need: recordBytes, have: length)
        }
        let key = unsafe record.loadUnaligned(fromByteOffset: 6, as: UInt64.self)
        unsafe tally.deliverNewest(record + wordBytes, key: UInt64(littleEndian: key))
      }
      at &+= Batch.paddedLength(length)
    }
  }

  /// Everything but events; returns why the broker refuses, if it does.
  private func handle(
    _ frame: FrameView, _ buffer: UnsafeRawBufferPointer, session: inout Session,
    tally: inout Tally, out: inout Outbox
  ) throws(WireError) -> String? {
    var reader = unsafe FrameReader(frame, in: buffer)
    switch frame.header.type {
    case .welcome: request(session.role, out: &out)
    case .subscribed, .topic: session.isReady = true
    case .ping:
      var writer = FrameWriter()
      let pong = Pong(time: try Ping(reader: &reader).time)
      let fits = pong.encode(into: &writer, correlation: frame.header.correlation)
      append(fits, writer, to: &out)
    case .gap:
      let gap = try Gap(reader: &reader)
      tally.announcedGaps += gap.count
      tally.gapCause = gap.causeRaw
      session.nextSequence = gap.last &+ 1
    case .passed:
      let passed = try Passed(reader: &reader)
      tally.leftOut += passed.events + passed.expiredEvents
    case .stateReset:
      // No key is removed and none is too many, so that there is no cause for it.
      return "it forgot what it knew of the keys"
    case .close:
      let close = try Close(reader: &reader)
      return words(close.reason.map { "\($0)" } ?? "\(close.reasonRaw)", close.text)
    case .error:
      let refusal = try ErrorFrame(reader: &reader)
      return words(refusal.code.map { "\($0)" } ?? "\(refusal.codeRaw)", refusal.text)
    default: break
    }
    return nil
  }

  private func words(_ name: String, _ text: String) -> String {
    text.isEmpty ? name : "\(name): \(text)"
  }

  static func gapWords(_ cause: UInt8) -> String {
    GapCause(rawValue: cause).map { "\($0)" } ?? "cause \(cause)"
  }

  // MARK: - Publishing

  func eventsFitting(_ capacity: Int) -> Int { capacity / unitBytes * batch }

  /// Writes the fillers of all records; everything else is written anew for each batch.
  func prepare(_ buffer: UnsafeMutableRawPointer, capacity: Int, role: Role) {
    for unit in 0..<(capacity / unitBytes) {
      let records = unsafe buffer + unit * unitBytes + Self.recordsAt
      for event in 0..<batch {
        unsafe EventStamp.writeFiller(
          to: records + event * recordBytes + wordBytes, payloadBytes: shape.payloadBytes)
      }
    }
  }

  mutating func encode(
    _ run: EventRun, into buffer: UnsafeMutableRawPointer, session: inout Session
  ) -> Int {
    let now = Clock.realtimeNs()
    var written = 0
    var event = 0
    while event < run.count {
      let events = min(batch, run.count &- event)
      unsafe written &+= encodeUnit(
        run, from: event, count: events, publishTime: now, to: buffer + written)
      event &+= events
    }
    return written
  }

  /// One PUBLISH with one batch. Padding reaches at most into the word and the stamp of the record
  /// behind the last one, both of which are written whenever that record is used.
  @inline(__always)
  private func encodeUnit(
    _ run: EventRun, from first: Int, count: Int, publishTime: UInt64,
    to unit: UnsafeMutableRawPointer
  ) -> Int {
    var record = unsafe unit + Self.recordsAt
    for index in first..<(first &+ count) {
      let (stampWord, timeNs) = run.stamp(index)
      unsafe record.storeBytes(of: word.littleEndian, as: UInt32.self)
      if let cycle {
        let count = UInt16(KeyCycle.keyBytes).littleEndian
        unsafe record.storeBytes(of: count, toByteOffset: 4, as: UInt16.self)
        let key = cycle.key(of: run.firstNumber &+ UInt64(truncatingIfNeeded: index))
        unsafe record.storeBytes(of: key.littleEndian, toByteOffset: 6, as: UInt64.self)
      }
      unsafe EventStamp.write(word: stampWord, timeNs: timeNs, to: record + wordBytes)
      unsafe record += recordBytes
    }
    let length = BatchField.size &+ count &* recordBytes
    let padded = Batch.paddedLength(length)
    let batch = unsafe unit + FrameHeader.size
    for offset in length..<padded {
      unsafe batch.storeBytes(of: 0, toByteOffset: offset, as: UInt8.self)
    }
    unsafe FrameHeader(
      length: UInt32(truncatingIfNeeded: padded &+ Int(FrameHeader.lengthMin)),
      typeRaw: FrameType.publish.rawValue, ref: Self.ref, correlation: 0
    ).store(to: unit)
    unsafe BatchImage.store(
      to: batch, length: length, count: count, publishTime: publishTime,
      publisherSequence: run.firstNumber &+ UInt64(truncatingIfNeeded: first))
    return FrameHeader.size &+ padded
  }
}

extension Policy {
  /// By the name that the registry gives it.
  init?(name: String) {
    guard let policy = Policy.allCases.first(where: { "\($0)" == name }) else { return nil }
    self = policy
  }
}

/// The header of a batch of ours, which is not compressed and lives for ever.
private enum BatchImage {
  @inline(__always)
  static func store(
    to batch: UnsafeMutableRawPointer, length: Int, count: Int, publishTime: UInt64,
    publisherSequence: UInt64
  ) {
    func put<Number: FixedWidthInteger & BitwiseCopyable>(_ number: Number, _ offset: Int) {
      unsafe batch.storeBytes(of: number.littleEndian, toByteOffset: offset, as: Number.self)
    }
    put(UInt32(truncatingIfNeeded: length), BatchField.length)
    // What the broker stamps is sent as zero.
    unsafe Batch.stamp(batch, sequence: 0, time: 0, bytesBefore: 0, topic: 0)
    put(UInt32(truncatingIfNeeded: count), BatchField.count)
    put(UInt32(truncatingIfNeeded: length &- BatchField.size), BatchField.decodedLength)
    // Codec none and the reserved bytes behind it, then no time to live.
    put(UInt64(0), BatchField.codec)
    put(publishTime, BatchField.publishTime)
    put(publisherSequence, BatchField.publisherSequence)
    let covered = unsafe UnsafeRawBufferPointer(
      start: UnsafeRawPointer(batch) + BatchField.checksumFrom,
      count: length &- BatchField.checksumFrom)
    put(unsafe crc32c(covered), BatchField.crc32c)
  }
}
