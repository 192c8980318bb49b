/// What somebody meant who mistyped a name.
public enum Suggestion {
  /// The candidate with the fewest edits; one that begins with what was typed wins over all others.
  public static func nearest(to typed: String, in candidates: [String]) -> String {
    precondition(!candidates.isEmpty, "something to suggest")
    let typed = String(typed.drop { $0 == "-" })
    if !typed.isEmpty, let longer = candidates.first(where: { $0.hasPrefix(typed) }) {
      return longer
    }
    return candidates.min { distance(typed, $0) < distance(typed, $1) }!
  }

  /// The nearest candidate if somebody may have meant it: one that begins with what was typed, or
  /// that takes no more than two slips of the hand.
  public static func likely(_ typed: String, in candidates: [String]) -> String? {
    let nearest = nearest(to: typed, in: candidates)
    let slips = min(2, typed.count / 2)
    return nearest.hasPrefix(typed) || distance(typed, nearest) <= slips ? nearest : nil
  }

  /// Fewest insertions, deletions, replacements and swaps of neighbours between two texts.
  static func distance(_ left: String, _ right: String) -> Int {
    let left = Array(left.unicodeScalars.prefix(64))
    let right = Array(right.unicodeScalars.prefix(64))
    var beforeLast = [Int](repeating: 0, count: right.count + 1)
    var last = Array(0...right.count)
    for row in 1..<(left.count + 1) {
      var current = [row] + [Int](repeating: 0, count: right.count)
      for column in 1..<(right.count + 1) {
        let same = left[row - 1] == right[column - 1]
        current[column] = min(
          last[column] + 1, current[column - 1] + 1, last[column - 1] + (same ? 0 : 1))
        if row > 1, column > 1, left[row - 1] == right[column - 2],
          left[row - 2] == right[column - 1]
        {
          current[column] = min(current[column], beforeLast[column - 2] + 1)
        }
      }
      (beforeLast, last) = (last, current)
    }
    return last[right.count]
  }
}
