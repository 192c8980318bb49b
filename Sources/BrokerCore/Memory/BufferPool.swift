/// Memory for what a connection must keep between turns: a frame that has not arrived whole, the
/// rest of one that was cut by a full socket, control frames that wait. Power-of-two sizes with a
/// free list each, under a limit in bytes that was chosen at start.
///
/// One thread owns a pool.
@safe
struct BufferPool: ~Copyable {
  /// 16 B << 19 = 8 MiB: more than the largest frame an operator can allow.
  static let classes = 20
  /// What a pattern of usual length takes: each waiting subscriber may have one of its own. With
  /// the allocator's own 8 bytes it is 32; a block of 32 would take 48.
  private static let bytesMin = 24

  fileprivate static func blockBytes(_ sizeClass: Int) -> Int {
    sizeClass == 0 ? bytesMin : 16 << sizeClass
  }

  private let free: UnsafeMutablePointer<UnsafeMutableRawPointer?>
  private let state: UnsafeMutablePointer<State>
  let limitBytes: Int
  /// How much memory in free lists is kept for the next use instead of given back.
  private static let keepBytesMax = 4 << 20

  private struct State {
    var usedBytes = 0
    var keptBytes = 0
  }

  init(limitBytes: Int) {
    self.limitBytes = limitBytes
    unsafe free = .allocate(capacity: Self.classes)
    unsafe free.initialize(repeating: nil, count: Self.classes)
    unsafe state = .allocate(capacity: 1)
    unsafe state.initialize(to: State())
  }

  deinit {
    for i in 0..<Self.classes {
      var next = unsafe free[i]
      while let block = unsafe next {
        unsafe next = block.load(as: UnsafeMutableRawPointer?.self)
        unsafe block.deallocate()
      }
    }
    unsafe free.deallocate()
    unsafe state.deallocate()
  }

  /// Bytes in buffers that are handed out.
  var usedBytes: Int { unsafe state.pointee.usedBytes }

  private static func sizeClass(_ bytes: Int) -> Int {
    bytes <= bytesMin ? 0 : Int.bitWidth - (bytes - 1).leadingZeroBitCount - 4
  }

  /// An empty buffer of at least `bytes`; nil where the limit does not allow it.
  func take(_ bytes: Int) -> Buffer? {
    let index = Self.sizeClass(bytes)
    precondition(index < Self.classes, "a buffer that no frame needs")
    let size = Self.blockBytes(index)
    guard unsafe state.pointee.usedBytes + size <= limitBytes else { return nil }
    unsafe state.pointee.usedBytes += size
    if let block = unsafe free[index] {
      unsafe free[index] = block.load(as: UnsafeMutableRawPointer?.self)
      unsafe state.pointee.keptBytes -= size
      return unsafe Buffer(block, sizeClass: index)
    }
    return unsafe Buffer(.allocate(byteCount: size, alignment: 16), sizeClass: index)
  }

  /// Takes a buffer back; an empty one is no buffer and is fine.
  func give(_ buffer: inout Buffer) {
    guard let block = unsafe buffer.memory else { return }
    let size = buffer.capacity
    let index = buffer.sizeClass
    buffer = Buffer()
    unsafe state.pointee.usedBytes -= size
    if unsafe state.pointee.keptBytes + size <= Self.keepBytesMax {
      unsafe block.storeBytes(of: free[index], as: UnsafeMutableRawPointer?.self)
      unsafe free[index] = block
      unsafe state.pointee.keptBytes += size
    } else {
      unsafe block.deallocate()
    }
  }

  #if DEBUG
    /// Takes a buffer back that counts as handed out for good.
    func forget(_ buffer: inout Buffer) {
      let usedBytes = usedBytes
      give(&buffer)
      unsafe state.pointee.usedBytes = usedBytes
    }
  #endif

  /// Makes room for `bytes` more at the end of `buffer`: moves its content to the front, or to a
  /// larger block. False where the limit does not allow it; the buffer is then as it was.
  func ensure(_ buffer: inout Buffer, room bytes: Int) -> Bool {
    if buffer.capacity - buffer.end >= bytes { return true }
    let count = buffer.count
    if buffer.capacity - count >= bytes {
      unsafe buffer.memory!.copyMemory(from: buffer.memory! + buffer.start, byteCount: count)
      buffer.start = 0
      buffer.end = count
      return true
    }
    guard var larger = take(count + bytes) else { return false }
    unsafe larger.append(buffer.bytes)
    give(&buffer)
    buffer = larger
    return true
  }
}

/// A run of bytes in a block of a `BufferPool`; a plain value, owned by the row that holds it. Each
/// connection has several, most of them empty: so it is packed into 16 bytes.
///
/// `@safe`: `start <= end <= capacity` holds always, and only the pool makes and ends one.
@safe
struct Buffer: BitwiseCopyable {
  fileprivate var memory: UnsafeMutableRawPointer?
  /// The block's class, and where the content starts and ends: 24 bits, as no block is larger than
  /// 8 MiB.
  private var startAndClass: UInt32
  private var endWord: UInt32 = 0

  private static let startBits: UInt32 = 24

  init() { unsafe (memory, startAndClass) = (nil, 0) }

  fileprivate init(_ memory: UnsafeMutableRawPointer, sizeClass: Int) {
    unsafe self.memory = memory
    startAndClass = UInt32(sizeClass) << Self.startBits
  }

  fileprivate var sizeClass: Int { Int(startAndClass >> Self.startBits) }
  var capacity: Int { unsafe memory == nil ? 0 : BufferPool.blockBytes(sizeClass) }

  fileprivate(set) var start: Int {
    get { Int(startAndClass & (1 << Self.startBits - 1)) }
    set { startAndClass = UInt32(sizeClass) << Self.startBits | UInt32(newValue) }
  }

  fileprivate(set) var end: Int {
    get { Int(endWord) }
    set { endWord = UInt32(newValue) }
  }

  var count: Int { end - start }
  var isEmpty: Bool { end == start }

  /// What it holds; valid until the buffer changes.
  var bytes: UnsafeRawBufferPointer {
    unsafe UnsafeRawBufferPointer(start: memory.map { unsafe $0 + start }, count: count)
  }

  /// The room behind what it holds.
  var room: UnsafeMutableRawBufferPointer {
    unsafe UnsafeMutableRawBufferPointer(
      start: memory.map { unsafe $0 + end }, count: capacity - end)
  }

  /// Takes up `n` bytes of the room, which have been written.
  mutating func advance(_ n: Int) {
    precondition(n >= 0 && end + n <= capacity, "past the end of a buffer")
    end += n
  }

  mutating func append(_ source: UnsafeRawBufferPointer) {
    guard source.count > 0 else { return }
    precondition(end + source.count <= capacity, "past the end of a buffer")
    unsafe (memory! + end).copyMemory(from: source.baseAddress!, byteCount: source.count)
    end += source.count
  }

  mutating func appendZeros(_ n: Int) {
    precondition(n >= 0 && end + n <= capacity, "past the end of a buffer")
    unsafe (memory! + end).initializeMemory(as: UInt8.self, repeating: 0, count: n)
    end += n
  }

  /// Sets bits of a byte that it holds.
  func setBits(_ bits: UInt8, at index: Int) {
    precondition(index >= 0 && index < count, "past the end of a buffer")
    let old = unsafe memory!.load(fromByteOffset: start + index, as: UInt8.self)
    unsafe memory!.storeBytes(of: old | bits, toByteOffset: start + index, as: UInt8.self)
  }

  /// Drops the first `n` bytes.
  mutating func consume(_ n: Int) {
    precondition(n >= 0 && n <= count, "more than a buffer holds")
    start += n
    if start == end {
      start = 0
      end = 0
    }
  }
}
