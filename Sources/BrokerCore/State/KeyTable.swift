// The table from key to record: extendible hashing (Fagin, Nievergelt, Pippenger, Strong, ACM TODS
// 4, 1979). A key's tag is 32 bits of its hash. The upper ones name the segment, in a list of
// 2^depth that is doubled when a segment is split that it names once only; the lower ones say where
// in the segment to look first. Within a segment: linear probing, and deleting moves later elements
// back, as in `HashIndex`.
//
// An element is the tag and the record, so that only records whose tags agree are looked at.

extension KeyIndex {
  /// The start of a segment; elements follow.
  private struct Segment: BitwiseCopyable {
    var room: UInt32
    var count: UInt32 = 0
    /// Upper bits that all its tags share.
    var depth: UInt32
    var reserved: UInt32 = 0
  }

  private struct Element: BitwiseCopyable {
    var tag: UInt32
    var record: UInt32
  }

  private static let segmentHeaderBytes = 16
  private static let elementBytes = 8
  /// Elements of segments, in the order in which they grow; each fills its block.
  private static let segmentRooms: (UInt32, UInt32, UInt32, UInt32) = (16, 61, 249, 507)
  /// 65,536 segments, enough for 16 million keys. Segments of more than that, or of keys that meet
  /// for want of a secret, grow.
  private static let depthMax: UInt32 = 16

  private static func segmentClass(_ room: UInt32) -> Int {
    StateMemory.sizeClass(segmentHeaderBytes + Int(room) * elementBytes)
  }

  @inline(__always)
  private func segmentIndex(_ tag: UInt32, _ depth: UInt32) -> Int {
    Int(truncatingIfNeeded: UInt64(tag) &>> UInt64(32 &- depth))
  }

  @inline(__always)
  private func segment(of tag: UInt32) -> Int {
    let list = StateMemory.place(row.segments)
    return StateMemory.place(memory[list &+ segmentIndex(tag, row.depth) &* 4, UInt32.self])
  }

  @inline(__always)
  private static func home(_ tag: UInt32, _ room: UInt32) -> Int {
    Int(truncatingIfNeeded: (UInt64(tag & 0xFFFF) &* UInt64(room)) &>> 16)
  }

  @inline(__always)
  private func elementPlace(_ segment: Int, _ i: Int) -> Int {
    segment &+ Self.segmentHeaderBytes &+ i &* Self.elementBytes
  }

  // MARK: Looking

  /// Where the table names the record of a key; nil where the key is not known.
  @inline(__always)
  func find(_ tag: UInt32, where isKey: (_ record: Int) -> Bool) -> Int? {
    guard row.segments != noSlot else { return nil }
    let segment = segment(of: tag)
    let room = Int(memory[segment, Segment.self].room)
    var i = Self.home(tag, UInt32(truncatingIfNeeded: room))
    while true {
      let place = elementPlace(segment, i)
      let element = memory[place, Element.self]
      if element.record == noSlot { return nil }
      if element.tag == tag, isKey(StateMemory.place(element.record)) { return place + 4 }
      i &+= 1
      if i == room { i = 0 }
    }
  }

  /// Where the table names a record that it has.
  func find(_ tag: UInt32, record: UInt32) -> Int {
    guard let place = find(tag, where: { $0 == StateMemory.place(record) }) else {
      preconditionFailure("a record that the table does not have")
    }
    return place
  }

  // MARK: Changing

  /// Makes sure that `insert` has room for a tag. False where there is no memory.
  @inline(__always)
  func reserveTable(_ tag: UInt32) -> Bool {
    if row.segments != noSlot {
      let header = memory[segment(of: tag), Segment.self]
      if (header.count + 1) * 4 <= header.room * 3 { return true }
    }
    return growTable(tag)
  }

  @inline(never)
  private func growTable(_ tag: UInt32) -> Bool {
    if row.segments == noSlot {
      let listClass = StateMemory.sizeClass(4)
      guard let first = makeSegment(Self.segmentRooms.0, depth: 0) else { return false }
      guard let list = memory.take(listClass, .structure) else {
        memory.give(first, Self.segmentClass(Self.segmentRooms.0), .structure)
        return false
      }
      memory[StateMemory.place(list), UInt32.self] = first
      row.segments = list
      row.depth = 0
    }
    while true {
      let header = memory[segment(of: tag), Segment.self]
      if (header.count + 1) * 4 <= header.room * 3 { return true }
      let rooms = Self.segmentRooms
      let isGrown =
        header.room < rooms.3
        ? enlarge(tag, header.room < rooms.1 ? rooms.1 : header.room < rooms.2 ? rooms.2 : rooms.3)
        : header.depth < Self.depthMax ? split(tag) : enlarge(tag, header.room * 2)
      if !isGrown { return false }
    }
  }

  private func makeSegment(_ room: UInt32, depth: UInt32) -> UInt32? {
    let sizeClass = Self.segmentClass(room)
    guard StateMemory.classBytes(sizeClass) <= StateMemory.blockBytesMax,
      let block = memory.take(sizeClass, .structure)
    else { return nil }
    let place = StateMemory.place(block)
    memory[place, Segment.self] = Segment(room: room, depth: depth)
    for i in 0..<Int(room) {
      memory[elementPlace(place, i), Element.self] = Element(tag: 0, record: noSlot)
    }
    return block
  }

  /// Puts a larger segment in the place of the one for a tag.
  private func enlarge(_ tag: UInt32, _ room: UInt32) -> Bool {
    let old = segment(of: tag)
    let header = memory[old, Segment.self]
    guard let larger = makeSegment(room, depth: header.depth) else { return false }
    for i in 0..<Int(header.room) {
      let element = memory[elementPlace(old, i), Element.self]
      if element.record != noSlot { put(element, StateMemory.place(larger)) }
    }
    name(larger, for: tag, depth: header.depth)
    memory.give(
      UInt32(old / StateMemory.granule), Self.segmentClass(header.room), .structure)
    return true
  }

  /// Makes two segments of the one for a tag, by one more bit.
  private func split(_ tag: UInt32) -> Bool {
    let old = segment(of: tag)
    let header = memory[old, Segment.self]
    if header.depth == row.depth, !doubleList() { return false }
    let depth = header.depth + 1
    guard let zero = makeSegment(header.room, depth: depth) else { return false }
    guard let one = makeSegment(header.room, depth: depth) else {
      memory.give(zero, Self.segmentClass(header.room), .structure)
      return false
    }
    let bit = UInt32(1) << (32 - depth)
    for i in 0..<Int(header.room) {
      let element = memory[elementPlace(old, i), Element.self]
      guard element.record != noSlot else { continue }
      put(element, StateMemory.place(element.tag & bit == 0 ? zero : one))
    }
    name(zero, for: tag & ~bit, depth: depth)
    name(one, for: tag | bit, depth: depth)
    memory.give(
      UInt32(old / StateMemory.granule), Self.segmentClass(header.room), .structure)
    return true
  }

  private func doubleList() -> Bool {
    let count = 1 << Int(row.depth)
    guard let list = memory.take(StateMemory.sizeClass(count * 8), .structure) else { return false }
    let from = StateMemory.place(row.segments)
    let to = StateMemory.place(list)
    for i in 0..<count {
      let segment = memory[from + i * 4, UInt32.self]
      memory[to + i * 8, UInt32.self] = segment
      memory[to + i * 8 + 4, UInt32.self] = segment
    }
    memory.give(row.segments, StateMemory.sizeClass(count * 4), .structure)
    row.segments = list
    row.depth += 1
    return true
  }

  /// Names a segment for all tags that share the first bits of one.
  private func name(_ segment: UInt32, for tag: UInt32, depth: UInt32) {
    let count = 1 << Int(row.depth - depth)
    let first = segmentIndex(tag, depth) * count
    let list = StateMemory.place(row.segments)
    for i in first..<(first + count) { memory[list + i * 4, UInt32.self] = segment }
  }

  @inline(__always)
  private func put(_ element: Element, _ segment: Int) {
    let room = memory[segment, Segment.self].room
    var i = Self.home(element.tag, room)
    while memory[elementPlace(segment, i), Element.self].record != noSlot {
      i = i + 1 == Int(room) ? 0 : i + 1
    }
    memory[elementPlace(segment, i), Element.self] = element
    memory[segment, Segment.self].count += 1
  }

  /// Adds a key that is not there; the room for it is.
  func insert(_ tag: UInt32, _ record: UInt32) {
    put(Element(tag: tag, record: record), segment(of: tag))
  }

  /// Removes a key that is there.
  func removeKey(_ tag: UInt32, record: UInt32) {
    let segment = segment(of: tag)
    let room = Int(memory[segment, Segment.self].room)
    var hole = (find(tag, record: record) - segment - Self.segmentHeaderBytes) / Self.elementBytes
    // Close the hole: move back every later element of the run whose home is at or before the hole.
    var i = hole + 1 == room ? 0 : hole + 1
    while true {
      let element = memory[elementPlace(segment, i), Element.self]
      if element.record == noSlot { break }
      let home = Self.home(element.tag, UInt32(room))
      let fromHome = i - home + (i < home ? room : 0)
      let fromHole = i - hole + (i < hole ? room : 0)
      if fromHome >= fromHole {
        memory[elementPlace(segment, hole), Element.self] = element
        hole = i
      }
      i = i + 1 == room ? 0 : i + 1
    }
    memory[elementPlace(segment, hole), Element.self].record = noSlot
    memory[segment, Segment.self].count -= 1
  }

  /// Gives the table's memory back; nothing is in it.
  func clearTable() {
    guard row.segments != noSlot else { return }
    let list = StateMemory.place(row.segments)
    var i = 0
    while i < 1 << Int(row.depth) {
      let segment = memory[list + i * 4, UInt32.self]
      let header = memory[StateMemory.place(segment), Segment.self]
      memory.give(segment, Self.segmentClass(header.room), .structure)
      // As often as it is named.
      i += 1 << Int(row.depth - header.depth)
    }
    memory.give(row.segments, StateMemory.sizeClass(4 << Int(row.depth)), .structure)
    row.segments = noSlot
    row.depth = 0
  }
}
