import Counters
import WireFormat

/// What the numbers in the counters are called: the names of the protocol's registry.
enum StatsNames {
  static func state(_ value: UInt32) -> String {
    CounterRowState(rawValue: value).map { "\($0)" } ?? "#\(value)"
  }

  static func policy(_ value: UInt32) -> String {
    UInt8(exactly: value).flatMap(Policy.init).map { "\($0.name)" } ?? "#\(value)"
  }

  static func closeReason(_ value: Int) -> String {
    UInt16(exactly: value).flatMap(CloseReason.init).map { "\($0.name)" } ?? "#\(value)"
  }

  static func errorCode(_ value: Int) -> String {
    UInt16(exactly: value).flatMap(ErrorCode.init).map { "\($0.name)" } ?? "#\(value)"
  }

  static func gapCause(_ value: Int) -> String {
    UInt8(exactly: value).flatMap(GapCause.init).map { "\($0.name)" } ?? "#\(value)"
  }

  static func codecs(_ value: UInt32) -> [String] {
    Codec.allCases.filter { $0 != .none && value >> UInt32($0.rawValue) & 1 == 1 }
      .map { "\($0.name)" }
  }

  static func topicOptions(_ value: UInt32) -> [String] {
    let options = TopicOptions(rawValue: UInt8(truncatingIfNeeded: value))
    return (options.contains(.keyed) ? ["keyed"] : []) + (options.contains(.block) ? ["block"] : [])
  }
}
