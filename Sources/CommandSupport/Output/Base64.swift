/// Base64 of RFC 4648, with padding.
public enum Base64 {
  public static func append(_ bytes: some Collection<UInt8>, to output: inout [UInt8]) {
    var group: UInt32 = 0
    var held = 0
    for byte in bytes {
      group = group << 8 | UInt32(byte)
      held += 1
      if held == 3 {
        for shift in [18, 12, 6, 0] { output.append(character(group >> UInt32(shift))) }
        (group, held) = (0, 0)
      }
    }
    if held == 0 { return }
    group <<= held == 1 ? 16 : 8
    output.append(character(group >> 18))
    output.append(character(group >> 12))
    output.append(held == 2 ? character(group >> 6) : UInt8(ascii: "="))
    output.append(UInt8(ascii: "="))
  }

  private static func character(_ bits: UInt32) -> UInt8 {
    switch UInt8(truncatingIfNeeded: bits & 63) {
    case let value where value < 26: UInt8(ascii: "A") + value
    case let value where value < 52: UInt8(ascii: "a") + value - 26
    case let value where value < 62: UInt8(ascii: "0") + value - 52
    case 62: UInt8(ascii: "+")
    default: UInt8(ascii: "/")
    }
  }
}
