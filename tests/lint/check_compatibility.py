#!/usr/bin/env python3
"""Holds the tables of docs/compatibility.md whose last column is `test` to the tests of the tree.

Each row names one or more tests, as `FILE: NAME` or `FILE: NAME, NAME`, separated by commas; FILE is below tests/ or
tests/integration/.
"""

import pathlib
import re
import sys

CITATION = re.compile(r"`([^`]+)`")
FORM = re.compile(r"([\w/]+\.(?:cc|py)): (\w+(?:, \w+)*)")


def cells_of(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def names_in(path: pathlib.Path) -> set[str]:
    text = path.read_text()
    if path.suffix == ".py":
        return set(re.findall(r"^def (test_\w+)\(", text, re.M))
    return set(re.findall(r"^(?:TEST|TEST_F|TEST_P|TYPED_TEST)\(\s*\w+,\s*(\w+)\s*\)", text, re.M))


def check_citation(citation: str, tests: pathlib.Path) -> str:
    """What is wrong with one citation, empty when nothing is."""
    form = FORM.fullmatch(citation)
    if form is None:
        return f"`{citation}` is not of the form `FILE: NAME`"
    path = next((base / form[1] for base in (tests, tests / "integration") if (base / form[1]).is_file()), None)
    if path is None:
        return f"tests/{form[1]} does not exist"
    missing = sorted(set(form[2].split(", ")) - names_in(path))
    return f"{form[1]} has no test {', '.join(missing)}" if missing else ""


def check(document: pathlib.Path, tests: pathlib.Path) -> list[str]:
    problems = []
    rows = 0
    in_table = False
    for number, line in enumerate(document.read_text().splitlines(), 1):
        if not line.startswith("|"):
            in_table = False
            continue
        cells = cells_of(line)
        if cells[-1] == "test":
            in_table = True
            columns = len(cells)
        elif in_table and not set(line) <= set("|- :"):
            rows += 1
            citations = CITATION.findall(cells[-1])
            found = [text for text in (check_citation(citation, tests) for citation in citations) if text]
            if len(cells) != columns:
                found.append(f"{len(cells)} columns instead of {columns}")
            if not citations:
                found.append("names no test")
            problems += [f"{document.name}:{number}: {cells[0]}: {text}" for text in found]
    return problems if rows else [f"{document.name}: no table with a column of tests"]


def main() -> int:
    root = pathlib.Path(sys.argv[1])
    problems = check(root / "docs" / "compatibility.md", root / "tests")
    print("\n".join(problems) or "every row names a test of the tree")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
