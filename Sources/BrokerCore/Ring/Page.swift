/// A page of ring memory: a header of 64 bytes, then batches back to back, each padded to 8 bytes.
///
///     0   next               address of the page after this one, 0 while this is the last
///     8   bytes              size of the page, header included
///     16  used               offset of the first byte that no batch has taken
///     24  firstSequence      sequence of the page's first event
///     32  endSequence        sequence after the page's last event
///     40  firstBytes         charged bytes of the topic before this page
///     48  firstTime          broker time of the first batch
///     56  lastTime           broker time of the last batch
///
/// Who may touch it: the topic's owner writes behind `used` and in the header. A reader only looks
/// at what lies before a tail that it has acquired (`TopicShared.tail`), in pages at or above the
/// hold that it has published; those bytes no longer change, and `next`, `used` and `endSequence`
/// of every page before the tail's are final.
///
/// `@safe`: offsets are checked against the page's size by whoever moves them (`TopicRing` when it
/// appends, `Cursor` when it reads), and a page is not given back while a hold covers it.
@safe
struct Page: BitwiseCopyable, Equatable {
  static let headerBytes = 64

  let start: UnsafeMutableRawPointer

  init(_ start: UnsafeMutableRawPointer, bytes: Int) {
    unsafe self.start = start
    self.next = nil
    unsafe start.storeBytes(of: UInt64(bytes), toByteOffset: 8, as: UInt64.self)
    self.used = Self.headerBytes
  }

  private init(existing start: UnsafeMutableRawPointer) { unsafe self.start = start }

  /// The page at an address that `address` gave; nil for 0.
  init?(address: UInt) {
    guard let start = unsafe UnsafeMutableRawPointer(bitPattern: address) else { return nil }
    unsafe self.start = start
  }

  var address: UInt { unsafe UInt(bitPattern: start) }

  static func == (a: Page, b: Page) -> Bool { unsafe a.start == b.start }

  var next: Page? {
    get { unsafe Page(address: start.load(fromByteOffset: 0, as: UInt.self)) }
    nonmutating set {
      unsafe start.storeBytes(of: newValue?.address ?? 0, toByteOffset: 0, as: UInt.self)
    }
  }
  var bytes: Int { Int(field(8)) }
  var used: Int {
    get { Int(field(16)) }
    nonmutating set { setField(16, UInt64(newValue)) }
  }
  var firstSequence: UInt64 {
    get { field(24) }
    nonmutating set { setField(24, newValue) }
  }
  var endSequence: UInt64 {
    get { field(32) }
    nonmutating set { setField(32, newValue) }
  }
  var firstBytes: UInt64 {
    get { field(40) }
    nonmutating set { setField(40, newValue) }
  }
  var firstTime: UInt64 {
    get { field(48) }
    nonmutating set { setField(48, newValue) }
  }
  var lastTime: UInt64 {
    get { field(56) }
    nonmutating set { setField(56, newValue) }
  }

  /// The batch at `offset`, which must be where a batch begins.
  func batch(at offset: Int) -> BatchRef { unsafe BatchRef(UnsafeRawPointer(start + offset)) }

  /// A batch was put behind `used`.
  @inline(__always)
  func grow(to used: Int, endSequence: UInt64, time: UInt64) {
    self.used = used
    self.endSequence = endSequence
    lastTime = time
  }

  /// Whether four batches of one length follow one another, none of them compressed or with a time
  /// to live. Whoever goes from header to header waits for each to come from memory; these are
  /// asked for at once, and a wrong guess costs nothing but the look. All that is looked at must be
  /// within what batches have taken.
  @inline(__always)
  func hasFourAlike(at offset: Int, length: Int) -> Bool {
    let step = (length + 7) & ~7
    let (a, b) = (batch(at: offset), batch(at: offset + step))
    let (c, d) = (batch(at: offset + 2 * step), batch(at: offset + 3 * step))
    return b.length == length && c.length == length && d.length == length
      && a.codecAndTtl | b.codecAndTtl | c.codecAndTtl | d.codecAndTtl == 0
  }

  private func field(_ offset: Int) -> UInt64 {
    unsafe start.load(fromByteOffset: offset, as: UInt64.self)
  }
  private func setField(_ offset: Int, _ value: UInt64) {
    unsafe start.storeBytes(of: value, toByteOffset: offset, as: UInt64.self)
  }
}

/// A batch in ring memory, validated when it was accepted.
///
/// `@safe`: made only for places in a page where `TopicRing` has put a batch, so all 72 bytes of
/// its header are there; it does not outlive the page's hold.
@safe
struct BatchRef: BitwiseCopyable {
  let start: UnsafeRawPointer

  init(_ start: UnsafeRawPointer) { unsafe self.start = start }

  var length: Int { unsafe Int(start.load(fromByteOffset: 0, as: UInt32.self)) }
  var paddedLength: Int { (length + 7) & ~7 }
  var sequence: UInt64 { unsafe start.load(fromByteOffset: 8, as: UInt64.self) }
  var time: UInt64 { unsafe start.load(fromByteOffset: 16, as: UInt64.self) }
  var bytesBefore: UInt64 { unsafe start.load(fromByteOffset: 24, as: UInt64.self) }
  var count: Int { unsafe Int(start.load(fromByteOffset: 40, as: UInt32.self)) }
  var decodedLength: Int { unsafe Int(start.load(fromByteOffset: 44, as: UInt32.self)) }
  var codec: UInt8 { unsafe start.load(fromByteOffset: 48, as: UInt8.self) }
  var ttlMs: UInt32 { unsafe start.load(fromByteOffset: 52, as: UInt32.self) }
  /// 0 where it is neither compressed nor ends after a time.
  var codecAndTtl: UInt64 { unsafe start.load(fromByteOffset: 48, as: UInt64.self) }
  var charge: UInt64 { UInt64(decodedLength + count * eventCharge) }
}
