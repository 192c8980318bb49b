/// A list of slots that a turn fills and empties, with room for every slot once.
@safe
struct SlotList: ~Copyable {
  private let slots: UnsafeMutablePointer<UInt32>
  private let state: UnsafeMutablePointer<Int>
  private let capacity: Int

  init(capacity: Int) {
    self.capacity = capacity
    unsafe slots = .allocate(capacity: capacity)
    unsafe state = .allocate(capacity: 1)
    unsafe state.initialize(to: 0)
  }

  deinit {
    unsafe slots.deallocate()
    unsafe state.deallocate()
  }

  var count: Int { unsafe state.pointee }
  var isEmpty: Bool { count == 0 }

  func append(_ slot: UInt32) {
    precondition(count < capacity, "a slot is listed twice")
    unsafe slots[count] = slot
    unsafe state.pointee += 1
  }

  /// The slot at `position`; the list may grow while it is gone through.
  subscript(_ position: Int) -> UInt32 {
    precondition(position >= 0 && position < count, "past the end of a list")
    return unsafe slots[position]
  }

  /// Takes out what stands at `position`; the last takes its place.
  func remove(at position: Int) {
    precondition(position >= 0 && position < count, "past the end of a list")
    unsafe slots[position] = slots[count - 1]
    unsafe state.pointee -= 1
  }

  func removeAll() { unsafe state.pointee = 0 }

  /// Takes one slot out, wherever it stands; the last takes its place.
  func removeValue(_ slot: UInt32) {
    for i in 0..<count where unsafe slots[i] == slot {
      unsafe slots[i] = slots[count - 1]
      unsafe state.pointee -= 1
      return
    }
  }

  func removeLast() -> UInt32? {
    guard count > 0 else { return nil }
    unsafe state.pointee -= 1
    return unsafe slots[count]
  }
}
