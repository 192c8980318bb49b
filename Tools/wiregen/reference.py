"""The format once more, in Python and from the prose, so that the vectors check the Swift.

Numbers come from the registry; how they become bytes is written here from protocol.md alone and
shares no code with the generator.
"""

import struct

CODES = {"u8": "<B", "u16": "<H", "u32": "<I", "u64": "<Q"}


# MARK: - Checksum


def _table():
    rows = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        rows.append(byte)
    return rows


_TABLE = _table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


assert crc32c(b"123456789") == 0xE3069283


# MARK: - Compression


def _length(value):
    """LZ4's way to go on counting after a nibble of 15."""
    out = b""
    while value >= 255:
        out += b"\xff"
        value -= 255
    return out + bytes([value])


def _sequence(literals, offset=0, match=0):
    high, low = min(len(literals), 15), min(match - 4, 15) if match else 0
    out = bytes([high << 4 | low])
    if high == 15:
        out += _length(len(literals) - 15)
    out += literals
    if match:
        out += struct.pack("<H", offset)
        if low == 15:
            out += _length(match - 4 - 15)
    return out


def lz4(data):
    """One LZ4 block, greedily. The last match starts 12 bytes before the end and the last 5 bytes
    are literals, as the block format asks."""
    out, anchor, at, seen = b"", 0, 0, {}
    while at + 12 <= len(data):
        found = seen.get(data[at : at + 4])
        seen[data[at : at + 4]] = at
        if found is None or at - found > 0xFFFF:
            at += 1
            continue
        match = 4
        while at + match < len(data) - 5 and data[found + match] == data[at + match]:
            match += 1
        out += _sequence(data[anchor:at], at - found, match)
        at += match
        anchor = at
    return out + _sequence(data[anchor:])


def zstd(data):
    """One Zstandard frame with its content size, of raw and run-length blocks."""
    # Single segment, content size in four bytes.
    out = struct.pack("<IBI", 0xFD2FB528, 0xA0, len(data))
    pieces, at = [], 0
    while at < len(data):
        run = 1
        while at + run < len(data) and data[at + run] == data[at]:
            run += 1
        if run >= 8:
            pieces.append((1, data[at : at + 1], run))
        elif pieces and pieces[-1][0] == 0:
            _, raw, size = pieces[-1]
            pieces[-1] = (0, raw + data[at : at + run], size + run)
        else:
            pieces.append((0, data[at : at + run], run))
        at += run
    for index, (kind, raw, size) in enumerate(pieces):
        last = index == len(pieces) - 1
        out += struct.pack("<I", size << 3 | kind << 1 | last)[:3] + raw
    return out


# MARK: - Records and batches


def record(payload=b"", key=None, headers=None, reply_to=None, tombstone=False, flags=0, size=None):
    """One record; `flags` adds bits and `size` states another size, both for bad vectors."""
    body = b""
    if reply_to is not None:
        flags |= 4
        body += struct.pack("<QQ", *reply_to)
    if key is not None:
        flags |= 1
        body += struct.pack("<H", len(key)) + key
    if headers is not None:
        flags |= 2
        body += struct.pack("<H", len(headers))
        for name, value in headers:
            body += bytes([len(name)]) + name + struct.pack("<H", len(value)) + value
    if tombstone:
        flags |= 8
    body += payload
    word = (len(body) if size is None else size) | flags << 24
    return struct.pack("<I", word) + body


CODECS = {"none": (0, lambda data: data), "lz4": (1, lz4), "zstd": (2, zstd)}


def batch(records, codec="none", pad=True, padding=b"\0", **fields):
    """A batch of encoded records. `fields` state other values than the true ones; `stored` gives
    other bytes than the compressed records; `checksum` another checksum."""
    decoded = b"".join(records)
    number, compress = CODECS[codec]
    stored = fields.pop("stored", None)
    if stored is None:
        stored = compress(decoded)
    checksum = fields.pop("checksum", None)
    values = {
        "length": 72 + len(stored), "sequence": 0, "time": 0, "bytes_before": 0, "topic": 0,
        "count": len(records), "decoded_length": len(decoded), "codec": number, "ttl_ms": 0,
        "publish_time": 1_700_000_000_000_000_000, "publisher_sequence": 1, "reserved": 0,
        "stamp_reserved": 0,
    }
    unknown = set(fields) - set(values)
    assert not unknown, unknown
    values.update(fields)
    covered = struct.pack(
        "<IIBBHIQQ", values["count"], values["decoded_length"], values["codec"],
        values["reserved"], 0, values["ttl_ms"], values["publish_time"],
        values["publisher_sequence"],
    )
    covered += stored
    if checksum is None:
        checksum = crc32c(covered)
    stamped = struct.pack(
        "<QQQII", values["sequence"], values["time"], values["bytes_before"], values["topic"],
        values["stamp_reserved"],
    )
    out = struct.pack("<II", values["length"], checksum) + stamped + covered
    if pad:
        out += padding * (-len(out) % 8)
    return out


# MARK: - Frames


class Frames:
    def __init__(self, registry):
        self.registry = registry
        self.by_name = {frame["name"]: frame for frame in registry["frames"]}
        self.magic = int(registry["protocol"]["magic"], 0)

    def number(self, kind, value):
        """A field's value as a number: enum cases and codes may be given by name."""
        if isinstance(value, bool):
            return int(value)
        if isinstance(value, int):
            return value
        if isinstance(value, (list, tuple)):
            flags = next(e for e in self.registry["flagSets"] if e["name"] == kind)["flags"]
            return sum(flag["value"] for flag in flags if flag["name"] in value)
        if kind == "CloseReason":
            return next(e["code"] for e in self.registry["closeReasons"] if e["name"] == value)
        if kind == "ErrorCode":
            return next(e["code"] for e in self.registry["errorCodes"] if e["name"] == value)
        cases = next(e for e in self.registry["enums"] if e["name"] == kind)["cases"]
        return next(case["value"] for case in cases if case["name"] == value)

    def body(self, name, fields):
        out, left = b"", dict(fields)
        for field in self.by_name[name]["fields"]:
            kind, value = field["type"], left.pop(field["name"], None)
            if kind == "rest":
                out += value or b""
            elif kind == "string16":
                data = value if isinstance(value, bytes) else (value or "").encode()
                out += struct.pack("<H", len(data)) + data
            else:
                if value is None:
                    value = self.magic if field["name"] == "magic" else 0
                out += struct.pack(CODES[kind], self.number(field.get("as"), value))
        assert not left, left
        return out

    def frame(self, name, /, ref=0, correlation=0, flags=0, reserved=0, **fields):
        number = int(self.by_name[name]["type"], 0)
        return raw_frame(number, self.body(name, fields), ref, correlation, flags, reserved)


def raw_frame(number, body=b"", ref=0, correlation=0, flags=0, reserved=0, length=None):
    if length is None:
        length = 12 + len(body)
    return struct.pack("<IBBHII", length, number, flags, reserved, ref, correlation) + body
