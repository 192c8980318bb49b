"""The tables of protocol.md, between `<!-- table:x -->` and `<!-- end:x -->`."""

import re

from registry import SIZES, fixed_size, is_reserved, number


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def header(reg):
    rows = [(f["offset"], f'`{f["name"]}`', f["type"], f["about"]) for f in reg["header"]["fields"]]
    return table(("offset", "field", "type", "meaning"), rows)


def frames(reg):
    who = {"client": "client → broker", "broker": "broker → client", "both": "both"}
    rows = [
        (
            f'0x{number(f["type"]):02x}', f'`{f["name"]}`', who[f["from"]],
            f["kind"], f["ref"], f["about"],
        )
        for f in reg["frames"]
    ]
    return table(("type", "frame", "direction", "kind", "ref", "meaning"), rows)


def about(field):
    text = field["about"]
    if "as" in field and field["as"] == "Bool":
        text += " 0 or 1."
    if "unit" in field and not re.search(rf'\b{field["unit"]}\b', text, re.IGNORECASE):
        text += f' In {field["unit"]}.'
    return text


def fields(reg):
    parts = []
    base = reg["header"]["size"]
    for frame in reg["frames"]:
        if not frame["fields"]:
            parts.append(f'### `{frame["name"]}`\n\nNo body.')
            continue
        rows, offset = [], base
        for field in frame["fields"]:
            kind = field["type"]
            if "max" in field:
                kind += f', at most {field["max"]} bytes'
            rows.append((offset if offset else "…", f'`{field["name"]}`', kind, about(field)))
            if field["type"] in SIZES and offset:
                offset += SIZES[field["type"]]
            else:
                offset = 0
        text = table(("offset", "field", "type", "meaning"), rows)
        parts.append(f'### `{frame["name"]}`\n\n{text}')
    return "\n\n".join(parts)


def batch(reg):
    rows = [
        (f["offset"], f'`{f["name"]}`', f["type"], f["by"], about(f))
        for f in reg["batch"]["fields"]
    ]
    return table(("offset", "field", "type", "written by", "meaning"), rows)


def enums(reg):
    parts = []
    for entry in reg["enums"]:
        rows = [(case["value"], f'`{case["name"]}`', case["about"]) for case in entry["cases"]]
        text = table(("value", "name", "meaning"), rows)
        parts.append(f'### {entry["name"]} ({entry["type"]})\n\n{entry["about"]}\n\n{text}')
    for entry in reg["flagSets"]:
        rows = [(hex(flag["value"]), f'`{flag["name"]}`', flag["about"]) for flag in entry["flags"]]
        text = table(("bit", "name", "meaning"), rows)
        parts.append(f'### {entry["name"]} ({entry["type"]}, flags)\n\n{entry["about"]}\n\n{text}')
    return "\n\n".join(parts)


def limits(reg):
    protocol = reg["protocol"]
    rows = [
        ("`magic`", protocol["magic"], "", "Read as a number; its bytes are G L O N."),
        ("`version`", protocol["version"], "", "The version of the protocol that this describes."),
        ("`defaultPort`", protocol["defaultPort"], "", "TCP port of a broker not told another."),
    ]
    rows += [(f'`{e["name"]}`', e["value"], e.get("unit", ""), e["about"]) for e in reg["limits"]]
    return table(("name", "value", "unit", "why"), rows)


def codes(entries):
    rows = [
        (e["code"], f'`{e["name"]}`', "yes" if e["retryable"] else "no", e["about"])
        for e in entries
    ]
    return table(("code", "name", "retryable", "meaning"), rows)


MAKERS = {
    "header": header,
    "frames": frames,
    "fields": fields,
    "batch": batch,
    "enums": enums,
    "limits": limits,
    "closeReasons": lambda reg: codes(reg["closeReasons"]),
    "errorCodes": lambda reg: codes(reg["errorCodes"]),
}


def fill(text, reg):
    for name, maker in MAKERS.items():
        pattern = re.compile(f"<!-- table:{name} -->.*?<!-- end:{name} -->", re.S)
        if len(pattern.findall(text)) != 1:
            raise SystemExit(f"wiregen: protocol.md must have the markers of table {name} once")
        block = f"<!-- table:{name} -->\n{maker(reg)}\n<!-- end:{name} -->"
        text = pattern.sub(lambda _: block, text)
    return text
