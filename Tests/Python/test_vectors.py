"""The vectors of Protocol/vectors, against this client's own encoder and decoder."""

import json
import unittest

from support import VECTORS

from galleon import Fault, FrameReader, REGISTRY, decode_frame, encode_frame
from galleon import decode_batch, encode_batch, is_name, is_pattern, matches
from galleon.batch import Event, crc32c, encode_record


def load(name):
    with open(VECTORS / f"{name}.json", encoding="utf-8") as file:
        return json.load(file)


def same(value, expected):
    """Numbers of 64 bits are decimal text, fields of type rest are hex."""
    if isinstance(value, bytes):
        return value.hex() == expected
    return str(value) == str(expected)


def records(batch):
    result = []
    for event in batch.events:
        record = {"payload": event.payload.hex()}
        if event.key is not None:
            record["key"] = event.key.hex()
        if event.headers:
            record["headers"] = [[name, value.hex()] for name, value in event.headers]
        if event.reply_to:
            record["replyTo"] = list(map(str, event.reply_to))
        if event.tombstone:
            record["tombstone"] = True
        result.append(record)
    return result


def event(record):
    return Event(
        bytes.fromhex(record["payload"]),
        key=bytes.fromhex(record["key"]) if "key" in record else None,
        headers=tuple((n, bytes.fromhex(v)) for n, v in record.get("headers", ())),
        reply_to=tuple(map(int, record["replyTo"])) if "replyTo" in record else None,
        tombstone=record.get("tombstone", False))


class FrameVectors(unittest.TestCase):
    def test_good_frames_decode_to_their_fields(self):
        for vector in load("frames")["vectors"]:
            with self.subTest(vector["id"]):
                data = bytes.fromhex(vector["hex"])
                frame, size = decode_frame(data, vector["lengthMax"], vector["to"])
                self.assertEqual(size, len(data))
                if vector["frame"] is None:
                    self.assertIsNone(frame)
                    continue
                self.assertEqual(frame.name, vector["frame"])
                self.assertEqual(frame.ref, vector["header"]["ref"])
                self.assertEqual(frame.correlation, vector["header"]["correlation"])
                for name, expected in vector["fields"].items():
                    self.assertTrue(same(frame[name], expected), (name, frame[name], expected))

    def test_fields_encode_to_good_frames(self):
        encoded = 0
        for vector in load("frames")["vectors"]:
            if vector["frame"] is None or "Reserved" in vector["flags"]:
                continue
            with self.subTest(vector["id"]):
                data = bytes.fromhex(vector["hex"])
                frame, _ = decode_frame(data, vector["lengthMax"], vector["to"])
                self.assertEqual(
                    encode_frame(frame.name, frame.ref, frame.correlation, **frame.fields), data)
                encoded += 1
        self.assertGreater(encoded, 50)

    def test_good_frames_in_pieces_of_a_byte(self):
        for receiver in ("client", "broker"):
            vectors = [v for v in load("frames")["vectors"] if v["to"] == receiver]
            reader, names = FrameReader(1 << 20, receiver), []
            for byte in b"".join(bytes.fromhex(v["hex"]) for v in vectors):
                reader.feed(bytes([byte]))
                while (frame := reader.next()) is not None:
                    names.append(frame.name)
            self.assertEqual(names, [v["frame"] for v in vectors if v["frame"]])

    def test_bad_frames_are_refused_for_their_reason(self):
        for vector in load("bad-frames")["vectors"]:
            with self.subTest(vector["id"]):
                data = bytes.fromhex(vector["hex"])
                reason = None
                try:
                    frame, size = decode_frame(data, vector["lengthMax"], vector["to"])
                    if size and frame.name == "PUBLISH":
                        at = 0
                        while at < len(frame["batches"]) or at == 0:
                            _, at = decode_batch(
                                frame["batches"], at, batch_bytes_max=65536,
                                codecs=("lz4", "zstd"))
                except Fault as fault:
                    reason = fault.reason
                if vector["result"] == "incomplete":
                    self.assertEqual((reason, size), (None, 0))
                else:
                    self.assertEqual(reason, vector["reason"])


class BatchVectors(unittest.TestCase):
    def decode(self, vector):
        limits = vector["limits"]
        return decode_batch(
            bytes.fromhex(vector["hex"]), batch_bytes_max=limits["batchBytesMax"],
            codecs=limits["codecs"], require_key=limits["requireKey"],
            expected_publisher_sequence=vector["expectedPublisherSequence"])[0]

    def test_batches(self):
        for vector in load("batches")["vectors"]:
            with self.subTest(vector["id"]):
                try:
                    batch, reason = self.decode(vector), None
                except Fault as fault:
                    batch, reason = None, fault.reason
                if batch is not None and batch.events is None:
                    # This client has no codec, so what is inside cannot be told.
                    if vector["result"] == "invalid":
                        self.assertTrue(vector["limits"]["openCompressed"])
                        self.assertIn(vector["reason"], ("malformedBatch", "keyRequired"))
                    continue
                self.assertEqual(reason, vector.get("reason"))
                if reason is None:
                    self.assertEqual(records(batch), vector["records"])

    def test_records_encode_to_good_batches(self):
        encoded = 0
        for vector in load("batches")["vectors"]:
            if vector["result"] != "valid" or not vector.get("records"):
                continue
            data = bytes.fromhex(vector["hex"])
            header = self.decode(vector).header
            if header["codec"] != 0:
                continue
            with self.subTest(vector["id"]):
                events = [event(record) for record in vector["records"]]
                stamps = ("sequence", "time", "bytes_before", "topic", "stamp_reserved", "reserved")
                again = encode_batch(
                    events, header["publisher_sequence"], header["ttl_ms"], header["publish_time"],
                    **{name: header[name] for name in stamps})
                self.assertEqual(again, data)
                encoded += 1
        self.assertGreater(encoded, 20)

    def test_checksum(self):
        self.assertEqual(crc32c(b"123456789"), 0xE3069283)
        self.assertEqual(crc32c(b""), 0)
        self.assertEqual(crc32c(bytes(32)), 0x8A9136AA)

    def test_what_cannot_be_encoded(self):
        for bad in (Event(key=b""), Event(key=bytes(1025)), Event(headers=(("", b""),)),
                    Event(headers=(("a\n", b""),)), Event(headers=(("a", bytes(65536)),)),
                    Event(headers=(("a", b""),) * 65), Event(tombstone=True),
                    Event(b"x", key=b"k", tombstone=True)):
            with self.assertRaises(ValueError):
                encode_record(bad)


class NameVectors(unittest.TestCase):
    def test_names_and_patterns(self):
        vectors = load("names")
        for name, check in (("names", is_name), ("patterns", is_pattern)):
            for vector in vectors[name]:
                with self.subTest(vector["id"]):
                    self.assertEqual(
                        check(bytes.fromhex(vector["hex"])), vector["result"] == "valid")

    def test_matches(self):
        for vector in load("names")["matches"]:
            with self.subTest(vector["id"]):
                self.assertEqual(
                    matches(vector["pattern"], vector["name"]), vector["result"] == "matches")


class RegistryTest(unittest.TestCase):
    def test_numbers_are_told_apart(self):
        self.assertEqual(REGISTRY.name("CloseReason", 17), "checksumMismatch")
        self.assertEqual(REGISTRY.value("CodecSet", "lz4+zstd"), 6)
        self.assertEqual(REGISTRY.name("CloseReason", 9999), "9999")


if __name__ == "__main__":
    unittest.main()
