/// The topics of the hunt, and what each promises.
enum HuntTopics {
  /// Where the players of a walk are: a memory topic that is keyed by player. Nobody waits for
  /// anybody; who falls behind misses some and is told which, and a map is sent the newest of each
  /// player.
  static func positions(_ walk: String) -> String { "hunt.\(walk).positions" }

  /// What lies along a walk. The publisher waits for its subscriptions, and is told when the broker
  /// has its events.
  static func treasures(_ walk: String) -> String { "hunt.\(walk).treasures" }

  /// Who has picked up what; as the treasures, the publisher waits.
  static let rewards = "hunt.rewards"

  static let everything = "hunt.>"
  static let allPositions = "hunt.*.positions"
  static let allTreasures = "hunt.*.treasures"

  /// Whether a topic asks its publishers to wait, so that it may have no gap.
  static func blocks(_ topic: String) -> Bool {
    topic == rewards || topic.hasSuffix(".treasures")
  }

  /// Whether a topic matches one of the patterns here: each part the same, `*` for any one, `>` for
  /// one or more at the end.
  static func matches(_ topic: String, _ pattern: String) -> Bool {
    let parts = topic.split(separator: ".", omittingEmptySubsequences: false)
    let wanted = pattern.split(separator: ".", omittingEmptySubsequences: false)
    for (index, token) in wanted.enumerated() {
      if token == ">" { return index < parts.count }
      if index >= parts.count || (token != "*" && token != parts[index]) { return false }
    }
    return parts.count == wanted.count
  }
}
