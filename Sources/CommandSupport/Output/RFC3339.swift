/// Times such as 2026-03-01T12:30:00.25Z, as nanoseconds since the Unix epoch, in the proleptic
/// Gregorian calendar, from 1970 on.
public enum RFC3339 {
  /// The time in universal time, with this many digits of a second (0 to 9).
  public static func text(ns: UInt64, digits: Int = 9) -> String {
    var output: [UInt8] = []
    append(ns: ns, digits: digits, to: &output)
    return String(decoding: output, as: UTF8.self)
  }

  /// The same into bytes, for those who write many.
  public static func append(ns: UInt64, digits: Int = 9, to output: inout [UInt8]) {
    let seconds = Int(ns / 1_000_000_000)
    let (year, month, day) = date(daysSinceEpoch: seconds / 86400)
    let time = seconds % 86400
    append(year, 1000, "-", to: &output)
    append(month, 10, "-", to: &output)
    append(day, 10, "T", to: &output)
    append(time / 3600, 10, ":", to: &output)
    append(time / 60 % 60, 10, ":", to: &output)
    append(time % 60, 10, digits > 0 ? "." : "Z", to: &output)
    if digits == 0 { return }
    append(Int(ns % 1_000_000_000), 100_000_000, "Z", to: &output)
    output.removeLast(10 - min(digits, 9))
    output.append(UInt8(ascii: "Z"))
  }

  /// All digits from that of the unit down, and what ends them.
  private static func append(
    _ value: Int, _ unit: Int, _ end: Unicode.Scalar, to output: inout [UInt8]
  ) {
    var unit = unit
    while unit > 0 {
      output.append(UInt8(ascii: "0") + UInt8(value / unit % 10))
      unit /= 10
    }
    output.append(UInt8(ascii: end))
  }

  /// Nil where the text is no such time, or lies outside what UInt64 can say.
  public static func parse(_ text: String) -> UInt64? {
    var rest = Array(text.utf8)[...]
    guard let year = number(&rest, 4), skip(&rest, "-"), let month = number(&rest, 2),
      skip(&rest, "-"), let day = number(&rest, 2), year >= 1970, (1...12).contains(month),
      day >= 1, day <= daysIn(month, year), skip(&rest, "Tt "), let hour = number(&rest, 2),
      skip(&rest, ":"), let minute = number(&rest, 2), skip(&rest, ":"),
      // 60 is a leap second, counted as the first of the next minute.
      let second = number(&rest, 2), hour < 24, minute < 60, second <= 60,
      let fraction = fractionNs(&rest), let offset = offsetSeconds(&rest), rest.isEmpty
    else { return nil }
    let seconds =
      days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset
    guard seconds >= 0 else { return nil }
    let (product, overflow) = UInt64(seconds).multipliedReportingOverflow(by: 1_000_000_000)
    let (ns, carry) = product.addingReportingOverflow(fraction)
    return overflow || carry ? nil : ns
  }

  private static func fractionNs(_ rest: inout ArraySlice<UInt8>) -> UInt64? {
    guard skip(&rest, ".") else { return 0 }
    let digits = rest.prefix { isDigit($0) }
    rest = rest.dropFirst(digits.count)
    if digits.isEmpty { return nil }
    // Digits beyond the nanosecond are cut.
    var value: UInt64 = 0
    for index in 0..<9 {
      let digit = index < digits.count ? digits[digits.startIndex + index] - 48 : 0
      value = value * 10 + UInt64(digit)
    }
    return value
  }

  private static func offsetSeconds(_ rest: inout ArraySlice<UInt8>) -> Int? {
    if skip(&rest, "Zz") { return 0 }
    let isWest = rest.first == UInt8(ascii: "-")
    guard skip(&rest, "+-"), let hours = number(&rest, 2), skip(&rest, ":"),
      let minutes = number(&rest, 2), hours < 24, minutes < 60
    else { return nil }
    return (isWest ? -1 : 1) * (hours * 3600 + minutes * 60)
  }

  private static func isDigit(_ byte: UInt8) -> Bool { byte >= 48 && byte <= 57 }

  private static func number(_ rest: inout ArraySlice<UInt8>, _ digits: Int) -> Int? {
    let head = rest.prefix(digits)
    guard head.count == digits, head.allSatisfy(isDigit) else { return nil }
    rest = rest.dropFirst(digits)
    return head.reduce(0) { $0 * 10 + Int($1 - 48) }
  }

  private static func skip(_ rest: inout ArraySlice<UInt8>, _ characters: String) -> Bool {
    guard let first = rest.first, characters.utf8.contains(first) else { return false }
    rest = rest.dropFirst()
    return true
  }

  private static func isLeap(_ year: Int) -> Bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
  }

  private static func daysIn(_ month: Int, _ year: Int) -> Int {
    [31, isLeap(year) ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1]
  }

  /// Days from 1970-01-01. Years count from March, so that the leap day is a year's last.
  private static func days(_ year: Int, _ month: Int, _ day: Int) -> Int {
    let year = month <= 2 ? year - 1 : year
    let monthFromMarch = (month + 9) % 12
    let dayOfYear = (153 * monthFromMarch + 2) / 5 + day - 1
    // 719,468 days lie between 0000-03-01 and 1970-01-01.
    return 365 * year + year / 4 - year / 100 + year / 400 + dayOfYear - 719_468
  }

  private static func date(daysSinceEpoch: Int) -> (year: Int, month: Int, day: Int) {
    let shifted = daysSinceEpoch + 719_468
    let era = shifted / 146_097
    let dayOfEra = shifted % 146_097
    let yearOfEra =
      (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let monthFromMarch = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
    let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
    return (era * 400 + yearOfEra + (month <= 2 ? 1 : 0), month, day)
  }
}
