#!/usr/bin/env python3
"""All tests of the Python client and, through it, of a broker seen from outside.

  Tests/Python/test_client.py            everything
  Tests/Python/test_client.py -v -k drain

The broker is the program in GALLEON_BINARY or, without it, the one that was built last. Nothing
but Python's standard library is needed.
"""

import pathlib
import sys
import unittest

HERE = str(pathlib.Path(__file__).resolve().parent)
sys.path.insert(0, HERE)


def load_tests(loader, _tests, _pattern):
    suite = unittest.TestSuite()
    for path in sorted(pathlib.Path(HERE).glob("test_*.py")):
        if path.stem != pathlib.Path(__file__).stem:
            suite.addTests(loader.loadTestsFromName(path.stem))
    return suite


if __name__ == "__main__":
    unittest.main()
