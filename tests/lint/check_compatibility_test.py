#!/usr/bin/env python3
"""What check_compatibility.py makes of documents and trees that are wrong."""

import pathlib
import sys
import tempfile
import unittest

from check_compatibility import check

PYTHON = """
import pytest

def test_always(): pass

@pytest.mark.soak
@pytest.mark.parametrize("x", [1, 2])
def test_long(x): pass

@pytest.mark.parametrize("x", [1, pytest.param(2, marks=pytest.mark.soak)])
def test_partly(x): pass

@pytest.mark.parametrize("x", [pytest.param(2, marks=[pytest.mark.soak])])
def test_in_every_case(x): pass
"""
WHOLE_FILE = """
import pytest
pytestmark = [pytest.mark.soak]

def test_here(): pass
"""


class CheckTest(unittest.TestCase):
    def problems(self, *cells: str) -> list[str]:
        """Of a document with a row for each of these cells."""
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / "integration").mkdir()
            (root / "integration" / "test_a.py").write_text(PYTHON)
            (root / "integration" / "test_b.py").write_text(WHOLE_FILE)
            (root / "a_test.cc").write_text("TEST_F(A, IsThere) {}\nTEST(B, AsWell) {}\n")
            document = root / "document.md"
            rows = "".join(f"| `x` | works | {cell} |\n" for cell in cells)
            document.write_text("| flag | | test |\n|---|---|---|\n" + rows)
            return [text.split(": ", 2)[-1] for text in check(document, root)]

    def test_rows_that_are_right(self) -> None:
        self.assertEqual(self.problems("`a_test.cc: IsThere, AsWell`", "`test_a.py: test_always`"), [])
        self.assertEqual(self.problems("`test_a.py: test_partly`", "`test_a.py: test_long, test_always`"), [])
        self.assertEqual(self.problems("`test_b.py: test_here`, `a_test.cc: IsThere`"), [])

    def test_rows_whose_tests_run_in_soak_alone(self) -> None:
        soak = "its tests run in `make soak` alone"
        self.assertEqual(self.problems("`test_a.py: test_long`"), [soak])
        self.assertEqual(self.problems("`test_a.py: test_in_every_case`, `test_b.py: test_here`"), [soak])

    def test_rows_that_name_nothing(self) -> None:
        self.assertEqual(self.problems("none"), ["names no test"])
        self.assertEqual(self.problems("`test_a.py: test_other`"), ["test_a.py has no test test_other"])
        self.assertEqual(self.problems("`test_c.py: test_other`"), ["tests/test_c.py does not exist"])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
