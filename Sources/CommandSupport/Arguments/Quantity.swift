/// Numbers with units, as people type them. All results fit UInt64 exactly, or there is none.
public enum Quantity {
  /// "5000", "5k", "2M", "1G": powers of ten.
  public static func count(_ text: String) -> UInt64? {
    single(text, ["": 1, "k": 1000, "K": 1000, "M": 1_000_000, "G": 1_000_000_000])
  }

  /// "65536", "64KiB", "64kB": bytes. KiB, MiB, GiB and TiB are powers of 1024, kB, MB, GB and TB
  /// of 1000.
  public static func size(_ text: String) -> UInt64? {
    single(
      text,
      [
        "": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
        "kB": 1000, "KB": 1000, "MB": 1_000_000, "GB": 1_000_000_000,
        "TB": 1_000_000_000_000,
      ])
  }

  /// "0", "10us", "250ms", "5s", "1m30s", "2h", "1d": nanoseconds.
  public static func durationNs(_ text: String) -> UInt64? {
    if text == "0" { return 0 }
    let units: [String: UInt64] = [
      "ns": 1, "us": 1000, "µs": 1000, "ms": 1_000_000, "s": 1_000_000_000,
      "m": 60_000_000_000, "h": 3_600_000_000_000, "d": 86_400_000_000_000,
    ]
    var rest = text[...]
    var total: UInt64 = 0
    var lastScale = UInt64.max
    while !rest.isEmpty {
      let digits = rest.prefix { $0.isASCII && $0.isNumber }
      rest = rest.dropFirst(digits.count)
      let unit = rest.prefix { !($0.isASCII && $0.isNumber) }
      rest = rest.dropFirst(unit.count)
      // From large to small, so that "5s1m" is a slip and not six seconds and a bit.
      guard let scale = units[String(unit)], scale < lastScale,
        let part = scaled(digits, scale)
      else { return nil }
      lastScale = scale
      let (sum, overflow) = total.addingReportingOverflow(part)
      if overflow { return nil }
      total = sum
    }
    return text.isEmpty ? nil : total
  }

  /// "0.5", "2", "50%": at most six digits on either side of the point.
  public static func share(_ text: String) -> Double? {
    let isPercent = text.hasSuffix("%")
    let parts = text.dropLast(isPercent ? 1 : 0)
      .split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.allSatisfy({ !$0.isEmpty && $0.count <= 6 }) else { return nil }
    var value = 0.0
    var unit = isPercent ? 0.01 : 1.0
    for part in parts {
      guard part.allSatisfy({ $0.isASCII && $0.isNumber }), let number = UInt64(part) else {
        return nil
      }
      for _ in 0..<(part.startIndex == text.startIndex ? 0 : part.count) { unit /= 10 }
      value += Double(number) * unit
    }
    return value
  }

  private static func single(_ text: String, _ units: [String: UInt64]) -> UInt64? {
    let digits = text.prefix { $0.isASCII && $0.isNumber }
    guard let scale = units[String(text.dropFirst(digits.count))] else { return nil }
    return scaled(digits, scale)
  }

  private static func scaled(_ digits: Substring, _ scale: UInt64) -> UInt64? {
    guard !digits.isEmpty, let number = UInt64(digits) else { return nil }
    let (value, overflow) = number.multipliedReportingOverflow(by: scale)
    return overflow ? nil : value
  }
}
