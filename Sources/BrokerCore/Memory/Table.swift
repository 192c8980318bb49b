/// Rows of one kind in one allocation, addressed by slot number: the broker's tables of
/// connections, subscriptions, cursors and the like.
///
/// A row is a plain value without references, so nothing here is ever counted, and a slot number
/// costs four bytes where a reference would cost an object. The memory for all `capacity` rows is
/// reserved at once and touched only as rows are first used; it is never given back while the
/// table lives. Freed slots are used again, the last freed first; fresh ones come in order.
///
/// One thread owns a table. The table is a constant of its owner and hands out rows in place, so
/// no exclusivity check and no copy stands between `table[slot].field` and the memory.
///
/// `@safe`: every subscript checks the slot against the rows that have ever been in use, and rows
/// are trivial values that are initialised before a slot is handed out.
@safe
struct Table<Row: BitwiseCopyable>: ~Copyable {
  private let rows: UnsafeMutablePointer<Row>
  private let links: UnsafeMutablePointer<UInt32>
  private let state: UnsafeMutablePointer<State>
  let capacity: Int

  private struct State {
    var highWater: UInt32 = 0
    var freeHead: UInt32 = noSlot
    var used: UInt32 = 0
  }

  /// Marks in `links` a slot that is in use.
  private static var inUse: UInt32 { 0xFFFF_FFFE }

  init(capacity: Int) {
    precondition(capacity > 0 && capacity < Int(Self.inUse), "a table's capacity is out of range")
    self.capacity = capacity
    unsafe rows = .allocate(capacity: capacity)
    unsafe links = .allocate(capacity: capacity)
    unsafe state = .allocate(capacity: 1)
    unsafe state.initialize(to: State())
  }

  deinit {
    unsafe rows.deallocate()
    unsafe links.deallocate()
    unsafe state.deallocate()
  }

  /// Rows in use.
  var used: Int { unsafe Int(state.pointee.used) }

  /// Slots that have ever been in use: all used slots are below this.
  var highWater: Int { unsafe Int(state.pointee.highWater) }

  /// Takes a free slot and puts `row` there; nil when all `capacity` slots are in use.
  func insert(_ row: Row) -> UInt32? {
    let slot: UInt32
    if unsafe state.pointee.freeHead != noSlot {
      slot = unsafe state.pointee.freeHead
      unsafe state.pointee.freeHead = links[Int(slot)]
    } else {
      guard unsafe Int(state.pointee.highWater) < capacity else { return nil }
      slot = unsafe state.pointee.highWater
      unsafe state.pointee.highWater += 1
    }
    unsafe links[Int(slot)] = Self.inUse
    unsafe (rows + Int(slot)).initialize(to: row)
    unsafe state.pointee.used += 1
    return slot
  }

  /// Frees a slot that is in use.
  func remove(_ slot: UInt32) {
    precondition(isUsed(slot), "a free slot was freed again")
    unsafe links[Int(slot)] = state.pointee.freeHead
    unsafe state.pointee.freeHead = slot
    unsafe state.pointee.used -= 1
  }

  func isUsed(_ slot: UInt32) -> Bool {
    unsafe slot < state.pointee.highWater && links[Int(slot)] == Self.inUse
  }

  subscript(_ slot: UInt32) -> Row {
    unsafeAddress {
      unsafe precondition(slot < state.pointee.highWater, "no such row")
      return unsafe UnsafePointer(rows + Int(slot))
    }
    nonmutating unsafeMutableAddress {
      unsafe precondition(slot < state.pointee.highWater, "no such row")
      return unsafe rows + Int(slot)
    }
  }
}

/// The slot number that stands for none.
let noSlot: UInt32 = 0xFFFF_FFFF

/// A fixed array of plain values, filled at its creation, in memory that is touched only as it is
/// used when `zeroed`. For tables that are indexed by somebody else's numbers.
///
/// `@safe`: every subscript is checked, and every element is initialised at creation.
@safe
struct FixedArray<Element: BitwiseCopyable>: ~Copyable {
  private let elements: UnsafeMutablePointer<Element>
  let count: Int

  init(count: Int, repeating element: Element) {
    precondition(count > 0, "an empty fixed array")
    self.count = count
    unsafe elements = .allocate(capacity: count)
    unsafe elements.initialize(repeating: element, count: count)
  }

  deinit { unsafe elements.deallocate() }

  subscript(_ index: Int) -> Element {
    unsafeAddress {
      precondition(UInt(bitPattern: index) < UInt(bitPattern: count), "index out of range")
      return unsafe UnsafePointer(elements + index)
    }
    nonmutating unsafeMutableAddress {
      precondition(UInt(bitPattern: index) < UInt(bitPattern: count), "index out of range")
      return unsafe elements + index
    }
  }
}
