// The order of a topic's records by sequence: chunks of (sequence, record), of which a list of
// places is kept to search in. An update appends, and leaves a hole where the record stood.
//
// A chunk with nothing but holes goes. Neighbours are joined where both fit into one; the last
// chunk only where it is then half empty, so that half a chunk of updates lies between two times
// that it is joined. So a chunk is made after at least half a chunk of updates, each join ends one,
// and an update costs at most two moved places in the long run, and one join at once. Of two
// neighbours that are left one is more than half full, but for some holes that are not looked at
// one by one: the order is at most a little over twice as long as it must be.

extension KeyIndex {
  /// The start of a chunk; `room` sequences follow, then as many records.
  struct Chunk: BitwiseCopyable {
    var room: UInt16
    /// Places that are taken, holes included.
    var used: UInt16 = 0
    /// Records among them.
    var live: UInt16 = 0
    /// Before this one there are only holes.
    var head: UInt16 = 0
    var previous: UInt32
    var next = noSlot
    /// No sequence in it is lower.
    var first: UInt64
  }

  /// An element of the list of chunks.
  struct ChunkPlace: BitwiseCopyable {
    var first: UInt64
    var chunk: UInt32
    var reserved: UInt32 = 0
  }

  static let chunkHeaderBytes = 24
  private static let placeBytes = 12
  /// Rooms of chunks: a topic of few keys takes little. Each fills its block.
  static let chunkRooms: (small: Int, medium: Int, large: Int) = (16, 80, 252)

  @inline(__always)
  func sequencePlace(_ chunk: Int, _ i: Int) -> Int { chunk &+ Self.chunkHeaderBytes &+ i &* 8 }
  @inline(__always)
  func recordPlace(_ chunk: Int, _ room: UInt16, _ i: Int) -> Int {
    chunk &+ Self.chunkHeaderBytes &+ Int(room) &* 8 &+ i &* 4
  }

  private static func chunkClass(_ room: Int) -> Int {
    StateMemory.sizeClass(chunkHeaderBytes + room * placeBytes)
  }

  @inline(__always)
  func chunkPlace(_ i: Int) -> Int {
    StateMemory.place(row.chunks) + (Int(row.chunkStart) + i) * MemoryLayout<ChunkPlace>.stride
  }

  // MARK: Appending

  /// Makes sure that `append` has room. False where there is no memory.
  @inline(__always)
  func reserveOrder() -> Bool {
    if row.tail != noSlot {
      let tail = memory[StateMemory.place(row.tail), Chunk.self]
      if tail.used < tail.room { return true }
    }
    return addChunk()
  }

  /// Puts a record behind all others; the room for it is there.
  @inline(__always)
  func append(_ record: UInt32, _ sequence: UInt64) {
    let tail = row.tail
    let place = StateMemory.place(tail)
    let header = memory[place, Chunk.self]
    let i = header.used
    precondition(i < header.room, "a chunk without room")
    memory[sequencePlace(place, Int(i)), UInt64.self] = sequence
    memory[recordPlace(place, header.room, Int(i)), UInt32.self] = record
    memory[place, Chunk.self].used = i &+ 1
    memory[place, Chunk.self].live = header.live &+ 1
    let prefix = StateMemory.place(record)
    memory[prefix, Prefix.self].chunk = tail
    memory[prefix, Prefix.self].position = i
    row.lastSequence = sequence
  }

  @inline(never)
  private func addChunk() -> Bool {
    let keys = row.records
    let rooms = Self.chunkRooms
    let room =
      keys < rooms.small ? rooms.small : keys < rooms.medium * 2 ? rooms.medium : rooms.large
    guard reserveChunkPlace(), let chunk = memory.take(Self.chunkClass(room), .structure) else {
      return false
    }
    let first = row.lastSequence + 1
    let tail = row.tail
    memory[StateMemory.place(chunk), Chunk.self] = Chunk(
      room: UInt16(room), previous: tail, first: first)
    if tail != noSlot { memory[StateMemory.place(tail), Chunk.self].next = chunk }
    row.tail = chunk
    row.chunkCount += 1
    memory[chunkPlace(Int(row.chunkCount) - 1), ChunkPlace.self] = ChunkPlace(
      first: first, chunk: chunk)
    return true
  }

  /// Room for one more chunk at the end of the list.
  private func reserveChunkPlace() -> Bool {
    let stride = MemoryLayout<ChunkPlace>.stride
    let (start, count, room) = (Int(row.chunkStart), Int(row.chunkCount), Int(row.chunkRoom))
    if start + count < room { return true }
    if start > room / 4 {
      let list = StateMemory.place(row.chunks)
      memory.move(from: list + start * stride, to: list, count * stride)
      row.chunkStart = 0
      return true
    }
    let sizeClass = StateMemory.sizeClass(max(4, room * 2) * stride)
    guard StateMemory.classBytes(sizeClass) <= StateMemory.blockBytesMax,
      let list = memory.take(sizeClass, .structure)
    else { return false }
    if room > 0 {
      memory.move(from: chunkPlace(0), to: StateMemory.place(list), count * stride)
      memory.give(row.chunks, StateMemory.sizeClass(room * stride), .structure)
    }
    row.chunks = list
    row.chunkStart = 0
    row.chunkRoom = UInt32(max(4, room * 2))
    return true
  }

  // MARK: Holes

  /// Takes a record out of the order.
  @inline(__always)
  func leaveHole(_ chunk: UInt32, _ position: UInt16) {
    let place = StateMemory.place(chunk)
    let header = memory[place, Chunk.self]
    memory[recordPlace(place, header.room, Int(position)), UInt32.self] = noSlot
    precondition(header.live > 0, "a chunk of the order is miscounted")
    memory[place, Chunk.self].live = header.live &- 1
    // Neighbours are looked at every 16th time of a large chunk: they are seldom in the caches.
    if (header.live &- 1) & (header.room >> 4) == 0 { thin(chunk) }
  }

  /// A chunk has become sparse: it goes, or it is joined with a neighbour.
  @inline(never)
  private func thin(_ chunk: UInt32) {
    let place = StateMemory.place(chunk)
    let header = memory[place, Chunk.self]
    if header.live == 0 {
      guard chunk == row.tail else { return removeChunk(chunk) }
      memory[place, Chunk.self].used = 0
      memory[place, Chunk.self].head = 0
      row.version &+= 1
      return
    }
    if fits(header.previous, chunk) {
      join(header.previous, chunk)
    } else if fits(chunk, header.next) {
      join(chunk, header.next)
    }
  }

  private func fits(_ left: UInt32, _ right: UInt32) -> Bool {
    guard left != noSlot, right != noSlot else { return false }
    let a = memory[StateMemory.place(left), Chunk.self]
    let b = memory[StateMemory.place(right), Chunk.self]
    let room = max(a.room, b.room)
    return a.live + b.live <= (right == row.tail ? room / 2 : room)
  }

  /// Makes one chunk of two neighbours, which fit into it.
  private func join(_ left: UInt32, _ right: UInt32) {
    let a = memory[StateMemory.place(left), Chunk.self]
    let b = memory[StateMemory.place(right), Chunk.self]
    if a.room >= b.room {
      squeeze(left)
      copyRecords(of: right, to: left, at: Int(a.live))
      memory[StateMemory.place(left), Chunk.self].used = a.live + b.live
      memory[StateMemory.place(left), Chunk.self].live = a.live + b.live
      removeChunk(right)
    } else {
      squeeze(right)
      let place = StateMemory.place(right)
      let (from, to) = (sequencePlace(place, 0), sequencePlace(place, Int(a.live)))
      memory.move(from: from, to: to, Int(b.live) * 8)
      memory.move(
        from: recordPlace(place, b.room, 0), to: recordPlace(place, b.room, Int(a.live)),
        Int(b.live) * 4)
      for i in Int(a.live)..<Int(a.live + b.live) { note(right, i) }
      copyRecords(of: left, to: right, at: 0)
      memory[place, Chunk.self].used = a.live + b.live
      memory[place, Chunk.self].live = a.live + b.live
      // The list is in order by the lowest sequence, so the left one's place is the joint one's.
      let i = findChunk(b.first)
      memory[place, Chunk.self].first = a.first
      memory[chunkPlace(i), ChunkPlace.self].first = a.first
      removeChunk(left, at: i - 1)
    }
    row.version &+= 1
  }

  /// Closes the holes of a chunk.
  private func squeeze(_ chunk: UInt32) {
    let place = StateMemory.place(chunk)
    let header = memory[place, Chunk.self]
    var to = 0
    for i in Int(header.head)..<Int(header.used) {
      let record = memory[recordPlace(place, header.room, i), UInt32.self]
      guard record != noSlot else { continue }
      if to != i {
        let sequence = memory[sequencePlace(place, i), UInt64.self]
        memory[sequencePlace(place, to), UInt64.self] = sequence
        memory[recordPlace(place, header.room, to), UInt32.self] = record
        note(chunk, to)
      }
      to += 1
    }
    precondition(to == Int(header.live), "a chunk of the order is miscounted")
    memory[place, Chunk.self].used = header.live
    memory[place, Chunk.self].head = 0
  }

  /// Copies the records of one chunk, without its holes, to places of another.
  private func copyRecords(of source: UInt32, to target: UInt32, at start: Int) {
    let from = StateMemory.place(source)
    let place = StateMemory.place(target)
    let header = memory[from, Chunk.self]
    let room = memory[place, Chunk.self].room
    var to = start
    for i in Int(header.head)..<Int(header.used) {
      let record = memory[recordPlace(from, header.room, i), UInt32.self]
      guard record != noSlot else { continue }
      memory[sequencePlace(place, to), UInt64.self] = memory[sequencePlace(from, i), UInt64.self]
      memory[recordPlace(place, room, to), UInt32.self] = record
      note(target, to)
      to += 1
    }
    precondition(to == start + Int(header.live), "a chunk of the order is miscounted")
  }

  /// Tells a record where it stands.
  private func note(_ chunk: UInt32, _ i: Int) {
    let place = StateMemory.place(chunk)
    let record = memory[recordPlace(place, memory[place, Chunk.self].room, i), UInt32.self]
    memory[StateMemory.place(record), Prefix.self].chunk = chunk
    memory[StateMemory.place(record), Prefix.self].position = UInt16(i)
  }

  private func removeChunk(_ chunk: UInt32) {
    removeChunk(chunk, at: findChunk(memory[StateMemory.place(chunk), Chunk.self].first))
  }

  private func removeChunk(_ chunk: UInt32, at i: Int) {
    precondition(memory[chunkPlace(i), ChunkPlace.self].chunk == chunk, "a chunk out of order")
    let header = memory[StateMemory.place(chunk), Chunk.self]
    if header.previous != noSlot {
      memory[StateMemory.place(header.previous), Chunk.self].next = header.next
    }
    if header.next != noSlot {
      memory[StateMemory.place(header.next), Chunk.self].previous = header.previous
    }
    if row.tail == chunk { row.tail = header.previous }
    memory.give(chunk, Self.chunkClass(Int(header.room)), .structure)
    // The shorter part of the list moves up.
    let stride = MemoryLayout<ChunkPlace>.stride
    let count = Int(row.chunkCount)
    if i < count / 2 {
      memory.move(from: chunkPlace(0), to: chunkPlace(1), i * stride)
      row.chunkStart += 1
    } else {
      memory.move(from: chunkPlace(i + 1), to: chunkPlace(i), (count - 1 - i) * stride)
    }
    row.chunkCount -= 1
    row.version &+= 1
  }

  /// The chunk in which a sequence stands if it is there: the last one that begins at or before it,
  /// or the first of all. There must be one.
  func findChunk(_ sequence: UInt64) -> Int {
    var low = 0
    var high = Int(row.chunkCount)
    while high - low > 1 {
      let middle = (low + high) / 2
      if memory[chunkPlace(middle), ChunkPlace.self].first <= sequence {
        low = middle
      } else {
        high = middle
      }
    }
    return low
  }

  /// The first place of a chunk with a sequence of at least this.
  func findPosition(_ chunk: Int, _ sequence: UInt64) -> Int {
    var low = Int(memory[chunk, Chunk.self].head)
    var high = Int(memory[chunk, Chunk.self].used)
    while low < high {
      let middle = (low + high) / 2
      if memory[sequencePlace(chunk, middle), UInt64.self] < sequence {
        low = middle + 1
      } else {
        high = middle
      }
    }
    return low
  }

  /// The record with the lowest sequence; nil where there is none.
  func oldestRecord() -> UInt32? {
    for i in 0..<Int(row.chunkCount) {
      let place = StateMemory.place(memory[chunkPlace(i), ChunkPlace.self].chunk)
      let header = memory[place, Chunk.self]
      for at in Int(header.head)..<Int(header.used) {
        let record = memory[recordPlace(place, header.room, at), UInt32.self]
        guard record != noSlot else { continue }
        // Those who look after this need not pass the holes again.
        memory[place, Chunk.self].head = UInt16(at)
        return record
      }
    }
    return nil
  }

  /// Gives the order's memory back; it is empty.
  func clearOrder() {
    var chunk = row.tail
    while chunk != noSlot {
      let header = memory[StateMemory.place(chunk), Chunk.self]
      memory.give(chunk, Self.chunkClass(Int(header.room)), .structure)
      chunk = header.previous
    }
    if row.chunks != noSlot {
      let bytes = Int(row.chunkRoom) * MemoryLayout<ChunkPlace>.stride
      memory.give(row.chunks, StateMemory.sizeClass(bytes), .structure)
    }
    row.tail = noSlot
    row.chunks = noSlot
    row.chunkStart = 0
    row.chunkCount = 0
    row.chunkRoom = 0
    row.version &+= 1
  }
}
