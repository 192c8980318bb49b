import WireFormat

/// What became of one subscription's events of one topic, as the frames say that it was sent.
struct SentFates {
  enum Fate: Equatable {
    case delivered
    case lost(GapCause)
    /// By a pass or a sample, which bring some of their events and leave the others out.
    case passed(isSample: Bool)
  }

  struct Run {
    var first: UInt64
    var last: UInt64
    var fate: Fate
    /// Of a pass, what it brought.
    var selected: Set<UInt64> = []
    /// A whole state, which brings what came before its first event, too.
    var isState = false
  }

  private(set) var runs: [Run] = []
  /// What a pass has brought that is not over.
  private(set) var selecting: Set<UInt64> = []

  mutating func add(_ first: UInt64, _ last: UInt64, _ fate: Fate) {
    if let end = runs.last, end.fate == fate, end.last + 1 == first {
      runs[runs.count - 1].last = last
    } else {
      runs.append(Run(first: first, last: last, fate: fate))
    }
  }

  mutating func select(_ sequence: UInt64) { selecting.insert(sequence) }

  /// - Parameter first: 0 for a whole state.
  mutating func endPass(_ first: UInt64, _ last: UInt64, isSample: Bool) {
    let begin = first == 0 ? runs.last.map { $0.last + 1 } ?? 1 : first
    runs.append(
      Run(
        first: min(begin, last), last: last, fate: .passed(isSample: isSample),
        selected: selecting, isState: first == 0))
    selecting = []
  }

  /// The last that became of an event.
  func run(of sequence: UInt64) -> Run? {
    runs.last { $0.first <= sequence && sequence <= $0.last }
  }

  /// It was sent at some time.
  func hasSent(_ sequence: UInt64) -> Bool {
    selecting.contains(sequence)
      || runs.contains {
        $0.selected.contains(sequence)
          || $0.fate == .delivered && $0.first <= sequence && sequence <= $0.last
      }
  }
}
