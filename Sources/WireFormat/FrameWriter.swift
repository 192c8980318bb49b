/// Writes frames one after another, into memory of the caller's or into memory of its own that
/// grows.
///
/// A frame that does not fit leaves no trace: `endFrame` returns false and the writer stands where
/// `beginFrame` found it. Used by one thread at a time.
///
/// Safe although it holds a pointer: borrowed memory is vouched for at the initialiser that takes
/// it, owned memory is freed in `deinit` alone, and every write is checked against the capacity.
@safe
public struct FrameWriter: ~Copyable {
  private var base: UnsafeMutableRawPointer?
  private var frameStart = 0
  private var isOpen = false
  private var isFull = false
  private let isOwned: Bool
  /// The most that owned memory grows to, in bytes.
  private let limit: Int
  /// Bytes of memory there are now.
  public private(set) var capacity: Int
  /// Bytes written so far.
  public private(set) var count = 0

  /// Writes into `memory`, which must stay where it is for the writer's life.
  @unsafe
  public init(_ memory: UnsafeMutableRawBufferPointer) {
    unsafe base = memory.baseAddress
    capacity = memory.count
    limit = memory.count
    isOwned = false
  }

  /// Writes into memory of its own.
  ///
  /// - Parameters:
  ///   - reserving: bytes to start with.
  ///   - limit: bytes beyond which a frame does not fit.
  public init(reserving: Int = 256, limit: Int = .max) {
    precondition(reserving >= 0 && limit >= reserving)
    unsafe base = nil
    capacity = 0
    self.limit = limit
    isOwned = true
    if reserving > 0 { grow(to: reserving) }
  }

  deinit {
    if isOwned { unsafe base?.deallocate() }
  }

  /// Forgets everything that was written; owned memory is kept.
  public mutating func removeAll() {
    precondition(!isOpen)
    count = 0
  }

  /// Forgets the first `bytes` bytes and moves the others down. For a sender that has sent a part.
  public mutating func removeFirst(_ bytes: Int) {
    precondition(!isOpen && bytes >= 0 && bytes <= count)
    guard bytes > 0, let base = unsafe base else { return }
    unsafe base.copyMemory(from: base + bytes, byteCount: count - bytes)
    count -= bytes
  }

  /// What was written. Valid until the next change.
  @unsafe
  public var bytes: UnsafeRawBufferPointer {
    unsafe UnsafeRawBufferPointer(start: base, count: count)
  }

  /// A copy of what was written.
  public var array: [UInt8] { unsafe [UInt8](bytes) }

  // MARK: - A frame

  @inline(__always)
  public mutating func beginFrame(_ type: FrameType, ref: UInt32 = 0, correlation: UInt32 = 0) {
    beginFrame(typeRaw: type.rawValue, ref: ref, correlation: correlation)
  }

  /// Begins a frame of any type, known or not.
  public mutating func beginFrame(
    typeRaw: UInt8, flags: UInt8 = 0, ref: UInt32 = 0, correlation: UInt32 = 0
  ) {
    precondition(!isOpen)
    isOpen = true
    isFull = false
    frameStart = count
    guard reserve(FrameHeader.size), let base = unsafe base else { return }
    let header = FrameHeader(
      length: 0, typeRaw: typeRaw, flags: flags, ref: ref, correlation: correlation)
    unsafe header.store(to: base + count)
    count += FrameHeader.size
  }

  /// Ends the frame: its length is written. False where it did not fit, or is longer than a length
  /// can say; then the writer is as it was before `beginFrame`.
  ///
  /// - Parameter followedBy: bytes that the length counts and the caller sends from elsewhere.
  @inline(__always)
  public mutating func endFrame(followedBy rest: Int = 0) -> Bool {
    precondition(isOpen && rest >= 0)
    isOpen = false
    let length = count - frameStart - FrameHeader.lengthBytes + rest
    guard !isFull, length <= Int(UInt32.max), let base = unsafe base else {
      count = frameStart
      return false
    }
    unsafe (base + frameStart).store(UInt32(truncatingIfNeeded: length), at: 0)
    return true
  }

  // MARK: - Fields

  @inline(__always)
  public mutating func append<Number: FixedWidthInteger & BitwiseCopyable>(_ number: Number) {
    guard reserve(MemoryLayout<Number>.size), let base = unsafe base else { return }
    unsafe base.storeBytes(
      of: number.littleEndian, toByteOffset: count, as: Number.self)
    count += MemoryLayout<Number>.size
  }

  public mutating func append(_ bytes: RawSpan) {
    guard reserve(bytes.byteCount), let base = unsafe base else { return }
    let target = unsafe base + count
    unsafe bytes.withUnsafeBytes { source in
      guard let start = source.baseAddress else { return }
      unsafe target.copyMemory(from: start, byteCount: source.count)
    }
    count += bytes.byteCount
  }

  public mutating func append(_ bytes: [UInt8]) {
    unsafe append(bytes.span.bytes)
  }

  /// A string16. One that is over `max` bytes of UTF-8 is our mistake, unless it is meant for
  /// people: then `clip` cuts it at the end of a character.
  public mutating func append(string16 string: String, max: Int, clip: Bool = false) {
    var string = string
    string.makeContiguousUTF8()
    var size = string.utf8.count
    if size > max {
      precondition(clip, "a string of \(size) bytes where \(max) are allowed")
      size = max
      let utf8 = string.utf8
      // A byte 10xxxxxx continues a character: the cut goes before the one that starts it.
      while size > 0, utf8[utf8.index(utf8.startIndex, offsetBy: size)] & 0xC0 == 0x80 { size -= 1 }
    }
    append(UInt16(size))
    guard reserve(size), let base = unsafe base else { return }
    let target = unsafe base + count
    string.withUTF8 { source in
      guard let start = source.baseAddress else { return }
      unsafe target.copyMemory(from: start, byteCount: size)
    }
    count += size
  }

  // MARK: - Memory

  /// Whether `bytes` more fit, growing owned memory for them.
  @inline(__always)
  private mutating func reserve(_ bytes: Int) -> Bool {
    if isFull { return false }
    if bytes <= capacity - count { return true }
    return reserveSlow(bytes)
  }

  @inline(never)
  private mutating func reserveSlow(_ bytes: Int) -> Bool {
    guard isOwned, bytes <= limit - count else {
      isFull = true
      return false
    }
    grow(to: min(limit, max(count + bytes, capacity * 2)))
    return true
  }

  private mutating func grow(to size: Int) {
    let fresh = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 8)
    if let old = unsafe base {
      unsafe fresh.copyMemory(from: old, byteCount: count)
      unsafe old.deallocate()
    }
    unsafe base = fresh
    capacity = size
  }
}
