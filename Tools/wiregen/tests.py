#!/usr/bin/env python3
"""Tests of the generator's own judgement: what a registry may not say, and may not change."""

import copy
import json
import os
import re
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True

import evolution  # noqa: E402
import registry  # noqa: E402

PATH = os.path.join(HERE, "..", "..", "Protocol", "frames.json")


class Judgement(unittest.TestCase):
    def setUp(self):
        self.released = registry.load(PATH)
        self.now = copy.deepcopy(self.released)

    def faults(self):
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "frames-1.json"), "w", encoding="utf-8") as file:
                json.dump(self.released, file)
            return evolution.check(self.now, folder)

    def frame(self, name):
        return next(frame for frame in self.now["frames"] if frame["name"] == name)

    def test_nothing_changed(self):
        self.assertEqual(self.faults(), [])
        self.assertEqual(registry.check(self.now), [])

    def test_additions_and_better_sentences_are_allowed(self):
        self.frame("PING")["about"] = "Still there?"
        self.now["closeReasons"].append(
            {"name": "bored", "code": 99, "retryable": True, "about": "Nothing happens."})
        self.now["enums"][0]["cases"].append({"name": "brotli", "value": 3, "about": "One more."})
        self.now["frames"].append(
            {"name": "TICK", "type": "0x40", "from": "broker", "ref": "none", "kind": "push",
             "since": 2, "about": "Time goes on.", "fields": []})
        self.assertEqual(self.faults(), [])
        self.assertEqual(registry.check(self.now), [])

    def test_renumbering_is_refused(self):
        for change in (
            lambda: self.frame("PING").update(type="0x08"),
            lambda: self.frame("PING").update({"from": "client"}),
            lambda: self.frame("GAP")["fields"].pop(),
            lambda: self.frame("GAP")["fields"][0].update(type="u64"),
            lambda: self.frame("HELLO")["fields"][-1].update(max=65),
            lambda: self.now["closeReasons"][0].update(code=98),
            lambda: self.now["errorCodes"][0].update(retryable=True),
            lambda: self.now["enums"][1]["cases"][0].update(value=9),
            lambda: self.now["flagSets"][0]["flags"].pop(),
            lambda: self.now["batch"]["fields"][5].update(offset=36),
            lambda: self.now["protocol"].update(magic="0x00000001"),
            lambda: self.now["frames"].pop(),
        ):
            self.now = copy.deepcopy(self.released)
            change()
            self.assertNotEqual(self.faults(), [])

    def test_reuse_is_refused(self):
        self.now["closeReasons"][0]["name"] = "other"
        self.assertTrue(any("takes the number" in fault for fault in self.faults()))

    def test_contradictions_are_seen(self):
        for change in (
            lambda: self.frame("PING").update(type="0x01"),
            lambda: self.frame("DELIVER")["fields"].pop(1),
            lambda: self.frame("HELLO")["fields"][-1].pop("max"),
            lambda: self.frame("GAP")["fields"].pop(2),
            lambda: self.now["batch"].update(size=80),
            lambda: self.now["header"]["fields"][1].update(offset=5),
            lambda: self.now["errorCodes"][0].update(code=1),
            lambda: self.now["flagSets"][0]["flags"][0].update(value=3),
            lambda: self.frame("GAP")["fields"][1].update({"as": "Nothing"}),
        ):
            self.now = copy.deepcopy(self.released)
            change()
            self.assertNotEqual(registry.check(self.now), [])


class Prose(unittest.TestCase):
    """protocol.md speaks of nothing that the registry does not have."""

    def setUp(self):
        reg = registry.load(PATH)
        self.names = {"version", "magic", "defaultPort"}
        self.codes = [
            entry["name"] for what in ("closeReasons", "errorCodes") for entry in reg[what]]
        for what in ("limits", "closeReasons", "errorCodes"):
            self.names |= {entry["name"] for entry in reg[what]}
        for entry in reg["enums"]:
            self.names |= {case["name"] for case in entry["cases"]}
        for entry in reg["flagSets"]:
            self.names |= {flag["name"] for flag in entry["flags"]}
        for frame in reg["frames"] + [reg["header"], reg["batch"]]:
            self.names |= {field["name"] for field in frame["fields"]}
        self.frames = {frame["name"] for frame in reg["frames"]}
        with open(os.path.join(os.path.dirname(PATH), "protocol.md"), encoding="utf-8") as file:
            text = file.read()
        self.prose = re.sub(r"<!-- table:.*?<!-- end:\w+ -->", "", text, flags=re.S)

    def test_names_in_backticks(self):
        # Names of ours have a capital inside or an underscore; other words may be anything.
        found = re.findall(r"`([a-z]+(?:[A-Z]\w*|_\w+))`", self.prose)
        self.assertGreater(len(found), 40)
        self.assertEqual([name for name in found if name not in self.names], [])

    def test_every_code_is_explained(self):
        block = self.prose[self.prose.index("## 12.") : self.prose.index("## 13.")]
        found = re.findall(r"`([a-zA-Z]+)`", block)
        for code in self.codes:
            self.assertIn(code, found)

    def test_reasons_in_sequences(self):
        block = self.prose[self.prose.index("## 13.") : self.prose.index("## 14.")]
        found = re.findall(r"\b[a-z]+[A-Z][A-Za-z]+\b", block)
        self.assertGreater(len(found), 40)
        self.assertEqual([name for name in found if name not in self.names], [])

    def test_frames(self):
        found = re.findall(r"\b[A-Z]{3,}(?:_[A-Z]+)*\b", self.prose)
        others = {"MUST", "NOT", "SHOULD", "RFC", "TCP", "UTF", "CRC32C"}
        self.assertEqual([n for n in found if n not in self.frames | others], [])


unittest.main()
