/// Where a shard's sockets are read into: what a connection carried over from its last read, then
/// what the socket gives. One for all connections, since a read is worked off at once.
@safe
struct ReceiveBuffer: ~Copyable {
  /// What a socket may give in one turn. Large enough that a flood is read with few calls, small
  /// enough that one flood does not hold up the others' turn.
  static let quantum = 256 << 10

  private let memory: UnsafeMutableRawPointer
  let capacity: Int

  /// - Parameter carryMax: bytes of the largest frame.
  init(carryMax: Int) {
    capacity = carryMax + Self.quantum
    unsafe memory = .allocate(byteCount: capacity, alignment: 4096)
  }

  deinit { unsafe memory.deallocate() }

  /// The first `count` bytes.
  func bytes(_ count: Int) -> UnsafeRawBufferPointer {
    precondition(count >= 0 && count <= capacity, "past the end of the receive buffer")
    return unsafe UnsafeRawBufferPointer(start: memory, count: count)
  }

  /// Room from `offset` on.
  func room(from offset: Int) -> UnsafeMutableRawBufferPointer {
    precondition(offset >= 0 && offset < capacity, "past the end of the receive buffer")
    return unsafe UnsafeMutableRawBufferPointer(
      start: memory + offset, count: min(capacity - offset, Self.quantum))
  }

  func copyIn(_ source: UnsafeRawBufferPointer) {
    precondition(source.count <= capacity, "past the end of the receive buffer")
    guard let base = source.baseAddress else { return }
    unsafe memory.copyMemory(from: base, byteCount: source.count)
  }
}

/// A piece of memory to be written to a socket; laid out as the kernel's `struct iovec`.
@unsafe
public struct TransmitVector {
  public var base: UnsafeRawPointer
  public var count: Int
}

/// What one connection is to be sent in one call, and how to take back what the socket did not
/// take. One per shard, filled and worked off for one connection after another.
@safe
struct TransmitPlan: ~Copyable {
  /// Pieces of memory a call; two a frame. The kernel takes up to 1024.
  static let vectorsMax = 128
  static let framesMax = 60
  /// Bytes after which a plan is full: the share of a turn that one connection gets at most, and
  /// more than a socket buffer usually takes.
  static let bytesTarget = 256 << 10
  /// The largest frame header with its prefix, a GAP with its header.
  static let prefixBytesMax = 64

  /// How a frame changed its cursor and subscription; enough to undo it.
  struct Frame: BitwiseCopyable {
    var subscription: UInt32
    var cursor: UInt32
    /// Bytes on the wire.
    var bytes: Int
    /// 0 for a GAP.
    var events: UInt64
    var batches: UInt32
    var isGap: Bool
    /// Broker time of the first batch.
    var time: UInt64
    var charge: UInt64
    var before: CursorEntry
    /// What a policy left out of the range that the frame covers.
    var leftEvents: UInt64 = 0
    var leftBytes: UInt64 = 0
    /// Of the charged bytes, those that were passed before: a batch that is delivered in part is
    /// charged as a whole, also where sample has been through with its beginning.
    var againBytes: UInt64 = 0
    /// The frame is of a pass; see `PassEntry`.
    var isPass = false
    /// Frames that its subscription had left in its turn before this one.
    var turns: UInt8 = 0
    /// Frames behind it that are booked with it, and their events; see `join`.
    var joinedFrames: UInt32 = 0
    var joinedEvents: UInt64 = 0

    /// Whether nothing is to be booked of it but events that were delivered from the ring. A GAP
    /// has none.
    fileprivate var isPlain: Bool {
      events > 0 && leftEvents | leftBytes | againBytes == 0 && !isPass
    }
  }

  /// Room for batches that are made for one subscription: a frame of the usual size with many small
  /// events, or one largest batch.
  static let selectionBytesMin = 128 << 10

  private let vectorMemory: UnsafeMutablePointer<TransmitVector>
  private let prefixes: UnsafeMutableRawPointer
  private let frameMemory: UnsafeMutablePointer<Frame>
  private let state: UnsafeMutablePointer<State>
  private let selection: UnsafeMutableRawPointer
  private let selectionBytes: Int

  private struct State: BitwiseCopyable {
    var connection: UInt32 = noSlot
    var vectorCount = 0
    var prefixUsed = 0
    var selectionUsed = 0
    var frameCount = 0
    var bytes = 0
    var stashBytes = 0
    var controlBytes = 0
    var turns: UInt8 = 0
  }

  /// - Parameter batchBytesMax: of the broker's batches.
  init(batchBytesMax: Int) {
    selectionBytes = max(Self.selectionBytesMin, batchBytesMax + 4096)
    unsafe selection = .allocate(byteCount: selectionBytes, alignment: 64)
    unsafe vectorMemory = .allocate(capacity: Self.vectorsMax)
    unsafe prefixes = .allocate(byteCount: Self.framesMax * Self.prefixBytesMax, alignment: 64)
    unsafe frameMemory = .allocate(capacity: Self.framesMax)
    unsafe state = .allocate(capacity: 1)
    unsafe state.initialize(to: State())
  }

  deinit {
    unsafe vectorMemory.deallocate()
    unsafe selection.deallocate()
    unsafe prefixes.deallocate()
    unsafe frameMemory.deallocate()
    unsafe state.deallocate()
  }

  var connection: UInt32 { unsafe state.pointee.connection }
  var bytes: Int { unsafe state.pointee.bytes }
  var frameCount: Int { unsafe state.pointee.frameCount }
  var stashBytes: Int { unsafe state.pointee.stashBytes }
  var controlBytes: Int { unsafe state.pointee.controlBytes }
  var vectors: UnsafeBufferPointer<TransmitVector> {
    unsafe UnsafeBufferPointer(start: vectorMemory, count: state.pointee.vectorCount)
  }
  /// A frame in its place, as it is a large value to copy.
  subscript(_ i: Int) -> Frame {
    unsafeAddress {
      precondition(UInt(bitPattern: i) < UInt(bitPattern: frameCount), "no such frame")
      return unsafe UnsafePointer(frameMemory + i)
    }
  }

  /// Adds to a frame those behind it, before `end`, that can be booked with it: of one cursor,
  /// without a break, and read at one time, so that they differ in amounts alone. A socket that is
  /// sent much takes dozens of such frames a call, and what there is to observe is written once.
  /// Only of frames that were taken: these cannot be undone one by one any more.
  ///
  /// - Returns: the first frame that is not among them.
  func join(_ first: Int, before end: Int) -> Int {
    precondition(first >= 0 && first < end && end <= frameCount, "no such frames")
    let head = unsafe frameMemory + first
    guard unsafe head.pointee.isPlain else { return first &+ 1 }
    let cursor = unsafe head.pointee.cursor
    let time = unsafe head.pointee.time
    let start = unsafe head.pointee.before.sequence &+ head.pointee.events
    var sequence = start
    var charge: UInt64 = 0
    var batches: UInt32 = 0
    var next = first &+ 1
    while next < end {
      let frame = unsafe frameMemory + next
      guard unsafe frame.pointee.cursor == cursor, unsafe frame.pointee.time == time,
        unsafe frame.pointee.before.sequence == sequence, unsafe frame.pointee.isPlain
      else { break }
      unsafe sequence &+= frame.pointee.events
      unsafe charge &+= frame.pointee.charge
      unsafe batches &+= frame.pointee.batches
      next &+= 1
    }
    unsafe head.pointee.events &+= sequence &- start
    unsafe head.pointee.charge &+= charge
    unsafe head.pointee.batches &+= batches
    unsafe head.pointee.joinedFrames = UInt32(next &- first &- 1)
    unsafe head.pointee.joinedEvents = sequence &- start
    return next
  }

  /// Starts a plan. Two places are kept for the stash and the control frames, which go first.
  func begin(_ connection: UInt32) {
    unsafe state.pointee = State()
    unsafe state.pointee.connection = connection
    unsafe state.pointee.vectorCount = 2
  }

  func end() { unsafe state.pointee.connection = noSlot }

  /// What the next frame's subscription has left in its turn.
  func noteTurns(_ turns: UInt8) { unsafe state.pointee.turns = turns }

  var hasRoom: Bool {
    unsafe state.pointee.vectorCount + 2 <= Self.vectorsMax && frameCount < Self.framesMax
      && bytes < Self.bytesTarget
  }

  /// Puts the connection's waiting bytes into the places kept for them.
  func setWaiting(stash: UnsafeRawBufferPointer, control: UnsafeRawBufferPointer) {
    unsafe put(0, stash)
    unsafe put(1, control)
    unsafe state.pointee.stashBytes = stash.count
    unsafe state.pointee.controlBytes = control.count
    unsafe state.pointee.bytes += stash.count + control.count
  }

  private func put(_ i: Int, _ bytes: UnsafeRawBufferPointer) {
    unsafe (vectorMemory + i).initialize(
      to: TransmitVector(base: bytes.baseAddress ?? UnsafeRawPointer(prefixes), count: bytes.count))
  }

  /// Room for the prefix of the next frame; `add` takes up what was written.
  func prefixRoom() -> UnsafeMutableRawBufferPointer {
    unsafe UnsafeMutableRawBufferPointer(
      start: prefixes + state.pointee.prefixUsed, count: Self.prefixBytesMax)
  }

  /// Room for batches that are made for the next frame, and the memory lasts as long as the plan;
  /// `takeSelection` takes up what was written.
  func selectionRoom() -> UnsafeMutableRawBufferPointer {
    unsafe UnsafeMutableRawBufferPointer(
      start: selection + state.pointee.selectionUsed,
      count: selectionBytes - state.pointee.selectionUsed)
  }

  /// - Parameter bytes: a multiple of 8.
  /// - Returns: what was written.
  func takeSelection(_ bytes: Int) -> UnsafeRawBufferPointer {
    precondition(unsafe bytes <= selectionRoom().count, "past the end of the selection")
    let start = unsafe selection + state.pointee.selectionUsed
    unsafe state.pointee.selectionUsed += bytes
    return unsafe UnsafeRawBufferPointer(start: start, count: bytes)
  }

  /// Adds a frame: the prefix that was written into `prefixRoom`, then `body`, which lies in ring
  /// memory.
  func add(_ frame: Frame, prefixBytes: Int, body: UnsafeRawBufferPointer) {
    precondition(hasRoom && prefixBytes <= Self.prefixBytesMax, "a plan without room")
    let i = unsafe state.pointee.vectorCount
    unsafe put(
      i, UnsafeRawBufferPointer(start: prefixes + state.pointee.prefixUsed, count: prefixBytes))
    unsafe state.pointee.prefixUsed += (prefixBytes + 7) & ~7
    if body.count > 0 {
      unsafe put(i + 1, body)
      unsafe state.pointee.vectorCount = i + 2
    } else {
      unsafe state.pointee.vectorCount = i + 1
    }
    unsafe (frameMemory + frameCount).initialize(to: frame)
    unsafe frameMemory[frameCount].turns = state.pointee.turns
    unsafe state.pointee.frameCount += 1
    unsafe state.pointee.bytes += prefixBytes + body.count
  }

  /// Copies `count` bytes of the plan from `offset` on into `buffer`, which has the room.
  func copy(from offset: Int, count: Int, into buffer: inout Buffer) {
    var skip = offset
    var left = count
    for unsafe vector in unsafe vectors where left > 0 {
      if unsafe skip >= vector.count {
        unsafe skip -= vector.count
        continue
      }
      let n = unsafe min(left, vector.count - skip)
      unsafe buffer.append(UnsafeRawBufferPointer(start: vector.base + skip, count: n))
      skip = 0
      left -= n
    }
    precondition(left == 0, "past the end of a plan")
  }
}
