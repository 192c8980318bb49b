"""Vectors of topics' names, patterns, and which matches which."""

NOTES = {
    "Plain": "Names as people use them.",
    "Size": "At and over the most bytes or tokens.",
    "EmptyToken": "A dot at the start or the end, two in a row, or nothing at all.",
    "Wildcard": "Wildcards where they may not stand.",
    "Control": "Control characters, in one byte and in two.",
    "Space": "A space; only the one that is U+0020 is refused.",
    "UTF8": "Bytes that are not UTF-8, and characters of two to four bytes that are.",
    "Reserved": "Names that begin with a dollar sign are the broker's own.",
    "Star": "A star is exactly one token.",
    "Rest": "A greater-than sign is one token or more, never none.",
    "Prefix": "A name that only begins like the pattern, or the other way round.",
    "Bytes": "Names are compared byte by byte: no case folding, no normalisation.",
}


def all_of_them(registry):
    limits = {e["name"]: e["value"] for e in registry["limits"]}
    size, tokens = limits["topicNameBytesMax"], limits["topicTokensMax"]
    names, patterns, matches = [], [], []

    def add(into, identity, comment, flag, text, valid):
        data = text if isinstance(text, bytes) else text.encode()
        vector = {"id": identity, "comment": comment, "flags": [flag], "hex": data.hex()}
        if not isinstance(text, bytes):
            vector["text"] = text
        vector["result"] = "valid" if valid else "invalid"
        into.append(vector)

    common = [
        ("one", "One token.", "Plain", "loot", True),
        ("three", "Three tokens.", "Plain", "hunt.7.loot", True),
        ("marks", "Punctuation is allowed.", "Plain", "a-b_c/d:e@f", True),
        ("digit", "One character.", "Plain", "7", True),
        ("dollar-inside", "A dollar sign later on is like any character.", "Reserved", "a.$b$",
         True),
        ("empty", "Nothing.", "EmptyToken", "", False),
        ("dot", "A dot alone.", "EmptyToken", ".", False),
        ("dots", "Two dots.", "EmptyToken", "..", False),
        ("dot-first", "A dot first.", "EmptyToken", ".a", False),
        ("dot-last", "A dot last.", "EmptyToken", "a.", False),
        ("dot-twice", "Two dots in a row.", "EmptyToken", "a..b", False),
        ("size-max", "As long as a name can be.", "Size", "x" * size, True),
        ("size-over", "One byte over.", "Size", "x" * (size + 1), False),
        ("size-over-utf8", "Over in bytes, not in characters.", "Size", "é" * (size // 2 + 1),
         False),
        ("tokens-max", "As many tokens as there can be.", "Size", ".".join("a" * tokens), True),
        ("tokens-over", "One token over.", "Size", ".".join("a" * (tokens + 1)), False),
        ("space", "A space inside.", "Space", "a b", False),
        ("space-alone", "A space alone.", "Space", " ", False),
        ("space-wide", "A space that is not U+0020.", "Space", "a\u3000b", True),
        ("nul", "U+0000.", "Control", "a\0b", False),
        ("newline", "A line feed.", "Control", "a\nb", False),
        ("unit", "U+001F.", "Control", "a\x1f", False),
        ("delete", "U+007F.", "Control", "a\x7f", False),
        ("c1-first", "U+0080, in two bytes.", "Control", "a\x80", False),
        ("c1-last", "U+009F, in two bytes.", "Control", "a\x9f.b", False),
        ("after-c1", "U+00A0 is no control character.", "Control", "a\xa0b", True),
        ("two", "A character of two bytes.", "UTF8", "schätze", True),
        ("three-bytes", "Characters of three bytes.", "UTF8", "宝.物", True),
        ("four", "A character of four bytes.", "UTF8", "hunt.💰", True),
        ("last", "U+10FFFF.", "UTF8", "a\U0010ffff", True),
        ("long", "A dot in two bytes.", "UTF8", b"a\xc0\xaeb", False),
        ("half", "Half of a pair of surrogates.", "UTF8", b"a\xed\xa0\x80", False),
        ("cut", "A character cut by the end.", "UTF8", b"a\xe2\x82", False),
        ("cut-by-dot", "A character cut by a dot.", "UTF8", b"\xe2\x82.a", False),
        ("stray", "A byte that continues nothing.", "UTF8", b"\x80", False),
        ("ff", "A byte that UTF-8 never has.", "UTF8", b"a\xff", False),
        ("star-inside", "A star inside a token.", "Wildcard", "a*.b", False),
        ("star-twice", "Two stars in a token.", "Wildcard", "**", False),
        ("rest-inside", "A greater-than sign inside a token.", "Wildcard", "a.b>", False),
        ("rest-first", "A greater-than sign before a character.", "Wildcard", ">a", False),
        ("rest-middle", "A greater-than sign that is not last.", "Wildcard", "a.>.b", False),
        ("star-rest", "Both in one token.", "Wildcard", "*>", False),
        ("rest-dot", "A dot after a greater-than sign.", "Wildcard", "a.>.", False),
    ]
    for identity, comment, flag, text, valid in common:
        add(names, f"name-{identity}", comment, flag, text, valid)
        add(patterns, f"pattern-{identity}", comment, flag, text, valid)
    for identity, comment, text in (
        ("star", "A star for a token.", "hunt.*.loot"), ("star-alone", "A star alone.", "*"),
        ("rest", "The rest.", "hunt.>"), ("rest-alone", "Everything.", ">"),
        ("both", "Both wildcards.", "*.a.*.>"),
    ):
        add(names, f"name-{identity}", comment, "Wildcard", text, False)
        add(patterns, f"pattern-{identity}", comment, "Wildcard", text, True)
    for identity, text in (("dollar", "$"), ("dollar-stats", "$stats.hunt")):
        add(names, f"name-{identity}", "Begins with a dollar sign.", "Reserved", text, False)
        add(patterns, f"pattern-{identity}", "Begins with a dollar sign.", "Reserved", text, True)
    add(patterns, "pattern-dollar-rest", "Names of the broker.", "Reserved", "$stats.>", True)

    table = [
        ("Plain", "hunt", "hunt", True), ("Plain", "hunt", "hunts", False),
        ("Plain", "hunt.7", "hunt.7", True), ("Plain", "hunt.7", "hunt.8", False),
        ("Prefix", "hunt", "hunt.7", False), ("Prefix", "hunt.7", "hunt", False),
        ("Prefix", "hunt.7.loot", "hunt.7", False), ("Prefix", "hun", "hunt", False),
        ("Prefix", "a.b", "a.b.c", False), ("Prefix", "a.*", "a.b.c", False),
        ("Star", "*", "hunt", True), ("Star", "*", "hunt.7", False),
        ("Star", "hunt.*", "hunt.7", True), ("Star", "hunt.*", "hunt", False),
        ("Star", "hunt.*.loot", "hunt.7.loot", True),
        ("Star", "hunt.*.loot", "hunt.7.drop", False),
        ("Star", "hunt.*.loot", "hunt.loot", False),
        ("Star", "hunt.*.loot", "hunt.7.7.loot", False),
        ("Star", "*.*", "a.b", True), ("Star", "*.*", "a", False),
        ("Star", "*.b", "a.b", True), ("Star", "*.b", "a.bc", False),
        ("Star", "*.7.*", "hunt.7.loot", True),
        ("Rest", ">", "hunt", True), ("Rest", ">", "hunt.7.loot", True),
        ("Rest", "hunt.>", "hunt.7", True), ("Rest", "hunt.>", "hunt.7.loot", True),
        ("Rest", "hunt.>", "hunt", False), ("Rest", "hunt.>", "hunter.7", False),
        ("Rest", "*.>", "a.b", True), ("Rest", "*.>", "a", False),
        ("Rest", "*.b.>", "a.b.c.d", True), ("Rest", "*.b.>", "a.c.c.d", False),
        ("Bytes", "Hunt", "hunt", False), ("Bytes", "schätze", "schätze", True),
        ("Bytes", "scha\u0308tze", "sch\u00e4tze", False), ("Bytes", "*.物", "宝.物", True),
        ("Reserved", ">", "$stats.a", False), ("Reserved", "*.a", "$stats.a", False),
        ("Reserved", "$stats.>", "$stats.a", True), ("Reserved", "$stats.*", "$stats.a", True),
        ("Reserved", "$stats.a", "$stats.a", True), ("Reserved", "*", "$", False),
        ("Reserved", "a.*", "a.$b", True),
    ]
    for index, (flag, pattern, name, result) in enumerate(table):
        matches.append({
            "id": f"match-{index + 1}", "comment": f"{pattern} on {name}.", "flags": [flag],
            "pattern": pattern, "name": name, "result": "matches" if result else "differs",
        })
    return {
        "about": "Names, patterns, and pairs of both. hex holds the bytes; text is there where "
        "they are UTF-8.",
        "notes": NOTES, "names": names, "patterns": patterns, "matches": matches,
    }
