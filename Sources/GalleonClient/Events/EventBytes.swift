// The functions here, and those of `Publisher` that call them, are inlinable: a generic function
// that is not specialised where it is called costs several times what publishing an event does.

/// What can be given as an event's payload or key: `[UInt8]`, `String`, slices of both, and spans.
///
/// Bytes are copied into the batch before the call that takes them returns or suspends.
public protocol EventBytes: ~Copyable, ~Escapable {
  /// Calls `body` once with the bytes.
  func withEventBytes<Result, Failure>(
    _ body: (RawSpan) throws(Failure) -> Result
  ) throws(Failure) -> Result
}

extension Array: EventBytes where Element == UInt8 {
  @inlinable
  public func withEventBytes<Result, Failure>(
    _ body: (RawSpan) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try unsafe body(span.bytes)
  }
}

extension ArraySlice: EventBytes where Element == UInt8 {
  @inlinable
  public func withEventBytes<Result, Failure>(
    _ body: (RawSpan) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try unsafe body(span.bytes)
  }
}

extension String: EventBytes {
  @inlinable
  public func withEventBytes<Result, Failure>(
    _ body: (RawSpan) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try unsafe body(utf8Span.span.bytes)
  }
}

extension Substring: EventBytes {
  @inlinable
  public func withEventBytes<Result, Failure>(
    _ body: (RawSpan) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try unsafe body(utf8Span.span.bytes)
  }
}

extension Span: EventBytes where Element == UInt8 {
  @inlinable
  public func withEventBytes<Result, Failure>(
    _ body: (RawSpan) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try unsafe body(bytes)
  }
}

extension RawSpan: EventBytes {
  @inlinable
  public func withEventBytes<Result, Failure>(
    _ body: (RawSpan) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try body(self)
  }
}
