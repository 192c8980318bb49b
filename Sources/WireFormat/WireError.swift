/// Why bytes from a peer are not what the protocol says.
///
/// The three numbers are for the log line and for tests; what happens to the session follows from
/// `code` alone.
public struct WireError: Error, Equatable, Sendable {
  public var code: CloseReason
  /// Bytes from the start of the frame, or of the batch or records where those were given alone.
  public var offset: Int
  /// What was needed there (bytes, or the limit or value that was wanted).
  public var need: Int
  /// What was there.
  public var have: Int

  @_noLocks public init(_ code: CloseReason, offset: Int = 0, need: Int = 0, have: Int = 0) {
    self.code = code
    self.offset = offset
    self.need = need
    self.have = have
  }
}

extension WireError: CustomStringConvertible {
  public var description: String {
    "\(code.name) at byte \(offset) (need \(need), have \(have))"
  }
}
