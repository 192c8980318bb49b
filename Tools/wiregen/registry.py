"""The registry of the protocol: loading it, its names in Swift, and what must hold of it."""

import json
import re

SIZES = {"u8": 1, "u16": 2, "u32": 4, "u64": 8}
VARYING = ("string16", "rest")


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def is_reserved(field):
    return re.fullmatch(r"reserved\d*|stamp_reserved", field["name"]) is not None


def camel(name):
    """`frame_length_max`, `drop-oldest` and `OPEN_TOPIC` as a Swift member's name."""
    words = re.split(r"[_-]", name)
    if name.upper() == name:
        words = [word.lower() for word in words]
    return words[0] + "".join(word[:1].upper() + word[1:] for word in words[1:])


def type_name(frame):
    """The Swift type of a frame. `Error` would hide the standard library's."""
    name = camel(frame["name"])
    name = name[:1].upper() + name[1:]
    return "ErrorFrame" if name == "Error" else name


def number(value):
    return int(value, 0) if isinstance(value, str) else value


def fixed_size(frame):
    """Bytes of the fields before the first one of varying size."""
    size = 0
    for field in frame["fields"]:
        if field["type"] in VARYING:
            break
        size += SIZES[field["type"]]
    return size


def check(reg):
    """Sentences about everything in the registry that contradicts itself."""
    faults = []

    def unique(what, values):
        seen = set()
        for value in values:
            if value in seen:
                faults.append(f"{what}: {value} is there twice")
            seen.add(value)

    frames = reg["frames"]
    unique("frame names", [frame["name"] for frame in frames])
    unique("frame types", [number(frame["type"]) for frame in frames])
    kinds = {entry["name"] for entry in reg["enums"] + reg["flagSets"]}
    kinds |= {"Bool", "CloseReason", "ErrorCode"}
    for frame in frames:
        unique(frame["name"], [field["name"] for field in frame["fields"]])
        offset, varying = 0, False
        for field in frame["fields"]:
            where = f'{frame["name"]}.{field["name"]}'
            if field is not frame["fields"][-1] and field["type"] == "rest":
                faults.append(f"{where}: rest is not the last field")
            if field["type"] == "string16" and "max" not in field:
                faults.append(f"{where}: a string16 without max")
            if field.get("as", "Bool") not in kinds:
                faults.append(f'{where}: no enum or flag set is named {field["as"]}')
            if not field.get("about"):
                faults.append(f"{where}: nothing about it")
            if field["type"] in VARYING:
                varying = True
            elif varying:
                faults.append(f"{where}: a number after a field of varying size")
            else:
                if offset % SIZES[field["type"]]:
                    faults.append(f"{where}: offset {offset} is not a multiple of its size")
                offset += SIZES[field["type"]]
        batches = [f for f in frame["fields"] if f["type"] == "rest" and "atch" in f["name"]]
        if batches and (reg["header"]["size"] + fixed_size(frame)) % 8:
            faults.append(f'{frame["name"]}: its batches do not begin at a multiple of 8')
    for what in ("header", "batch"):
        offset = 0
        for field in reg[what]["fields"]:
            if field["offset"] != offset:
                faults.append(f'{what}.{field["name"]}: offset is {field["offset"]}, not {offset}')
            offset += SIZES[field["type"]]
        if offset != reg[what]["size"]:
            faults.append(f"{what}: the fields make {offset} bytes")
    for what in ("closeReasons", "errorCodes", "limits"):
        unique(what, [entry["name"] for entry in reg[what]])
    codes = [entry["code"] for entry in reg["closeReasons"] + reg["errorCodes"]]
    unique("close reasons and error codes", codes)
    for entry in reg["enums"]:
        unique(entry["name"], [case["name"] for case in entry["cases"]])
        unique(entry["name"], [case["value"] for case in entry["cases"]])
    for entry in reg["flagSets"]:
        unique(entry["name"], [flag["name"] for flag in entry["flags"]])
        for flag in entry["flags"]:
            if flag["value"] & (flag["value"] - 1) or not flag["value"]:
                faults.append(f'{entry["name"]}.{flag["name"]}: {flag["value"]} is not one bit')
        unique(entry["name"], [flag["value"] for flag in entry["flags"]])
    return faults
