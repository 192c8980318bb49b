"""Frames: from bytes and to bytes."""

import struct

from .registry import NUMBERS, REGISTRY, Fault

HEADER_REST = REGISTRY.header.size - 4


class Frame:
    """A frame that was decoded: its name, its header's `ref` and `correlation`, its fields."""

    __slots__ = ("name", "ref", "correlation", "fields")

    def __init__(self, name, ref, correlation, fields):
        self.name, self.ref, self.correlation, self.fields = name, ref, correlation, fields

    def __getitem__(self, field):
        return self.fields[field]

    def __repr__(self):
        return f"{self.name} ref={self.ref} correlation={self.correlation} {self.fields}"


def encode_raw(type_number, body=b"", ref=0, correlation=0, flags=0):
    """A frame of any type with any body."""
    length = HEADER_REST + len(body)
    return REGISTRY.header.pack(length, type_number, flags, 0, ref, correlation) + body


def encode_frame(frame_name, ref=0, correlation=0, **fields):
    """The bytes of a frame. Fields that are not named are 0 or empty; enums may be names."""
    kind = REGISTRY.frames[frame_name]
    body = bytearray()
    for field in kind.fields:
        value = fields.pop(field["name"], None)
        if field["type"] == "rest":
            body += value or b""
        elif field["type"] == "string16":
            text = (value or "").encode() if not isinstance(value, bytes) else value
            if field.get("clip"):
                text = clip(text, field["max"])
            body += struct.pack("<H", len(text)) + text
        else:
            if value is None:
                value = REGISTRY.magic if field["name"] == "magic" else 0
            if field.get("as", "Bool") != "Bool":
                value = REGISTRY.value(field["as"], value)
            body += struct.pack("<" + NUMBERS[field["type"]], int(value))
    if fields:
        raise TypeError(f"{frame_name} has no field {', '.join(fields)}")
    return encode_raw(kind.type, bytes(body), ref, correlation)


def clip(text, most):
    """At most so many bytes of UTF-8, cut between characters."""
    return text[:most].decode(errors="ignore").encode() if len(text) > most else text


def decode_body(kind, body):
    """The fields of a body; malformedFrame where it is not exactly the frame's fields."""
    fields, at = {}, 0
    for field in kind.fields:
        name, type_name = field["name"], field["type"]
        if type_name == "rest":
            value, at = bytes(body[at:]), len(body)
        elif type_name == "string16":
            if len(body) - at < 2:
                raise Fault("malformedFrame", f"{name} is cut")
            size = struct.unpack_from("<H", body, at)[0]
            at += 2
            if len(body) - at < size or size > field["max"]:
                raise Fault("malformedFrame", f"{name} is cut or too long")
            try:
                value = bytes(body[at:at + size]).decode("utf-8")
            except UnicodeDecodeError:
                raise Fault("malformedFrame", f"{name} is not UTF-8") from None
            at += size
        else:
            packed = struct.Struct("<" + NUMBERS[type_name])
            if len(body) - at < packed.size:
                raise Fault("malformedFrame", f"{name} is cut")
            value = packed.unpack_from(body, at)[0]
            at += packed.size
            if field.get("as") == "Bool" and value > 1:
                raise Fault("malformedFrame", f"{name} is neither 0 nor 1")
        fields[name] = value
    if at != len(body):
        raise Fault("malformedFrame", "bytes are left over")
    if "positions" in fields and len(fields["positions"]) != 16 * fields["positions_count"]:
        raise Fault("malformedFrame", "positions are not as many as stated")
    return fields


def decode_frame(buffer, length_max, receiver="client"):
    """The frame at the start of `buffer` and its size there.

    (None, 0): it is not all there. (None, size): an unknown frame, to be skipped. Raises Fault.
    """
    if len(buffer) < 4:
        return None, 0
    length = struct.unpack_from("<I", buffer)[0]
    if length < HEADER_REST:
        raise Fault("frameTooShort", f"length {length}")
    if length > length_max:
        raise Fault("frameTooLarge", f"length {length}")
    size = length + 4
    if len(buffer) < size:
        return None, 0
    _, type_number, flags, _, ref, correlation = REGISTRY.header.unpack_from(buffer)
    kind = REGISTRY.types.get(type_number)
    if kind is None:
        if flags & REGISTRY.ignorable:
            return None, size
        raise Fault("unknownFrame", f"type {type_number:#x}")
    if kind.sender == receiver:
        raise Fault("wrongDirection", kind.name)
    fields = decode_body(kind, memoryview(buffer)[REGISTRY.header.size:size])
    return Frame(kind.name, ref, correlation, fields), size


class FrameReader:
    """Cuts a stream of bytes into frames."""

    def __init__(self, length_max, receiver="client"):
        self.length_max, self.receiver = length_max, receiver
        self.buffer = bytearray()

    def feed(self, data):
        self.buffer += data

    def next(self):
        """The next frame that is all there, or None."""
        while True:
            # A copy of one frame at most, as a view on the buffer would keep it from shrinking.
            window = bytes(self.buffer[:4])
            if len(window) == 4:
                length = min(struct.unpack("<I", window)[0], self.length_max)
                window = bytes(self.buffer[:length + 4])
            frame, size = decode_frame(window, self.length_max, self.receiver)
            if size:
                del self.buffer[:size]
            if frame is not None or size == 0:
                return frame
