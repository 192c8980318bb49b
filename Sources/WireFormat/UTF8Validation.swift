/// Whether the bytes are UTF-8: shortest forms, no surrogates, nothing beyond U+10FFFF.
@unsafe
@_noLocks public func isValidUTF8(_ bytes: UnsafeRawBufferPointer) -> Bool {
  guard let base = bytes.baseAddress else { return true }
  let count = bytes.count
  var at = 0
  while at < count {
    // Eight ASCII bytes at a time.
    while at + 8 <= count, unsafe base.loadUInt64(at) & 0x8080_8080_8080_8080 == 0 { at += 8 }
    guard at < count else { break }
    let length = unsafe characterLength(base, at: at, end: count)
    guard length > 0 else { return false }
    at += length
  }
  return true
}

/// Bytes of the character at `at`, or 0 where there is none that is well-formed.
@unsafe @inline(__always)
@_noLocks func characterLength(_ base: UnsafeRawPointer, at: Int, end: Int) -> Int {
  let first = unsafe base.loadUInt8(at)
  if first < 0x80 { return 1 }
  // What the second byte may be depends on the first: it rules out long forms, surrogates and
  // what is beyond the last code point.
  let length: Int
  var low: UInt8 = 0x80
  var high: UInt8 = 0xBF
  switch first {
  case 0xC2...0xDF: length = 2
  case 0xE0: (length, low) = (3, 0xA0)
  case 0xE1...0xEC, 0xEE...0xEF: length = 3
  case 0xED: (length, high) = (3, 0x9F)
  case 0xF0: (length, low) = (4, 0x90)
  case 0xF1...0xF3: length = 4
  case 0xF4: (length, high) = (4, 0x8F)
  default: return 0
  }
  guard length <= end - at else { return 0 }
  let second = unsafe base.loadUInt8(at + 1)
  guard second >= low, second <= high else { return 0 }
  if length > 2, unsafe base.loadUInt8(at + 2) & 0xC0 != 0x80 { return 0 }
  if length > 3, unsafe base.loadUInt8(at + 3) & 0xC0 != 0x80 { return 0 }
  return length
}

/// Whether the character at `at` is a control character (U+0000 to U+001F, U+007F to U+009F).
@unsafe @inline(__always)
@_noLocks func isControl(_ base: UnsafeRawPointer, at: Int, length: Int) -> Bool {
  let first = unsafe base.loadUInt8(at)
  if length == 1 { return first < 0x20 || first == 0x7F }
  return length == 2 && first == 0xC2 && (unsafe base.loadUInt8(at + 1)) < 0xA0
}
