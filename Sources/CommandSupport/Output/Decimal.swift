/// Numbers in decimal digits, for those who write many: a string for each costs more than the rest
/// of a line.
enum Decimal {
  static func append(_ value: UInt64, to output: inout [UInt8]) {
    var unit: UInt64 = 1
    while value / unit >= 10 { unit *= 10 }
    while unit > 0 {
      output.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: value / unit % 10))
      unit /= 10
    }
  }
}
