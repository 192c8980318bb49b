"""Batches and their records: section 5 of the protocol."""

import dataclasses
import struct
import time

from .names import is_control
from .registry import REGISTRY, Fault

HEADER = REGISTRY.batch
FLAGS = REGISTRY.values["RecordFlags"]
CODECS = REGISTRY.values["Codec"]
LIMITS = REGISTRY.limits
SEQUENCE_MAX = 2**64 - 1
WORD_BYTES = 4


def _crc_tables():
    """Eight tables, so that eight bytes are taken at a step: polynomial 0x1EDC6F41, reflected."""
    first = []
    for number in range(256):
        for _ in range(8):
            number = (number >> 1) ^ (0x82F63B78 if number & 1 else 0)
        first.append(number)
    tables = [first]
    for _ in range(7):
        tables.append([(n >> 8) ^ first[n & 0xFF] for n in tables[-1]])
    return tables


T0, T1, T2, T3, T4, T5, T6, T7 = _crc_tables()


def crc32c(data):
    crc = 0xFFFFFFFF
    whole = len(data) & ~7
    for low, high in struct.iter_unpack("<II", data[:whole]):
        low ^= crc
        crc = (T7[low & 0xFF] ^ T6[low >> 8 & 0xFF] ^ T5[low >> 16 & 0xFF] ^ T4[low >> 24]
               ^ T3[high & 0xFF] ^ T2[high >> 8 & 0xFF] ^ T1[high >> 16 & 0xFF] ^ T0[high >> 24])
    for byte in data[whole:]:
        crc = T0[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


@dataclasses.dataclass
class Event:
    """One event. `topic`, `sequence` and the times are there where it was delivered."""

    payload: bytes = b""
    key: bytes | None = None
    headers: tuple = ()  # pairs of a name (str) and a value (bytes)
    reply_to: tuple | None = None  # inbox, token
    tombstone: bool = False
    topic: str = ""
    sequence: int = 0
    time: int = 0
    publish_time: int = 0


@dataclasses.dataclass
class Batch:
    """A batch: the fields of its header, and its events where they could be decoded."""

    header: dict
    events: list | None

    def __getattr__(self, name):
        try:
            return self.header[name]
        except KeyError:
            raise AttributeError(name) from None


def charge(decoded_length, count):
    return decoded_length + LIMITS["eventCharge"] * count


def padding(length):
    return -length % 8


# --- To bytes


def encode_record(event):
    flags, rest = 0, bytearray()
    if event.reply_to is not None:
        flags |= FLAGS["replyTo"]
        rest += struct.pack("<QQ", *event.reply_to)
    if event.key is not None:
        if not 1 <= len(event.key) <= LIMITS["keyBytesMax"]:
            raise ValueError("a key has 1 to %d bytes" % LIMITS["keyBytesMax"])
        flags |= FLAGS["key"]
        rest += struct.pack("<H", len(event.key)) + event.key
    if event.headers:
        if len(event.headers) > LIMITS["headersMax"]:
            raise ValueError("an event has at most %d headers" % LIMITS["headersMax"])
        flags |= FLAGS["headers"]
        rest += struct.pack("<H", len(event.headers))
        for name, value in event.headers:
            encoded = name.encode()
            if not _is_header_name(encoded) or len(value) > 0xFFFF:
                raise ValueError(f"not a header: {name!r}")
            rest += struct.pack("<B", len(encoded)) + encoded
            rest += struct.pack("<H", len(value)) + value
    if event.tombstone:
        if event.key is None or event.payload:
            raise ValueError("a tombstone has a key and no payload")
        flags |= FLAGS["tombstone"]
    rest += event.payload
    if len(rest) >= 1 << 24:
        raise ValueError("an event of 16 MiB or more")
    return struct.pack("<I", len(rest) | flags << 24) + rest


def encode_batch(events, publisher_sequence=1, ttl_ms=0, publish_time=None, records=None, **fields):
    """An uncompressed batch with its padding. `fields` overrule the header's, for tests."""
    if records is None:
        records = b"".join(map(encode_record, events))
    header = dict.fromkeys(REGISTRY.batch_fields, 0)
    header.update(
        length=HEADER.size + len(records), count=len(events), decoded_length=len(records),
        ttl_ms=ttl_ms, publisher_sequence=publisher_sequence,
        publish_time=time.time_ns() if publish_time is None else publish_time)
    header.update(fields)
    if "crc32c" not in fields:
        packed = HEADER.pack(*header.values())
        header["crc32c"] = crc32c((packed + records)[REGISTRY.checksum_from:header["length"]])
    packed = HEADER.pack(*header.values()) + records
    return packed + bytes(padding(len(packed)))


# --- From bytes


def decode_batch(data, at=0, *, batch_bytes_max, codecs=(), require_key=False,
                 expected_publisher_sequence=None, open_compressed=None):
    """The batch of `data` at `at`, and where the next one begins. Raises Fault.

    The checks come in the order of section 5. `expected_publisher_sequence` is for a broker: 0
    where any number is right; None leaves it unchecked. A compressed batch is opened with
    `open_compressed(codec, bytes, decoded_length)` where that is given, and else has no events.
    """
    if len(data) - at < HEADER.size:
        raise Fault("malformedBatch", "no room for a header")
    header = dict(zip(REGISTRY.batch_fields, HEADER.unpack_from(data, at)))
    length, count, decoded = header["length"], header["count"], header["decoded_length"]
    end = at + length + padding(length)
    if length < HEADER.size or end > len(data):
        raise Fault("malformedBatch", f"length {length}")
    if any(data[at + length:end]):
        raise Fault("malformedBatch", "padding is not zero")
    if not 1 <= count <= decoded // WORD_BYTES:
        raise Fault("malformedBatch", f"count {count}")
    codec = REGISTRY.name("Codec", header["codec"])
    if codec != "none" and codec not in codecs:
        raise Fault("codecNotNegotiated", f"codec {codec}")
    if decoded > batch_bytes_max:
        raise Fault("batchTooLarge", f"decoded_length {decoded}")
    stored = length - HEADER.size
    if stored != decoded if codec == "none" else stored >= decoded:
        raise Fault("malformedBatch", "length and decoded_length contradict each other")
    if crc32c(data[at + REGISTRY.checksum_from:at + length]) != header["crc32c"]:
        raise Fault("checksumMismatch")
    if expected_publisher_sequence is not None:
        number = header["publisher_sequence"]
        if (number == 0 or expected_publisher_sequence not in (0, number)
                or number + count > SEQUENCE_MAX):
            raise Fault("publisherSequence", f"{number}")
    records = data[at + HEADER.size:at + length]
    if codec != "none":
        records = open_compressed(codec, records, decoded) if open_compressed else None
    events = None if records is None else decode_records(records, count, require_key)
    return Batch(header, events), end


def decode_batches(data, **options):
    """One or more batches that fill `data`."""
    batches, at = [], 0
    while at < len(data) or not batches:
        batch, at = decode_batch(data, at, **options)
        batches.append(batch)
    return batches


def decode_records(data, count, require_key=False):
    events, at = [], 0
    for _ in range(count):
        if len(data) - at < WORD_BYTES:
            raise Fault("malformedBatch", "a record's word is cut")
        word = struct.unpack_from("<I", data, at)[0]
        size, flags = word & 0xFFFFFF, word >> 24
        at += WORD_BYTES
        if size > len(data) - at or flags & ~sum(FLAGS.values()):
            raise Fault("malformedBatch", "a record's size or flags")
        event = decode_record(data[at:at + size], flags)
        if require_key and event.key is None:
            raise Fault("keyRequired")
        events.append(event)
        at += size
    if at != len(data):
        raise Fault("malformedBatch", "bytes are left over after the records")
    return events


def decode_record(rest, flags):
    at, event = 0, Event()

    def take(size):
        nonlocal at
        if len(rest) - at < size:
            raise Fault("malformedBatch", "a record is cut")
        at += size
        return bytes(rest[at - size:at])

    if flags & FLAGS["replyTo"]:
        event.reply_to = struct.unpack("<QQ", take(16))
    if flags & FLAGS["key"]:
        event.key = take(struct.unpack("<H", take(2))[0])
        if not 1 <= len(event.key) <= LIMITS["keyBytesMax"]:
            raise Fault("malformedBatch", "a key's length")
    if flags & FLAGS["headers"]:
        headers = []
        number = struct.unpack("<H", take(2))[0]
        if not 1 <= number <= LIMITS["headersMax"]:
            raise Fault("malformedBatch", "the number of headers")
        for _ in range(number):
            name = take(take(1)[0])
            if not _is_header_name(name):
                raise Fault("malformedBatch", "a header's name")
            headers.append((name.decode(), take(struct.unpack("<H", take(2))[0])))
        event.headers = tuple(headers)
    event.payload = bytes(rest[at:])
    event.tombstone = bool(flags & FLAGS["tombstone"])
    if event.tombstone and (event.key is None or event.payload):
        raise Fault("malformedBatch", "a tombstone has a key and an empty payload")
    return event


def _is_header_name(name):
    try:
        text = name.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return 1 <= len(name) <= LIMITS["headerNameBytesMax"] and not any(map(is_control, text))
