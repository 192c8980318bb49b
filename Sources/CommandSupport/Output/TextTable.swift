/// A table for people: columns as wide as they need to be, and within the width there is.
public struct TextTable: Sendable {
  public struct Column: Sendable {
    let title: String
    let isRight: Bool
    /// How dear it is: 0 is never left out; the highest number goes first when there is no room.
    let rank: Int
    /// It may be cut to this width before columns are left out; nil: never.
    let widthMin: Int?

    public init(_ title: String, right: Bool = true, rank: Int = 0, widthMin: Int? = nil) {
      self.title = title
      isRight = right
      self.rank = rank
      self.widthMin = widthMin
    }
  }

  private let columns: [Column]
  private var rows: [[String]] = []

  public init(_ columns: [Column]) { self.columns = columns }

  public var rowCount: Int { rows.count }

  /// Cells must be fit for a terminal already.
  public mutating func add(_ cells: [String]) {
    precondition(cells.count == columns.count, "one cell for each column")
    rows.append(cells)
  }

  /// The title and the rows, none wider than `width`.
  public func lines(width: Int) -> [String] {
    var widths = columns.indices.map { index in
      rows.reduce(columns[index].title.count) { max($0, $1[index].count) }
    }
    var shown = Array(columns.indices)
    func total() -> Int { shown.reduce(2 * (shown.count - 1)) { $0 + widths[$1] } }
    while total() > width {
      if let index = shown.max(by: { slack($0, widths) < slack($1, widths) }),
        slack(index, widths) > 0
      {
        widths[index] -= min(slack(index, widths), total() - width)
      } else if let index = shown.max(by: { columns[$0].rank < columns[$1].rank }),
        columns[index].rank > 0
      {
        shown.removeAll { $0 == index }
      } else {
        break
      }
    }
    return ([columns.map(\.title)] + rows).map { cells in
      let line = shown.map { pad(cells[$0], widths[$0], columns[$0].isRight) }
        .joined(separator: "  ")
      return String(Self.trimmed(line).prefix(width))
    }
  }

  private func slack(_ index: Int, _ widths: [Int]) -> Int {
    columns[index].widthMin.map { max(0, widths[index] - max($0, columns[index].title.count)) } ?? 0
  }

  private func pad(_ cell: String, _ width: Int, _ isRight: Bool) -> String {
    let missing = width - cell.count
    if missing < 0 { return cell.prefix(width - 1) + "…" }
    let spaces = String(repeating: " ", count: missing)
    return isRight ? spaces + cell : cell + spaces
  }

  private static func trimmed(_ line: String) -> String {
    var line = line[...]
    while line.last == " " { line.removeLast() }
    return String(line)
  }
}
