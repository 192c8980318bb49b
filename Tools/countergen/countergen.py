#!/usr/bin/env python3
"""Generates the Swift and the tables of the broker's counters from Protocol/counters.json.

    Tools/countergen/countergen.py           writes what is out of date
    Tools/countergen/countergen.py --check   writes nothing; exit 1 where something is out of date
"""
import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
REGISTRY = ROOT / "Protocol/counters.json"
SWIFT = ROOT / "Sources/Counters/Counters+Generated.swift"
DOCUMENT = ROOT / "Protocol/counters.md"
SEQUENCE_BYTES = 8  # the word every row begins with
KINDS = {"u32": "small", "u64": "word", "array": "array", "text": "text"}
WIDTH = 100


def size_of(field):
    if field["type"] == "text":
        return field["size"]
    return {"u32": 4, "u64": 8, "array": 8 * field.get("count", 0)}[field["type"]]


def lay_out(table):
    """Gives every field its offset and the table its row size."""
    offset = SEQUENCE_BYTES
    names = set()
    for field in table["fields"]:
        assert field["name"] not in names, f"{table['name']}.{field['name']} is there twice"
        names.add(field["name"])
        alignment = 4 if field["type"] == "u32" else 8
        offset = -(-offset // alignment) * alignment
        field["offset"] = offset
        offset += size_of(field)
    assert "state" in names, f"{table['name']} has no state"
    table["rowBytes"] = -(-offset // table["align"]) * table["align"]


def fingerprint(registry):
    """FNV-1a of everything that a reader of another build would have to agree on."""
    value = 0xCBF29CE484222325
    text = ";".join(
        f"{t['name']}/{t['kind']}/{t['rowBytes']}:"
        + ",".join(f"{f['name']}@{f['offset']}+{size_of(f)}{f['type']}" for f in t["fields"])
        for t in registry["tables"])
    for byte in text.encode():
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value


def cap(name):
    return name[0].upper() + name[1:]


def comment(text, indent):
    """A doc comment, wrapped."""
    lines, line = [], ""
    for word in text.split():
        if line and len(indent) + 4 + len(line) + 1 + len(word) > WIDTH:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    lines.append(line)
    return "".join(f"{indent}/// {line}\n" for line in lines)


def about(field):
    unit = f" Unit: {field['unit']}." if "unit" in field else ""
    return field["about"] + unit


def swift_enum(item):
    out = comment(item["about"], "")
    out += f"public enum {item['name']}: UInt32, CaseIterable, Sendable {{\n"
    for case in item["cases"]:
        out += comment(case["about"], "  ")
        out += f"  case {case['name']} = {case['value']}\n"
    return out + "}\n\n"


def swift_table(table):
    name = cap(table["name"])
    by_kind = {kind: [f for f in table["fields"] if f["type"] == kind] for kind in KINDS}
    out = comment(table["about"], "")
    out += f"""@safe public struct {name}Row: CounterRow {{
  public static var kind: CounterKind {{ .{table['name']} }}
  public static var rowBytes: Int {{ @_noLocks get {{ {table['rowBytes']} }} }}
  public static let fields: [CounterFieldDescription] = [
"""
    for f in table["fields"]:
        count = f.get("count", f.get("size", 1))
        line = (f"    .init(\"{f['name']}\", .{KINDS[f['type']]}, at: {f['offset']}, count: {count}"
                + (f", unit: \"{f['unit']}\"" if "unit" in f else ""))
        if len(line) > WIDTH - 2:
            line = line.replace(", unit:", ",\n      unit:")
        out += line + "),\n"
    out += f"""  ]
  public let cells: RowCells
  @_noLocks public init(cells: RowCells) {{ self.cells = cells }}

"""
    for kind, swift in (("u64", "Word"), ("u32", "Small"), ("array", "Series"), ("text", "Text")):
        if not by_kind[kind]:
            continue
        titles = {"u64": "The counters of 8 bytes.", "u32": "The words of 4 bytes.",
                  "array": "The arrays of counters.", "text": "The texts."}
        out += f"  /// {titles[kind]}\n  public struct {swift}: Sendable {{\n"
        out += "    let offset: Int\n"
        if kind in ("array", "text"):
            out += "    let count: Int\n"
            out += "    @_noLocks init(offset: Int, count: Int) {\n"
            out += "      self.offset = offset\n      self.count = count\n    }\n"
        else:
            out += "    @_noLocks init(offset: Int) { self.offset = offset }\n"
        for f in by_kind[kind]:
            out += comment(about(f), "    ")
            count = f.get("count", f.get("size", 0))
            args = f"offset: {f['offset']}" + (f", count: {count}" if count else "")
            line = f"    public static var {f['name']}: Self {{ @_noLocks get {{ Self({args}) }} }}\n"
            assert len(line) <= WIDTH + 1, line
            out += line
        out += "  }\n\n"
    out += """  /// Adds, wrapping. One relaxed load and one relaxed store: the row has a single writer.
  @_noLocks public func add(_ field: Word, _ amount: UInt64) {
    cells.add64(field.offset, amount)
  }
  @_noLocks public func set(_ field: Word, _ value: UInt64) { cells.store64(field.offset, value) }
  @_noLocks public func get(_ field: Word) -> UInt64 { cells.load64(field.offset) }
  @_noLocks public func raise(_ field: Word, to value: UInt64) {
    if value > cells.load64(field.offset) { cells.store64(field.offset, value) }
  }
  @_noLocks public func set(_ field: Small, _ value: UInt32) { cells.store32(field.offset, value) }
  @_noLocks public func get(_ field: Small) -> UInt32 { cells.load32(field.offset) }
"""
    out += """  @_noLocks public func setState(_ state: CounterRowState) { set(.state, state.rawValue) }
  /// Begins a change of words that must agree: readers try again until `endUpdate`.
  @_noLocks public func beginUpdate() { cells.beginUpdate() }
  @_noLocks public func endUpdate() { cells.endUpdate() }
  /// Takes the row for something new: everything is 0 but the state.
  @_noLocks public func activate(_ state: CounterRowState = .active) {
    cells.beginUpdate()
    cells.clear(rowBytes: Self.rowBytes)
    setState(state)
    cells.endUpdate()
  }
  /// Gives the row up; its last values stay until it is taken again.
  @_noLocks public func retire() {
    cells.beginUpdate()
    setState(.retired)
    cells.endUpdate()
  }
"""
    if by_kind["array"]:
        out += """  /// An index beyond the array counts in its last element: better there than nowhere.
  @_noLocks public func add(_ field: Series, at index: Int, _ amount: UInt64) {
    cells.add64(field.offset + 8 * RowCells.clamp(index, below: field.count), amount)
  }
  @_noLocks public func set(_ field: Series, at index: Int, _ value: UInt64) {
    cells.store64(field.offset + 8 * RowCells.clamp(index, below: field.count), value)
  }
  @_noLocks public func get(_ field: Series, at index: Int) -> UInt64 {
    cells.load64(field.offset + 8 * RowCells.clamp(index, below: field.count))
  }
"""
    if by_kind["text"]:
        out += """  /// Sets a text of UTF-8. What does not fit is cut, and ends in U+2026.
  @_noLocks public func setText(_ field: Text, _ bytes: RawSpan) {
    cells.storeText(field.offset, field.count, bytes)
  }
  public func setText(_ field: Text, _ text: String) {
    unsafe setText(field, text.utf8Span.span.bytes)
  }
"""
    out += "}\n\n"
    if "table" in table["scope"]:
        out += f"""/// The rows of a table. A few words: keep a copy. Which rows are in use is the writer's business;
/// the lowest free one is best, as readers read up to the highest that was ever used.
public struct {name}Table: Sendable {{
  let cells: TableCells
  public var capacity: Int {{ @_noLocks get {{ cells.capacity }} }}
  /// The row of a slot, which must be below `capacity`.
  public subscript(slot: Int) -> {name}Row {{
    @_noLocks get {{ {name}Row(cells: cells.row(slot, rowBytes: {name}Row.rowBytes)) }}
  }}
  /// Takes the row of a slot for something new, see `{name}Row.activate`, and sees to it that
  /// readers look that far.
  @discardableResult @_noLocks public func activate(
    _ slot: Int, _ state: CounterRowState = .active
  ) -> {name}Row {{
    let row = self[slot]
    row.activate(state)
    cells.noteUse(of: slot)
    return row
  }}
}}

"""
    # Reading from a snapshot.
    out += f"extension RowSnapshot where Row == {name}Row {{\n"
    out += f"  public subscript(field: {name}Row.Word) -> UInt64 {{ word(field.offset) }}\n"
    out += f"  public subscript(field: {name}Row.Small) -> UInt32 {{ small(field.offset) }}\n"
    if by_kind["array"]:
        out += f"  public subscript(field: {name}Row.Series) -> [UInt64] {{\n"
        out += "    words(field.offset, field.count)\n  }\n"
    if by_kind["text"]:
        out += f"  public subscript(field: {name}Row.Text) -> String {{\n"
        out += "    text(field.offset, field.count)\n  }\n"
    out += "}\n\n"
    return out


def swift(registry):
    out = """// Generated from Protocol/counters.json by Tools/countergen. Do not edit.

extension CountersLayout {
  /// Version of the layout; a reader refuses others.
  public static let version: UInt32 = %d
  /// The first eight bytes.
  public static let magic: UInt64 = %s
  /// Hash of every field's name, place and size; a reader of another build refuses.
  public static let fingerprint: UInt64 = 0x%016X
}

/// The tables there are.
public enum CounterKind: UInt16, CaseIterable, Sendable {
""" % (registry["layoutVersion"], registry["magic"], fingerprint(registry))
    for table in registry["tables"]:
        out += comment(table["about"], "  ") + f"  case {table['name']} = {table['kind']}\n"
    out += "}\n\n"
    out += swift_enum(registry["states"])
    for item in registry["enums"]:
        out += swift_enum(item)
    for table in registry["tables"]:
        out += swift_table(table)
    return out.rstrip("\n") + "\n"


def markdown_tables(registry):
    tables = {}
    for t in registry["tables"]:
        rows = [f"{t['about']} {cap(t['scope'])}, {t['rowBytes']} bytes a row.", "",
                "| name | offset | type | unit | about |", "|---|---|---|---|---|",
                "| (sequence) | 0 | u64 | | See \"Reading a row\". |"]
        for f in t["fields"]:
            kind = {"array": f"u64 [{f.get('count')}]",
                    "text": f"text {f.get('size')}"}.get(f["type"], f["type"])
            rows.append(f"| `{f['name']}` | {f['offset']} | {kind} | {f.get('unit', '')} "
                        f"| {f['about']} |")
        tables[t["name"]] = "\n".join(rows)
    tables["kinds"] = "\n".join(
        ["| kind | table | bytes a row |", "|---|---|---|"]
        + [f"| {t['kind']} | `{t['name']}` | {t['rowBytes']} |" for t in registry["tables"]])
    tables["constants"] = "\n".join([
        f"- magic: `{registry['magic']}`", f"- layout version: {registry['layoutVersion']}",
        f"- fingerprint of this registry: `0x{fingerprint(registry):016X}`"])
    for item in [registry["states"]] + registry["enums"]:
        tables[item["name"]] = "\n".join(
            [item["about"], "", "| value | name | about |", "|---|---|---|"]
            + [f"| {c['value']} | `{c['name']}` | {c['about']} |" for c in item["cases"]])
    return tables


def document(registry, text):
    tables = markdown_tables(registry)
    seen = set()

    def fill(match):
        name = match.group(1)
        seen.add(name)
        return f"<!-- table:{name} -->\n{tables[name]}\n<!-- end -->"

    text = re.sub(r"<!-- table:(\w+) -->\n.*?<!-- end -->", fill, text, flags=re.S)
    missing = set(tables) - seen
    assert not missing, f"counters.md has no place for {sorted(missing)}"
    return text


def main():
    registry = json.loads(REGISTRY.read_text())
    for table in registry["tables"]:
        lay_out(table)
    stale = []
    for path, text in ((SWIFT, swift(registry)),
                       (DOCUMENT, document(registry, DOCUMENT.read_text()))):
        if not path.exists() or path.read_text() != text:
            stale.append(path)
            if "--check" not in sys.argv[1:]:
                path.write_text(text)
                print(f"wrote {path.relative_to(ROOT)}")
    if stale and "--check" in sys.argv[1:]:
        names = ", ".join(str(path.relative_to(ROOT)) for path in stale)
        print(f"out of date: {names}; run Tools/countergen/countergen.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
