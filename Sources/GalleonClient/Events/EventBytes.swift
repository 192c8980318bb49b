/// What can be given as an event's payload or key: `[UInt8]`, `String`, slices of both, and spans.
///
/// Bytes are copied into the batch before the call that takes them returns or suspends.
public protocol EventBytes: ~Copyable, ~Escapable {
  /// Calls `body` once with the bytes.
  func withEventBytes<Result>(_ body: (RawSpan) -> Result) -> Result
}

extension Array: EventBytes where Element == UInt8 {
  public func withEventBytes<Result>(_ body: (RawSpan) -> Result) -> Result {
    unsafe body(span.bytes)
  }
}

extension ArraySlice: EventBytes where Element == UInt8 {
  public func withEventBytes<Result>(_ body: (RawSpan) -> Result) -> Result {
    unsafe body(span.bytes)
  }
}

extension String: EventBytes {
  public func withEventBytes<Result>(_ body: (RawSpan) -> Result) -> Result {
    unsafe body(utf8Span.span.bytes)
  }
}

extension Substring: EventBytes {
  public func withEventBytes<Result>(_ body: (RawSpan) -> Result) -> Result {
    unsafe body(utf8Span.span.bytes)
  }
}

extension Span: EventBytes where Element == UInt8 {
  public func withEventBytes<Result>(_ body: (RawSpan) -> Result) -> Result {
    unsafe body(bytes)
  }
}

extension RawSpan: EventBytes {
  public func withEventBytes<Result>(_ body: (RawSpan) -> Result) -> Result {
    body(self)
  }
}
