"""`prune` and `tag`: backups of a live Milvus on MinIO, and golden backups in directories without any server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Iterator

import golden
import pytest
from configs import backup_config
from pymilvus import utility
from rows import create_collection
from servers import MilvusServer, MinioServer
from tool import Tool

FAILED, USAGE, MISSING, EXISTS = 1, 2, 10, 11
NAMES = ("p1", "p2", "p3", "p4")


@pytest.fixture
def at_a(cli: Tool, milvus_a: MilvusServer, minio_a: MinioServer, alias_a: str) -> Iterator[Tool]:
    """The program configured for Milvus A, with four backups of a collection's meta, the last the newest."""
    cli.write_config("backup.yaml", backup_config(milvus_a, minio_a, backup_root="pruned"))
    create_collection(alias_a, "pruned")
    for name in NAMES:
        cli.succeed("create", "-n", name, "-c", "pruned", "--meta_only")
    yield cli
    for name in NAMES:
        cli.run("delete", "-n", name)
    utility.drop_collection("pruned", using=alias_a)


def pruned(tool: Tool, *arguments: str) -> dict[str, Any]:
    """What became of each backup."""
    report = json.loads(tool.succeed("--json", "prune", *arguments).stdout)
    assert report["status"] == "ok", report
    return {one["name"]: one["outcome"] for one in report["backups"]}


def listed(tool: Tool) -> list[str]:
    """The names that `list` prints."""
    return tool.succeed("list").stdout.splitlines()[1:]


def test_backups_go_in_two_steps(at_a: Tool, minio_a: MinioServer) -> None:
    def keys(name: str) -> list[str]:
        return minio_a.client.keys("bucket-a", f"pruned/{name}/")

    assert at_a.succeed("tag", "p1", "--add", "release", "--add", "v1").stdout == "release\nv1\n"
    before = keys("p2")
    rules = ("--keep-last", "1", "--keep-tag", "release")
    expected = {"p1": "kept", "p2": "marked", "p3": "marked", "p4": "kept"}
    assert pruned(at_a, *rules, "--dry-run") == expected
    assert listed(at_a) == list(NAMES) and keys("p2") == before
    assert pruned(at_a, *rules) == expected
    assert listed(at_a) == ["p1", "p4"]
    everything = json.loads(at_a.succeed("--json", "list").stdout)
    assert [one["tags"] for one in everything["backups"]] == [["release", "v1"], []]
    assert [one["name"] for one in everything["pruned"]] == ["p2", "p3"]
    for command in (("restore", "-s", "_bak"), ("get",), ("verify",)):
        refused = at_a.run(command[0], "-n", "p2", *command[1:])
        assert refused.status == MISSING and "prune --undo p2" in refused.stderr, refused
    taken = at_a.run("create", "-n", "p2", "-c", "pruned", "--meta_only")
    assert taken.status == EXISTS and "pruned at" in taken.stderr, taken

    assert "p2 is no longer pruned" in at_a.succeed("prune", "--undo", "p2").stdout
    assert keys("p2") == before
    at_a.succeed("verify", "-n", "p2")
    assert pruned(at_a, *rules, "--grace", "0") == {"p1": "kept", "p2": "removed", "p3": "waiting", "p4": "kept"}
    assert keys("p2") == [] and keys("p3") != []
    at_a.succeed("delete", "-n", "p3")
    assert keys("p3") == []
    # The only backup of the collection that is left stays, whatever the rule.
    at_a.succeed("delete", "-n", "p4")
    assert pruned(at_a, "--keep-tag", "nothing") == {"p1": "kept"}


@pytest.fixture
def directory(cli: Tool) -> Tool:
    """The program with backups in a directory, and with another in `storages:`; no server."""
    for place, names in (("backups", ("a_20260101T000000Z", "a_20260102T000000Z", "a_b_20260101T000000Z")),
                         ("other", ("b", "c"))):
        for name in names:
            golden.write(cli.folder / place / name, golden.files(golden.NAMES[0]))
    cli.write_config(
        "backup.yaml",
        f'minio:\n  storageType: "local"\n  backupStorageType: "local"\n  rootPath: "{cli.folder}/milvus"\n'
        f'  backupRootPath: "{cli.folder}/backups"\n'
        f'storages: {{other: {{storageType: local, backupRootPath: "{cli.folder}/other"}}}}\n',
    )
    return cli


def folders(tool: Tool, place: str) -> list[str]:
    """What is in a directory, locks left out."""
    return sorted(path.name for path in Path(tool.folder / place).iterdir() if path.name != ".locks")


def test_schedules_and_storages_are_apart(directory: Tool) -> None:
    # All show the same moment, so the names decide, and b is the last good one of nothing.
    assert pruned(directory, "--keep-last", "1", "--schedule", "a", "--grace", "0") == {
        "a_20260101T000000Z": "removed",
        "a_20260102T000000Z": "kept",
    }
    assert folders(directory, "backups") == ["a_20260102T000000Z", "a_b_20260101T000000Z"]
    assert pruned(directory, "--keep-last", "1", "--storage", "other", "--grace", "0") == {"b": "removed", "c": "kept"}
    assert folders(directory, "other") == ["c"]


def test_text_says_what_is_done_and_why(directory: Tool) -> None:
    text = directory.succeed("prune", "--keep-last", "1", "--storage", "other").stdout.splitlines()
    assert text[0].startswith("c: kept (keep-last; last good backup of ")
    assert text[1].startswith("b: marked (no rule keeps it), taken ") and ", data until " in text[1]
    assert text[2] == "1 kept, 1 marked" and "prune --undo NAME" in text[3]
    assert directory.run("prune", "--undo", "c", "--storage", "other").status == FAILED
    directory.succeed("prune", "--undo", "b", "--storage", "other")
    assert folders(directory, "other") == ["b", "c"]


def test_wrong_use_is_refused(directory: Tool) -> None:
    for arguments, text in (
        ((), "--keep-last"),
        (("--keep-last", "1", "--storage", "nowhere"), "--storage"),
        (("--keep-within", "7w"), "2y5m7d3h"),
    ):
        refused = directory.run("prune", *arguments)
        assert refused.status == USAGE and text in refused.stderr, refused
    assert len(folders(directory, "backups")) == 3
    assert directory.run("tag", "nothing").status == MISSING
