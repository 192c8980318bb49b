// Generated from Protocol/counters.json by Tools/countergen. Do not edit.

extension CountersLayout {
  /// Version of the layout; a reader refuses others.
  public static let version: UInt32 = 2
  /// The first eight bytes.
  public static let magic: UInt64 = 0x31544E434E4C4147
  /// Hash of every field's name, place and size; a reader of another build refuses.
  public static let fingerprint: UInt64 = 0xC92E607D9D621EA9
}

/// The tables there are.
public enum CounterKind: UInt16, CaseIterable, Sendable {
  /// The broker as a whole. Written by the thread that started it and by shard 0; every shard adds
  /// to memoryUsedBytes.
  case broker = 1
  /// One shard. Written by its thread.
  case shard = 2
  /// One connection. Written by its shard.
  case connection = 3
  /// One publisher. Written by its connection's shard.
  case publisher = 4
  /// One subscription. Written by its connection's shard. matched = delivered + conflated + sampled
  /// + dropped (all causes, expiry among them) + closed + lag, at every moment, in events and in
  /// bytes.
  case subscription = 5
  /// One topic. Made by shard 0, then written by the shard that owns it; every shard adds to
  /// subscriptions.
  case topic = 6
  /// What became of a subscription's events, and where their time went. One for each subscription
  /// from its first delivery on, as long as there are rows. Written by its shard.
  case observation = 7
  /// Where the time of a topic's events went, on one shard. One for each topic from its first
  /// delivery there on or, where many topics begin at once, from one of the next; written by that
  /// shard. A reader adds up what the shards have of a topic.
  case delivery = 8
}

/// The word `state`, which every row has.
public enum CounterRowState: UInt32, CaseIterable, Sendable {
  /// The row stands for nothing.
  case free = 0
  /// A connection that has not been welcomed, or a topic or shard being made ready.
  case opening = 1
  /// At work.
  case active = 2
  /// Ending: what is due is still being sent.
  case draining = 3
  /// Ended; the values are its last ones, until the row is used again.
  case retired = 4
}

/// Why a subscription is sent nothing, or a publisher's batches are not taken. BLOCKED has the same
/// values.
public enum BlockedCause: UInt32, CaseIterable, Sendable {
  /// It is not held back: it is sent what comes.
  case none = 0
  /// Its credit in events is used up.
  case creditEvents = 1
  /// Its credit in charged bytes is used up.
  case creditBytes = 2
  /// Its connection's socket is full.
  case socket = 3
  /// Others are being served; it is next.
  case turn = 4
  /// It waits for a topic's owner to say where it starts.
  case attaching = 5
  /// A publisher: there is no ring memory for its batch.
  case memory = 6
  /// A publisher of a block topic: it waits for a lossless subscription.
  case subscriber = 7
  /// A publisher: the broker is shutting down.
  case draining = 8
}

/// What became of a run of events.
public enum EventFate: UInt32, CaseIterable, Sendable {
  /// They were sent.
  case delivered = 1
  /// Those whose sequence is a multiple of n were sent, the others sampled out; the detail is n.
  case sampled = 2
  /// The newest of each key was sent, the others were left out for it; the detail is how old they
  /// might be, in ms, 0 for any age.
  case conflated = 3
  /// Their time to live was over, or they were older than the subscription wanted them.
  case expired = 4
  /// They were lost; the detail is the GapCause.
  case dropped = 5
  /// As `conflated`, of several passes that followed one another: each sent the newest of each key
  /// of its part, and which parts there were is forgotten.
  case passes = 6
  /// As `conflated`, of a pass that was broken off: some of the newest events were sent, and the
  /// whole state follows.
  case broken = 7
}

/// The broker as a whole. Written by the thread that started it and by shard 0; every shard adds to
/// memoryUsedBytes.
@safe public struct BrokerRow: CounterRow {
  public static var kind: CounterKind { .broker }
  public static var rowBytes: Int { @_noLocks get { 704 } }
  public static let fields: [CounterFieldDescription] = [
    .init("state", .small, at: 8, count: 1),
    .init("shards", .small, at: 12, count: 1),
    .init("startedNs", .word, at: 16, count: 1, unit: "ns since the Unix epoch"),
    .init("drainStartedNs", .word, at: 24, count: 1, unit: "ns since the Unix epoch"),
    .init("memoryCeilingBytes", .word, at: 32, count: 1, unit: "bytes"),
    .init("memoryUsedBytes", .word, at: 40, count: 1, unit: "bytes"),
    .init("connectionsMax", .word, at: 48, count: 1),
    .init("topicsMax", .word, at: 56, count: 1),
    .init("topics", .word, at: 64, count: 1),
    .init("topicsCreated", .word, at: 72, count: 1),
    .init("version", .text, at: 80, count: 64),
    .init("addresses", .text, at: 144, count: 256),
    .init("recording", .text, at: 400, count: 256),
  ]
  public let cells: RowCells
  @_noLocks public init(cells: RowCells) { self.cells = cells }

  /// The counters of 8 bytes.
  public struct Word: Sendable {
    let offset: Int
    @_noLocks init(offset: Int) { self.offset = offset }
    /// When the broker started. Unit: ns since the Unix epoch.
    public static var startedNs: Self { @_noLocks get { Self(offset: 16) } }
    /// When it was told to drain; 0 before. Unit: ns since the Unix epoch.
    public static var drainStartedNs: Self { @_noLocks get { Self(offset: 24) } }
    /// The ceiling of ring memory and what else is charged to it. Unit: bytes.
    public static var memoryCeilingBytes: Self { @_noLocks get { Self(offset: 32) } }
    /// How much of the ceiling is in use. Unit: bytes.
    public static var memoryUsedBytes: Self { @_noLocks get { Self(offset: 40) } }
    /// Limit of connections.
    public static var connectionsMax: Self { @_noLocks get { Self(offset: 48) } }
    /// Limit of topics.
    public static var topicsMax: Self { @_noLocks get { Self(offset: 56) } }
    /// Topics there are.
    public static var topics: Self { @_noLocks get { Self(offset: 64) } }
    /// Topics created since the start.
    public static var topicsCreated: Self { @_noLocks get { Self(offset: 72) } }
  }

  /// The words of 4 bytes.
  public struct Small: Sendable {
    let offset: Int
    @_noLocks init(offset: Int) { self.offset = offset }
    /// CounterRowState.
    public static var state: Self { @_noLocks get { Self(offset: 8) } }
    /// Number of shards.
    public static var shards: Self { @_noLocks get { Self(offset: 12) } }
  }

  /// The texts.
  public struct Text: Sendable {
    let offset: Int
    let count: Int
    @_noLocks init(offset: Int, count: Int) {
      self.offset = offset
      self.count = count
    }
    /// Name and version of the broker.
    public static var version: Self { @_noLocks get { Self(offset: 80, count: 64) } }
    /// Where it listens, separated by spaces.
    public static var addresses: Self { @_noLocks get { Self(offset: 144, count: 256) } }
    /// Path of its flight recorder's file; empty where it records nothing.
    public static var recording: Self { @_noLocks get { Self(offset: 400, count: 256) } }
  }

  /// Adds, wrapping. One relaxed load and one relaxed store: the row has a single writer.
  @_noLocks public func add(_ field: Word, _ amount: UInt64) {
    cells.add64(field.offset, amount)
  }
  @_noLocks public func set(_ field: Word, _ value: UInt64) { cells.store64(field.offset, value) }
  @_noLocks public func get(_ field: Word) -> UInt64 { cells.load64(field.offset) }
  @_noLocks public func raise(_ field: Word, to value: UInt64) {
    if value > cells.load64(field.offset) { cells.store64(field.offset, value) }
  }
  @_noLocks public func set(_ field: Small, _ value: UInt32) { cells.store32(field.offset, value) }
  @_noLocks public func get(_ field: Small) -> UInt32 { cells.load32(field.offset) }
  @_noLocks public func setState(_ state: CounterRowState) { set(.state, state.rawValue) }
  /// Begins a change of words that must agree: readers try again until `endUpdate`.
  @_noLocks public func beginUpdate() { cells.beginUpdate() }
  @_noLocks public func endUpdate() { cells.endUpdate() }
  /// Takes the row for something new: everything is 0 but the state.
  @_noLocks public func activate(_ state: CounterRowState = .active) {
    cells.beginUpdate()
    cells.clear(rowBytes: Self.rowBytes)
    setState(state)
    cells.endUpdate()
  }
  /// Gives the row up; its last values stay until it is taken again.
  @_noLocks public func retire() {
    cells.beginUpdate()
    setState(.retired)
    cells.endUpdate()
  }
  /// Sets a text of UTF-8. What does not fit is cut, and ends in U+2026.
  @_noLocks public func setText(_ field: Text, _ bytes: RawSpan) {
    cells.storeText(field.offset, field.count, bytes)
  }
  public func setText(_ field: Text, _ text: String) {
    unsafe setText(field, text.utf8Span.span.bytes)
  }
}

extension RowSnapshot where Row == BrokerRow {
  public subscript(field: BrokerRow.Word) -> UInt64 { word(field.offset) }
  public subscript(field: BrokerRow.Small) -> UInt32 { small(field.offset) }
  public subscript(field: BrokerRow.Text) -> String {
    text(field.offset, field.count)
  }
}

/// One shard. Written by its thread.
@safe public struct ShardRow: CounterRow {
  public static var kind: CounterKind { .shard }
  public static var rowBytes: Int { @_noLocks get { 2176 } }
  public static let fields: [CounterFieldDescription] = [
    .init("state", .small, at: 8, count: 1),
    .init("index", .small, at: 12, count: 1),
    .init("turnStartedNs", .word, at: 16, count: 1, unit: "ns since the Unix epoch"),
    .init("turns", .word, at: 24, count: 1),
    .init("busyNs", .word, at: 32, count: 1, unit: "ns"),
    .init("turnMaxNs", .word, at: 40, count: 1, unit: "ns"),
    .init("sleeps", .word, at: 48, count: 1),
    .init("wakes", .word, at: 56, count: 1),
    .init("connections", .word, at: 64, count: 1),
    .init("connectionsAccepted", .word, at: 72, count: 1),
    .init("subscriptions", .word, at: 80, count: 1),
    .init("publishers", .word, at: 88, count: 1),
    .init("topics", .word, at: 96, count: 1),
    .init("framesIn", .word, at: 104, count: 1),
    .init("framesOut", .word, at: 112, count: 1),
    .init("bytesIn", .word, at: 120, count: 1, unit: "bytes"),
    .init("bytesOut", .word, at: 128, count: 1, unit: "bytes"),
    .init("eventsIn", .word, at: 136, count: 1),
    .init("eventsOut", .word, at: 144, count: 1),
    .init("batchesIn", .word, at: 152, count: 1),
    .init("batchesOut", .word, at: 160, count: 1),
    .init("receives", .word, at: 168, count: 1),
    .init("sends", .word, at: 176, count: 1),
    .init("sendWouldBlocks", .word, at: 184, count: 1),
    .init("pagesInUse", .word, at: 192, count: 1),
    .init("pageBytes", .word, at: 200, count: 1, unit: "bytes"),
    .init("stashBytes", .word, at: 208, count: 1, unit: "bytes"),
    .init("inputBytes", .word, at: 216, count: 1, unit: "bytes"),
    .init("cursorsInUse", .word, at: 224, count: 1),
    .init("remoteForwards", .word, at: 232, count: 1),
    .init("gapsSent", .word, at: 240, count: 1),
    .init("droppedEvents", .word, at: 248, count: 1),
    .init("latencyMaxNs", .word, at: 256, count: 1, unit: "ns"),
    .init("latencySumNs", .word, at: 264, count: 1, unit: "ns"),
    .init("latency", .array, at: 272, count: 128, unit: "frames"),
    .init("closed", .array, at: 1296, count: 64, unit: "sessions"),
    .init("errors", .array, at: 1808, count: 32, unit: "frames"),
  ]
  public let cells: RowCells
  @_noLocks public init(cells: RowCells) { self.cells = cells }

  /// The counters of 8 bytes.
  public struct Word: Sendable {
    let offset: Int
    @_noLocks init(offset: Int) { self.offset = offset }
    /// When the present turn began; 0 while the shard sleeps. One that stands still is a shard that
    /// hangs. Unit: ns since the Unix epoch.
    public static var turnStartedNs: Self { @_noLocks get { Self(offset: 16) } }
    /// Turns of the loop.
    public static var turns: Self { @_noLocks get { Self(offset: 24) } }
    /// Time spent in turns that did work. Unit: ns.
    public static var busyNs: Self { @_noLocks get { Self(offset: 32) } }
    /// Longest turn. Unit: ns.
    public static var turnMaxNs: Self { @_noLocks get { Self(offset: 40) } }
    /// Times it went to sleep.
    public static var sleeps: Self { @_noLocks get { Self(offset: 48) } }
    /// Times it woke another shard.
    public static var wakes: Self { @_noLocks get { Self(offset: 56) } }
    /// Connections it has.
    public static var connections: Self { @_noLocks get { Self(offset: 64) } }
    /// Connections it took since the start.
    public static var connectionsAccepted: Self { @_noLocks get { Self(offset: 72) } }
    /// Subscriptions it has.
    public static var subscriptions: Self { @_noLocks get { Self(offset: 80) } }
    /// Publishers it has.
    public static var publishers: Self { @_noLocks get { Self(offset: 88) } }
    /// Topics it owns.
    public static var topics: Self { @_noLocks get { Self(offset: 96) } }
    /// Frames received.
    public static var framesIn: Self { @_noLocks get { Self(offset: 104) } }
    /// Frames sent.
    public static var framesOut: Self { @_noLocks get { Self(offset: 112) } }
    /// Bytes received from sockets. Unit: bytes.
    public static var bytesIn: Self { @_noLocks get { Self(offset: 120) } }
    /// Bytes handed to sockets. Unit: bytes.
    public static var bytesOut: Self { @_noLocks get { Self(offset: 128) } }
    /// Events accepted from its publishers.
    public static var eventsIn: Self { @_noLocks get { Self(offset: 136) } }
    /// Events delivered to its subscriptions.
    public static var eventsOut: Self { @_noLocks get { Self(offset: 144) } }
    /// Batches accepted from its publishers.
    public static var batchesIn: Self { @_noLocks get { Self(offset: 152) } }
    /// Batches delivered to its subscriptions.
    public static var batchesOut: Self { @_noLocks get { Self(offset: 160) } }
    /// Receive calls.
    public static var receives: Self { @_noLocks get { Self(offset: 168) } }
    /// Send calls.
    public static var sends: Self { @_noLocks get { Self(offset: 176) } }
    /// Send calls that a full socket cut short or refused.
    public static var sendWouldBlocks: Self { @_noLocks get { Self(offset: 184) } }
    /// Pages of ring memory in use.
    public static var pagesInUse: Self { @_noLocks get { Self(offset: 192) } }
    /// Bytes of those pages, and of what keyed topics keep of their keys. Unit: bytes.
    public static var pageBytes: Self { @_noLocks get { Self(offset: 200) } }
    /// Memory of what waits for sockets outside the rings: remainders of frames that full sockets
    /// cut, and control frames. Unit: bytes.
    public static var stashBytes: Self { @_noLocks get { Self(offset: 208) } }
    /// Frames that have not arrived whole. Unit: bytes.
    public static var inputBytes: Self { @_noLocks get { Self(offset: 216) } }
    /// Places of lagging subscriptions.
    public static var cursorsInUse: Self { @_noLocks get { Self(offset: 224) } }
    /// Messages put into the rings to other shards.
    public static var remoteForwards: Self { @_noLocks get { Self(offset: 232) } }
    /// GAP frames sent.
    public static var gapsSent: Self { @_noLocks get { Self(offset: 240) } }
    /// Events that matched its subscriptions and were lost to them, all causes.
    public static var droppedEvents: Self { @_noLocks get { Self(offset: 248) } }
    /// Largest value put into `latency`. Unit: ns.
    public static var latencyMaxNs: Self { @_noLocks get { Self(offset: 256) } }
    /// Sum of what `latency` counts. Unit: ns.
    public static var latencySumNs: Self { @_noLocks get { Self(offset: 264) } }
  }

  /// The words of 4 bytes.
  public struct Small: Sendable {
    let offset: Int
    @_noLocks init(offset: Int) { self.offset = offset }
    /// CounterRowState.
    public static var state: Self { @_noLocks get { Self(offset: 8) } }
    /// Number of the shard, from 0.
    public static var index: Self { @_noLocks get { Self(offset: 12) } }
  }

  /// The arrays of counters.
  public struct Series: Sendable {
    let offset: Int
    let count: Int
    @_noLocks init(offset: Int, count: Int) {
      self.offset = offset
      self.count = count
    }
    /// Time in the broker, from the read that brought the first batch of a frame to the send that
    /// took it away: a log-linear histogram of nanoseconds. Unit: frames.
    public static var latency: Self { @_noLocks get { Self(offset: 272, count: 128) } }
    /// Sessions ended, by close reason. Unit: sessions.
    public static var closed: Self { @_noLocks get { Self(offset: 1296, count: 64) } }
    /// ERROR frames sent, by error code less 100. Unit: frames.
    public static var errors: Self { @_noLocks get { Self(offset: 1808, count: 32) } }
  }

  /// Adds, wrapping. One relaxed load and one relaxed store: the row has a single writer.
  @_noLocks public func add(_ field: Word, _ amount: UInt64) {
    cells.add64(field.offset, amount)
  }
  @_noLocks public func set(_ field: Word, _ value: UInt64) { cells.store64(field.offset, value) }
  @_noLocks public func get(_ field: Word) -> UInt64 { cells.load64(field.offset) }
  @_noLocks public func raise(_ field: Word, to value: UInt64) {
    if value > cells.load64(field.offset) { cells.store64(field.offset, value) }
  }
  @_noLocks public func set(_ field: Small, _ value: UInt32) { cells.store32(field.offset, value) }
  @_noLocks public func get(_ field: Small) -> UInt32 { cells.load32(field.offset) }
  @_noLocks public func setState(_ state: CounterRowState) { set(.state, state.rawValue) }
  /// Begins a change of words that must agree: readers try again until `endUpdate`.
  @_noLocks public func beginUpdate() { cells.beginUpdate() }
  @_noLocks public func endUpdate() { cells.endUpdate() }
  /// Takes the row for something new: everything is 0 but the state.
  @_noLocks public func activate(_ state: CounterRowState = .active) {
    cells.beginUpdate()
    cells.clear(rowBytes: Self.rowBytes)
    setState(state)
    cells.endUpdate()
  }
  /// Gives the row up; its last values stay until it is taken again.
  @_noLocks public func retire() {
    cells.beginUpdate()
    setState(.retired)
    cells.endUpdate()
  }
  /// An index beyond the array counts in its last element: better there than nowhere.
  @_noLocks public func add(_ field: Series, at index: Int, _ amount: UInt64) {
    cells.add64(field.offset + 8 * RowCells.clamp(index, below: field.count), amount)
  }
  @_noLocks public func set(_ field: Series, at index: Int, _ value: UInt64) {
    cells.store64(field.offset + 8 * RowCells.clamp(index, below: field.count), value)
  }
  @_noLocks public func get(_ field: Series, at index: Int) -> UInt64 {
    cells.load64(field.offset + 8 * RowCells.clamp(index, below: field.count))
  }
}

extension RowSnapshot where Row == ShardRow {
  public subscript(field: ShardRow.Word) -> UInt64 { word(field.offset) }
  public subscript(field: ShardRow.Small) -> UInt32 { small(field.offset) }
  public subscript(field: ShardRow.Series) -> [UInt64] {
    words(field.offset, field.count)
  }
}

/// One connection. Written by its shard.
@safe public struct ConnectionRow: CounterRow {
  public static var kind: CounterKind { .connection }
  public static var rowBytes: Int { @_noLocks get { 184 } }
  public static let fields: [CounterFieldDescription] = [
    .init("state", .small, at: 8, count: 1),
    .init("codecs", .small, at: 12, count: 1),
    .init("session", .word, at: 16, count: 1),
    .init("connectedNs", .word, at: 24, count: 1, unit: "ns since the Unix epoch"),
    .init("heardNs", .word, at: 32, count: 1, unit: "ns since the Unix epoch"),
    .init("rttNs", .word, at: 40, count: 1, unit: "ns"),
    .init("eventsIn", .word, at: 48, count: 1),
    .init("eventsOut", .word, at: 56, count: 1),
    .init("bytesIn", .word, at: 64, count: 1, unit: "bytes"),
    .init("bytesOut", .word, at: 72, count: 1, unit: "bytes"),
    .init("framesIn", .word, at: 80, count: 1),
    .init("framesOut", .word, at: 88, count: 1),
    .init("stashBytes", .word, at: 96, count: 1, unit: "bytes"),
    .init("peer", .text, at: 104, count: 48),
    .init("client", .text, at: 152, count: 32),
  ]
  public let cells: RowCells
  @_noLocks public init(cells: RowCells) { self.cells = cells }

  /// The counters of 8 bytes.
  public struct Word: Sendable {
    let offset: Int
    @_noLocks init(offset: Int) { self.offset = offset }
    /// Identity of the session; 0 before WELCOME.
    public static var session: Self { @_noLocks get { Self(offset: 16) } }
    /// When it was accepted. Unit: ns since the Unix epoch.
    public static var connectedNs: Self { @_noLocks get { Self(offset: 24) } }
    /// When something was last received. Unit: ns since the Unix epoch.
    public static var heardNs: Self { @_noLocks get { Self(offset: 32) } }
    /// Round trip of the last PING; 0 where none was measured. Unit: ns.
    public static var rttNs: Self { @_noLocks get { Self(offset: 40) } }
    /// Events accepted from it.
    public static var eventsIn: Self { @_noLocks get { Self(offset: 48) } }
    /// Events delivered to it.
    public static var eventsOut: Self { @_noLocks get { Self(offset: 56) } }
    /// Bytes received. Unit: bytes.
    public static var bytesIn: Self { @_noLocks get { Self(offset: 64) } }
    /// Bytes sent. Unit: bytes.
    public static var bytesOut: Self { @_noLocks get { Self(offset: 72) } }
    /// Frames received.
    public static var framesIn: Self { @_noLocks get { Self(offset: 80) } }
    /// Frames sent.
    public static var framesOut: Self { @_noLocks get { Self(offset: 88) } }
    /// Remainder of a frame that its full socket cut. Unit: bytes.
    public static var stashBytes: Self { @_noLocks get { Self(offset: 96) } }
  }

  /// The words of 4 bytes.
  public struct Small: Sendable {
    let offset: Int
    @_noLocks init(offset: Int) { self.offset = offset }
    /// CounterRowState.
    public static var state: Self { @_noLocks get { Self(offset: 8) } }
    /// CodecSet of the session.
    public static var codecs: Self { @_noLocks get { Self(offset: 12) } }
  }

  /// The texts.
  public struct Text: Sendable {
    let offset: Int
    let count: Int
    @_noLocks init(offset: Int, count: Int) {
      self.offset = offset
      self.count = count
    }
    /// Address of the other side.
    public static var peer: Self { @_noLocks get { Self(offset: 104, count: 48) } }
    /// Name from HELLO.
    public static var client: Self { @_noLocks get { Self(offset: 152, count: 32) } }
  }

  /// Adds, wrapping. One relaxed load and one relaxed store: the row has a single writer.
  @_noLocks public func add(_ field: Word, _ amount: UInt64) {
    cells.add64(field.offset, amount)
  }
  @_noLocks public func set(_ field: Word, _ value: UInt64) { cells.store64(field.offset, value) }
  @_noLocks public func get(_ field: Word) -> UInt64 { cells.load64(field.offset) }
  @_noLocks public func raise(_ field: Word, to value: UInt64) {
    if value > cells.load64(field.offset) { cells.store64(field.offset, value) }
  }
  @_noLocks public func set(_ field: Small, _ value: UInt32) { cells.store32(field.offset, value) }
  @_noLocks public func get(_ field: Small) -> UInt32 { cells.load32(field.offset) }
  @_noLocks public func setState(_ state: CounterRowState) { set(.state, state.rawValue) }
  /// Begins a change of words that must agree: readers try again until `endUpdate`.
  @_noLocks public func beginUpdate() { cells.beginUpdate() }
  @_noLocks public func endUpdate() { cells.endUpdate() }
  /// Takes the row for something new: everything is 0 but the state.
  @_noLocks public func activate(_ state: CounterRowState = .active) {
    cells.beginUpdate()
    cells.clear(rowBytes: Self.rowBytes)
    setState(state)
    cells.endUpdate()
  }
  /// Gives the row up; its last values stay until it is taken again.
  @_noLocks public func retire() {
    cells.beginUpdate()
    setState(.retired)
    cells.endUpdate()
  }
  /// Sets a text of UTF-8. What does not fit is cut, and ends in U+2026.
  @_noLocks public func setText(_ field: Text, _ bytes: RawSpan) {
    cells.storeText(field.offset, field.count, bytes)
  }
  public func setText(_ field: Text, _ text: String) {
    unsafe setText(field, text.utf8Span.span.bytes)
  }
}

/// The rows of a table. A few words: keep a copy. Which rows are in use is the writer's business;
/// the lowest free one is best, as readers read up to the highest that was ever used.
public struct ConnectionTable: Sendable {
  let cells: TableCells
  public var capacity: Int { @_noLocks get { cells.capacity } }
  /// The row of a slot, which must be below `capacity`.
  public subscript(slot: Int) -> ConnectionRow {
    @_noLocks get { ConnectionRow(cells: cells.row(slot, rowBytes: ConnectionRow.rowBytes)) }
  }
  /// Takes the row of a slot for something new, see `ConnectionRow.activate`, and sees to it that
  /// readers look that far.
  @discardableResult @_noLocks public func activate(
    _ slot: Int, _ state: CounterRowState = .active
  ) -> ConnectionRow {
    let row = self[slot]
    row.activate(state)
    cells.noteUse(of: slot)
    return row
  }
}

extension RowSnapshot where Row == ConnectionRow {
  public subscript(field: ConnectionRow.Word) -> UInt64 { word(field.offset) }
  public subscript(field: ConnectionRow.Small) -> UInt32 { small(field.offset) }
  public subscript(field: ConnectionRow.Text) -> String {
    text(field.offset, field.count)
  }
}

/// One publisher. Written by its connection's shard.
@safe public struct PublisherRow: CounterRow {
  public static var kind: CounterKind { .publisher }
  public static var rowBytes: Int { @_noLocks get { 80 } }
  public static let fields: [CounterFieldDescription] = [
    .init("state", .small, at: 8, count: 1),
    .init("connection", .small, at: 12, count: 1),
    .init("ref", .small, at: 16, count: 1),
    .init("topic", .small, at: 20, count: 1),
    .init("events", .word, at: 24, count: 1),
    .init("bytes", .word, at: 32, count: 1, unit: "charged bytes"),
    .init("batches", .word, at: 40, count: 1),
    .init("ackedThrough", .word, at: 48, count: 1),
    .init("creditEvents", .word, at: 56, count: 1),
    .init("creditBytes", .word, at: 64, count: 1, unit: "charged bytes"),
    .init("blocked", .small, at: 72, count: 1),
  ]
  public let cells: RowCells
  @_noLocks public init(cells: RowCells) { self.cells = cells }

  /// The counters of 8 bytes.
  public struct Word: Sendable {
    let offset: Int
    @_noLocks init(offset: Int) { self.offset = offset }
    /// Events accepted.
    public static var events: Self { @_noLocks get { Self(offset: 24) } }
    /// Charged bytes accepted. Unit: charged bytes.
    public static var bytes: Self { @_noLocks get { Self(offset: 32) } }
    /// Batches accepted.
    public static var batches: Self { @_noLocks get { Self(offset: 40) } }
    /// Publisher sequence that was last acknowledged.
    public static var ackedThrough: Self { @_noLocks get { Self(offset: 48) } }
    /// Credit left in events; 2^64 - 1 where there is no bound.
    public static var creditEvents: Self { @_noLocks get { Self(offset: 56) } }
    /// Credit left in charged bytes; 2^64 - 1 where there is no bound. Unit: charged bytes.
    public static var creditBytes: Self { @_noLocks get { Self(offset: 64) } }
  }

  /// The words of 4 bytes.
  public struct Small: Sendable {
    let offset: Int
    @_noLocks init(offset: Int) { self.offset = offset }
    /// CounterRowState.
    public static var state: Self { @_noLocks get { Self(offset: 8) } }
    /// Row of its connection in the same shard.
    public static var connection: Self { @_noLocks get { Self(offset: 12) } }
    /// The client's number for it.
    public static var ref: Self { @_noLocks get { Self(offset: 16) } }
    /// The topic's id.
    public static var topic: Self { @_noLocks get { Self(offset: 20) } }
    /// BlockedCause: why its batches are not taken.
    public static var blocked: Self { @_noLocks get { Self(offset: 72) } }
  }

  /// Adds, wrapping. One relaxed load and one relaxed store: the row has a single writer.
  @_noLocks public func add(_ field: Word, _ amount: UInt64) {
    cells.add64(field.offset, amount)
  }
  @_noLocks public func set(_ field: Word, _ value: UInt64) { cells.store64(field.offset, value) }
  @_noLocks public func get(_ field: Word) -> UInt64 { cells.load64(field.offset) }
  @_noLocks public func raise(_ field: Word, to value: UInt64) {
    if value > cells.load64(field.offset) { cells.store64(field.offset, value) }
  }
  @_noLocks public func set(_ field: Small, _ value: UInt32) { cells.store32(field.offset, value) }
  @_noLocks public func get(_ field: Small) -> UInt32 { cells.load32(field.offset) }
  @_noLocks public func setState(_ state: CounterRowState) { set(.state, state.rawValue) }
  /// Begins a change of words that must agree: readers try again until `endUpdate`.
  @_noLocks public func beginUpdate() { cells.beginUpdate() }
  @_noLocks public func endUpdate() { cells.endUpdate() }
  /// Takes the row for something new: everything is 0 but the state.
  @_noLocks public func activate(_ state: CounterRowState = .active) {
    cells.beginUpdate()
    cells.clear(rowBytes: Self.rowBytes)
    setState(state)
    cells.endUpdate()
  }
  /// Gives the row up; its last values stay until it is taken again.
  @_noLocks public func retire() {
    cells.beginUpdate()
    setState(.retired)
    cells.endUpdate()
  }
}

/// The rows of a table. A few words: keep a copy. Which rows are in use is the writer's business;
/// the lowest free one is best, as readers read up to the highest that was ever used.
public struct PublisherTable: Sendable {
  let cells: TableCells
  public var capacity: Int { @_noLocks get { cells.capacity } }
  /// The row of a slot, which must be below `capacity`.
  public subscript(slot: Int) -> PublisherRow {
    @_noLocks get { PublisherRow(cells: cells.row(slot, rowBytes: PublisherRow.rowBytes)) }
  }
  /// Takes the row of a slot for something new, see `PublisherRow.activate`, and sees to it that
  /// readers look that far.
  @discardableResult @_noLocks public func activate(
    _ slot: Int, _ state: CounterRowState = .active
  ) -> PublisherRow {
    let row = self[slot]
    row.activate(state)
    cells.noteUse(of: slot)
    return row
  }
}

extension RowSnapshot where Row == PublisherRow {
  public subscript(field: PublisherRow.Word) -> UInt64 { word(field.offset) }
  public subscript(field: PublisherRow.Small) -> UInt32 { small(field.offset) }
}

/// One subscription. Written by its connection's shard. matched = delivered + conflated + sampled +
/// dropped (all causes, expiry among them) + closed + lag, at every moment, in events and in bytes.
@safe public struct SubscriptionRow: CounterRow {
  public static var kind: CounterKind { .subscription }
  public static var rowBytes: Int { @_noLocks get { 312 } }
  public static let fields: [CounterFieldDescription] = [
    .init("state", .small, at: 8, count: 1),
    .init("connection", .small, at: 12, count: 1),
    .init("ref", .small, at: 16, count: 1),
    .init("policy", .small, at: 20, count: 1),
    .init("topics", .small, at: 24, count: 1),
    .init("blocked", .small, at: 28, count: 1),
    .init("matchedEvents", .word, at: 32, count: 1),
    .init("matchedBytes", .word, at: 40, count: 1, unit: "charged bytes"),
    .init("deliveredEvents", .word, at: 48, count: 1),
    .init("deliveredBytes", .word, at: 56, count: 1, unit: "charged bytes"),
    .init("closedEvents", .word, at: 64, count: 1),
    .init("closedBytes", .word, at: 72, count: 1, unit: "charged bytes"),
    .init("lagEvents", .word, at: 80, count: 1),
    .init("lagBytes", .word, at: 88, count: 1, unit: "charged bytes"),
    .init("creditEvents", .word, at: 96, count: 1),
    .init("creditBytes", .word, at: 104, count: 1, unit: "charged bytes"),
    .init("droppedBytes", .word, at: 112, count: 1, unit: "charged bytes"),
    .init("expiredBytes", .word, at: 120, count: 1, unit: "charged bytes"),
    .init("gaps", .word, at: 128, count: 1),
    .init("conflatedEvents", .word, at: 136, count: 1),
    .init("conflatedBytes", .word, at: 144, count: 1, unit: "charged bytes"),
    .init("sampledEvents", .word, at: 152, count: 1),
    .init("sampledBytes", .word, at: 160, count: 1, unit: "charged bytes"),
    .init("openedNs", .word, at: 168, count: 1, unit: "ns since the Unix epoch"),
    .init("id", .word, at: 176, count: 1),
    .init("droppedEvents", .array, at: 184, count: 8, unit: "events"),
    .init("pattern", .text, at: 248, count: 64),
  ]
  public let cells: RowCells
  @_noLocks public init(cells: RowCells) { self.cells = cells }

  /// The counters of 8 bytes.
  public struct Word: Sendable {
    let offset: Int
    @_noLocks init(offset: Int) { self.offset = offset }
    /// Events that matched.
    public static var matchedEvents: Self { @_noLocks get { Self(offset: 32) } }
    /// Charged bytes that matched. Unit: charged bytes.
    public static var matchedBytes: Self { @_noLocks get { Self(offset: 40) } }
    /// Events delivered.
    public static var deliveredEvents: Self { @_noLocks get { Self(offset: 48) } }
    /// Charged bytes delivered. Unit: charged bytes.
    public static var deliveredBytes: Self { @_noLocks get { Self(offset: 56) } }
    /// Events that were pending when it closed.
    public static var closedEvents: Self { @_noLocks get { Self(offset: 64) } }
    /// Charged bytes that were pending when it closed. Unit: charged bytes.
    public static var closedBytes: Self { @_noLocks get { Self(offset: 72) } }
    /// Events pending.
    public static var lagEvents: Self { @_noLocks get { Self(offset: 80) } }
    /// Charged bytes pending. Unit: charged bytes.
    public static var lagBytes: Self { @_noLocks get { Self(offset: 88) } }
    /// Credit left in events; 0 when overdrawn, 2^64 - 1 where there is no bound.
    public static var creditEvents: Self { @_noLocks get { Self(offset: 96) } }
    /// Credit left in charged bytes; 0 when overdrawn, 2^64 - 1 where there is no bound. Unit:
    /// charged bytes.
    public static var creditBytes: Self { @_noLocks get { Self(offset: 104) } }
    /// Charged bytes lost, all causes but expiry. Unit: charged bytes.
    public static var droppedBytes: Self { @_noLocks get { Self(offset: 112) } }
    /// Charged bytes whose time to live was over. Unit: charged bytes.
    public static var expiredBytes: Self { @_noLocks get { Self(offset: 120) } }
    /// GAP frames sent.
    public static var gaps: Self { @_noLocks get { Self(offset: 128) } }
    /// Events left out because a newer one of their key was there.
    public static var conflatedEvents: Self { @_noLocks get { Self(offset: 136) } }
    /// Charged bytes left out because a newer event of their key was there. Unit: charged bytes.
    public static var conflatedBytes: Self { @_noLocks get { Self(offset: 144) } }
    /// Events left out by sampling.
    public static var sampledEvents: Self { @_noLocks get { Self(offset: 152) } }
    /// Charged bytes left out by sampling. Unit: charged bytes.
    public static var sampledBytes: Self { @_noLocks get { Self(offset: 160) } }
    /// When it was opened. Unit: ns since the Unix epoch.
    public static var openedNs: Self { @_noLocks get { Self(offset: 168) } }
    /// Its identity: no other subscription of this run of the broker has it.
    public static var id: Self { @_noLocks get { Self(offset: 176) } }
  }

  /// The words of 4 bytes.
  public struct Small: Sendable {
    let offset: Int
    @_noLocks init(offset: Int) { self.offset = offset }
    /// CounterRowState.
    public static var state: Self { @_noLocks get { Self(offset: 8) } }
    /// Row of its connection in the same shard.
    public static var connection: Self { @_noLocks get { Self(offset: 12) } }
    /// The client's number for it.
    public static var ref: Self { @_noLocks get { Self(offset: 16) } }
    /// Policy.
    public static var policy: Self { @_noLocks get { Self(offset: 20) } }
    /// Topics that match.
    public static var topics: Self { @_noLocks get { Self(offset: 24) } }
    /// BlockedCause: why nothing is being sent.
    public static var blocked: Self { @_noLocks get { Self(offset: 28) } }
  }

  /// The arrays of counters.
  public struct Series: Sendable {
    let offset: Int
    let count: Int
    @_noLocks init(offset: Int, count: Int) {
      self.offset = offset
      self.count = count
    }
    /// Events lost, by GapCause. Unit: events.
    public static var droppedEvents: Self { @_noLocks get { Self(offset: 184, count: 8) } }
  }

  /// The texts.
  public struct Text: Sendable {
    let offset: Int
    let count: Int
    @_noLocks init(offset: Int, count: Int) {
      self.offset = offset
      self.count = count
    }
    /// Its pattern.
    public static var pattern: Self { @_noLocks get { Self(offset: 248, count: 64) } }
  }

  /// Adds, wrapping. One relaxed load and one relaxed store: the row has a single writer.
  @_noLocks public func add(_ field: Word, _ amount: UInt64) {
    cells.add64(field.offset, amount)
  }
  @_noLocks public func set(_ field: Word, _ value: UInt64) { cells.store64(field.offset, value) }
  @_noLocks public func get(_ field: Word) -> UInt64 { cells.load64(field.offset) }
  @_noLocks public func raise(_ field: Word, to value: UInt64) {
    if value > cells.load64(field.offset) { cells.store64(field.offset, value) }
  }
  @_noLocks public func set(_ field: Small, _ value: UInt32) { cells.store32(field.offset, value) }
  @_noLocks public func get(_ field: Small) -> UInt32 { cells.load32(field.offset) }
  @_noLocks public func setState(_ state: CounterRowState) { set(.state, state.rawValue) }
  /// Begins a change of words that must agree: readers try again until `endUpdate`.
  @_noLocks public func beginUpdate() { cells.beginUpdate() }
  @_noLocks public func endUpdate() { cells.endUpdate() }
  /// Takes the row for something new: everything is 0 but the state.
  @_noLocks public func activate(_ state: CounterRowState = .active) {
    cells.beginUpdate()
    cells.clear(rowBytes: Self.rowBytes)
    setState(state)
    cells.endUpdate()
  }
  /// Gives the row up; its last values stay until it is taken again.
  @_noLocks public func retire() {
    cells.beginUpdate()
    setState(.retired)
    cells.endUpdate()
  }
  /// An index beyond the array counts in its last element: better there than nowhere.
  @_noLocks public func add(_ field: Series, at index: Int, _ amount: UInt64) {
    cells.add64(field.offset + 8 * RowCells.clamp(index, below: field.count), amount)
  }
  @_noLocks public func set(_ field: Series, at index: Int, _ value: UInt64) {
    cells.store64(field.offset + 8 * RowCells.clamp(index, below: field.count), value)
  }
  @_noLocks public func get(_ field: Series, at index: Int) -> UInt64 {
    cells.load64(field.offset + 8 * RowCells.clamp(index, below: field.count))
  }
  /// Sets a text of UTF-8. What does not fit is cut, and ends in U+2026.
  @_noLocks public func setText(_ field: Text, _ bytes: RawSpan) {
    cells.storeText(field.offset, field.count, bytes)
  }
  public func setText(_ field: Text, _ text: String) {
    unsafe setText(field, text.utf8Span.span.bytes)
  }
}

/// The rows of a table. A few words: keep a copy. Which rows are in use is the writer's business;
/// the lowest free one is best, as readers read up to the highest that was ever used.
public struct SubscriptionTable: Sendable {
  let cells: TableCells
  public var capacity: Int { @_noLocks get { cells.capacity } }
  /// The row of a slot, which must be below `capacity`.
  public subscript(slot: Int) -> SubscriptionRow {
    @_noLocks get { SubscriptionRow(cells: cells.row(slot, rowBytes: SubscriptionRow.rowBytes)) }
  }
  /// Takes the row of a slot for something new, see `SubscriptionRow.activate`, and sees to it that
  /// readers look that far.
  @discardableResult @_noLocks public func activate(
    _ slot: Int, _ state: CounterRowState = .active
  ) -> SubscriptionRow {
    let row = self[slot]
    row.activate(state)
    cells.noteUse(of: slot)
    return row
  }
}

extension RowSnapshot where Row == SubscriptionRow {
  public subscript(field: SubscriptionRow.Word) -> UInt64 { word(field.offset) }
  public subscript(field: SubscriptionRow.Small) -> UInt32 { small(field.offset) }
  public subscript(field: SubscriptionRow.Series) -> [UInt64] {
    words(field.offset, field.count)
  }
  public subscript(field: SubscriptionRow.Text) -> String {
    text(field.offset, field.count)
  }
}

/// One topic. Made by shard 0, then written by the shard that owns it; every shard adds to
/// subscriptions.
@safe public struct TopicRow: CounterRow {
  public static var kind: CounterKind { .topic }
  public static var rowBytes: Int { @_noLocks get { 704 } }
  public static let fields: [CounterFieldDescription] = [
    .init("state", .small, at: 8, count: 1),
    .init("id", .small, at: 12, count: 1),
    .init("shard", .small, at: 16, count: 1),
    .init("options", .small, at: 20, count: 1),
    .init("epoch", .word, at: 24, count: 1),
    .init("firstSequence", .word, at: 32, count: 1),
    .init("nextSequence", .word, at: 40, count: 1),
    .init("ringBytes", .word, at: 48, count: 1, unit: "bytes"),
    .init("eventsIn", .word, at: 56, count: 1),
    .init("bytesIn", .word, at: 64, count: 1, unit: "charged bytes"),
    .init("batchesIn", .word, at: 72, count: 1),
    .init("retentionEvents", .word, at: 80, count: 1),
    .init("retentionBytes", .word, at: 88, count: 1, unit: "bytes"),
    .init("retentionMs", .word, at: 96, count: 1, unit: "ms"),
    .init("subscriptions", .word, at: 104, count: 1),
    .init("publishers", .word, at: 112, count: 1),
    .init("keys", .word, at: 120, count: 1),
    .init("evictedKeys", .word, at: 128, count: 1),
    .init("evictedThrough", .word, at: 136, count: 1),
    .init("name", .text, at: 144, count: 256),
    .init("readToRingSumNs", .word, at: 400, count: 1, unit: "ns"),
    .init("readToRing", .array, at: 408, count: 32, unit: "batches"),
  ]
  public let cells: RowCells
  @_noLocks public init(cells: RowCells) { self.cells = cells }

  /// The counters of 8 bytes.
  public struct Word: Sendable {
    let offset: Int
    @_noLocks init(offset: Int) { self.offset = offset }
    /// Identity of its sequence space.
    public static var epoch: Self { @_noLocks get { Self(offset: 24) } }
    /// Oldest sequence in the ring.
    public static var firstSequence: Self { @_noLocks get { Self(offset: 32) } }
    /// Sequence that the next event will get.
    public static var nextSequence: Self { @_noLocks get { Self(offset: 40) } }
    /// Ring memory it holds. Unit: bytes.
    public static var ringBytes: Self { @_noLocks get { Self(offset: 48) } }
    /// Events accepted.
    public static var eventsIn: Self { @_noLocks get { Self(offset: 56) } }
    /// Charged bytes accepted. Unit: charged bytes.
    public static var bytesIn: Self { @_noLocks get { Self(offset: 64) } }
    /// Batches accepted.
    public static var batchesIn: Self { @_noLocks get { Self(offset: 72) } }
    /// Events the ring keeps; 0 for no bound of this kind.
    public static var retentionEvents: Self { @_noLocks get { Self(offset: 80) } }
    /// Bytes the ring keeps; 0 for no bound of this kind. Unit: bytes.
    public static var retentionBytes: Self { @_noLocks get { Self(offset: 88) } }
    /// Age up to which the ring keeps events; 0 for no bound of this kind. Unit: ms.
    public static var retentionMs: Self { @_noLocks get { Self(offset: 96) } }
    /// Subscriptions that match.
    public static var subscriptions: Self { @_noLocks get { Self(offset: 104) } }
    /// Publishers that are open.
    public static var publishers: Self { @_noLocks get { Self(offset: 112) } }
    /// Of a keyed topic: keys whose newest event is known, but for those that were deleted.
    public static var keys: Self { @_noLocks get { Self(offset: 120) } }
    /// Of a keyed topic: how often the newest event of a key was given up for want of memory for
    /// keys, or for too many keys. A state lacks it, and so does a pass.
    public static var evictedKeys: Self { @_noLocks get { Self(offset: 128) } }
    /// The highest sequence of those, and of events that came when there was no memory for the
    /// topic's keys at all; 0 where there were none.
    public static var evictedThrough: Self { @_noLocks get { Self(offset: 136) } }
    /// Sum of what `readToRing` counts. Unit: ns.
    public static var readToRingSumNs: Self { @_noLocks get { Self(offset: 400) } }
  }

  /// The words of 4 bytes.
  public struct Small: Sendable {
    let offset: Int
    @_noLocks init(offset: Int) { self.offset = offset }
    /// CounterRowState.
    public static var state: Self { @_noLocks get { Self(offset: 8) } }
    /// The topic's id.
    public static var id: Self { @_noLocks get { Self(offset: 12) } }
    /// The shard that owns it.
    public static var shard: Self { @_noLocks get { Self(offset: 16) } }
    /// TopicOptions.
    public static var options: Self { @_noLocks get { Self(offset: 20) } }
  }

  /// The arrays of counters.
  public struct Series: Sendable {
    let offset: Int
    let count: Int
    @_noLocks init(offset: Int, count: Int) {
      self.offset = offset
      self.count = count
    }
    /// Histogram of stages: how long batches waited in the broker between being read and being in
    /// the ring. Every batch counts; where nothing is short they wait less than a microsecond or,
    /// from another shard, some. Unit: batches.
    public static var readToRing: Self { @_noLocks get { Self(offset: 408, count: 32) } }
  }

  /// The texts.
  public struct Text: Sendable {
    let offset: Int
    let count: Int
    @_noLocks init(offset: Int, count: Int) {
      self.offset = offset
      self.count = count
    }
    /// Its name.
    public static var name: Self { @_noLocks get { Self(offset: 144, count: 256) } }
  }

  /// Adds, wrapping. One relaxed load and one relaxed store: the row has a single writer.
  @_noLocks public func add(_ field: Word, _ amount: UInt64) {
    cells.add64(field.offset, amount)
  }
  @_noLocks public func set(_ field: Word, _ value: UInt64) { cells.store64(field.offset, value) }
  @_noLocks public func get(_ field: Word) -> UInt64 { cells.load64(field.offset) }
  @_noLocks public func raise(_ field: Word, to value: UInt64) {
    if value > cells.load64(field.offset) { cells.store64(field.offset, value) }
  }
  @_noLocks public func set(_ field: Small, _ value: UInt32) { cells.store32(field.offset, value) }
  @_noLocks public func get(_ field: Small) -> UInt32 { cells.load32(field.offset) }
  @_noLocks public func setState(_ state: CounterRowState) { set(.state, state.rawValue) }
  /// Begins a change of words that must agree: readers try again until `endUpdate`.
  @_noLocks public func beginUpdate() { cells.beginUpdate() }
  @_noLocks public func endUpdate() { cells.endUpdate() }
  /// Takes the row for something new: everything is 0 but the state.
  @_noLocks public func activate(_ state: CounterRowState = .active) {
    cells.beginUpdate()
    cells.clear(rowBytes: Self.rowBytes)
    setState(state)
    cells.endUpdate()
  }
  /// Gives the row up; its last values stay until it is taken again.
  @_noLocks public func retire() {
    cells.beginUpdate()
    setState(.retired)
    cells.endUpdate()
  }
  /// An index beyond the array counts in its last element: better there than nowhere.
  @_noLocks public func add(_ field: Series, at index: Int, _ amount: UInt64) {
    cells.add64(field.offset + 8 * RowCells.clamp(index, below: field.count), amount)
  }
  @_noLocks public func set(_ field: Series, at index: Int, _ value: UInt64) {
    cells.store64(field.offset + 8 * RowCells.clamp(index, below: field.count), value)
  }
  @_noLocks public func get(_ field: Series, at index: Int) -> UInt64 {
    cells.load64(field.offset + 8 * RowCells.clamp(index, below: field.count))
  }
  /// Sets a text of UTF-8. What does not fit is cut, and ends in U+2026.
  @_noLocks public func setText(_ field: Text, _ bytes: RawSpan) {
    cells.storeText(field.offset, field.count, bytes)
  }
  public func setText(_ field: Text, _ text: String) {
    unsafe setText(field, text.utf8Span.span.bytes)
  }
}

/// The rows of a table. A few words: keep a copy. Which rows are in use is the writer's business;
/// the lowest free one is best, as readers read up to the highest that was ever used.
public struct TopicTable: Sendable {
  let cells: TableCells
  public var capacity: Int { @_noLocks get { cells.capacity } }
  /// The row of a slot, which must be below `capacity`.
  public subscript(slot: Int) -> TopicRow {
    @_noLocks get { TopicRow(cells: cells.row(slot, rowBytes: TopicRow.rowBytes)) }
  }
  /// Takes the row of a slot for something new, see `TopicRow.activate`, and sees to it that
  /// readers look that far.
  @discardableResult @_noLocks public func activate(
    _ slot: Int, _ state: CounterRowState = .active
  ) -> TopicRow {
    let row = self[slot]
    row.activate(state)
    cells.noteUse(of: slot)
    return row
  }
}

extension RowSnapshot where Row == TopicRow {
  public subscript(field: TopicRow.Word) -> UInt64 { word(field.offset) }
  public subscript(field: TopicRow.Small) -> UInt32 { small(field.offset) }
  public subscript(field: TopicRow.Series) -> [UInt64] {
    words(field.offset, field.count)
  }
  public subscript(field: TopicRow.Text) -> String {
    text(field.offset, field.count)
  }
}

/// What became of a subscription's events, and where their time went. One for each subscription
/// from its first delivery on, as long as there are rows. Written by its shard.
@safe public struct ObservationRow: CounterRow {
  public static var kind: CounterKind { .observation }
  public static var rowBytes: Int { @_noLocks get { 2312 } }
  public static let fields: [CounterFieldDescription] = [
    .init("state", .small, at: 8, count: 1),
    .init("subscription", .small, at: 12, count: 1),
    .init("beganTopic", .small, at: 16, count: 1),
    .init("id", .word, at: 24, count: 1),
    .init("beganSequence", .word, at: 32, count: 1),
    .init("runs", .word, at: 40, count: 1),
    .init("totalNs", .word, at: 48, count: 1, unit: "ns"),
    .init("creditNs", .word, at: 56, count: 1, unit: "ns"),
    .init("socketNs", .word, at: 64, count: 1, unit: "ns"),
    .init("total", .array, at: 72, count: 32, unit: "batches"),
    .init("ringToTurn", .array, at: 328, count: 32, unit: "batches"),
    .init("creditWait", .array, at: 584, count: 32, unit: "batches"),
    .init("socketWait", .array, at: 840, count: 32, unit: "batches"),
    .init("echo", .array, at: 1096, count: 32, unit: "deliveries"),
    .init("why", .array, at: 1352, count: 120),
  ]
  public let cells: RowCells
  @_noLocks public init(cells: RowCells) { self.cells = cells }

  /// The counters of 8 bytes.
  public struct Word: Sendable {
    let offset: Int
    @_noLocks init(offset: Int) { self.offset = offset }
    /// The subscription's id.
    public static var id: Self { @_noLocks get { Self(offset: 24) } }
    /// The sequence in that topic that this row begins with.
    public static var beganSequence: Self { @_noLocks get { Self(offset: 32) } }
    /// Runs put into `why` so far; the next goes to place runs modulo 24. Begins with 25 where
    /// something had become of events before the row was there.
    public static var runs: Self { @_noLocks get { Self(offset: 40) } }
    /// Sum of what `total` counts. Unit: ns.
    public static var totalNs: Self { @_noLocks get { Self(offset: 48) } }
    /// How much of that was waiting for credit. Unit: ns.
    public static var creditNs: Self { @_noLocks get { Self(offset: 56) } }
    /// How much of it was waiting for the socket. Unit: ns.
    public static var socketNs: Self { @_noLocks get { Self(offset: 64) } }
  }

  /// The words of 4 bytes.
  public struct Small: Sendable {
    let offset: Int
    @_noLocks init(offset: Int) { self.offset = offset }
    /// CounterRowState.
    public static var state: Self { @_noLocks get { Self(offset: 8) } }
    /// Row of the subscription in the same shard.
    public static var subscription: Self { @_noLocks get { Self(offset: 12) } }
    /// The topic of which it was sent something first.
    public static var beganTopic: Self { @_noLocks get { Self(offset: 16) } }
  }

  /// The arrays of counters.
  public struct Series: Sendable {
    let offset: Int
    let count: Int
    @_noLocks init(offset: Int, count: Int) {
      self.offset = offset
      self.count = count
    }
    /// From the read that brought a batch to the send that took it away. Unit: batches.
    public static var total: Self { @_noLocks get { Self(offset: 72, count: 32) } }
    /// What of that was neither waiting for credit nor for the socket: the broker's own time. Unit:
    /// batches.
    public static var ringToTurn: Self { @_noLocks get { Self(offset: 328, count: 32) } }
    /// Time without credit, of the batches that waited for it. Unit: batches.
    public static var creditWait: Self { @_noLocks get { Self(offset: 584, count: 32) } }
    /// Time with a full socket, of the batches that waited for it. Unit: batches.
    public static var socketWait: Self { @_noLocks get { Self(offset: 840, count: 32) } }
    /// From a send to the CREDIT which shows that the client is through with it, one delivery at a
    /// time. Unit: deliveries.
    public static var echo: Self { @_noLocks get { Self(offset: 1096, count: 32) } }
    /// 24 runs of 5 words: see "Why".
    public static var why: Self { @_noLocks get { Self(offset: 1352, count: 120) } }
  }

  /// Adds, wrapping. One relaxed load and one relaxed store: the row has a single writer.
  @_noLocks public func add(_ field: Word, _ amount: UInt64) {
    cells.add64(field.offset, amount)
  }
  @_noLocks public func set(_ field: Word, _ value: UInt64) { cells.store64(field.offset, value) }
  @_noLocks public func get(_ field: Word) -> UInt64 { cells.load64(field.offset) }
  @_noLocks public func raise(_ field: Word, to value: UInt64) {
    if value > cells.load64(field.offset) { cells.store64(field.offset, value) }
  }
  @_noLocks public func set(_ field: Small, _ value: UInt32) { cells.store32(field.offset, value) }
  @_noLocks public func get(_ field: Small) -> UInt32 { cells.load32(field.offset) }
  @_noLocks public func setState(_ state: CounterRowState) { set(.state, state.rawValue) }
  /// Begins a change of words that must agree: readers try again until `endUpdate`.
  @_noLocks public func beginUpdate() { cells.beginUpdate() }
  @_noLocks public func endUpdate() { cells.endUpdate() }
  /// Takes the row for something new: everything is 0 but the state.
  @_noLocks public func activate(_ state: CounterRowState = .active) {
    cells.beginUpdate()
    cells.clear(rowBytes: Self.rowBytes)
    setState(state)
    cells.endUpdate()
  }
  /// Gives the row up; its last values stay until it is taken again.
  @_noLocks public func retire() {
    cells.beginUpdate()
    setState(.retired)
    cells.endUpdate()
  }
  /// An index beyond the array counts in its last element: better there than nowhere.
  @_noLocks public func add(_ field: Series, at index: Int, _ amount: UInt64) {
    cells.add64(field.offset + 8 * RowCells.clamp(index, below: field.count), amount)
  }
  @_noLocks public func set(_ field: Series, at index: Int, _ value: UInt64) {
    cells.store64(field.offset + 8 * RowCells.clamp(index, below: field.count), value)
  }
  @_noLocks public func get(_ field: Series, at index: Int) -> UInt64 {
    cells.load64(field.offset + 8 * RowCells.clamp(index, below: field.count))
  }
}

/// The rows of a table. A few words: keep a copy. Which rows are in use is the writer's business;
/// the lowest free one is best, as readers read up to the highest that was ever used.
public struct ObservationTable: Sendable {
  let cells: TableCells
  public var capacity: Int { @_noLocks get { cells.capacity } }
  /// The row of a slot, which must be below `capacity`.
  public subscript(slot: Int) -> ObservationRow {
    @_noLocks get { ObservationRow(cells: cells.row(slot, rowBytes: ObservationRow.rowBytes)) }
  }
  /// Takes the row of a slot for something new, see `ObservationRow.activate`, and sees to it that
  /// readers look that far.
  @discardableResult @_noLocks public func activate(
    _ slot: Int, _ state: CounterRowState = .active
  ) -> ObservationRow {
    let row = self[slot]
    row.activate(state)
    cells.noteUse(of: slot)
    return row
  }
}

extension RowSnapshot where Row == ObservationRow {
  public subscript(field: ObservationRow.Word) -> UInt64 { word(field.offset) }
  public subscript(field: ObservationRow.Small) -> UInt32 { small(field.offset) }
  public subscript(field: ObservationRow.Series) -> [UInt64] {
    words(field.offset, field.count)
  }
}

/// Where the time of a topic's events went, on one shard. One for each topic from its first
/// delivery there on or, where many topics begin at once, from one of the next; written by that
/// shard. A reader adds up what the shards have of a topic.
@safe public struct DeliveryRow: CounterRow {
  public static var kind: CounterKind { .delivery }
  public static var rowBytes: Int { @_noLocks get { 1344 } }
  public static let fields: [CounterFieldDescription] = [
    .init("state", .small, at: 8, count: 1),
    .init("topic", .small, at: 12, count: 1),
    .init("totalNs", .word, at: 16, count: 1, unit: "ns"),
    .init("ringToTurnNs", .word, at: 24, count: 1, unit: "ns"),
    .init("creditNs", .word, at: 32, count: 1, unit: "ns"),
    .init("socketNs", .word, at: 40, count: 1, unit: "ns"),
    .init("echoNs", .word, at: 48, count: 1, unit: "ns"),
    .init("total", .array, at: 56, count: 32, unit: "batches"),
    .init("ringToTurn", .array, at: 312, count: 32, unit: "batches"),
    .init("creditWait", .array, at: 568, count: 32, unit: "batches"),
    .init("socketWait", .array, at: 824, count: 32, unit: "batches"),
    .init("echo", .array, at: 1080, count: 32, unit: "deliveries"),
  ]
  public let cells: RowCells
  @_noLocks public init(cells: RowCells) { self.cells = cells }

  /// The counters of 8 bytes.
  public struct Word: Sendable {
    let offset: Int
    @_noLocks init(offset: Int) { self.offset = offset }
    /// Sum of what `total` counts. Unit: ns.
    public static var totalNs: Self { @_noLocks get { Self(offset: 16) } }
    /// Sum of what `ringToTurn` counts. Unit: ns.
    public static var ringToTurnNs: Self { @_noLocks get { Self(offset: 24) } }
    /// Sum of what `creditWait` counts. Unit: ns.
    public static var creditNs: Self { @_noLocks get { Self(offset: 32) } }
    /// Sum of what `socketWait` counts. Unit: ns.
    public static var socketNs: Self { @_noLocks get { Self(offset: 40) } }
    /// Sum of what `echo` counts. Unit: ns.
    public static var echoNs: Self { @_noLocks get { Self(offset: 48) } }
  }

  /// The words of 4 bytes.
  public struct Small: Sendable {
    let offset: Int
    @_noLocks init(offset: Int) { self.offset = offset }
    /// CounterRowState.
    public static var state: Self { @_noLocks get { Self(offset: 8) } }
    /// The topic's id.
    public static var topic: Self { @_noLocks get { Self(offset: 12) } }
  }

  /// The arrays of counters.
  public struct Series: Sendable {
    let offset: Int
    let count: Int
    @_noLocks init(offset: Int, count: Int) {
      self.offset = offset
      self.count = count
    }
    /// From the read that brought a batch to the send that took it away, of all subscriptions: how
    /// old events are when they are delivered, which of a keyed topic is the freshness of its
    /// values. Of what is older than the subscription, or is sent again, since that began. Unit:
    /// batches.
    public static var total: Self { @_noLocks get { Self(offset: 56, count: 32) } }
    /// The stages of `observation`, of the subscriptions that have a row there. Unit: batches.
    public static var ringToTurn: Self { @_noLocks get { Self(offset: 312, count: 32) } }
    /// As above. Unit: batches.
    public static var creditWait: Self { @_noLocks get { Self(offset: 568, count: 32) } }
    /// As above. Unit: batches.
    public static var socketWait: Self { @_noLocks get { Self(offset: 824, count: 32) } }
    /// As above. Unit: deliveries.
    public static var echo: Self { @_noLocks get { Self(offset: 1080, count: 32) } }
  }

  /// Adds, wrapping. One relaxed load and one relaxed store: the row has a single writer.
  @_noLocks public func add(_ field: Word, _ amount: UInt64) {
    cells.add64(field.offset, amount)
  }
  @_noLocks public func set(_ field: Word, _ value: UInt64) { cells.store64(field.offset, value) }
  @_noLocks public func get(_ field: Word) -> UInt64 { cells.load64(field.offset) }
  @_noLocks public func raise(_ field: Word, to value: UInt64) {
    if value > cells.load64(field.offset) { cells.store64(field.offset, value) }
  }
  @_noLocks public func set(_ field: Small, _ value: UInt32) { cells.store32(field.offset, value) }
  @_noLocks public func get(_ field: Small) -> UInt32 { cells.load32(field.offset) }
  @_noLocks public func setState(_ state: CounterRowState) { set(.state, state.rawValue) }
  /// Begins a change of words that must agree: readers try again until `endUpdate`.
  @_noLocks public func beginUpdate() { cells.beginUpdate() }
  @_noLocks public func endUpdate() { cells.endUpdate() }
  /// Takes the row for something new: everything is 0 but the state.
  @_noLocks public func activate(_ state: CounterRowState = .active) {
    cells.beginUpdate()
    cells.clear(rowBytes: Self.rowBytes)
    setState(state)
    cells.endUpdate()
  }
  /// Gives the row up; its last values stay until it is taken again.
  @_noLocks public func retire() {
    cells.beginUpdate()
    setState(.retired)
    cells.endUpdate()
  }
  /// An index beyond the array counts in its last element: better there than nowhere.
  @_noLocks public func add(_ field: Series, at index: Int, _ amount: UInt64) {
    cells.add64(field.offset + 8 * RowCells.clamp(index, below: field.count), amount)
  }
  @_noLocks public func set(_ field: Series, at index: Int, _ value: UInt64) {
    cells.store64(field.offset + 8 * RowCells.clamp(index, below: field.count), value)
  }
  @_noLocks public func get(_ field: Series, at index: Int) -> UInt64 {
    cells.load64(field.offset + 8 * RowCells.clamp(index, below: field.count))
  }
}

/// The rows of a table. A few words: keep a copy. Which rows are in use is the writer's business;
/// the lowest free one is best, as readers read up to the highest that was ever used.
public struct DeliveryTable: Sendable {
  let cells: TableCells
  public var capacity: Int { @_noLocks get { cells.capacity } }
  /// The row of a slot, which must be below `capacity`.
  public subscript(slot: Int) -> DeliveryRow {
    @_noLocks get { DeliveryRow(cells: cells.row(slot, rowBytes: DeliveryRow.rowBytes)) }
  }
  /// Takes the row of a slot for something new, see `DeliveryRow.activate`, and sees to it that
  /// readers look that far.
  @discardableResult @_noLocks public func activate(
    _ slot: Int, _ state: CounterRowState = .active
  ) -> DeliveryRow {
    let row = self[slot]
    row.activate(state)
    cells.noteUse(of: slot)
    return row
  }
}

extension RowSnapshot where Row == DeliveryRow {
  public subscript(field: DeliveryRow.Word) -> UInt64 { word(field.offset) }
  public subscript(field: DeliveryRow.Small) -> UInt32 { small(field.offset) }
  public subscript(field: DeliveryRow.Series) -> [UInt64] {
    words(field.offset, field.count)
  }
}
