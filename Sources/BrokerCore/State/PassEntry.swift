/// A cursor that is sent what a topic's key index has, and not the ring: it has fallen behind with
/// policy latest, or it begins with the topic's state.
///
/// With policy latest the cursor stays where it was, at S + 1, and holds no page; the pass brings
/// the newest record of each key of (S, H], H being the shard's tail when the pass began, and then
/// the cursor stands at H + 1: at the tail, or before the next pass. At the start with a state the
/// cursor stands at H + 1 from the beginning, in the ring, and what the pass brings comes before.
///
/// The records come from the topic's owner, some at a time, on request (`SharedRequest.Pull`): only
/// while the socket takes bytes and there is credit for them, which is taken off before.
struct PassEntry: BitwiseCopyable {
  enum Step: UInt8 {
    /// The next records are to be asked for.
    case idle
    /// The owner has been asked for records, or where the cursor's place in the ring is.
    case asking
    /// There is no room to ask.
    case waiting
    /// `buffer` is to be sent.
    case filled
  }

  var cursor: UInt32
  /// What an answer must name to be for this pass.
  var generation: UInt32
  var step = Step.idle
  /// What comes before the cursor's first place; else the cursor has fallen behind.
  var isState: Bool
  /// The whole state is wanted; so says the asker, or the owner who has forgotten removals.
  var isWhole: Bool
  /// STATE_RESET has been sent.
  var isResetTold = false
  /// The owner has said where the pass starts, and something of it has been sent or looked at.
  var isOpen = false
  /// When that was.
  var beganNs: UInt64 = 0
  /// How old values might be that were asked for, in ms; 0 for any age.
  var ageMs: UInt32 = 0
  /// The pass ends before this place: one sequence is H + 1.
  var through: TopicShared.Tail
  var place = KeyIndex.Pass.none
  /// Of what was pending: what this pass has booked so far, as delivered or expired.
  var bookedEvents: UInt64 = 0
  var bookedBytes: UInt64 = 0
  var expiredEvents: UInt64 = 0
  var expiredBytes: UInt64 = 0
  /// The smallest buffer that the next record fits.
  var bytesMin = 0
  var reservedEvents: UInt64 = 0
  var reservedBytes: UInt64 = 0
  /// Among those that wait for room to ask.
  var waiting = Links()
  /// The answer that waits to be sent.
  var buffer = Buffer()
  var answer = PullAnswer()
}

/// What the owner of a topic has put into a buffer.
struct PullAnswer: BitwiseCopyable {
  /// Records, their charged bytes, and the time of the oldest that was pending.
  var events: UInt64 = 0
  var bytes: UInt64 = 0
  var time: UInt64 = 0
  /// Those of them that were pending.
  var pendingEvents: UInt64 = 0
  var pendingBytes: UInt64 = 0
  /// Records that were pending and too old to be sent.
  var expiredEvents: UInt64 = 0
  var expiredBytes: UInt64 = 0
  /// Where the pass goes on.
  var place = KeyIndex.Pass.none
  /// That was the last record.
  var isLast = false
  /// The pass is one of the whole state.
  var isWhole = false
  /// Records that the pass would have brought have been dropped since it began: it ends here, and
  /// the whole state must follow.
  var isBroken = false
  /// The next record needs a buffer of so many bytes.
  var bytesMin = 0
  /// The topic has no index: there was no memory for it.
  var isMissing = false
}
