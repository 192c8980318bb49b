"""The protocol's numbers, read from the registry itself, so that they are written once."""

import json
import os
import pathlib
import struct

# The folder Protocol, beside Tools; GALLEON_PROTOCOL names it where this package stands alone.
FOLDER = pathlib.Path(
    os.environ.get("GALLEON_PROTOCOL")
    or pathlib.Path(__file__).resolve().parents[3] / "Protocol")

NUMBERS = {"u8": "B", "u16": "H", "u32": "I", "u64": "Q"}


class Fault(Exception):
    """The other side broke a rule of the protocol. `reason` is the name of a close reason."""

    def __init__(self, reason, text=""):
        super().__init__(f"{reason}: {text}" if text else reason)
        self.reason = reason
        self.text = text


class FrameKind:
    """One frame of the registry: its type, its direction and the layout of its body."""

    def __init__(self, entry):
        self.name = entry["name"]
        self.type = int(entry["type"], 16)
        self.kind = entry["kind"]
        self.sender = entry["from"]
        self.fields = entry["fields"]


class Registry:
    """frames.json with its tables turned so that they can be looked up."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            data = json.load(file)
        self.magic = int(data["protocol"]["magic"], 16)
        self.version = data["protocol"]["version"]
        self.port = data["protocol"]["defaultPort"]
        self.frames = {kind.name: kind for kind in map(FrameKind, data["frames"])}
        self.types = {kind.type: kind for kind in self.frames.values()}
        # Of both: name to number. An enum's cases, or the bits of a flag set.
        self.values = {
            entry["name"]: {case["name"]: case["value"] for case in entry[cases]}
            for list_name, cases in (("enums", "cases"), ("flagSets", "flags"))
            for entry in data[list_name]
        }
        self.values["CloseReason"] = {e["name"]: e["code"] for e in data["closeReasons"]}
        self.values["ErrorCode"] = {e["name"]: e["code"] for e in data["errorCodes"]}
        self.flag_sets = {entry["name"] for entry in data["flagSets"]}
        self.retryable = {
            entry["name"]: entry["retryable"] for entry in data["closeReasons"] + data["errorCodes"]
        }
        self.limits = {entry["name"]: entry["value"] for entry in data["limits"]}
        self.header = struct.Struct("<" + "".join(
            NUMBERS[field["type"]] for field in data["header"]["fields"]))
        self.ignorable = data["header"]["flags"][0]["value"]
        batch = data["batch"]
        self.batch = struct.Struct("<" + "".join(NUMBERS[f["type"]] for f in batch["fields"]))
        self.batch_fields = [field["name"] for field in batch["fields"]]
        self.checksum_from = batch["checksumFrom"]
        assert self.header.size == data["header"]["size"] and self.batch.size == batch["size"]

    def value(self, set_name, value):
        """The number for a name, for names of flags joined by "+", or for a number."""
        if isinstance(value, (int, bool)):
            return int(value)
        names = self.values[set_name]
        if set_name in self.flag_sets:
            return sum(names[name] for name in value.split("+") if name)
        return names[value]

    def name(self, set_name, number):
        """The name of a number; the number as text where it has none."""
        for name, value in self.values[set_name].items():
            if value == number:
                return name
        return str(number)


REGISTRY = Registry(FOLDER / "frames.json")
