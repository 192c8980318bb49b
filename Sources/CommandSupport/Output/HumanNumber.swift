/// Numbers as people read them.
public enum HumanNumber {
  /// "1,234,567".
  public static func plain(_ value: UInt64) -> String {
    let digits = Array(String(value))
    var text = ""
    for (index, digit) in digits.enumerated() {
      if index > 0 && (digits.count - index) % 3 == 0 { text.append(",") }
      text.append(digit)
    }
    return text
  }

  /// "999", "1.23 k", "45.6 M": three digits.
  public static func short(_ value: Double) -> String {
    scaled(value, 1000, ["", "k", "M", "G", "T", "P"])
  }

  public static func short(_ value: UInt64) -> String { short(Double(value)) }

  /// "512 B", "64 KiB", "1.5 GiB".
  public static func size(_ bytes: UInt64) -> String { size(Double(bytes)) }

  public static func size(_ bytes: Double) -> String {
    scaled(bytes, 1024, ["B", "KiB", "MiB", "GiB", "TiB", "PiB"])
  }

  /// "850 ns", "78 µs", "1.25 ms", "3.4 s", "5 min", "2 h", "3 d".
  public static func duration(_ ns: UInt64) -> String {
    let value = Double(ns)
    switch ns {
    case ..<1000: return "\(ns) ns"
    case ..<1_000_000: return digits(value / 1e3) + " µs"
    case ..<1_000_000_000: return digits(value / 1e6) + " ms"
    case ..<120_000_000_000: return digits(value / 1e9) + " s"
    case ..<7_200_000_000_000: return digits(value / 60e9) + " min"
    case ..<172_800_000_000_000: return digits(value / 3600e9) + " h"
    default: return digits(value / 86400e9) + " d"
    }
  }

  private static func scaled(_ value: Double, _ step: Double, _ units: [String]) -> String {
    guard value.isFinite, value > 0 else { return units[0].isEmpty ? "0" : "0 \(units[0])" }
    var value = value
    var unit = 0
    // 999.5 would be shown as 1000 of the smaller unit.
    while value >= step - 0.5, unit < units.count - 1 {
      value /= step
      unit += 1
    }
    let number = unit == 0 && value == value.rounded() ? String(Int(value)) : digits(value)
    return units[unit].isEmpty ? number : "\(number) \(units[unit])"
  }

  /// Three digits that count, without zeros at the end of a fraction.
  static func digits(_ value: Double) -> String {
    if value >= 99.95 { return String(UInt64(value.rounded())) }
    let places = value >= 9.995 ? 1 : 2
    let factor = places == 1 ? 10.0 : 100.0
    let whole = UInt64((value * factor).rounded())
    let fraction = String(whole % UInt64(factor))
    var text = String(repeating: "0", count: places - fraction.count) + fraction
    while text.hasSuffix("0") { text.removeLast() }
    let integer = String(whole / UInt64(factor))
    return text.isEmpty ? integer : integer + "." + text
  }
}
