/// What is wrong with a file of walks.
struct WalkFileError: Error, Equatable, CustomStringConvertible {
  /// Counted from 1; 0 where it is about the whole.
  let line: Int
  let problem: String

  var description: String { line == 0 ? problem : "line \(line): \(problem)" }
}

/// Reads walks from comma-separated values: a line with the names of the columns, then a line for
/// each fix. Columns are found by their names and others are passed over; lines may end in CR LF;
/// fields may stand in quotes; empty lines mean nothing. Whatever else is not as it should be is
/// refused with its line, because a guess would move players to places where nobody was.
enum WalkFile {
  /// Largest file in bytes: some thousand times the one that comes along.
  static let bytesMax = 64 << 20

  static func parse(_ bytes: [UInt8]) throws(WalkFileError) -> [Walk] {
    var reader = Reader()
    var line: [UInt8] = []
    var number = 0
    // A mark of the byte order is no part of the first name.
    var rest = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? bytes.dropFirst(3) : bytes[...]
    while !rest.isEmpty {
      number += 1
      let end = rest.firstIndex(of: UInt8(ascii: "\n")) ?? rest.endIndex
      line = Array(rest[..<end])
      rest = rest[end...].dropFirst()
      if line.last == UInt8(ascii: "\r") { line.removeLast() }
      if line.isEmpty { continue }
      do throws(Problem) {
        try reader.take(line)
      } catch {
        throw WalkFileError(line: number, problem: error.sentence)
      }
    }
    return try reader.finish()
  }

  private struct Problem: Error {
    let sentence: String
  }

  private struct Columns {
    let walk: Int
    let elapsed: Int
    let latitude: Int
    let longitude: Int
    let elevation: Int?
    let count: Int

    init(_ names: [String]) throws(Problem) {
      func place(_ name: String) throws(Problem) -> Int {
        guard let index = names.firstIndex(of: name) else {
          throw Problem(sentence: "the first line names no column \"\(name)\"")
        }
        return index
      }
      walk = try place("walk")
      elapsed = try place("elapsed_s")
      latitude = try place("latitude_deg")
      longitude = try place("longitude_deg")
      elevation = names.firstIndex(of: "elevation_m")
      count = names.count
    }
  }

  private struct Reader {
    private var columns: Columns?
    /// In the order of their first lines.
    private var names: [String] = []
    private var fixes: [String: [Fix]] = [:]

    mutating func take(_ line: [UInt8]) throws(Problem) {
      let fields = try WalkFile.fields(of: line)
      guard let columns else {
        columns = try Columns(fields)
        return
      }
      guard fields.count == columns.count else {
        throw Problem(sentence: "\(fields.count) fields where there are \(columns.count) columns")
      }
      let name = fields[columns.walk]
      try WalkFile.checkName(name)
      let fix = Fix(
        elapsedMs: UInt64(
          try number(fields[columns.elapsed], "elapsed_s", places: 3, 0...1_000_000_000_000)),
        place: Place(
          latitudeE7: Int32(
            try number(
              fields[columns.latitude], "latitude_deg", places: 7, -900_000_000...900_000_000)),
          longitudeE7: Int32(
            try number(
              fields[columns.longitude], "longitude_deg", places: 7,
              -1_800_000_000...1_800_000_000))),
        elevationCm: try elevation(fields, columns))
      if fixes[name] == nil { names.append(name) }
      if let last = fixes[name]?.last, last.elapsedMs > fix.elapsedMs {
        throw Problem(sentence: "the time of \(name) goes back")
      }
      fixes[name, default: []].append(fix)
    }

    private func elevation(_ fields: [String], _ columns: Columns) throws(Problem) -> Int32? {
      guard let index = columns.elevation, !fields[index].isEmpty else { return nil }
      return Int32(try number(fields[index], "elevation_m", places: 2, -1_200_000...10_000_000))
    }

    private func number(
      _ text: String, _ column: String, places: Int, _ range: ClosedRange<Int64>
    ) throws(Problem) -> Int64 {
      guard let value = WalkFile.fixedPoint(text, places: places) else {
        throw Problem(sentence: "\(column) is not a number: \"\(text.prefix(40))\"")
      }
      guard range.contains(value) else {
        throw Problem(sentence: "\(column) is out of its range: \(text.prefix(40))")
      }
      return value
    }

    func finish() throws(WalkFileError) -> [Walk] {
      guard !names.isEmpty else { throw WalkFileError(line: 0, problem: "there are no fixes") }
      var walks: [Walk] = []
      for name in names {
        let recorded = fixes[name, default: []]
        guard let first = recorded.first, let last = recorded.last,
          first.elapsedMs < last.elapsedMs
        else {
          throw WalkFileError(line: 0, problem: "\(name) has no two fixes at different times")
        }
        // Recordings that were cut from others begin later than 0.
        let start = first.elapsedMs
        walks.append(
          Walk(
            name: name,
            fixes: recorded.map {
              Fix(
                elapsedMs: $0.elapsedMs - start, place: $0.place, elevationCm: $0.elevationCm)
            }))
      }
      return walks
    }
  }

  /// Names become a part of topics, so they have what those have.
  private static func checkName(_ name: String) throws(Problem) {
    let isFit = name.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
        true
      default: false
      }
    }
    guard isFit, (1...64).contains(name.utf8.count) else {
      throw Problem(
        sentence: "a walk's name is 1 to 64 letters, digits, - and _: \"\(name.prefix(80))\"")
    }
  }

  /// The fields of a line; in a quoted one, two quotes stand for one.
  private static func fields(of line: [UInt8]) throws(Problem) -> [String] {
    let quote = UInt8(ascii: "\"")
    var fields: [String] = []
    var field: [UInt8] = []
    var isQuoted = false
    var index = 0
    while index < line.count {
      let byte = line[index]
      if isQuoted {
        if byte != quote {
          field.append(byte)
        } else if index + 1 < line.count, line[index + 1] == quote {
          field.append(quote)
          index += 1
        } else {
          isQuoted = false
        }
      } else if byte == UInt8(ascii: ",") {
        fields.append(String(decoding: field, as: UTF8.self))
        field.removeAll()
      } else if byte == quote && field.isEmpty {
        isQuoted = true
      } else {
        field.append(byte)
      }
      index += 1
    }
    if isQuoted { throw Problem(sentence: "a quote is not closed") }
    fields.append(String(decoding: field, as: UTF8.self))
    return fields
  }

  /// A decimal number as a whole number of its smallest place, rounded to the nearest; nil where it
  /// is none. By hand, because a way through binary fractions would move the last digit.
  static func fixedPoint(_ text: String, places: Int) -> Int64? {
    var rest = text.utf8[...]
    let isNegative = rest.first == UInt8(ascii: "-")
    if isNegative || rest.first == UInt8(ascii: "+") { rest = rest.dropFirst() }
    var value: Int64 = 0
    var digits = 0
    var fraction: Int?
    var roundsUp = false
    for byte in rest {
      if byte == UInt8(ascii: "."), fraction == nil {
        fraction = 0
        continue
      }
      guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
      digits += 1
      let digit = Int64(byte - UInt8(ascii: "0"))
      if let seen = fraction {
        if seen == places { roundsUp = digit >= 5 }
        fraction = seen + 1
        if seen >= places { continue }
      }
      let (shifted, isTooLarge) = value.multipliedReportingOverflow(by: 10)
      let (sum, isStillTooLarge) = shifted.addingReportingOverflow(digit)
      if isTooLarge || isStillTooLarge { return nil }
      value = sum
    }
    guard digits > 0 else { return nil }
    for _ in min(fraction ?? 0, places)..<places {
      let (shifted, isTooLarge) = value.multipliedReportingOverflow(by: 10)
      if isTooLarge { return nil }
      value = shifted
    }
    if roundsUp && value < .max { value += 1 }
    return isNegative ? -value : value
  }
}
