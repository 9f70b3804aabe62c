"""The flags of create against Milvus A: strategies, selection by database, dry runs, partial backups."""

from __future__ import annotations

import json
from typing import Any, Iterator

import numpy
import pytest
from configs import backup_config
from pymilvus import Collection, connections, db, utility
from rows import create_collection, make_row
from servers import MilvusServer, MinioServer, free_ports
from tool import Tool

PARTIAL, FAILED = 3, 1
SEALED, GROWING = 100, 50
DATABASE = "shop"


def insert(collection: Collection, first: int, count: int) -> None:
    """Insert rows of consecutive numbers."""
    vectors = numpy.zeros((count, 32), dtype=numpy.float32)
    collection.insert([make_row(first + number, vectors[number]) for number in range(count)])


def make_collection(alias: str, name: str) -> Collection:
    """A collection with rows in storage and rows that Milvus holds only in memory."""
    collection = create_collection(alias, name)
    insert(collection, 0, SEALED)
    collection.flush()
    insert(collection, SEALED, GROWING)
    return collection


@pytest.fixture
def growing(alias_a: str) -> Iterator[str]:
    """Name of a collection as `make_collection` leaves it."""
    make_collection(alias_a, "growing")
    yield "growing"
    utility.drop_collection("growing", using=alias_a)


@pytest.fixture
def shop(milvus_a: MilvusServer, alias_a: str) -> Iterator[str]:
    """Name of a database with the collections `books` and `pens`."""
    db.create_database(DATABASE, using=alias_a)
    connections.connect("shop", host=milvus_a.address, port=milvus_a.port, db_name=DATABASE)
    names = ("books", "pens")
    for name in names:
        insert(create_collection("shop", name), 0, SEALED)
    yield DATABASE
    for name in names:
        utility.drop_collection(name, using="shop")
    connections.disconnect("shop")
    db.drop_database(DATABASE, using=alias_a)


def create(tool: Tool, name: str, *arguments: str) -> dict[str, Any]:
    """Take the backup `name`, give what --json says of it, and delete it."""
    result: dict[str, Any] = json.loads(tool.succeed("--json", "create", "-n", name, *arguments).stdout)
    if not result["dry_run"]:
        tool.succeed("delete", "-n", name)
    return result


def test_flushing_decides_on_the_rows(at_a: Tool, growing: str) -> None:
    planned = create(at_a, "planned", "-c", growing, "--dry-run")
    assert planned["rows"] == SEALED
    for unflushed in (("--strategy", "skip_flush"), ("-f",), ("--force", "--meta_only")):
        assert create(at_a, "unflushed", "-c", growing, *unflushed)["rows"] == SEALED
    assert create(at_a, "flushed", "-c", growing, "--strategy", "bulk_flush", "-f")["rows"] == SEALED + GROWING
    assert create(at_a, "again", "-c", growing, "--dry-run")["rows"] == SEALED + GROWING


def test_dry_run_writes_nothing(at_a: Tool, minio_a: MinioServer, growing: str) -> None:
    before = minio_a.client.keys("bucket-a")
    finished = at_a.succeed("create", "-n", "imagined", "-c", growing, "--dry-run")
    assert f"default.{growing}: 1 segments, {SEALED} rows" in finished.stdout
    assert "imagined" in finished.stdout
    assert minio_a.client.keys("bucket-a") == before


def test_meta_only_copies_no_logs(at_a: Tool, minio_a: MinioServer, growing: str) -> None:
    at_a.succeed("create", "-n", "bare", "-c", growing, "--meta_only")
    assert minio_a.client.keys("bucket-a", "backup/bare/binlogs/") == []
    brief = json.loads(at_a.succeed("get", "-n", "bare").stdout)
    assert [each["collection_name"] for each in brief["collection_backups"]] == [growing]
    at_a.succeed("delete", "-n", "bare")


def test_databases_are_selected(at_a: Tool, shop: str, growing: str) -> None:
    def names(*arguments: str) -> list[str]:
        return [each["name"] for each in create(at_a, "selected", *arguments)["per_collection"]]

    assert names("-d", shop) == ["shop.books", "shop.pens"]
    wanted = {"default": [growing], shop: ["pens"]}
    assert names("-a", json.dumps(wanted), "-d", shop) == [f"default.{growing}", "shop.pens"]
    assert names("-a", json.dumps({shop: []}), "-c", growing) == ["shop.books", "shop.pens"]
    assert names("--filter", "shop.books", "-a", json.dumps(wanted)) == ["shop.books"]


def test_a_collection_without_its_files_is_left_out(
    at_a: Tool, alias_a: str, minio_a: MinioServer, growing: str
) -> None:
    torn = make_collection(alias_a, "torn")
    torn.flush()
    at_a.succeed("create", "-n", "whole", "-c", "torn", "--meta_only")
    brief = json.loads(at_a.succeed("get", "-n", "whole").stdout)
    collection_id = brief["collection_backups"][0]["collection_id"]
    for key in minio_a.client.keys("bucket-a", f"files/insert_log/{collection_id}/"):
        minio_a.client.delete("bucket-a", key)

    finished = at_a.run("create", "-n", "gaps", "-c", f"{growing},torn")
    assert finished.status == PARTIAL, finished
    assert "create backup partial: missing default.torn" in finished.stdout
    assert "default.torn" in finished.stderr and "no insert logs" in finished.stderr
    listed = at_a.succeed("list")
    assert "gaps" in listed.stdout.splitlines()
    assert "gaps is partial: missing default.torn" in listed.stderr
    as_json = json.loads(at_a.succeed("--json", "list").stdout)
    assert {each["name"]: each["partial"] for each in as_json["backups"]}["gaps"] is True
    brief = json.loads(at_a.succeed("get", "-n", "gaps").stdout)
    assert brief["partial"] is True and brief["failed_collections"] == ["default.torn"]
    assert [each["collection_name"] for each in brief["collection_backups"]] == [growing]
    assert minio_a.client.keys("bucket-a", f"backup/gaps/binlogs/insert_log/{collection_id}/") == []
    at_a.succeed("delete", "-n", "gaps")

    failed = json.loads(at_a.run("--json", "create", "-n", "gaps", "-c", f"{growing},torn").stdout)
    assert failed["status"] == "partial"
    assert [each["name"] for each in failed["failed"]] == ["default.torn"]
    at_a.succeed("delete", "-n", "gaps")
    fast = at_a.run("create", "-n", "gaps", "-c", f"{growing},torn", "--fail-fast")
    assert fast.status not in (0, PARTIAL) and "default.torn" in fast.stderr, fast
    left = minio_a.client.keys("bucket-a", "backup/gaps/")
    assert "backup/gaps/meta/backup_meta.json" not in left
    if left:  # what the other collection had copied by then waits for the same command
        at_a.succeed("delete", "-n", "gaps")
    at_a.succeed("delete", "-n", "whole")
    utility.drop_collection("torn", using=alias_a)


def test_rbac_needs_a_newer_server(at_a: Tool, minio_a: MinioServer, growing: str) -> None:
    finished = at_a.run("create", "-n", "rights", "-c", growing, "--rbac")
    assert finished.status == FAILED and "BackupRBAC" in finished.stderr and "--rbac" in finished.stderr, finished
    assert minio_a.client.keys("bucket-a", "backup/rights/") == []


def test_garbage_collection_that_cannot_be_paused_delays_nothing(
    cli: Tool, milvus_a: MilvusServer, minio_a: MinioServer, growing: str
) -> None:
    config = backup_config(milvus_a, minio_a)
    closed = config.replace(f":{milvus_a.management_port}", f":{free_ports(1)[0]}")
    disabled = config.replace("    enable: true\n", "    enable: false\n")
    for text, said in ((config, "cannot pause"), (closed, "is not paused"), (disabled, "")):
        cli.write_config("backup.yaml", text)
        finished = cli.succeed("create", "-n", "unpaused", "-c", growing, "-f")
        assert said in finished.stderr and ("garbage" in finished.stderr) == bool(said), finished
        assert finished.seconds < 3, finished
        cli.succeed("delete", "-n", "unpaused")
