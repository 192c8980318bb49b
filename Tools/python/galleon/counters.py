"""The broker's counters, as STATS gives them: counters.md and counters.json."""

import json
import struct

from .registry import FOLDER


class _Table:
    """The layout of one kind of table: fields in the order given, from 8 on."""

    def __init__(self, entry):
        self.name, self.fields, at = entry["name"], [], 8
        for field in entry["fields"]:
            kind = field["type"]
            size = {"u32": 4, "u64": 8}.get(kind)
            if kind == "text":
                size = field["size"]
            elif kind == "array":
                size = 8 * field["count"]
            align = 4 if kind == "u32" else 8
            at += -at % align
            self.fields.append((field["name"], kind, at, size))
            at += size
        align = entry.get("align", 8)
        self.row_bytes = at + -at % align


class Counters:
    """Reads tables through `read(offset, count) -> bytes`. Rows are dictionaries."""

    def __init__(self, read):
        with open(FOLDER / "counters.json", encoding="utf-8") as file:
            registry = json.load(file)
        self._read = read
        self._kinds = {entry["kind"]: _Table(entry) for entry in registry["tables"]}
        self._states = {case["value"]: case["name"] for case in registry["states"]["cases"]}
        header = read(0, 128)
        magic, version, size, self.instance, self.start, self.pid, self.shards = \
            struct.unpack_from("<QIIQQII", header)
        self.total, directory, self._entries = struct.unpack_from("<QII", header, 40)
        if magic != int(registry["magic"], 16) or version != registry["layoutVersion"]:
            raise ValueError("counters of another layout")
        if size != 128:
            raise ValueError("a header of another size")
        self._directory = directory

    def rows(self, table):
        """The rows of all tables of this name that stand for something now."""
        directory = self._read(self._directory, 32 * self._entries)
        for entry in range(self._entries):
            kind, shard, row_bytes, offset, _, high = \
                struct.unpack_from("<HHIQII", directory, 32 * entry)
            layout = self._kinds.get(kind)
            if layout is None or layout.name != table:
                continue
            for row in range(high):
                values = self._row(layout, offset + row * row_bytes, row_bytes)
                if values and values["state"] not in ("free", "retired"):
                    yield {"row": row, "tableShard": shard, **values}

    def _row(self, layout, offset, size):
        for _ in range(5):
            first, second = self._read(offset, size), self._read(offset, size)
            sequence = struct.unpack_from("<Q", first)[0]
            if sequence == struct.unpack_from("<Q", second)[0] and sequence % 2 == 0:
                break
        if sequence == 0:
            return None
        values = {"consistent": sequence % 2 == 0}
        for name, kind, at, size in layout.fields:
            piece = first[at:at + size]
            if kind == "text":
                values[name] = piece.split(b"\0")[0].decode(errors="replace")
            elif kind == "array":
                values[name] = list(struct.unpack(f"<{size // 8}Q", piece))
            else:
                values[name] = int.from_bytes(piece, "little")
        values["state"] = self._states.get(values["state"], str(values["state"]))
        return values
