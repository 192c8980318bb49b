public import LinuxIO

/// Why a run could not be made or did not come to its end. Wrong sums are no error: they are in
/// `LoadResult.verdict`, next to what was measured.
public enum LoadError: Error, Equatable, Sendable {
  /// The plan contradicts itself or a limit; the sentence says how.
  case plan(String)
  /// The machine refused something.
  case system(SystemError)
  /// The server said something that its protocol does not allow here.
  case unexpectedReply(String)
  /// The server refused with its own words.
  case refused(String)
  /// The server closed a connection that should live.
  case connectionClosed(String)
  /// What did not happen in time.
  case timedOut(String)

  /// One sentence for people.
  public var sentence: String {
    switch self {
    case .plan(let reason): "the plan does not work: \(reason)"
    case .system(let error): "the system refused: \(error)"
    case .unexpectedReply(let what): "the server sent what its protocol does not allow: \(what)"
    case .refused(let words): "the server refused: \(words)"
    case .connectionClosed(let which): "the server closed \(which)"
    case .timedOut(let what): "timed out: \(what)"
    }
  }
}
