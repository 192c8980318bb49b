"""Vectors of single frames, good and bad."""

import struct

from reference import batch, raw_frame, record

LARGEST = {"u8": 0xFF, "u16": 0xFFFF, "u32": 0xFFFFFFFF, "u64": 0xFFFFFFFFFFFFFFFF}

GOOD_NOTES = {
    "Typical": "A frame as it is sent every day.",
    "Smallest": "Every number 0 and every string empty: a decoder that takes 0 for absent fails.",
    "Largest": "Every number and string at its most: sign extension, 32-bit arithmetic and an "
    "off-by-one in a string's maximum show here.",
    "Reserved": "Reserved fields and unknown flag bits that are not 0 are ignored, or a later "
    "version cannot use them.",
    "Skipped": "An unknown frame that is marked as ignorable is skipped whole.",
    "Undefined": "An enum's value that nobody has defined is no fault of the frame: the session "
    "must live to answer it.",
}

BAD_NOTES = {
    "ShortLength": "A length below 12: a decoder that subtracts first wraps around.",
    "LongLength": "A length over the limit, with nothing after it: a decoder that waits for the "
    "body, or reserves memory for it, is at the peer's mercy.",
    "Cut": "Not all bytes are there yet; nothing may be decided or thrown away.",
    "ShortBody": "The length is whole but the body ends inside a field.",
    "LeftOver": "Bytes after the last field.",
    "StringLength": "A string that says it is longer than the body.",
    "Entries": "A number of entries that is not the number there are; the product must not wrap.",
    "StringMax": "A string one byte over its maximum.",
    "NotUTF8": "Bytes that are not UTF-8 in a string: long forms, surrogates, cut characters.",
    "Boolean": "A boolean that is neither 0 nor 1.",
    "UnknownFrame": "A type that nobody has defined, not marked as ignorable.",
    "WrongDirection": "A frame that the receiver only sends.",
    "NoBatch": "A PUBLISH without a batch.",
    "CutBatch": "A batch that passes the end of its frame.",
    "Padding": "Padding that is missing or not zero.",
}


def one_batch(**fields):
    records = [record(b"gold"), record(b"silver", key=b"k1")]
    return batch(records, **fields)


def stamped():
    return one_batch(
        sequence=41, time=1_700_000_000_000_000_500, bytes_before=9000, topic=3,
        publisher_sequence=7,
    )


def typical():
    now = 1_700_000_000_000_000_000
    return [
        ("HELLO", dict(correlation=1), dict(version_min=1, version_max=1, codecs=["lz4", "zstd"],
         frame_length_max=262144, heartbeat_ms=15000, client_name="hunt-3")),
        ("WELCOME", dict(correlation=1), dict(version=1, codecs=["lz4"], frame_length_max=262144,
         batch_bytes_max=65536, heartbeat_ms=15000, subscriptions_max=1024, publishers_max=1024,
         instance=0x1122334455667788, session=12, inbox=0x0000000100000002, time=now,
         broker_name="galleon 1")),
        ("PING", dict(correlation=9), dict(time=123456789)),
        ("PONG", dict(correlation=9), dict(time=123456789)),
        ("CLOSE", {}, dict(reason="draining", retryable=True, retry_after_ms=1000, spread_ms=5000,
         text="The broker is shutting down.")),
        ("ERROR", dict(ref=4, correlation=10), dict(code="topicNotFound", retryable=True,
         text="No topic hunt.7.loot.")),
        ("OPEN_TOPIC", dict(ref=4, correlation=10), dict(mode="mustCreate", options=["keyed"],
         ack_level="accepted", block_timeout_ms=250, retention_events=100000,
         retention_bytes=16777216, retention_ms=60000, topic="hunt.7.loot")),
        ("TOPIC", dict(ref=4, correlation=10), dict(topic=3, options=["keyed"], created=True,
         epoch=5, first_sequence=1, next_sequence=1)),
        ("PUBLISH", dict(ref=4), dict(batches=one_batch() + one_batch(publisher_sequence=3))),
        ("ACK", dict(ref=4), dict(level="accepted", through=4, sequence=44)),
        ("PUBLISH_CREDIT", dict(ref=4), dict(events_total=1000, bytes_total=1048576)),
        ("CLOSE_TOPIC", dict(ref=4, correlation=11), {}),
        ("TOPIC_CLOSED", dict(ref=4, correlation=11), {}),
        ("SUBSCRIBE", dict(ref=6, correlation=12), dict(policy="drop-oldest", start="sequence",
         weight=2, positions_count=1, start_value=17, lag_events_max=5000, lag_bytes_max=1000000,
         events_total=100, bytes_total=65536, pattern="hunt.*.loot",
         positions=struct.pack("<IIQ", 3, 0, 42))),
        ("SUBSCRIBED", dict(ref=6, correlation=12), dict(topics=2, policy="drop-oldest")),
        ("UNSUBSCRIBE", dict(ref=6, correlation=13), {}),
        ("UNSUBSCRIBED", dict(ref=6, correlation=13), dict(matched_events=10, delivered_events=6,
         dropped_events=2, expired_events=1, closed_events=1)),
        ("CREDIT", dict(ref=6), dict(events_total=164, bytes_total=74240)),
        ("DELIVER", dict(ref=6), dict(topic=3, skip=1, batches=stamped())),
        ("GAP", dict(ref=6), dict(topic=3, cause="ringOverrun", first=43, last=52, count=10,
         bytes=1440)),
        ("TOPIC_INFO", {}, dict(topic=3, options=["keyed"], epoch=5, name="hunt.7.loot")),
        ("SET_POLICY", dict(ref=6, correlation=13), dict(policy="sample", sample_every=10,
         lag_events_max=1000, lag_bytes_max=65536, lag_ms_max=500, no_credit_ms_max=5000)),
        ("POLICY_SET", dict(ref=6, correlation=13), dict(policy="sample")),
        ("DELIVER_SELECTED", dict(ref=6), dict(topic=3, batches=stamped())),
        ("PASSED", dict(ref=6), dict(topic=3, kind="conflated", first=53, last=152, events=90,
         bytes=12960, expired_events=2, expired_bytes=288)),
        ("STATE_RESET", dict(ref=6), dict(topic=3)),
        ("BLOCKED", dict(ref=6), dict(side="subscription", by="creditBytes", pending_events=7,
         pending_bytes=1008)),
        ("REPLY", dict(correlation=14), dict(inbox=0x0000000100000002, token=77,
         batch=batch([record(b"yes")]))),
        ("STATS", dict(correlation=15), dict(offset=128, count=4096)),
        ("STATS_PAGE", dict(correlation=15), dict(total=8192, offset=128, bytes=bytes(range(32)))),
    ]


def shown(frames, name, fields):
    """The fields as a vector states them: 64-bit numbers as decimal text, rest as hex."""
    out = {}
    for field in frames.by_name[name]["fields"]:
        if field["name"].startswith("reserved"):
            continue
        kind, value = field["type"], fields.get(field["name"])
        if kind == "rest":
            out[field["name"]] = (value or b"").hex()
        elif kind == "string16":
            out[field["name"]] = value or ""
        else:
            if value is None:
                value = frames.magic if field["name"] == "magic" else 0
            number = frames.number(field.get("as"), value)
            out[field["name"]] = str(number) if kind == "u64" else number
    return out


def to(frames, name):
    return "client" if frames.by_name[name]["from"] == "broker" else "broker"


def good(frames):
    limit = next(e["value"] for e in frames.registry["limits"] if e["name"] == "frameLengthMax")
    vectors = []

    def add(identity, comment, flag, name, data, header, fields):
        vectors.append({
            "id": identity, "comment": comment, "flags": [flag], "to": to(frames, name),
            "lengthMax": limit, "hex": data.hex(), "result": "valid", "frame": name,
            "header": {"length": len(data) - 4, "ref": header.get("ref", 0),
                       "correlation": header.get("correlation", 0)},
            "fields": shown(frames, name, fields),
        })

    for name, header, fields in typical():
        data = frames.frame(name, **header, **fields)
        add(f"{name}-typical", frames.by_name[name]["about"], "Typical", name, data, header, fields)
    for name, entry in frames.by_name.items():
        small, large = {}, {}
        for field in entry["fields"]:
            if field["name"].startswith("reserved"):
                continue
            if field["type"] == "string16":
                small[field["name"]] = ""
                # Two bytes a character, and one more where the maximum is odd.
                large[field["name"]] = "é" * (field["max"] // 2) + "x" * (field["max"] % 2)
            elif field["type"] == "rest":
                small[field["name"]] = one_batch() if "atch" in field["name"] else b""
                large[field["name"]] = small[field["name"]]
            else:
                small[field["name"]] = 0
                large[field["name"]] = 1 if field.get("as") == "Bool" else LARGEST[field["type"]]
        if not entry["fields"]:
            continue
        if name == "SUBSCRIBE":
            large.update(positions_count=2, positions=b"\xff" * 32)
        data = frames.frame(name, **small)
        add(f"{name}-smallest", "Every field is 0 or empty.", "Smallest", name, data, {}, small)
        header = {"ref": 0xFFFFFFFF, "correlation": 0xFFFFFFFF}
        data = frames.frame(name, **header, **large)
        add(f"{name}-largest", "Every field is as large as it can be.", "Largest", name, data,
            header, large)
    data = frames.frame("PING", flags=0xFE, reserved=0xFFFF, time=5)
    add("PING-reserved", "Unknown flags and the header's reserved field are set.", "Reserved",
        "PING", data, {}, {"time": 5})
    body = bytearray(frames.body("ACK", dict(level=1, through=9, sequence=9)))
    body[1:8] = b"\xff" * 7
    add("ACK-reserved", "Reserved fields of the body are set.", "Reserved", "ACK",
        raw_frame(0x13, bytes(body)), {}, dict(level=1, through=9, sequence=9))
    data = frames.frame("SUBSCRIBE", ref=1, policy=9, start=8, pattern="a")
    add("SUBSCRIBE-undefined", "A policy and a start that nobody has defined.", "Undefined",
        "SUBSCRIBE", data, {"ref": 1}, dict(policy=9, start=8, pattern="a"))
    data = raw_frame(0x7E, b"anything", flags=1)
    vectors.append({
        "id": "unknown-ignorable", "comment": "Type 0x7e with the ignorable flag.",
        "flags": ["Skipped"], "to": "broker", "lengthMax": limit, "hex": data.hex(),
        "result": "valid", "frame": None,
        "header": {"length": len(data) - 4, "ref": 0, "correlation": 0}, "fields": {},
    })
    return {
        "about": "Frames that every receiver must accept. Numbers of 64 bits are decimal text, "
        "fields of type rest are hex. A frame of null is one to skip.",
        "notes": GOOD_NOTES, "vectors": vectors,
    }


def bad(frames):
    limits = {e["name"]: e["value"] for e in frames.registry["limits"]}
    before, after = limits["frameLengthMaxBeforeWelcome"], limits["frameLengthMax"]
    vectors = []

    def add(identity, comment, flag, data, reason, receiver="broker", limit=after):
        vector = {
            "id": identity, "comment": comment, "flags": [flag], "to": receiver,
            "lengthMax": limit, "hex": data.hex(),
            "result": "invalid" if reason else "incomplete",
        }
        if reason:
            vector["reason"] = reason
        vectors.append(vector)

    def length(number):
        return struct.pack("<I", number)

    for number in (0, 1, 11):
        add(f"length-{number}", f"length is {number}.", "ShortLength",
            length(number) + bytes(12), "frameTooShort")
    add("length-0-alone", "Four bytes of zero, and nothing more yet.", "ShortLength", length(0),
        "frameTooShort")
    for number, limit in ((2**32 - 1, after), (2**31, after), (after + 1, after),
                          (before + 1, before)):
        add(f"length-{number}", f"length is {number} where {limit} is the limit.", "LongLength",
            length(number), "frameTooLarge", limit=limit)
    add("length-at-limit", "length is the limit itself: allowed, and not all there.", "Cut",
        length(after) + b"\x03", None)
    whole = frames.frame("PING", time=1)
    add("empty", "Nothing yet.", "Cut", b"", None)
    for size in (1, 3, 4, 15, 16, len(whole) - 1):
        add(f"PING-cut-{size}", f"The first {size} bytes of a PING.", "Cut", whole[:size], None)

    # Bodies of every frame with fields: one byte short in the last fixed field, one byte over.
    for name, entry in frames.by_name.items():
        body = frames.body(name, {})
        number = int(entry["type"], 0)
        if body:
            add(f"{name}-short", "The body is one byte short.", "ShortBody",
                raw_frame(number, body[:-1]), "malformedFrame", to(frames, name))
            add(f"{name}-no-body", "There is no body.", "ShortBody",
                raw_frame(number), "malformedFrame", to(frames, name))
        if not any(field["type"] == "rest" for field in entry["fields"]):
            add(f"{name}-over", "The body is one byte too long.", "LeftOver",
                raw_frame(number, body + b"\0"), "malformedFrame", to(frames, name))
        for field in entry["fields"]:
            where = f'{name}-{field["name"]}'
            if field["type"] == "string16":
                data = frames.frame(name, **{field["name"]: "x" * (field["max"] + 1)})
                add(f"{where}-over", "The string is one byte over its maximum.", "StringMax",
                    data, "malformedFrame", to(frames, name))
                data = frames.frame(name, **{field["name"]: b"ab\xff"})
                add(f"{where}-utf8", "The string has a byte that UTF-8 never has.", "NotUTF8",
                    data, "malformedFrame", to(frames, name))
            if field.get("as") == "Bool":
                data = frames.frame(name, **{field["name"]: 2})
                add(f"{where}-2", "The boolean is 2.", "Boolean", data, "malformedFrame",
                    to(frames, name))

    for count, size in ((0, 16), (1, 0), (1, 15), (1, 17), (2, 16), (2**28, 0), (2**32 - 1, 16)):
        add(f"SUBSCRIBE-positions-{count}-{size}",
            f"{count} positions are stated, and {size} bytes of them are there.", "Entries",
            frames.frame("SUBSCRIBE", ref=1, pattern="a", positions_count=count,
                         positions=bytes(size)), "malformedFrame")
    hello = frames.body("HELLO", dict(version_min=1, version_max=1))[:-2]
    for identity, comment, text in (
        ("long-slash", "A slash in two bytes.", b"\xc0\xaf"),
        ("long-nul", "A zero in two bytes.", b"\xc0\x80"),
        ("long-3", "U+07FF in three bytes.", b"\xe0\x9f\xbf"),
        ("long-4", "U+FFFF in four bytes.", b"\xf0\x8f\xbf\xbf"),
        ("surrogate", "U+D800, half of a pair.", b"\xed\xa0\x80"),
        ("surrogate-last", "U+DFFF, half of a pair.", b"\xed\xbf\xbf"),
        ("beyond", "U+110000, beyond the last code point.", b"\xf4\x90\x80\x80"),
        ("five", "A character of five bytes.", b"\xf8\x88\x80\x80\x80"),
        ("cut-2", "A character of two bytes without its second.", b"abcdefgh\xc3"),
        ("cut-3", "A character of three bytes without its third.", b"abcdefgh\xe2\x82"),
        ("cut-4", "A character of four bytes without its fourth.", b"\xf0\x9f\x92"),
        ("stray", "A byte that continues nothing.", b"a\x80"),
        ("two-firsts", "A first byte after a first byte.", b"\xc3\xc3\xa9"),
    ):
        add(f"HELLO-utf8-{identity}", comment, "NotUTF8",
            raw_frame(1, hello + struct.pack("<H", len(text)) + text), "malformedFrame")
    add("HELLO-string-beyond", "The name says 64 bytes and has 3.", "StringLength",
        raw_frame(1, hello + struct.pack("<H", 64) + b"abc"), "malformedFrame")
    add("HELLO-string-65535", "The name says 65535 bytes and has none.", "StringLength",
        raw_frame(1, hello + struct.pack("<H", 65535)), "malformedFrame")

    for number in (0x00, 0x07, 0x7F, 0xFF):
        add(f"type-{number:02x}", "A type that nobody has defined.", "UnknownFrame",
            raw_frame(number, b"12345678"), "unknownFrame")
    add("type-7e-flags", "An unknown type with every flag but ignorable.", "UnknownFrame",
        raw_frame(0x7E, b"12345678", flags=0xFE), "unknownFrame")
    for name, entry in frames.by_name.items():
        if entry["from"] == "both":
            continue
        wrong = "broker" if entry["from"] == "broker" else "client"
        add(f"{name}-wrong-way", f"{name} sent to a {wrong}.", "WrongDirection",
            frames.frame(name), "wrongDirection", wrong)
    add("WELCOME-wrong-way-cut", "The direction is looked at before the body.", "WrongDirection",
        raw_frame(2), "wrongDirection")

    one = one_batch()
    publish = int(frames.by_name["PUBLISH"]["type"], 0)
    add("PUBLISH-empty", "No batch at all.", "NoBatch", raw_frame(publish, ref=1),
        "malformedBatch")
    add("PUBLISH-half-header", "The first 71 bytes of a batch.", "CutBatch",
        raw_frame(publish, one[:71], ref=1), "malformedBatch")
    add("PUBLISH-cut", "A batch without its last eight bytes.", "CutBatch",
        raw_frame(publish, one[:-8], ref=1), "malformedBatch")
    add("PUBLISH-second-cut", "A whole batch, then eight bytes of another one.", "CutBatch",
        raw_frame(publish, one + one_batch(publisher_sequence=3)[:8], ref=1), "malformedBatch")
    bare = one_batch(pad=False)
    assert len(bare) % 8
    add("PUBLISH-no-padding", "The last batch is not padded.", "Padding",
        raw_frame(publish, bare, ref=1), "malformedBatch")
    add("PUBLISH-padding", "The padding is not zero.", "Padding",
        raw_frame(publish, one_batch(padding=b"\1"), ref=1), "malformedBatch")
    add("PUBLISH-trailing", "Eight zero bytes after the last batch.", "CutBatch",
        raw_frame(publish, one + bytes(8), ref=1), "malformedBatch")
    return {
        "about": "Frames that a receiver must refuse with the reason given, and beginnings of "
        "frames that it must wait on. to says who receives it, lengthMax which limit is in force.",
        "notes": BAD_NOTES, "vectors": vectors,
    }
