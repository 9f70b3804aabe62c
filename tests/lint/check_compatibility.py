#!/usr/bin/env python3
"""Holds the tables of docs/compatibility.md whose last column is `test` to the tests of the tree.

Each row names one or more tests, as `FILE: NAME` or `FILE: NAME, NAME`, separated by commas; FILE is below tests/ or
tests/integration/. At least one of a row runs in `make test`: those marked `soak` alone show nothing of a change.
"""

import ast
import pathlib
import re
import sys

CITATION = re.compile(r"`([^`]+)`")
FORM = re.compile(r"([\w/]+\.(?:cc|py)): (\w+(?:, \w+)*)")


def cells_of(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def mentions_soak(node: ast.AST) -> bool:
    return any(isinstance(each, ast.Attribute) and each.attr == "soak" for each in ast.walk(node))


def leaves_nothing_but_soak(decorator: ast.expr) -> bool:
    """Whether no case of the test that it decorates runs without MB_SOAK."""
    is_parametrize = (
        isinstance(decorator, ast.Call)
        and isinstance(decorator.func, ast.Attribute)
        and decorator.func.attr == "parametrize"
    )
    if not is_parametrize:
        return mentions_soak(decorator)
    values = decorator.args[1] if len(decorator.args) > 1 else None
    return isinstance(values, (ast.List, ast.Tuple)) and bool(values.elts) and all(map(mentions_soak, values.elts))


def python_tests(text: str) -> dict[str, bool]:
    """Every test of a file, and whether it runs in `make test`."""
    body = ast.parse(text).body
    is_soak = any(
        isinstance(node, ast.Assign)
        and any(isinstance(target, ast.Name) and target.id == "pytestmark" for target in node.targets)
        and mentions_soak(node.value)
        for node in body
    )
    return {
        node.name: not is_soak and not any(map(leaves_nothing_but_soak, node.decorator_list))
        for node in body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def tests_in(path: pathlib.Path) -> dict[str, bool]:
    text = path.read_text()
    if path.suffix == ".py":
        return python_tests(text)
    names = re.findall(r"^(?:TEST|TEST_F|TEST_P|TYPED_TEST)\(\s*\w+,\s*(\w+)\s*\)", text, re.M)
    return dict.fromkeys(names, True)


def check_citation(citation: str, tests: pathlib.Path) -> tuple[str, bool]:
    """What is wrong with one citation, empty when nothing is; and whether a test of it runs in `make test`."""
    form = FORM.fullmatch(citation)
    if form is None:
        return f"`{citation}` is not of the form `FILE: NAME`", False
    path = next((base / form[1] for base in (tests, tests / "integration") if (base / form[1]).is_file()), None)
    if path is None:
        return f"tests/{form[1]} does not exist", False
    known = tests_in(path)
    named = form[2].split(", ")
    missing = sorted(set(named) - set(known))
    runs = any(known.get(name, False) for name in named)
    return (f"{form[1]} has no test {', '.join(missing)}" if missing else ""), runs


def problems_of(cell: str, tests: pathlib.Path) -> list[str]:
    """What is wrong with the tests that the last cell of a row names."""
    citations = CITATION.findall(cell)
    if not citations:
        return ["names no test"]
    checked = [check_citation(citation, tests) for citation in citations]
    found = [text for text, _ in checked if text]
    if not found and not any(runs for _, runs in checked):
        found.append("its tests run in `make soak` alone")
    return found


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
            found = problems_of(cells[-1], tests)
            if len(cells) != columns:
                found.append(f"{len(cells)} columns instead of {columns}")
            problems += [f"{document.name}:{number}: {cells[0]}: {text}" for text in found]
    return problems if rows else [f"{document.name}: no table with a column of tests"]


def main() -> int:
    root = pathlib.Path(sys.argv[1])
    problems = check(root / "docs" / "compatibility.md", root / "tests")
    print("\n".join(problems) or "every row names a test of the tree")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
