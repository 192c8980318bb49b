"""Vectors of batches with the limits they are received under."""

from reference import batch, crc32c, lz4, record, zstd

NOTES = {
    "Typical": "Batches as they are sent every day.",
    "Boundary": "As small, as large or as many as the limits allow.",
    "Stamped": "The broker's fields lie outside the checksum; nothing may depend on them.",
    "Reserved": "Reserved fields that are not 0 are ignored, but the checksum covers them.",
    "Length": "A length that contradicts the header's size or the end of the bytes.",
    "Count": "A count of 0, or of more or fewer records than there are.",
    "Codec": "A codec that was not agreed on, or that nobody has defined.",
    "DecodedLength": "A decoded length over the limit, or other than the records' own.",
    "Bomb": "Few bytes that decode to many: the stated size is checked first, and nothing is "
    "written beyond it.",
    "Expanded": "Compressed bytes that are no fewer than the records: room that nobody is "
    "charged for.",
    "Checksum": "A checksum that does not fit, each for another byte that it covers.",
    "Order": "Two faults at once: the one that is checked first names the reason.",
    "PublisherSequence": "A publisher's numbers that do not continue.",
    "RecordSize": "Records whose sizes pass the end, or leave bytes over.",
    "RecordFlags": "Flags of a record that nobody has defined.",
    "Key": "Keys that are empty, too long or cut, or missing where one must be.",
    "Headers": "Headers that are too many, none, cut, or have a bad name.",
    "ReplyTo": "A reply address that is cut.",
    "Tombstone": "A tombstone with a payload or without a key.",
    "Unopened": "Lies inside a compressed batch, which a broker passes on for an unkeyed topic.",
}


def all_of_them(registry):
    limits = {e["name"]: e["value"] for e in registry["limits"]}
    key_max, headers_max = limits["keyBytesMax"], limits["headersMax"]
    name_max, most = limits["headerNameBytesMax"], limits["batchBytesMax"]
    vectors = []

    def add(identity, comment, flag, data, reason=None, records=None, codecs=("lz4", "zstd"),
            keyed=False, opened=True, expected=0, limit=most):
        vector = {
            "id": identity, "comment": comment, "flags": [flag],
            "limits": {"batchBytesMax": limit, "codecs": list(codecs), "requireKey": keyed,
                       "openCompressed": opened},
            "expectedPublisherSequence": expected, "hex": data.hex(),
            "result": "invalid" if reason else "valid",
        }
        if reason:
            vector["reason"] = reason
        if records is not None:
            vector["records"] = [described(**r) for r in records]
        vectors.append(vector)

    def described(payload=b"", key=None, headers=None, reply_to=None, tombstone=False):
        out = {"payload": payload.hex()}
        if key is not None:
            out["key"] = key.hex()
        if headers is not None:
            out["headers"] = [[name.decode(), value.hex()] for name, value in headers]
        if reply_to is not None:
            out["replyTo"] = [str(reply_to[0]), str(reply_to[1])]
        if tombstone:
            out["tombstone"] = True
        return out

    def good(identity, comment, flag, records, options=None, **kwargs):
        data = batch([record(**r) for r in records], **(options or {}))
        add(identity, comment, flag, data, records=records, **kwargs)

    plain = [dict(payload=b"gold"), dict(payload=b"silver")]
    rich = [
        dict(payload=b"one", key=b"k1"),
        dict(payload=b"two", headers=[(b"trace", b"\x01\x02"), ("ort".encode(), b"")]),
        dict(payload=b"three", reply_to=(0x100000002, 2**64 - 1)),
        dict(key=b"k1", tombstone=True),
        dict(payload=b"five", key=b"\0\xff", headers=[("größe".encode(), b"7")],
             reply_to=(1, 2)),
        dict(payload=b""),
    ]
    alike = [dict(payload=b"a" * 40) for _ in range(20)]

    good("plain", "Two payloads.", "Typical", plain)
    good("rich", "Every part that a record can have.", "Typical", rich)
    for codec in ("lz4", "zstd"):
        good(f"plain-{codec}", "Twenty events that are alike.", "Typical", alike,
             dict(codec=codec))
        good(f"keyed-{codec}", "Keyed events, opened to see their keys.", "Typical",
             [dict(payload=b"b" * 40, key=b"k%d" % n) for n in range(9)], dict(codec=codec),
             keyed=True)
    good("keyed", "Every event has a key.", "Typical",
         [dict(payload=b"x", key=b"a"), dict(key=b"b", tombstone=True)], keyed=True)
    good("one-empty", "One event without a byte.", "Boundary", [dict()])
    good("empties", "Many events without a byte.", "Boundary", [dict()] * 300)
    for size in range(9):
        good(f"padding-{size}", f"A payload of {size} bytes.", "Boundary",
             [dict(payload=b"p" * size)])
    good("largest", "Decoded exactly as large as allowed.", "Boundary",
         [dict(payload=b"z" * 1020)] * 2, limit=2048)
    good("key-longest", "The longest key.", "Boundary", [dict(key=b"k" * key_max)])
    good("headers-most", "As many headers as can be.", "Boundary",
         [dict(headers=[(b"h", b"%d" % n) for n in range(headers_max)])])
    good("header-longest", "The longest name of a header.", "Boundary",
         [dict(headers=[(b"n" * name_max, b"v" * 300)])])
    good("sequence", "Continues what came before.", "PublisherSequence", plain,
         dict(publisher_sequence=7), expected=7)
    good("sequence-largest", "The last numbers there are.", "Boundary", plain,
         dict(publisher_sequence=2**64 - 3))
    good("stamped", "Stamped by a broker.", "Stamped", plain,
         dict(sequence=9, time=8, bytes_before=7, topic=6))
    good("stamped-largest", "Stamped with the largest numbers.", "Stamped", plain,
         dict(sequence=2**64 - 1, time=2**64 - 1, bytes_before=2**64 - 1, topic=2**32 - 1,
              stamp_reserved=2**32 - 1))
    good("reserved", "A reserved byte of the publisher's.", "Reserved", plain, dict(reserved=255))
    good("uneven", "Sizes that change at every record.", "Typical",
         [dict(payload=b"q" * (n * 7 % 23)) for n in range(50)])
    good("runs", "Runs of equal sizes with a break in each.", "Typical",
         [dict(payload=b"q" * (16 if n % 9 else 17)) for n in range(60)])

    two = [record(b"gold"), record(b"silver")]
    whole = batch(two)
    for size in (0, 4, 71):
        add(f"bytes-{size}", f"Only {size} bytes are left of the frame.", "Length", whole[:size],
            "malformedBatch")
    for value in (0, 71, 2**31, 2**32 - 8, 2**32 - 1):
        add(f"length-{value}", f"length is {value}.", "Length", batch(two, length=value),
            "malformedBatch")
    add("length-over", "length passes the end by eight.", "Length",
        batch(two, length=len(whole) + 8), "malformedBatch")
    add("padding-cut", "The padding is not there.", "Length", batch([record(b"g")], pad=False),
        "malformedBatch")
    add("padding-set", "A byte of the padding is set.", "Length",
        batch([record(b"g")], padding=b"\x80"), "malformedBatch")
    add("header-alone", "A header and nothing else.", "Count", batch([], count=1),
        "malformedBatch")

    add("count-0", "count is 0.", "Count", batch(two, count=0), "malformedBatch")
    add("count-1", "Fewer than there are.", "Count", batch(two, count=1), "malformedBatch")
    add("count-3", "One more than there are.", "Count", batch(two, count=3), "malformedBatch")
    for value in (5, 2**31, 2**32 - 1):
        add(f"count-{value}", "More than the bytes can hold.", "Count", batch(two, count=value),
            "malformedBatch")
    for codec in ("lz4", "zstd"):
        rows = [record(**r) for r in alike]
        for value in (19, 21):
            data = batch(rows, codec=codec, count=value)
            add(f"count-{value}-{codec}", "Another count than there are, compressed.", "Count",
                data, "malformedBatch")
            add(f"count-{value}-{codec}-unopened", "The same, where nobody opens it.", "Unopened",
                data, opened=False)

    good_row = [record(**r) for r in alike]
    for value in (3, 32, 33, 255):
        data = bytearray(batch(two))
        data[48] = value
        add(f"codec-{value}", f"Codec {value}.", "Codec", bytes(data), "codecNotNegotiated")
    for codec in ("lz4", "zstd"):
        other = ("zstd",) if codec == "lz4" else ("lz4",)
        add(f"codec-{codec}-not-agreed", "A codec that the session does not have.", "Codec",
            batch(good_row, codec=codec), "codecNotNegotiated", codecs=other)

    add("decoded-over", "One byte over the limit.", "DecodedLength",
        batch([record(b"z" * 1021), record(b"z" * 1020)]), "batchTooLarge", limit=2048)
    add("decoded-other", "Not the size of the records.", "DecodedLength",
        batch(two, decoded_length=22), "malformedBatch")
    add("decoded-less", "Less than the records.", "DecodedLength", batch(two, decoded_length=17),
        "malformedBatch")
    for codec in ("lz4", "zstd"):
        total = sum(len(row) for row in good_row)
        for name, value in (("more", total + 1), ("less", total - 1)):
            add(f"decoded-{name}-{codec}", f"One byte {name} than what it decodes to.",
                "DecodedLength", batch(good_row, codec=codec, decoded_length=value),
                "malformedBatch")
    for codec, compress in (("lz4", lz4), ("zstd", zstd)):
        flood = compress(record(b"\0" * 1_000_000))
        add(f"bomb-{codec}", "A million bytes that say they are a million.", "Bomb",
            batch([record(b"")], codec=codec, stored=flood, decoded_length=1_000_004),
            "batchTooLarge")
        add(f"bomb-{codec}-lie", "A million bytes that say they are 60000.", "Bomb",
            batch([record(b"")], codec=codec, stored=flood, decoded_length=60000),
            "malformedBatch")
        add(f"bomb-{codec}-unopened", "The same, where nobody opens it.", "Unopened",
            batch([record(b"")], codec=codec, stored=flood, decoded_length=60000), opened=False)
        add(f"garbage-{codec}", "Bytes that are no block or frame.", "DecodedLength",
            batch([record(b"")], codec=codec, stored=b"\xf7garbage", decoded_length=500),
            "malformedBatch")
        add(f"nothing-{codec}", "No compressed bytes at all.", "DecodedLength",
            batch([record(b"")], codec=codec, stored=b"", decoded_length=4), "malformedBatch")
        add(f"expanded-{codec}", "More compressed bytes than records.", "Expanded",
            batch(two, codec=codec, stored=bytes(4000)), "malformedBatch", opened=False)
        add(f"same-size-{codec}", "As many compressed bytes as records.", "Expanded",
            batch(two, codec=codec, stored=bytes(18)), "malformedBatch", opened=False)
    half = b"".join(good_row[:10])
    add("zstd-two-frames", "Two frames where one is allowed.", "DecodedLength",
        batch(good_row, codec="zstd", stored=zstd(half) + zstd(half)), "malformedBatch")
    skippable = b"\x50\x2a\x4d\x18\x04\0\0\0skip"
    add("zstd-skippable", "A frame to be skipped, then one with records.", "DecodedLength",
        batch(good_row, codec="zstd", stored=skippable + zstd(half + half)), "malformedBatch")
    frame = zstd(half + half)
    for version in range(0x22, 0x28):
        add(f"zstd-format-{version:02x}", "A frame of an older format, by its magic number.",
            "DecodedLength",
            batch(good_row, codec="zstd", stored=bytes([version]) + frame[1:]), "malformedBatch")
    for size in (1, 3, 4, 9):
        add(f"zstd-cut-{size}", f"The first {size} bytes of a frame.", "DecodedLength",
            batch(good_row, codec="zstd", stored=frame[:size]), "malformedBatch")
    add("lz4-offset-0", "A match at offset 0.", "DecodedLength",
        batch([record(b"")], codec="lz4", stored=b"\x1fa\0\0\x50abcde", decoded_length=24),
        "malformedBatch")
    add("lz4-before-start", "A match before the first byte.", "DecodedLength",
        batch([record(b"")], codec="lz4", stored=b"\x1fa\x09\0\x50abcde", decoded_length=24),
        "malformedBatch")

    for at, what in ((7, "checksum"), (49, "reserved byte"), (52, "time to live"),
                     (56, "publish time"), (64, "publisher sequence"), (75, "first word"),
                     (79, "first payload"), (87, "last payload")):
        data = bytearray(batch([record(b"gold"), record(b"gold")]))
        data[at] ^= 0x40
        add(f"flipped-{at}", f"A bit of the {what} was flipped on the way.", "Checksum",
            bytes(data), "checksumMismatch")
    add("checksum-0", "The checksum is 0.", "Checksum", batch(two, checksum=0),
        "checksumMismatch")
    add("checksum-padding", "The checksum was made with the padding.", "Checksum",
        batch([record(b"g")], checksum=crc32c(batch([record(b"g")])[40:])), "checksumMismatch")
    add("checksum-whole", "The checksum was made with the bytes from 8 on.", "Checksum",
        batch(two, checksum=crc32c(batch(two, sequence=5)[8:])), "checksumMismatch")

    add("order-count-codec", "count is checked before the codec.", "Order",
        batch(good_row, codec="lz4", count=0), "malformedBatch", codecs=())
    add("order-codec-size", "The codec is checked before the size.", "Order",
        batch(good_row, codec="lz4"), "codecNotNegotiated", codecs=(), limit=8)
    add("order-size-checksum", "The size is checked before the checksum.", "Order",
        batch(good_row, checksum=0), "batchTooLarge", limit=8)
    add("order-checksum-sequence", "The checksum is checked before the publisher sequence.",
        "Order", batch(two, checksum=0, publisher_sequence=9), "checksumMismatch", expected=8)
    add("order-sequence-records", "The publisher sequence is checked before the records.",
        "Order", batch([record(b"x", flags=64)], publisher_sequence=9), "publisherSequence",
        expected=8)

    for value, expected in ((0, 0), (6, 7), (8, 7), (0, 7), (2**64 - 1, 7), (2**64 - 1, 0),
                            (2**64 - 2, 0)):
        add(f"sequence-{value}-for-{expected}",
            f"{value} where {expected or 'any number from 1'} is expected.",
            "PublisherSequence", batch(two, publisher_sequence=value), "publisherSequence",
            expected=expected)

    def rows(identity, comment, flag, *encoded, reason="malformedBatch", count=None, **kwargs):
        data = batch(list(encoded), **({"count": count} if count else {}))
        add(identity, comment, flag, data, reason, **kwargs)

    rows("size-over", "The record's size passes the end by one.", "RecordSize",
         record(b"gold", size=5))
    rows("size-largest", "The largest size there is.", "RecordSize", record(b"gold", size=0xFFFFFF))
    rows("size-under", "Bytes are left over after the last record.", "RecordSize",
         record(b"gold", size=3))
    rows("size-middle", "A record takes the next one's place.", "RecordSize",
         record(b"gold", size=12), record(b"gold"), record(b"gold"))
    rows("size-run", "The last of a run of equal sizes passes the end.", "RecordSize",
         *[record(b"gold")] * 9, record(b"gol", size=4))
    rows("size-run-over", "Bytes are left over after a run of equal sizes.", "RecordSize",
         *[record(b"gold")] * 8, record(b"golden", size=4))
    rows("word-cut", "Three bytes are left where a word must be.", "RecordSize",
         record(b"gold"), b"\0\0\0" + b"\0", b"abc", count=3)
    for bit in (16, 32, 64, 128, 0xF0):
        rows(f"flags-{bit}", "A flag that nobody has defined.", "RecordFlags",
             record(b"gold", flags=bit))
    rows("flags-later", "An undefined flag in the last of many.", "RecordFlags",
         *[record(b"gold")] * 8, record(b"gold", flags=16))

    key = 1
    rows("key-none", "The record has no room for a key's length.", "Key", record(b"", flags=key))
    rows("key-half", "Half of a key's length.", "Key", record(b"\1", flags=key))
    rows("key-empty", "A key of no bytes.", "Key", record(key=b""))
    rows("key-over", "A key one byte over the longest.", "Key", record(key=b"k" * (key_max + 1)))
    rows("key-cut", "A key that passes the record's end.", "Key",
         record(b"\5\0abcd", flags=key), record(b"more"))
    rows("key-missing", "An event without a key on a keyed topic.", "Key",
         record(b"x", key=b"a"), record(b"y"), reason="keyRequired", keyed=True)
    rows("key-missing-headers", "The same, with headers.", "Key",
         record(b"y", headers=[(b"a", b"b")]), reason="keyRequired", keyed=True)
    for codec in ("lz4", "zstd"):
        add(f"key-missing-{codec}", "The same, compressed.", "Key", batch(good_row, codec=codec),
            "keyRequired", keyed=True)
        add(f"key-missing-{codec}-any", "A topic that is not keyed takes it.", "Key",
            batch(good_row, codec=codec))

    some = 2
    rows("headers-none", "No room for their number.", "Headers", record(b"\1", flags=some))
    rows("headers-0", "Headers of which there are none.", "Headers", record(headers=[]))
    rows("headers-over", "One header too many.", "Headers",
         record(headers=[(b"h", b"")] * (headers_max + 1)))
    rows("headers-65535", "65535 headers in no bytes.", "Headers",
         record(b"\xff\xff", flags=some))
    rows("headers-count", "One header fewer than stated.", "Headers",
         record(b"\2\0\1a\0\0", flags=some))
    rows("header-name-empty", "A name of no bytes.", "Headers", record(headers=[(b"", b"v")]))
    rows("header-name-over", "A name one byte over the longest.", "Headers",
         record(headers=[(b"n" * (name_max + 1), b"v")]))
    rows("header-name-cut", "A name that passes the record's end.", "Headers",
         record(b"\1\0\7abc", flags=some), record(b"morebytes"))
    rows("header-name-utf8", "A name that is not UTF-8.", "Headers",
         record(headers=[(b"a\xff", b"v")]))
    rows("header-name-control", "A name with a line feed.", "Headers",
         record(headers=[(b"a\nb", b"v")]))
    rows("header-name-c1", "A name with U+0085.", "Headers",
         record(headers=[("a\x85".encode(), b"v")]))
    rows("header-value-none", "No room for a value's length.", "Headers",
         record(b"\1\0\1a\0", flags=some))
    rows("header-value-cut", "A value that passes the record's end.", "Headers",
         record(b"\1\0\1a\5\0abcd", flags=some), record(b"morebytes"))
    rows("header-value-65535", "A value of 65535 bytes that are not there.", "Headers",
         record(b"\1\0\1a\xff\xff", flags=some))

    rows("reply-none", "No room for the address.", "ReplyTo", record(b"", flags=4))
    rows("reply-cut", "Fifteen bytes of an address.", "ReplyTo", record(bytes(15), flags=4))
    rows("reply-passes", "An address that passes the record's end.", "ReplyTo",
         record(bytes(8), flags=4), record(bytes(20)))

    rows("tombstone-no-key", "It has no key.", "Tombstone", record(tombstone=True))
    rows("tombstone-payload", "It has a payload.", "Tombstone",
         record(b"x", key=b"k", tombstone=True))
    good("tombstone-headers", "It may have headers.", "Tombstone",
         [dict(key=b"k", headers=[(b"why", b"sold")], tombstone=True)])
    return {
        "about": "Batches from their first byte to the end of the frame they came in, with the "
        "limits of the receiver. records are the events of a good one; keys, payloads and values "
        "are hex.",
        "notes": NOTES, "vectors": vectors,
    }
