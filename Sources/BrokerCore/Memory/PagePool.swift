/// The ring memory of one shard: one region, cut into pages of 2 KiB to 2 MiB by a buddy system.
///
/// The region is the ceiling: it is reserved once and never grows, so however topics and sizes
/// change, ring memory cannot pass it, and freed neighbours merge again, so it does not crumble.
/// Untouched parts of the region cost no resident memory; a page freed last is used first, while
/// it is still in the processor's caches. (Buddy system: Knowlton, CACM 1965; Knuth, TAOCP 1, 2.5.)
///
/// One thread, the shard's, owns the pool.
///
/// `@safe`: pages are handed out as `Page`, and only unit numbers inside the region are computed.
@safe
struct PagePool: ~Copyable {
  /// Smallest page: a topic that has seen a few events costs this much.
  static let unitBytes = 2048
  /// Largest page: room for the largest batch an operator can allow (1 MiB) and its header.
  static let orders = 11
  static var pageBytesMax: Int { unitBytes << (orders - 1) }

  private let base: UnsafeMutableRawPointer
  private let units: Int
  /// For each unit: 0 inside a block, else the block's order plus 1, plus 0x80 while it is free.
  private let marks: UnsafeMutablePointer<UInt8>
  /// For the first unit of a free block: its neighbours in the free list of its order.
  private let links: UnsafeMutablePointer<(next: UInt32, previous: UInt32)>
  private let state: UnsafeMutablePointer<State>

  private struct State {
    var heads: (
      UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32
    ) = (
      noSlot, noSlot, noSlot, noSlot, noSlot, noSlot, noSlot, noSlot, noSlot, noSlot, noSlot
    )
    var usedBytes = 0
    var usedPages = 0
    /// Blocks of the largest order that have never been cut; they are taken in order.
    var freshUnits = 0
  }

  /// - Parameter bytes: the ceiling; rounded down to whole largest pages, at least one.
  init(bytes: Int) {
    let blocks = max(1, bytes / Self.pageBytesMax)
    units = blocks << (Self.orders - 1)
    precondition(units < Int(noSlot), "ring memory is out of range")
    unsafe base = .allocate(byteCount: blocks * Self.pageBytesMax, alignment: 4096)
    unsafe marks = .allocate(capacity: units)
    unsafe links = .allocate(capacity: units)
    unsafe state = .allocate(capacity: 1)
    unsafe state.initialize(to: State())
  }

  deinit {
    unsafe base.deallocate()
    unsafe marks.deallocate()
    unsafe links.deallocate()
    unsafe state.deallocate()
  }

  /// Where the region starts. Pages are aligned to their own size from here.
  var regionStart: UnsafeMutableRawPointer { unsafe base }
  /// The ceiling.
  var capacityBytes: Int { units * Self.unitBytes }
  /// Bytes in pages that are handed out.
  var usedBytes: Int { unsafe state.pointee.usedBytes }
  /// Pages that are handed out.
  var usedPages: Int { unsafe state.pointee.usedPages }

  /// The order of the smallest page of at least `bytes`; nil when no page is that large.
  static func order(forBytes bytes: Int) -> Int? {
    guard bytes <= pageBytesMax else { return nil }
    if bytes <= unitBytes { return 0 }
    let unitsNeeded = (bytes + unitBytes - 1) / unitBytes
    return Int.bitWidth - (unitsNeeded - 1).leadingZeroBitCount
  }

  /// A page of at least `bytes`, header included; nil when there is none.
  func allocate(bytes: Int) -> Page? {
    guard let order = Self.order(forBytes: bytes) else { return nil }
    var found = order
    while found < Self.orders, head(found) == noSlot { found += 1 }
    var unit: UInt32
    if found < Self.orders {
      unit = head(found)
      unlink(unit, order: found)
    } else {
      guard unsafe state.pointee.freshUnits < units else { return nil }
      unit = unsafe UInt32(state.pointee.freshUnits)
      unsafe state.pointee.freshUnits += 1 << (Self.orders - 1)
      found = Self.orders - 1
    }
    // Cut the block down; the upper halves become free.
    while found > order {
      found -= 1
      link(unit + (UInt32(1) << UInt32(found)), order: found)
    }
    unsafe marks[Int(unit)] = UInt8(order + 1)
    unsafe state.pointee.usedBytes += Self.unitBytes << order
    unsafe state.pointee.usedPages += 1
    let bytes = Self.unitBytes << order
    return unsafe Page(base + Int(unit) * Self.unitBytes, bytes: bytes)
  }

  /// Takes a page back. Nobody may read it any more.
  func free(_ page: Page) {
    let offset = unsafe page.start - base
    precondition(offset >= 0 && offset < capacityBytes, "a page of another pool")
    var unit = UInt32(offset / Self.unitBytes)
    let mark = unsafe marks[Int(unit)]
    precondition(mark > 0 && mark & 0x80 == 0, "a free page was freed again")
    var order = Int(mark) - 1
    unsafe state.pointee.usedBytes -= Self.unitBytes << order
    unsafe state.pointee.usedPages -= 1
    while order < Self.orders - 1 {
      let buddy = unit ^ (UInt32(1) << UInt32(order))
      guard unsafe marks[Int(buddy)] == UInt8(order + 1) | 0x80 else { break }
      unlink(buddy, order: order)
      unsafe marks[Int(max(unit, buddy))] = 0
      unit = min(unit, buddy)
      order += 1
    }
    link(unit, order: order)
  }

  /// Takes all of the pool out of use but one block of `bytes`, a page's size; nothing for 0.
  /// - Returns: how much was taken.
  func holdBack(allBut bytes: Int) -> Int {
    guard bytes > 0 else { return 0 }
    while usedBytes < capacityBytes - Self.pageBytesMax { _ = allocate(bytes: Self.pageBytesMax) }
    var size = Self.pageBytesMax / 2
    while size >= bytes {
      _ = allocate(bytes: size)
      size /= 2
    }
    return usedBytes
  }

  private func head(_ order: Int) -> UInt32 {
    unsafe withUnsafeBytes(of: &state.pointee.heads) {
      unsafe $0.load(fromByteOffset: order * 4, as: UInt32.self)
    }
  }

  private func setHead(_ order: Int, _ unit: UInt32) {
    unsafe withUnsafeMutableBytes(of: &state.pointee.heads) {
      unsafe $0.storeBytes(of: unit, toByteOffset: order * 4, as: UInt32.self)
    }
  }

  private func link(_ unit: UInt32, order: Int) {
    let next = head(order)
    unsafe links[Int(unit)] = (next, noSlot)
    if next != noSlot { unsafe links[Int(next)].previous = unit }
    setHead(order, unit)
    unsafe marks[Int(unit)] = UInt8(order + 1) | 0x80
  }

  private func unlink(_ unit: UInt32, order: Int) {
    let (next, previous) = unsafe links[Int(unit)]
    if previous == noSlot {
      setHead(order, next)
    } else {
      unsafe links[Int(previous)].next = next
    }
    if next != noSlot { unsafe links[Int(next)].previous = previous }
    unsafe marks[Int(unit)] = 0
  }
}
