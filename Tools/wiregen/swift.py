"""Sources/WireFormat/Frames+Generated.swift."""

import re
import textwrap

from registry import SIZES, camel, fixed_size, is_reserved, number, type_name

INTS = {"u8": "UInt8", "u16": "UInt16", "u32": "UInt32", "u64": "UInt64"}


def about(field):
    """What a field is, and its unit where the sentence does not say it."""
    text = field["about"]
    if "unit" in field and not re.search(rf'\b{field["unit"]}\b', text, re.IGNORECASE):
        text += f' In {field["unit"]}.'
    return text


def doc(text, indent=""):
    width = 100 - len(indent) - 4
    return [f"{indent}/// {line}" for line in textwrap.wrap(text, width)]


def name(field):
    return camel(field["name"])


def escaped(text):
    return text.replace("\\", "\\\\").replace('"', '\\"')


class Kinds:
    def __init__(self, reg):
        self.enums = {entry["name"] for entry in reg["enums"]} | {"CloseReason", "ErrorCode"}
        self.flags = {entry["name"] for entry in reg["flagSets"]}


def constant(title, kind, value):
    """Computed, so that it costs no look-up across modules, and marked, so that what must not
    allocate may use it."""
    return [f"  public static var {title}: {kind} {{ @_noLocks get {{ {value} }} }}"]


def getter(title, kind, body):
    """A computed property that what must not allocate may use."""
    out = [f"  public var {title}: {kind} {{", "    @_noLocks get {"]
    return out + ["  " + line for line in body] + ["    }", "  }"]


def from_raw(raw, pairs):
    """What the compiler would write itself, but for the mark."""
    out = ["", *doc("Nil where the number is not defined.", "  ")]
    out += [f"  @_noLocks public init?(rawValue: {raw}) {{", "    switch rawValue {"]
    out += [f"    case {value}: self = .{case}" for case, value in pairs]
    return out + ["    default: return nil", "    }", "  }"]


def constants(reg):
    protocol = reg["protocol"]
    out = doc("What the two sides of a connection must agree on before anything else.")
    out += ["public enum ProtocolVersion {"]
    for title, key, kind in (
        ("The highest version that this module speaks.", "version", "UInt16"),
        ("The lowest version that this module speaks.", "versionMin", "UInt16"),
        ("The first four bytes of a HELLO's body.", "magic", "UInt32"),
        ("TCP port of a broker that is not told one.", "defaultPort", "UInt16"),
    ):
        out += doc(title, "  ")
        value = protocol[key]
        if key == "magic":
            value = value[:2] + value[2:6] + "_" + value[6:]
        out += constant(key, kind, value)
    out += ["}", ""]
    out += doc("Numbers that bound what a peer may send; the reason stands beside each.")
    out += ["public enum WireLimits {"]
    for entry in reg["limits"]:
        out += doc(about(entry), "  ")
        value = f'{entry["value"]:_}' if entry["value"] >= 10000 else str(entry["value"])
        out += constant(entry["name"], "Int", value)
    return out + ["}", ""]


def frame_type(reg):
    out = doc("Which frame; the fifth byte of every frame.")
    out += ["public enum FrameType: UInt8, CaseIterable, Sendable {"]
    for frame in reg["frames"]:
        out += doc(frame["about"], "  ")
        out += [f'  case {camel(frame["name"])} = 0x{number(frame["type"]):02x}']
    pairs = [(camel(frame["name"]), frame["type"]) for frame in reg["frames"]]
    out += from_raw("UInt8", pairs) + ["}", ""]
    out += doc("Who may send a frame.")
    out += ["public enum FrameSender: UInt8, Sendable {", "  case client, broker, both", "}", ""]
    out += ["extension FrameType {"]
    out += doc("Who may send it; the other side's is `wrongDirection`.", "  ")
    body = ["    switch self {"]
    for who in ("client", "broker", "both"):
        cases = [f'.{camel(f["name"])}' for f in reg["frames"] if f["from"] == who]
        body += wrapped_case(cases)
        body += [f"      .{who}"]
    out += getter("sender", "FrameSender", body + ["    }"]) + [""]
    out += doc("Whether it may come before WELCOME.", "  ")
    early = [f'.{camel(f["name"])}' for f in reg["frames"] if f.get("beforeWelcome")]
    body = ["    switch self {"] + wrapped_case(early)
    body += ["      true", "    default:", "      false", "    }"]
    out += getter("isAllowedBeforeWelcome", "Bool", body) + [""]
    out += doc("The frame's name as the protocol writes it.", "  ")
    out += ["  public var name: StaticString {", "    switch self {"]
    for frame in reg["frames"]:
        out += [f'    case .{camel(frame["name"])}: "{frame["name"]}"']
    return out + ["    }", "  }", "}", ""]


def wrapped_case(cases):
    lines = textwrap.wrap(", ".join(cases), 84)
    lines = ["    case " + lines[0]] + ["      " + line for line in lines[1:]]
    lines[-1] += ":"
    return lines


def enums(reg):
    out = []
    for entry in reg["enums"]:
        out += doc(entry["about"])
        out += [f'public enum {entry["name"]}: {INTS[entry["type"]]}, CaseIterable, Sendable {{']
        for case in entry["cases"]:
            out += doc(case["about"], "  ")
            out += [f'  case {camel(case["name"])} = {case["value"]}']
        pairs = [(camel(case["name"]), case["value"]) for case in entry["cases"]]
        out += from_raw(INTS[entry["type"]], pairs)
        out += ["", *doc("The name as the protocol writes it.", "  ")]
        out += ["  public var name: StaticString {", "    switch self {"]
        for case in entry["cases"]:
            out += [f'    case .{camel(case["name"])}: "{case["name"]}"']
        out += ["    }", "  }", "}", ""]
    for entry in reg["flagSets"]:
        raw = INTS[entry["type"]]
        out += doc(entry["about"])
        out += [f'public struct {entry["name"]}: OptionSet, Sendable {{']
        out += [f"  public var rawValue: {raw}", ""]
        out += [f"  @_noLocks public init(rawValue: {raw}) {{ self.rawValue = rawValue }}", ""]
        text = "Whether all of these are set. What `contains` says, without generic code."
        out += doc(text, "  ")
        out += [
            f'  @_noLocks public func has(_ flags: {entry["name"]}) -> Bool {{',
            "    rawValue & flags.rawValue == flags.rawValue",
            "  }",
            "",
        ]
        for flag in entry["flags"]:
            out += doc(flag["about"], "  ")
            value = f'{entry["name"]}(rawValue: {flag["value"]})'
            out += constant(camel(flag["name"]), entry["name"], value)
        total = sum(flag["value"] for flag in entry["flags"])
        out += doc("Every flag that is defined; other bits are not.", "  ")
        out += constant("all", entry["name"], f'{entry["name"]}(rawValue: {total})')
        out += ["}", ""]
    return out


def codes(kind, about, entries):
    out = doc(about)
    out += [f"public enum {kind}: UInt16, CaseIterable, Sendable {{"]
    for entry in entries:
        out += doc(entry["about"], "  ")
        out += [f'  case {entry["name"]} = {entry["code"]}']
    out += from_raw("UInt16", [(entry["name"], entry["code"]) for entry in entries])
    out += ["", *doc("Whether the same attempt may succeed later.", "  ")]
    body = ["    switch self {"]
    body += wrapped_case([f'.{e["name"]}' for e in entries if e["retryable"]])
    body += ["      true", "    default:", "      false", "    }"]
    out += getter("retryable", "Bool", body) + [""]
    out += doc("A sentence for people.", "  ")
    out += ["  public var about: StaticString {", "    switch self {"]
    for entry in entries:
        line = f'    case .{entry["name"]}: "{escaped(entry["about"])}"'
        if len(line) > 100:
            out += [f'    case .{entry["name"]}:', f'      "{escaped(entry["about"])}"']
        else:
            out += [line]
    out += ["    }", "  }", ""]
    out += doc("The name as the protocol writes it.", "  ")
    out += ["  public var name: StaticString {", "    switch self {"]
    out += [f'    case .{e["name"]}: "{e["name"]}"' for e in entries]
    return out + ["    }", "  }", "}", ""]


def batch(reg):
    out = doc(reg["batch"]["about"] + " Offsets from its start.")
    out += ["public enum BatchField {"]
    out += doc("Bytes of the header.", "  ")
    out += constant("size", "Int", reg["batch"]["size"])
    out += doc("Where the bytes that the checksum covers begin.", "  ")
    out += constant("checksumFrom", "Int", reg["batch"]["checksumFrom"])
    for field in reg["batch"]["fields"]:
        if is_reserved(field):
            continue
        out += doc(about(field), "  ")
        out += constant(name(field), "Int", field["offset"])
    return out + ["}", ""]


def parameter(field, kinds):
    kind = field.get("as") or {"string16": "String"}.get(field["type"]) or INTS[field["type"]]
    default = f' = {field["default"]}' if "default" in field else ""
    return f"{name(field)}: {kind}{default}"


def call(head, parts, tail, indent):
    line = f'{indent}{head}({", ".join(parts)}){tail}'
    if len(line) <= 100:
        return [line]
    out = [f"{indent}{head}("]
    lines = textwrap.wrap(", ".join(part.replace(" ", "\0") for part in parts), 96 - len(indent))
    out += [f"{indent}  {line}".replace("\0", " ") for line in lines]
    return out + [f"{indent}){tail}"]


def frame(entry, kinds):
    fields = [f for f in entry["fields"] if not is_reserved(f)]
    rest = next((f for f in fields if f["type"] == "rest"), None)
    member = camel(entry["name"])
    out = doc(f'{entry["name"]}: {entry["about"]}')
    out += [f"public struct {type_name(entry)}: Equatable, Sendable {{"]
    out += constant("type", "FrameType", f".{member}")
    out += doc("Bytes of a frame up to its first field of varying size, with the header.", "  ")
    out += constant("prefixSize", "Int", 16 + fixed_size(entry)) + [""]
    # Properties.
    for field in fields:
        text = about(field)
        if field["type"] == "rest":
            out += doc(text + " As offsets from the start of the frame.", "  ")
            out += [f"  public var {name(field)}: Range<Int>"]
        elif field.get("as") in kinds.enums:
            out += doc(text, "  ")
            out += [f'  public var {name(field)}Raw: {INTS[field["type"]]}']
        else:
            out += doc(text, "  ")
            kind = field.get("as") or {"string16": "String"}.get(field["type"])
            out += [f'  public var {name(field)}: {kind or INTS[field["type"]]}']
    # Computed enums.
    for field in fields:
        if field.get("as") in kinds.enums:
            out += ["", *doc("Nil where the number that was received is not defined.", "  ")]
            out += [
                f'  public var {name(field)}: {field["as"]}? '
                f'{{ @_noLocks get {{ {field["as"]}(rawValue: {name(field)}Raw) }} }}'
            ]
    # Memberwise.
    plain = [f for f in fields if f["type"] != "rest"]
    out += [""]
    mark = "" if has_text(entry) else "@_noLocks "
    out += call(f"{mark}public init", [parameter(f, kinds) for f in plain], " {", "  ")
    for field in plain:
        if field.get("as") in kinds.enums:
            out += [f"    self.{name(field)}Raw = {name(field)}.rawValue"]
        else:
            out += [f"    self.{name(field)} = {name(field)}"]
    if rest:
        out += [f"    self.{name(rest)} = 0..<0"]
    out += ["  }", ""]
    out += decode(entry, kinds)
    out += [""] + encode(entry, rest, kinds, prefix=False)
    if rest:
        out += [""] + encode(entry, rest, kinds, prefix=True)
    if not has_text(entry):
        out += [""] + store(entry, rest, kinds)
    return out + ["}", ""]


def has_text(entry):
    return any(field["type"] == "string16" for field in entry["fields"])


def store(entry, rest, kinds):
    """The same bytes as encode or encodePrefix, for code that must not allocate."""
    size = 16 + fixed_size(entry)
    out = doc(
        f"Writes `prefixSize` bytes: the frame{f' up to `{name(rest)}`' if rest else ''}, with "
        + ("a header that counts `restCount` bytes after it. " if rest else "its header. ")
        + "The memory is the caller's business.", "  ")
    ref = "ref: UInt32 = 0" if entry["ref"] == "none" else "ref: UInt32"
    parts = ["to memory: UnsafeMutableRawPointer", ref, "correlation: UInt32 = 0"]
    if rest:
        parts += ["restCount: Int"]
    out += ["  @unsafe"] + call("@_noLocks public func store", parts, " {", "  ")
    length = f"UInt32({size - 4} + restCount)" if rest else str(size - 4)
    out += [
        "    let header = FrameHeader(",
        f'      length: {length}, typeRaw: {entry["type"]}, ref: ref, correlation: correlation)',
        "    unsafe header.store(to: memory)",
    ]
    at = 16
    for field in entry["fields"]:
        if field["type"] not in SIZES:
            continue
        member, kind = name(field), INTS[field["type"]]
        if is_reserved(field):
            value = f"0 as {kind}"
        elif field.get("as") == "Bool":
            value = f"{member} ? 1 : 0 as {kind}"
        elif field.get("as") in kinds.enums:
            value = f"{member}Raw"
        elif field.get("as") in kinds.flags:
            value = f"{member}.rawValue"
        else:
            value = member
        out += [f"    unsafe memory.store({value}, at: {at})"]
        at += SIZES[field["type"]]
    return out + ["  }"]


def decode(entry, kinds):
    out = doc("Reads the body, which must have these fields and no more.", "  ")
    mark = "" if has_text(entry) else "@_noLocks "
    out += [f"  {mark}public init(reader: inout FrameReader) throws(WireError) {{"]
    fixed, offset = fixed_size(entry), 0
    if any(not is_reserved(f) and f["type"] in SIZES for f in entry["fields"]):
        out += [f"    let at = try reader.take({fixed})"]
    elif fixed:
        out += [f"    _ = try reader.take({fixed})"]
    for field in entry["fields"]:
        member = name(field)
        if field["type"] == "string16":
            out += [f'    {member} = try reader.string16(max: {field["max"]})']
        elif field["type"] == "rest":
            out += [f"    {member} = reader.takeRest()"]
            if "entries" in field:
                count = f'Int({camel(field["entries"])})'
                out += [f'    try reader.expect({member}, {count}, of: {field["entryBytes"]})']
        else:
            at = f"at + {offset}" if offset else "at"
            offset += SIZES[field["type"]]
            if is_reserved(field):
                continue
            load = f'reader.load{INTS[field["type"]]}({at})'
            if field.get("as") == "Bool":
                out += [f"    {member} = try reader.loadBool({at})"]
            elif field.get("as") in kinds.enums:
                out += [f"    {member}Raw = {load}"]
            elif field.get("as") in kinds.flags:
                out += [f'    {member} = {field["as"]}(rawValue: {load})']
            else:
                out += [f"    {member} = {load}"]
    return out + ["    try reader.finish()", "  }"]


def encode(entry, rest, kinds, prefix):
    parts = ["into writer: inout FrameWriter"]
    if entry["ref"] == "none":
        parts += ["ref: UInt32 = 0"]
    else:
        parts += ["ref: UInt32"]
    parts += ["correlation: UInt32 = 0"]
    out = []
    if prefix:
        out += doc(
            f"Writes everything before `{name(rest)}` and a header that counts `restCount` bytes "
            "after it, which the caller sends from where they are. False where it does not fit.",
            "  ",
        )
        parts += ["restCount: Int"]
    else:
        out += doc("Writes the frame. False where it does not fit; then nothing is written.", "  ")
        if rest:
            parts += [f"{name(rest)}: RawSpan"]
    head = "public func encodePrefix" if prefix else "public func encode"
    out += call(head, parts, " -> Bool {", "  ")
    out += [f"    writer.beginFrame(Self.type, ref: ref, correlation: correlation)"]
    for field in entry["fields"]:
        member = name(field)
        if field["type"] == "rest":
            if not prefix:
                out += [f"    writer.append({member})"]
        elif field["type"] == "string16":
            clip = ", clip: true" if field.get("clip") else ""
            out += [f'    writer.append(string16: {member}, max: {field["max"]}{clip})']
        elif is_reserved(field):
            out += [f'    writer.append(0 as {INTS[field["type"]]})']
        elif field.get("as") == "Bool":
            out += [f'    writer.append({member} ? 1 : 0 as {INTS[field["type"]]})']
        elif field.get("as") in kinds.enums:
            out += [f"    writer.append({member}Raw)"]
        elif field.get("as") in kinds.flags:
            out += [f"    writer.append({member}.rawValue)"]
        else:
            out += [f"    writer.append({member})"]
    end = "writer.endFrame(followedBy: restCount)" if prefix else "writer.endFrame()"
    return out + [f"    return {end}", "  }"]


def generate(reg):
    kinds = Kinds(reg)
    out = ["// Generated from Protocol/frames.json by Tools/wiregen. Not to be edited.", ""]
    out += constants(reg) + frame_type(reg) + enums(reg)
    out += codes("CloseReason", "Why a session ended.", reg["closeReasons"])
    out += codes("ErrorCode", "Why a request was refused; the session goes on.", reg["errorCodes"])
    out += batch(reg)
    for entry in reg["frames"]:
        out += frame(entry, kinds)
    text = "\n".join(out).rstrip() + "\n"
    long = [line for line in text.split("\n") if len(line) > 100]
    if long:
        raise SystemExit("wiregen: lines over 100 columns:\n" + "\n".join(long))
    return re.sub(r"\n{3,}", "\n\n", text)
