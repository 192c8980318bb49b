import WireFormat

/// Why a session is over, and whether the client may come back.
struct SessionEnd {
  let error: GalleonError
  let mayReturn: Bool
  /// What the broker said about when; nil where it said nothing.
  let retry: (afterNs: UInt64, spreadNs: UInt64)?

  /// The connection broke, or was never any good.
  static func lost(_ text: String) -> SessionEnd {
    SessionEnd(error: .connectionLost(text), mayReturn: true, retry: nil)
  }

  /// This side wanted it.
  static var local: SessionEnd {
    SessionEnd(error: .clientClosed, mayReturn: false, retry: nil)
  }

  /// The broker's CLOSE.
  init(_ close: Close) {
    error = .closed(CloseReason(close), close.text)
    mayReturn = close.retryable
    let milliseconds: UInt64 = 1_000_000
    retry =
      close.retryAfterMs == 0 && close.spreadMs == 0
      ? nil
      : (UInt64(close.retryAfterMs) * milliseconds, UInt64(close.spreadMs) * milliseconds)
  }

  private init(
    error: GalleonError, mayReturn: Bool, retry: (afterNs: UInt64, spreadNs: UInt64)?
  ) {
    self.error = error
    self.mayReturn = mayReturn
    self.retry = retry
  }
}

extension CloseReason {
  init(_ close: Close) {
    self.init(code: close.reasonRaw, name: close.reason.map { "\($0.name)" } ?? "unknown")
  }
}

extension Refusal {
  init(_ code: ErrorCode, text: String) {
    self.init(code: code.rawValue, name: "\(code.name)", isRetryable: code.retryable, text: text)
  }

  init(_ frame: ErrorFrame) {
    self.init(
      code: frame.codeRaw, name: frame.code.map { "\($0.name)" } ?? "unknown",
      isRetryable: frame.retryable, text: frame.text)
  }
}

extension GapCause {
  /// A cause that this client does not know is one that it cannot explain.
  init(_ wire: WireFormat.GapCause?) {
    self =
      switch wire {
      case .several: .several
      case .ringOverrun: .ringOverrun
      case .dropOldest: .dropOldest
      case .expired: .expired
      case .blockTimeout: .blockTimeout
      case .corrupt: .corrupt
      case .notRetained: .notRetained
      case .newEpoch: .newEpoch
      case nil: .unexplained
      }
  }
}
