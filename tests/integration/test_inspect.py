"""`inspect` on the golden backups: every row and column as the source server returned them, without any server."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any, Callable

import golden
import numpy as np
import pytest
from tool import Tool

KEYS = {"golden_types": "pk"}


@pytest.fixture(scope="module")
def inspector(make_cli: Callable[[str], Tool]) -> Tool:
    """The program configured for a directory with both golden backups and no Milvus."""
    tool = make_cli("inspect")
    root = tool.folder / "backups"
    for name in golden.NAMES:
        golden.write(root / name, golden.files(name))
    tool.write_config("backup.yaml", f'minio:\n  storageType: "local"\n  backupStorageType: "local"\n'
                                     f'  rootPath: "{tool.folder}/milvus"\n  backupRootPath: "{root}"\n')
    return tool


def normal(value: Any) -> Any:
    """Floats of 32 bits as such, binary vectors as hex, nothing as nothing."""
    if isinstance(value, float):
        return float(np.float32(value))
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], str) and len(value[0]) == 16:
        return value[0]
    if isinstance(value, list):
        return [normal(each) for each in value]
    return value


def sorted_rows(rows: list[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    """Rows by their key, doubles kept as they are."""
    return sorted(
        ({name: value if name == "d" else normal(value) for name, value in row.items()} for row in rows),
        key=lambda row: row[key],
    )


@pytest.mark.parametrize("backup", golden.NAMES)
@pytest.mark.parametrize("collection", golden.COLLECTIONS)
def test_rows_are_those_of_the_source(inspector: Tool, backup: str, collection: str) -> None:
    """All live rows, all columns, dynamic ones too."""
    finished = inspector.succeed("inspect", "-n", backup, "-c", collection, "--rows", "100000", "--format", "json")
    key = KEYS.get(collection, "id")
    rows = sorted_rows(json.loads(finished.stdout), key)
    expected = sorted_rows(golden.expected()[collection]["rows"], key)
    assert len(rows) == golden.expected()[collection]["count"]
    assert rows == expected


@pytest.mark.parametrize("backup", golden.NAMES)
def test_counts_are_those_of_the_source(inspector: Tool, backup: str) -> None:
    """Live rows of collections and partitions."""
    summary = json.loads(inspector.succeed("--json", "inspect", "-n", backup).stdout)
    assert summary["milvus_version"].startswith("v2.3.5")
    found = {}
    for collection in summary["collections"]:
        prefix = "" if collection["database"] == "default" else collection["database"] + "."
        found[prefix + collection["collection"]] = collection
    assert set(found) == set(golden.COLLECTIONS)
    for name, expected in golden.expected().items():
        assert found[name]["live_rows"] == expected["count"], name
        if expected["partitions"]:
            partitions = {each["name"]: each["live_rows"] for each in found[name]["partitions"]}
            assert partitions == expected["partitions"], name


def test_csv_and_table(inspector: Tool) -> None:
    """The same rows for other readers."""
    arguments = ("inspect", "-n", "golden_0516", "-c", "golden_types", "--rows", "20")
    rows = list(csv.DictReader(io.StringIO(inspector.succeed(*arguments, "--format", "csv").stdout, newline="")))
    assert len(rows) == 20
    by_key = {row["pk"]: row for row in golden.expected()["golden_types"]["rows"]}
    for row in rows:
        assert row["s"] == by_key[row["pk"]]["s"]
        assert json.loads(row["j"]) == by_key[row["pk"]]["j"]
        assert json.loads(row["$meta"])["dyn2"] == by_key[row["pk"]]["dyn2"]
    table = inspector.succeed(*arguments).stdout.splitlines()
    assert len(table) == 21
    assert table[0].startswith("pk")


def test_differences_between_backups(inspector: Tool) -> None:
    """Both golden backups hold the same logs; only the later one knows aliases."""
    same = json.loads(inspector.succeed("--json", "inspect", "--diff", "golden_0516", "golden_0516").stdout)
    assert same == {"status": "ok", "equal": True, "differences": []}
    lines = inspector.succeed("inspect", "--diff", "golden_0509", "golden_0516").stdout.splitlines()
    assert lines == ["default.golden_multi: aliases  -> golden_alias"]


def test_mistakes_and_damage(inspector: Tool, tmp_path: Path) -> None:
    """Each has its exit status and names what it is about."""
    missing = inspector.run("inspect", "-n", "golden_0516", "-c", "nobody", "--rows", "1")
    assert missing.status == 10 and "default.nobody" in missing.stderr, missing
    several = inspector.run("inspect", "-n", "golden_0516", "--rows", "1")
    assert several.status == 2 and "-c" in several.stderr, several
    damaged = inspector.folder / "backups" / "damaged"
    golden.write(damaged, golden.files("golden_0516"))
    log = next((damaged / "binlogs" / "insert_log").glob("470629250807647696/*/*/*/101/*"))
    log.write_bytes(log.read_bytes()[:-1])
    broken = inspector.run("inspect", "-n", "damaged", "-c", "shop.books", "--rows", "1")
    assert broken.status == 20 and log.name in broken.stderr, broken
