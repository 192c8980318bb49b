"""Released means frozen: compares the registry with the snapshots of what was released."""

import json
import os

from registry import number


def facts(reg):
    """Everything of a registry that a peer depends on, as a flat map from a path to a value."""
    out = {"protocol.magic": number(reg["protocol"]["magic"])}
    for what in ("header", "batch"):
        out[f"{what}.size"] = reg[what]["size"]
        for field in reg[what]["fields"]:
            out[f'{what}.{field["name"]}'] = (field["offset"], field["type"])
    out["batch.checksumFrom"] = reg["batch"]["checksumFrom"]
    for flag in reg["header"]["flags"]:
        out[f'header.flags.{flag["name"]}'] = flag["value"]
    for entry in reg["enums"]:
        for case in entry["cases"]:
            out[f'enum {entry["name"]}.{case["name"]}'] = case["value"]
    for entry in reg["flagSets"]:
        for flag in entry["flags"]:
            out[f'flags {entry["name"]}.{flag["name"]}'] = flag["value"]
    for frame in reg["frames"]:
        path = f'frame {frame["name"]}'
        out[path] = (number(frame["type"]), frame["from"], frame["ref"], frame["kind"])
        out[f"{path} fields"] = [
            (f["name"], f["type"], f.get("max"), f.get("entryBytes")) for f in frame["fields"]
        ]
    for what in ("closeReasons", "errorCodes"):
        for entry in reg[what]:
            out[f'{what}.{entry["name"]}'] = (entry["code"], entry["retryable"])
    return out


def numbers(values):
    """Where a fact is a number of a space of numbers: (space, number) for each path."""
    out = {}
    for path, value in values.items():
        if path.startswith("frame ") and not path.endswith(" fields"):
            out[path] = ("frames", value[0])
        elif path.startswith(("enum ", "flags ", "header.flags.")):
            out[path] = (path.rpartition(".")[0], value)
        elif path.startswith(("closeReasons.", "errorCodes.")):
            # One space: an ERROR's code is never a CLOSE's reason.
            out[path] = ("codes", value[0])
    return out


def check(reg, folder):
    faults = []
    if not os.path.isdir(folder):
        return faults
    now = facts(reg)
    for name in sorted(os.listdir(folder)):
        if not name.endswith(".json"):
            continue
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            released = facts(json.load(file))
        for path, value in released.items():
            if path not in now:
                faults.append(f"{path} was released in {name} and is gone")
            elif now[path] != value:
                faults.append(f"{path} was released in {name} as {value} and is now {now[path]}")
        taken = {place: path for path, place in numbers(released).items()}
        for path, place in numbers(now).items():
            if path not in released and place in taken:
                faults.append(f"{path} takes the number of {taken[place]}")
    return faults
