"""Backups of Milvus A: taken, looked at, restored in place and into Milvus B, deleted, and interrupted."""

from __future__ import annotations

import json
import signal
from typing import Any, Callable

import golden
import pytest
from configs import backup_config
from gate import Gate
from pymilvus import Collection, utility
from rows import INDEX, PARTITIONS, Row, compare_partitions, dropped_after, read_by_partition
from servers import MilvusServer, MinioServer
from stores import leftovers
from tool import Tool, finish

INTERRUPTED = 130


@pytest.fixture(scope="module")
def shared(
    make_cli: Callable[[str], Tool],
    milvus_a: MilvusServer,
    minio_a: MinioServer,
    coll_rows: dict[str, dict[int, Row]],
) -> str:
    """Name of a backup of `coll` that tests may read."""
    tool = make_cli("shared")
    tool.write_config("backup.yaml", backup_config(milvus_a, minio_a))
    tool.succeed("create", "-c", "coll", "-n", "shared")
    return "shared"


def test_create_leaves_a_backup_in_the_reference_layout(shared: str, minio_a: MinioServer) -> None:
    keys = minio_a.client.keys("bucket-a", f"backup/{shared}/")
    metas = ("backup_meta", "collection_meta", "partition_meta", "segment_meta", "full_meta")
    assert {f"backup/{shared}/meta/{meta}.json" for meta in metas} <= set(keys)
    assert any(key.startswith(f"backup/{shared}/binlogs/insert_log/") for key in keys)
    assert any(key.startswith(f"backup/{shared}/binlogs/delta_log/") for key in keys)
    assert leftovers(minio_a) == []


def _paths(value: Any, path: str = "") -> set[str]:
    """Where members stand in a JSON value, whatever the number of items in lists."""
    if isinstance(value, list):
        return {each for item in value for each in _paths(item, path + "[]")}
    if not isinstance(value, dict):
        return set()
    return {f"{path}.{key}" for key in value} | {
        each for key, item in value.items() for each in _paths(item, f"{path}.{key}")
    }


def test_metas_have_the_members_of_the_reference_tool(shared: str, minio_a: MinioServer) -> None:
    """Those of a backup that it took of the same version of Milvus, less what `coll` does not have."""
    not_in_coll = {
        ".aliases",
        ".consistency_level",
        ".schema.fields[].autoID",
        ".schema.fields[].element_type",
        ".schema.fields[].is_partition_key",
    }
    (ours,) = json.loads(minio_a.client.get("bucket-a", f"backup/{shared}/meta/full_meta.json"))["collection_backups"]
    theirs = json.loads(golden.files("golden_0516")["meta/full_meta.json"])["collection_backups"]
    expected = {path for collection in theirs for path in _paths(collection)}
    assert _paths(ours) - expected == set()
    assert expected - _paths(ours) <= not_in_coll


def test_restore_in_place(
    at_a: Tool, shared: str, alias_a: str, minio_a: MinioServer, coll_rows: dict[str, dict[int, Row]]
) -> None:
    with dropped_after(alias_a, "coll_bak"):
        at_a.succeed("restore", "-c", "coll", "-n", shared, "-s", "_bak", "--rebuild_index")
        assert compare_partitions(coll_rows, read_by_partition(alias_a, "coll_bak")) is None
        restored = Collection("coll_bak", using=alias_a)
        assert {partition.name for partition in restored.partitions} == {"_default", *PARTITIONS}
        assert [index.params for index in restored.indexes] == [INDEX]
        assert restored.schema == Collection("coll", using=alias_a).schema
    assert leftovers(minio_a) == []


def test_restore_across_stores(
    at_b: Tool, shared: str, alias_b: str, minio_b: MinioServer, coll_rows: dict[str, dict[int, Row]]
) -> None:
    with dropped_after(alias_b, "coll_far"):
        at_b.succeed("restore", "-c", "coll", "-n", shared, "-s", "_far", "--rebuild_index")
        assert compare_partitions(coll_rows, read_by_partition(alias_b, "coll_far")) is None
    assert leftovers(minio_b) == []


def test_restore_leaves_an_existing_collection_alone(at_a: Tool, shared: str, alias_a: str) -> None:
    before = Collection("coll", using=alias_a).num_entities
    finished = at_a.run("restore", "-c", "coll", "-n", shared)
    assert finished.status == 11 and "coll" in finished.stderr, finished
    assert Collection("coll", using=alias_a).num_entities == before


def test_list_shows_one_name_a_line(at_a: Tool, shared: str) -> None:
    assert shared in at_a.succeed("list").stdout.splitlines()
    assert shared in at_a.succeed("list", "-c", "coll").stdout.splitlines()
    assert shared not in at_a.succeed("list", "-c", "other.coll").stdout.splitlines()


def test_get_prints_the_backup_as_json(at_a: Tool, shared: str) -> None:
    brief = json.loads(at_a.succeed("get", "-n", shared).stdout)
    assert brief["name"] == shared
    assert [collection["collection_name"] for collection in brief["collection_backups"]] == ["coll"]
    assert brief["size"] > 0


def test_delete_removes_every_object(at_a: Tool, shared: str, minio_a: MinioServer) -> None:
    at_a.succeed("create", "-c", "coll", "-n", "short_lived")
    at_a.succeed("delete", "-n", "short_lived")
    assert minio_a.client.keys("bucket-a", "backup/short_lived/") == []
    assert minio_a.client.keys("bucket-a", f"backup/{shared}/") != []
    assert at_a.run("get", "-n", "short_lived").status == 10


def test_check_succeeds_and_leaves_nothing(at_a: Tool, shared: str, minio_a: MinioServer) -> None:
    finished = at_a.succeed("check")
    assert "Success!" in finished.stdout
    assert "v2.3.5-lite" in finished.stdout
    assert leftovers(minio_a) == []


def test_check_works_across_stores(at_b: Tool, shared: str, minio_a: MinioServer, minio_b: MinioServer) -> None:
    at_b.succeed("check")
    assert leftovers(minio_a) + leftovers(minio_b) == []


def test_json_prints_one_object(at_a: Tool, shared: str) -> None:
    listed = json.loads(at_a.succeed("--json", "list").stdout)
    created = json.loads(at_a.succeed("--json", "create", "-c", "coll", "-n", "as_json").stdout)
    assert created["status"] == listed["status"] and created["phases"]
    at_a.succeed("delete", "-n", "as_json")
    failed = at_a.run("--json", "get", "-n", "absent")
    assert failed.status == 10 and json.loads(failed.stdout)["status"] != listed["status"], failed


def test_create_interrupted_while_copying(
    cli: Tool, milvus_a: MilvusServer, minio_a: MinioServer, coll_rows: dict[str, dict[int, Row]]
) -> None:
    config = backup_config(milvus_a, minio_a)
    with Gate(minio_a.port, rb"(?i)x-amz-copy-source: ") as gate:
        cli.write_config("backup.yaml", _through(config, minio_a, gate))
        with cli.started("create", "-c", "coll", "-n", "cut_short") as process:
            gate.wait_reached()
            process.send_signal(signal.SIGINT)
            gate.open()
            finished = finish(process)
    assert finished.status == INTERRUPTED, finished
    keys = minio_a.client.keys("bucket-a", "backup/cut_short/")
    assert "backup/cut_short/meta/backup_meta.json" not in keys
    assert minio_a.client.uploads("bucket-a") == []

    cli.write_config("backup.yaml", config)
    assert "cut_short" not in cli.succeed("list").stdout.splitlines()
    cli.succeed("create", "-c", "coll", "-n", "cut_short")
    assert leftovers(minio_a) == []
    cli.succeed("delete", "-n", "cut_short")


def test_restore_interrupted_while_staging(
    cli: Tool, shared: str, milvus_b: MilvusServer, minio_a: MinioServer, minio_b: MinioServer, alias_b: str
) -> None:
    config = backup_config(milvus_b, minio_b, minio_a)
    with dropped_after(alias_b, "coll_cut"), Gate(minio_b.port, rb"PUT /bucket-b/restore-temp-\S+insert_log") as gate:
        cli.write_config("backup.yaml", _through(config, minio_b, gate))
        with cli.started("restore", "-c", "coll", "-n", shared, "-s", "_cut") as process:
            gate.wait_reached()
            process.send_signal(signal.SIGINT)
            gate.open()
            finished = finish(process)
    assert finished.status == INTERRUPTED, finished
    assert leftovers(minio_b) == []
    assert minio_b.client.uploads("bucket-b") == []


@pytest.mark.parametrize("call", ["Import", "GetImportState"])
def test_restore_interrupted_while_importing(
    cli: Tool,
    shared: str,
    milvus_b: MilvusServer,
    minio_a: MinioServer,
    minio_b: MinioServer,
    alias_b: str,
    call: str,
) -> None:
    """Milvus 2.3.5 dies when a client cancels GetImportState, so nothing may be cut off there."""
    config = backup_config(milvus_b, minio_b, minio_a)
    with dropped_after(alias_b, "coll_cut"), Gate(milvus_b.port, f"MilvusService/{call}".encode()) as gate:
        cli.write_config("backup.yaml", config.replace(f" {milvus_b.port}\n", f" {gate.port}\n"))
        with cli.started("restore", "-c", "coll", "-n", shared, "-s", "_cut") as process:
            gate.wait_reached()
            process.send_signal(signal.SIGINT)
            gate.open()
            finished = finish(process)
    assert finished.status == INTERRUPTED, finished
    assert leftovers(minio_b) == []
    assert "coll_cut" not in utility.list_collections(timeout=10, using=alias_b)


def _through(config: str, store: MinioServer, gate: Gate) -> str:
    """`config` with the port of `store` replaced by that of `gate`."""
    replaced = config.replace(f" {store.port}\n", f" {gate.port}\n")
    assert replaced != config
    return replaced
