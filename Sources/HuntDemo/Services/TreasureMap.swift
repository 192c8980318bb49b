/// The treasures that lie somewhere, found by place: a grid whose cells are about as large as the
/// way from which a treasure is seen.
struct TreasureMap: Sendable {
  struct Treasure: Hashable, Sendable {
    let id: UInt32
    let points: UInt32
    let place: Place
  }

  /// From how far a player finds a treasure, in metres: as well as a receiver knows where it is.
  static let reachM = 20.0

  private struct Cell: Hashable {
    let row: Int32
    let column: Int32
  }

  /// Ten millionths of a degree; along a meridian about 28 m.
  private static let cellE7: Int32 = 2500

  /// Anybody may say that he is anywhere. Nearer to the poles twenty metres to the east are any
  /// number of cells, and nothing is found there.
  private static let latitudesE7: ClosedRange<Int32> = -850_000_000...850_000_000

  private var cells: [Cell: [Treasure]] = [:]
  private(set) var count = 0

  mutating func insert(_ treasure: Treasure) {
    cells[Self.cell(treasure.place), default: []].append(treasure)
    count += 1
  }

  /// Takes all treasures in reach of a place, the nearest first.
  mutating func take(near place: Place) -> [Treasure] {
    guard count > 0, Self.latitudesE7.contains(place.latitudeE7) else { return [] }
    let corner = place.moved(northM: -Self.reachM, eastM: -Self.reachM)
    let opposite = place.moved(northM: Self.reachM, eastM: Self.reachM)
    let low = Self.cell(corner)
    let high = Self.cell(opposite)
    var found: [Treasure] = []
    for row in low.row...high.row {
      for column in low.column...high.column {
        let cell = Cell(row: row, column: column)
        guard let lying = cells[cell] else { continue }
        let (near, far) = lying.reduce(into: ([Treasure](), [Treasure]())) { parts, treasure in
          if treasure.place.metres(to: place) <= Self.reachM {
            parts.0.append(treasure)
          } else {
            parts.1.append(treasure)
          }
        }
        if near.isEmpty { continue }
        cells[cell] = far.isEmpty ? nil : far
        found += near
      }
    }
    count -= found.count
    return found.sorted {
      ($0.place.metres(to: place), $0.id) < ($1.place.metres(to: place), $1.id)
    }
  }

  private static func cell(_ place: Place) -> Cell {
    Cell(row: floorDivided(place.latitudeE7), column: floorDivided(place.longitudeE7))
  }

  /// Towards the south and west also where numbers are negative.
  private static func floorDivided(_ value: Int32) -> Int32 {
    (value - (value < 0 ? cellE7 - 1 : 0)) / cellE7
  }
}
