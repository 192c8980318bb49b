import CallProbe

/// How often memory was taken and given back, and references counted, in the whole process.
struct Counts {
  var allocations: UInt64 = 0
  var frees: UInt64 = 0
  var retains: UInt64 = 0
  var releases: UInt64 = 0
  var accesses: UInt64 = 0

  static func now() -> Counts {
    var counts = Counts()
    for index in 0..<probe_count() {
      let calls = probe_calls(index)
      switch UInt8(bitPattern: probe_kind(index)) {
      case UInt8(ascii: "a"): counts.allocations += calls
      case UInt8(ascii: "f"): counts.frees += calls
      case UInt8(ascii: "r"): counts.retains += calls
      case UInt8(ascii: "R"): counts.releases += calls
      default: counts.accesses += calls
      }
    }
    return counts
  }

  static func - (a: Counts, b: Counts) -> Counts {
    Counts(
      allocations: a.allocations - b.allocations, frees: a.frees - b.frees,
      retains: a.retains - b.retains, releases: a.releases - b.releases,
      accesses: a.accesses - b.accesses)
  }
}

/// Lets the tool count what is known, and refuses to go on where it counts wrong: a number that is
/// not seen would pass for zero.
enum Canary {
  private final class Bird {
    var song: UInt64 = 0
  }

  /// Where references are stored so that the compiler cannot do without counting them.
  @safe private struct Perch {
    let place: UnsafeMutablePointer<Bird?>
    init() {
      unsafe place = .allocate(capacity: 1)
      unsafe place.initialize(to: nil)
    }
  }

  private static let times: UInt64 = 1000

  /// - Returns: what is wrong, or nil.
  static func problem() -> String? {
    let perch = Perch()
    var before = Counts.now()
    hatch(perch)
    let hatched = Counts.now() - before
    guard hatched.allocations == times, hatched.frees == times - 1 else {
      return "\(times) objects were made, \(hatched.allocations) allocations and "
        + "\(hatched.frees) frees counted"
    }
    let bird = Bird()
    before = Counts.now()
    settle(perch, bird)
    let settled = Counts.now() - before
    // The one that sat there first is released and freed.
    guard settled.retains == times, settled.releases == times, settled.allocations == 0 else {
      return "\(times) references were stored, \(settled.retains) retains and "
        + "\(settled.releases) releases counted"
    }
    before = Counts.now()
    let song = sing(bird)
    let sung = Counts.now() - before
    guard sung.allocations + sung.frees + sung.retains + sung.releases == 0, song > 0 else {
      return "a loop that does neither allocates \(sung.allocations) times and retains "
        + "\(sung.retains) times"
    }
    return nil
  }

  @inline(never) private static func hatch(_ perch: Perch) {
    for _ in 0..<times { unsafe perch.place.pointee = Bird() }
  }

  @inline(never) private static func settle(_ perch: Perch, _ bird: Bird) {
    for _ in 0..<times { unsafe perch.place.pointee = bird }
  }

  @inline(never) private static func sing(_ bird: Bird) -> UInt64 {
    for i in 0..<times { bird.song &+= i }
    return bird.song
  }
}
