import CKernel

/// Bytes of one page of the machine's memory.
public var memoryPageBytes: Int { ck_page_size() }

/// A region of address space whose pages come into being, zeroed, when they are first touched, and
/// can be given back one by one. It is not charged against memory until then.
///
/// `@safe`: the region is owned and freed once; ranges are checked. What its bytes mean, and which
/// thread may touch them, is the owner's business, hence the unchecked `Sendable`.
@safe
public struct AnonymousMemory: ~Copyable, @unchecked Sendable {
  private let start: UnsafeMutableRawPointer
  /// Rounded up to whole pages.
  public let byteCount: Int

  public init(byteCount: Int) throws(SystemError) {
    precondition(byteCount > 0, "at least one byte")
    let rounded = AnonymousMemory.roundedToPages(byteCount)
    var start: UnsafeMutableRawPointer?
    _ = try perform("mmap") { unsafe ck_map_anonymous(rounded, &start) }
    guard let start = unsafe start else { preconditionFailure("a mapping has a place") }
    unsafe self.start = unsafe start
    self.byteCount = rounded
  }

  static func roundedToPages(_ byteCount: Int) -> Int {
    let page = memoryPageBytes
    return (byteCount + page - 1) / page * page
  }

  /// Valid as long as this value lives.
  public var base: UnsafeMutableRawPointer { unsafe start }

  /// Valid as long as this value lives.
  public var bytes: UnsafeMutableRawBufferPointer {
    unsafe UnsafeMutableRawBufferPointer(start: start, count: byteCount)
  }

  /// Gives the pages of a range back; they read as zero when touched again. The range must lie on
  /// page borders.
  public func discard(offset: Int, byteCount: Int) throws(SystemError) {
    let page = memoryPageBytes
    precondition(offset >= 0 && byteCount >= 0, "a range")
    precondition(offset <= self.byteCount && byteCount <= self.byteCount - offset, "inside")
    precondition(offset % page == 0 && byteCount % page == 0, "whole pages")
    if byteCount == 0 { return }
    let place = unsafe start + offset
    _ = try perform("madvise") { unsafe ck_discard(place, byteCount) }
  }

  /// How many bytes are in memory now; walks the whole region, for tests and reports.
  public func residentByteCount() throws(SystemError) -> Int {
    let (place, byteCount) = unsafe (start, self.byteCount)
    return try perform("mincore") { unsafe ck_resident(place, byteCount) }
  }

  deinit {
    let result = unsafe ck_unmap(start, byteCount)
    precondition(result == 0, "our own mapping can be removed")
  }
}

/// A file that is mapped into memory and shared with every process that maps it.
///
/// `@safe`: the mapping is owned and removed once, and only a creator can get writable bytes. The
/// bytes are shared with other processes, so their layout must use atomics or a seqlock; that is
/// also why `Sendable` is unchecked.
@safe
public struct MappedFile: ~Copyable, @unchecked Sendable {
  private let start: UnsafeMutableRawPointer
  public let byteCount: Int
  public let path: String
  public let isWritable: Bool

  /// Creates a file of mode 0600, all zeros, with its space reserved, so that a full disk shows
  /// here and not as a crash when a page is first written. An existing file is replaced: whoever
  /// has mapped it keeps the old one. It is locked, as by `Files.lock`, as long as it is mapped.
  ///
  /// With `sparse`, no space is reserved: `reserve` does it, piece by piece, before the first write
  /// to a piece.
  ///
  /// The directory must exist; `Files.makePrivateDirectory` makes a fitting one.
  public static func create(
    path: String, byteCount: Int, sparse: Bool = false
  ) throws(SystemError) -> MappedFile {
    precondition(byteCount > 0, "at least one byte")
    do throws(SystemError) {
      try Files.remove(path)
    } catch {
      if error.errno != .noSuchFile { throw error }
    }
    let file = try Files.open(
      path, [.read, .write, .create, .exclusive, .noFollow], mode: 0o600)
    do throws(SystemError) {
      // The lock is one of the open file, which the mapping keeps after the descriptor has gone.
      guard try Files.lock(file.rawValue) else { throw SystemError(.wouldBlock, "flock") }
      if sparse {
        try Files.truncate(file.rawValue, byteCount: byteCount)
      } else {
        try Files.allocate(file.rawValue, byteCount: byteCount)
      }
      return try MappedFile(file.rawValue, path, byteCount, writable: true)
    } catch {
      try? Files.remove(path)
      throw error
    }
  }

  /// Maps an existing file with the length it has now. Throws `invalidArgument` when it is empty.
  public static func openReadOnly(path: String) throws(SystemError) -> MappedFile {
    let file = try Files.open(path, [.read])
    let size = try Files.information(file.rawValue).byteCount
    return try MappedFile(file.rawValue, path, size, writable: false)
  }

  private init(
    _ fd: Int32, _ path: String, _ byteCount: Int, writable: Bool
  ) throws(SystemError) {
    var start: UnsafeMutableRawPointer?
    _ = try perform("mmap") { unsafe ck_map_file(fd, byteCount, writable ? 1 : 0, &start) }
    guard let start = unsafe start else { preconditionFailure("a mapping has a place") }
    unsafe self.start = unsafe start
    self.byteCount = byteCount
    self.path = path
    isWritable = writable
  }

  /// Gives a part of a sparse file its space, so that writing there cannot fail. Throws where there
  /// is none. The part is widened to whole pages. Does nothing on kernels that cannot (before
  /// 5.14).
  public func reserve(offset: Int, byteCount: Int) throws(SystemError) {
    let (place, count) = unsafe part(offset, byteCount)
    do throws(SystemError) {
      _ = try perform("madvise") { unsafe ck_populate(place, count) }
    } catch {
      if error.errno != .invalidArgument { throw error }
    }
  }

  /// Takes a part out of the file, for this process only: it holds private zeros from now on,
  /// whatever was there. For a part that could not be reserved and must be written all the same.
  public func detach(offset: Int, byteCount: Int) throws(SystemError) {
    let (place, count) = unsafe part(offset, byteCount)
    _ = try perform("mmap") { unsafe ck_replace_with_private(place, count) }
  }

  @unsafe private func part(_ offset: Int, _ count: Int) -> (UnsafeMutableRawPointer, Int) {
    precondition(isWritable, "this file was opened for reading")
    precondition(offset >= 0 && count > 0 && offset <= byteCount - count, "inside")
    let page = memoryPageBytes
    let first = offset / page * page
    return unsafe (start + first, (offset + count + page - 1) / page * page - first)
  }

  /// Valid as long as this value lives.
  public var bytes: UnsafeRawBufferPointer {
    unsafe UnsafeRawBufferPointer(start: start, count: byteCount)
  }

  /// Valid as long as this value lives; only for whoever created the file.
  public var mutableBytes: UnsafeMutableRawBufferPointer {
    precondition(isWritable, "this file was opened for reading")
    return unsafe UnsafeMutableRawBufferPointer(start: start, count: byteCount)
  }

  deinit {
    let result = unsafe ck_unmap(start, byteCount)
    precondition(result == 0, "our own mapping can be removed")
  }
}
