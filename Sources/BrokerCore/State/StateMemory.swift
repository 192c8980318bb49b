import WireFormat

/// Where the keyed topics of one shard keep their newest records and what finds them: one region of
/// a size that was chosen at start, cut into blocks of classes, each a quarter larger than the one
/// before.
///
/// Blocks of one class, up to 4 KiB, lie in slabs of 16 KiB, which come out of a `PagePool` and go
/// back when they are empty; larger blocks are pages of their own. So nothing is allocated once the
/// broker runs, the region is the ceiling, and what no topic needs any more is there for every
/// other. Where the sizes of records change, sparse slabs of the old classes are emptied
/// (`KeyIndex.makeRoom`).
///
/// A block is named by a number, its place in the region in units of 16 bytes.
///
/// One thread, the shard's, owns it. This value is an address, and copying it counts nothing; the
/// shard ends it with `deallocate`.
///
/// `@safe`: every access is checked against the region, of which every byte is plain memory. A
/// wrong block would give wrong numbers, and no access outside.
@safe
struct StateMemory: BitwiseCopyable {
  /// A block's number times this is where it starts.
  static let granule = 16
  /// The least that is of use: a few slabs of each kind.
  static let bytesMin = 256 << 10
  /// The most that a region can have with 32 bits for a block: 32 GiB.
  static let bytesMax = 1 << 35
  /// The most keys that an index can have: its list of chunks must fit into one block, and chunks
  /// are half full.
  static let keysLimit = 1 << 23

  /// What a block is for. Records can be moved to another block when a slab is to be emptied, so
  /// they have slabs of their own.
  enum Kind: Int {
    case record = 0
    case structure = 64
  }

  /// Constants of the keyed topics of a shard, and what they share.
  struct Shared: BitwiseCopyable {
    var keysMax: Int
    var hash: KeyHash
    /// A ring of the indexes, from which the next to be looked at is drawn.
    var indexes = noSlot
    var indexCount = 0
    /// The first of the indexes that lost values to others since somebody looked.
    var evicted = noSlot
  }

  private struct SlabClass: BitwiseCopyable {
    /// Slabs with a free block.
    var partial = noSlot
    /// Free blocks in them.
    var free = 0
  }

  /// The start of a slab.
  private struct Slab: BitwiseCopyable {
    var sizeClass: UInt16
    var total: UInt16
    var used: UInt16 = 0
    /// Blocks that have ever been used; the others follow.
    var fresh: UInt16 = 0
    /// Blocks that were given back, each naming the next.
    var freeHead = noSlot
    var next = noSlot
    var previous = noSlot
    var reserved: (UInt32, UInt32) = (0, 0)
  }

  private struct State: ~Copyable {
    let pages: PagePool
    /// What is missing of a region that is smaller than a largest page.
    let heldBackBytes: Int
    var blockBytes = 0
    var shared: Shared
  }

  private static let slabHeaderBytes = 32
  private static let slabBytes = 16 << 10
  /// Classes below are in steps of 16 bytes, the others in quarters of a power of two.
  private static let fineClasses = 32
  private static let slabClasses = 44
  /// The largest block in a slab; of a quarter of a slab 16 bytes are left to the slab's header.
  private static let slabBlockBytesMax = 4080
  /// Classes from `slabClasses` on are pages of this and its doubles.
  private static let pageBytesMin = 8 << 10
  static let blockBytesMax = PagePool.pageBytesMax

  private let base: UnsafeMutableRawPointer
  let capacityBytes: Int
  private let state: UnsafeMutablePointer<State>
  private let classes: UnsafeMutablePointer<SlabClass>

  /// - Parameter bytes: the ceiling, at least `bytesMin`; rounded down to whole largest pages, or
  ///   to a power of two where it is less than one.
  init(bytes: Int, keysMax: Int, hash: KeyHash) {
    precondition(bytes >= Self.bytesMin && bytes <= Self.bytesMax, "a region of no use")
    let pages = PagePool(bytes: bytes)
    let isSmall = bytes < PagePool.pageBytesMax
    let heldBackBytes =
      isSmall ? pages.holdBack(allBut: 1 << (Int.bitWidth - 1 - bytes.leadingZeroBitCount)) : 0
    unsafe base = pages.regionStart
    capacityBytes = pages.capacityBytes
    unsafe state = .allocate(capacity: 1)
    unsafe state.initialize(
      to: State(
        pages: pages, heldBackBytes: heldBackBytes, shared: Shared(keysMax: keysMax, hash: hash)))
    unsafe classes = .allocate(capacity: Kind.structure.rawValue * 2)
    unsafe classes.initialize(repeating: SlabClass(), count: Kind.structure.rawValue * 2)
  }

  /// Ends the region and all that is in it.
  func deallocate() {
    unsafe state.deinitialize(count: 1)
    unsafe state.deallocate()
    unsafe classes.deallocate()
  }

  /// Bytes of the region that are taken: slabs and pages.
  var usedBytes: Int { unsafe state.pointee.pages.usedBytes - state.pointee.heldBackBytes }
  /// Bytes of the blocks that are handed out.
  var blockBytes: Int { unsafe state.pointee.blockBytes }

  var shared: Shared {
    get { unsafe state.pointee.shared }
    nonmutating set { unsafe state.pointee.shared = newValue }
  }
  /// Constants alone, without copying the others.
  var hash: KeyHash { unsafe state.pointee.shared.hash }
  var keysMax: Int { unsafe state.pointee.shared.keysMax }

  // MARK: Access

  /// Where a block starts.
  @inline(__always)
  static func place(_ block: UInt32) -> Int { Int(block) &* granule }

  @inline(__always)
  private func check(_ place: Int, _ bytes: Int) {
    precondition(
      bytes >= 0 && bytes <= capacityBytes
        && UInt(bitPattern: place) <= UInt(bitPattern: capacityBytes &- bytes),
      "outside the region")
  }

  /// The same for a value, which is smaller than any region.
  @inline(__always)
  private func check<T: BitwiseCopyable>(_ place: Int, _: T.Type) {
    precondition(
      UInt(bitPattern: place) <= UInt(bitPattern: capacityBytes &- MemoryLayout<T>.size),
      "outside the region")
  }

  /// The value at a place, which is aligned for it.
  @inline(__always)
  subscript<T: BitwiseCopyable>(_ place: Int, _: T.Type) -> T {
    @inline(__always) unsafeAddress {
      check(place, T.self)
      return unsafe UnsafePointer((base + place).assumingMemoryBound(to: T.self))
    }
    @inline(__always) nonmutating unsafeMutableAddress {
      check(place, T.self)
      return unsafe (base + place).assumingMemoryBound(to: T.self)
    }
  }

  func move(from source: Int, to target: Int, _ bytes: Int) {
    check(source, bytes)
    check(target, bytes)
    unsafe (base + target).copyMemory(from: base + source, byteCount: bytes)
  }

  /// Whether the same bytes stand at a place.
  @unsafe @inline(__always)
  func isEqual(_ place: Int, _ other: UnsafeRawBufferPointer) -> Bool {
    let count = other.count
    check(place, count)
    let here = unsafe base + place
    var at = 0
    while count - at >= 8 {
      let a = unsafe here.loadUnaligned(fromByteOffset: at, as: UInt64.self)
      let b = unsafe other.loadUnaligned(fromByteOffset: at, as: UInt64.self)
      if a != b { return false }
      at += 8
    }
    while at < count {
      let a = unsafe here.load(fromByteOffset: at, as: UInt8.self)
      if unsafe a != other[at] { return false }
      at += 1
    }
    return true
  }

  /// Room in the region.
  @unsafe @inline(__always)
  func room(_ place: Int, _ count: Int) -> UnsafeMutableRawPointer {
    check(place, count)
    return unsafe base + place
  }

  /// The batch at a place, where there is one.
  @inline(__always)
  func batch(_ place: Int) -> BatchRef {
    check(place, BatchField.size)
    return unsafe BatchRef(base + place)
  }

  func seal(_ place: Int) {
    check(place, batch(place).length)
    unsafe Batch.seal(base + place)
  }

  func bury(_ place: Int) {
    check(place, batch(place).length)
    unsafe Batch.bury(base + place)
  }

  // MARK: Blocks

  /// The class of the smallest block of at least `bytes`.
  @inline(__always)
  static func sizeClass(_ bytes: Int) -> Int {
    if bytes <= 512 { return (max(bytes, 1) + 15) / granule - 1 }
    if bytes <= slabBlockBytesMax {
      // Of each size 16 bytes are left out, so that a slab's header costs no block.
      let n = bytes + 15
      let log = Int.bitWidth - 1 - n.leadingZeroBitCount
      return fineClasses + (log - 9) * 4 + (n >> (log - 2)) & 3
    }
    let order = Int.bitWidth - ((bytes - 1) / pageBytesMin).leadingZeroBitCount
    return slabClasses + order
  }

  /// Bytes of a block of a class.
  @inline(__always)
  static func classBytes(_ sizeClass: Int) -> Int {
    if sizeClass < fineClasses { return (sizeClass + 1) * granule }
    if sizeClass < slabClasses {
      let step = sizeClass - fineClasses
      return (step & 3 + 5) << (step / 4 + 7) - 16
    }
    return pageBytesMin << (sizeClass - slabClasses)
  }

  /// Blocks of a class in a slab.
  private static func slabBlocks(_ sizeClass: Int) -> Int {
    (slabBytes - slabHeaderBytes) / classBytes(sizeClass)
  }

  /// A block of a class; nil where there is none.
  func take(_ sizeClass: Int, _ kind: Kind) -> UInt32? {
    let bytes = Self.classBytes(sizeClass)
    guard sizeClass < Self.slabClasses else {
      guard bytes <= Self.blockBytesMax,
        let page = unsafe state.pointee.pages.allocate(bytes: bytes)
      else { return nil }
      unsafe state.pointee.blockBytes += bytes
      return unsafe block(of: page)
    }
    let list = sizeClass + kind.rawValue
    if unsafe classes[list].partial == noSlot, !addSlab(sizeClass, list) { return nil }
    let slab = unsafe Self.place(classes[list].partial)
    var header = self[slab, Slab.self]
    let block: UInt32
    if header.freeHead != noSlot {
      block = header.freeHead
      header.freeHead = self[Self.place(block), UInt32.self]
    } else {
      block = UInt32((slab + Self.slabHeaderBytes + Int(header.fresh) * bytes) / Self.granule)
      header.fresh += 1
    }
    header.used += 1
    self[slab, Slab.self] = header
    if header.used == header.total { unlink(slab, list) }
    unsafe classes[list].free -= 1
    unsafe state.pointee.blockBytes += bytes
    return block
  }

  /// Takes a block back.
  func give(_ block: UInt32, _ sizeClass: Int, _ kind: Kind) {
    let bytes = Self.classBytes(sizeClass)
    unsafe state.pointee.blockBytes -= bytes
    guard sizeClass < Self.slabClasses else {
      freePage(Self.place(block))
      return
    }
    let list = sizeClass + kind.rawValue
    let slab = Self.place(block) & ~(Self.slabBytes - 1)
    var header = self[slab, Slab.self]
    precondition(Int(header.sizeClass) == list && header.used > 0, "a block of another class")
    self[Self.place(block), UInt32.self] = header.freeHead
    header.freeHead = block
    header.used -= 1
    self[slab, Slab.self] = header
    unsafe classes[list].free += 1
    if header.used + 1 == header.total { link(slab, list) }
    if header.used == 0 {
      unlink(slab, list)
      unsafe classes[list].free -= Int(header.total)
      freePage(slab)
    }
  }

  private func addSlab(_ sizeClass: Int, _ list: Int) -> Bool {
    guard let page = unsafe state.pointee.pages.allocate(bytes: Self.slabBytes) else {
      return false
    }
    let slab = unsafe Self.place(block(of: page))
    let total = Self.slabBlocks(sizeClass)
    self[slab, Slab.self] = Slab(sizeClass: UInt16(list), total: UInt16(total))
    unsafe classes[list].free += total
    link(slab, list)
    return true
  }

  @unsafe
  private func block(of page: Page) -> UInt32 { unsafe UInt32((page.start - base) / Self.granule) }

  private func freePage(_ place: Int) {
    guard let page = unsafe Page(address: UInt(bitPattern: base + place)) else { return }
    unsafe state.pointee.pages.free(page)
  }

  private func link(_ slab: Int, _ list: Int) {
    let block = UInt32(slab / Self.granule)
    let next = unsafe classes[list].partial
    self[slab, Slab.self].next = next
    self[slab, Slab.self].previous = noSlot
    if next != noSlot { self[Self.place(next), Slab.self].previous = block }
    unsafe classes[list].partial = block
  }

  private func unlink(_ slab: Int, _ list: Int) {
    let header = self[slab, Slab.self]
    if header.previous == noSlot {
      unsafe classes[list].partial = header.next
    } else {
      self[Self.place(header.previous), Slab.self].next = header.next
    }
    if header.next != noSlot { self[Self.place(header.next), Slab.self].previous = header.previous }
  }

  // MARK: Emptying slabs

  /// A slab of records that is being emptied.
  struct SparseSlab: BitwiseCopyable {
    fileprivate var start: Int
    let sizeClass: Int
    /// Blocks that it has, used or not.
    let total: Int
    fileprivate var free: UInt32
  }

  /// How many slabs of a class are looked at for the one with the fewest blocks.
  private static let looksMax = 32

  /// A slab of records whose blocks all find room in the others of its class; nil where there is
  /// none. No block is taken from it any more: its records are moved out, then `finish` ends it.
  func sparseSlab() -> SparseSlab? {
    for list in 0..<Self.slabClasses {
      let total = Self.slabBlocks(list)
      guard unsafe classes[list].free >= total else { continue }
      var best = unsafe classes[list].partial
      var next = best
      for _ in 0..<Self.looksMax where next != noSlot {
        if self[Self.place(next), Slab.self].used < self[Self.place(best), Slab.self].used {
          best = next
        }
        next = self[Self.place(next), Slab.self].next
      }
      let slab = Self.place(best)
      let header = self[slab, Slab.self]
      unlink(slab, list)
      unsafe classes[list].free -= total - Int(header.used)
      return SparseSlab(start: slab, sizeClass: list, total: total, free: header.freeHead)
    }
    return nil
  }

  /// The block at a position of a slab that is being emptied.
  func block(_ slab: SparseSlab, _ i: Int) -> UInt32 {
    UInt32((slab.start + Self.slabHeaderBytes + i * Self.classBytes(slab.sizeClass)) / Self.granule)
  }

  /// How many of its blocks have ever been used; those behind are free.
  func touched(_ slab: SparseSlab) -> Int { Int(self[slab.start, Slab.self].fresh) }

  /// Positions of the free blocks before `touched`.
  func forEachFree(_ slab: SparseSlab, _ body: (Int) -> Void) {
    var block = slab.free
    while block != noSlot {
      let at = Self.place(block) - slab.start - Self.slabHeaderBytes
      body(at / Self.classBytes(slab.sizeClass))
      block = self[Self.place(block), UInt32.self]
    }
  }

  /// A slab is empty: all its records have been copied to other blocks.
  func finish(_ slab: SparseSlab) {
    let used = Int(self[slab.start, Slab.self].used)
    unsafe state.pointee.blockBytes -= used * Self.classBytes(slab.sizeClass)
    freePage(slab.start)
  }
}
