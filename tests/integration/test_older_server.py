"""Backups taken of Milvus 2.2 restore into 2.3 and into 2.2, one of 2.3 into 2.2, with the same rows."""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path
from typing import Iterator

import numpy
import pytest
from configs import backup_config
from pymilvus import Collection, CollectionSchema, DataType, FieldSchema, utility
from rows import (
    DIM,
    INDEX,
    Row,
    compare_partitions,
    connected,
    dropped_after,
    fill,
    read_by_partition,
    vectors_of,
)
from servers import MilvusServer, MinioServer, NotInstalled, installed
from tool import Tool

COLLECTION = "coll_of_2_2"
ROWS = 4000
# `fill` deletes three times in each of two partitions.
DELTA_LOGS = 6
# A flush of 2.2 writes no deletes of segments that were flushed before; they wait for the next sync, by default
# for up to 600 s, and no backup taken earlier can hold them.
SYNC_PERIOD_S = 2
SYNC_LIMIT_S = 30


@pytest.fixture(scope="module")
def milvus_older() -> Iterator[MilvusServer]:
    """Milvus 2.2 with its data on its local disk: the packaged one crashes in its S3 client."""
    try:
        version = installed("milvus_older").name.removeprefix("milvus-")
    except NotInstalled as error:
        pytest.skip(str(error))
    with MilvusServer(version=version, settings={"dataNode.segment.syncPeriod": str(SYNC_PERIOD_S)}) as server:
        yield server


@pytest.fixture(scope="module")
def alias_older(milvus_older: MilvusServer) -> Iterator[str]:
    """pymilvus connection to Milvus 2.2."""
    with connected(milvus_older) as alias:
        yield alias


@pytest.fixture(scope="module")
def older_rows(milvus_older: MilvusServer, alias_older: str) -> dict[str, dict[int, Row]]:
    """A collection of Milvus 2.2 with partitions, deletes and a dynamic field, as read back by partition.

    A query of 2.2 returns no vectors; they are those that were inserted.
    """
    filled = fill(alias_older, COLLECTION, ROWS)
    deadline = time.monotonic() + SYNC_LIMIT_S
    while len([path for path in (milvus_older.local_root / "delta_log").rglob("*") if path.is_file()]) < DELTA_LOGS:
        assert time.monotonic() < deadline, "Milvus 2.2 has not written its deletes"
        time.sleep(0.2)
    rows = read_by_partition(alias_older, COLLECTION)
    assert {partition: len(found) for partition, found in rows.items()} == filled.alive
    vectors = vectors_of(ROWS)
    for found in rows.values():
        for key, row in found.items():
            row["vector"] = vectors[key].tobytes()
    return rows


@contextlib.contextmanager
def deleted_after(cli: Tool, name: str) -> Iterator[None]:
    """Delete a backup at the end of the block, if it is there."""
    try:
        yield
    finally:
        cli.run("delete", "-n", name)


def test_backup_of_2_2_restores_into_2_3(
    cli: Tool,
    milvus_older: MilvusServer,
    milvus_a: MilvusServer,
    minio_a: MinioServer,
    older_rows: dict[str, dict[int, Row]],
    alias_a: str,
) -> None:
    cli.write_config("older.yaml", backup_config(milvus_older, None, minio_a))
    cli.write_config("backup.yaml", backup_config(milvus_a, minio_a))
    checked = cli.succeed("--config", "older.yaml", "check")
    assert "v2.2.16-lite" in checked.stdout
    created = cli.succeed("--config", "older.yaml", "create", "-n", "of_2_2")
    assert "does not say up to when it has flushed" in created.stderr
    assert json.loads(cli.succeed("get", "-n", "of_2_2").stdout)["milvus_version"] == "v2.2.16-lite"
    with deleted_after(cli, "of_2_2"), dropped_after(alias_a, f"{COLLECTION}_bak"):
        cli.succeed("restore", "-n", "of_2_2", "-s", "_bak", "--rebuild_index")
        assert compare_partitions(older_rows, read_by_partition(alias_a, f"{COLLECTION}_bak")) is None
        assert [index.params for index in Collection(f"{COLLECTION}_bak", using=alias_a).indexes] == [INDEX]


def check_restored_to_2_2(alias: str, name: str, expected: dict[str, dict[int, Row]]) -> None:
    """The rows of collection `name` of Milvus 2.2 are `expected`, its index is that of `fill`.

    A query of 2.2 returns no vectors: each row has to be the one that its vector finds, at no distance.
    """
    found = read_by_partition(alias, name)
    for partition, rows in found.items():
        for key, row in rows.items():
            row["vector"] = expected.get(partition, {}).get(key, {}).get("vector")
    assert compare_partitions(expected, found) is None
    collection = Collection(name, using=alias)
    assert [index.params for index in collection.indexes] == [INDEX]
    for partition, rows in expected.items():
        hits = collection.search(
            [numpy.frombuffer(row["vector"], dtype=numpy.float32).tolist() for row in rows.values()],
            "vector",
            {"metric_type": INDEX["metric_type"], "params": {"nprobe": INDEX["params"]["nlist"]}},
            limit=1,
            partition_names=[partition],
            consistency_level="Strong",
        )
        assert [hit.ids[0] for hit in hits] == list(rows)
        assert max(hit.distances[0] for hit in hits) < 1e-3


@pytest.mark.parametrize("place", ["staged", "in_place"])
def test_backup_of_2_2_restores_into_2_2(
    cli: Tool,
    milvus_older: MilvusServer,
    minio_a: MinioServer,
    older_rows: dict[str, dict[int, Row]],
    alias_older: str,
    tmp_path: Path,
    place: str,
) -> None:
    """From another storage the logs are copied to Milvus' disk first, from a directory of that disk they are read."""
    if place == "staged":
        cli.write_config("backup.yaml", backup_config(milvus_older, None, minio_a))
    else:
        cli.write_config("backup.yaml", backup_config(milvus_older, None, backup_root=tmp_path / "backups"))
    cli.succeed("create", "-n", "of_2_2_again", "-c", COLLECTION)
    with deleted_after(cli, "of_2_2_again"), dropped_after(alias_older, f"{COLLECTION}_bak"):
        cli.succeed("restore", "-n", "of_2_2_again", "-s", "_bak", "--rebuild_index")
        check_restored_to_2_2(alias_older, f"{COLLECTION}_bak", older_rows)
        assert not list(milvus_older.local_root.glob("restore-temp-*"))
        refused = cli.run("restore", "-n", "of_2_2_again", "-s", "_bak")
        assert refused.status == 11
        cli.succeed("restore", "-n", "of_2_2_again", "-s", "_bak", "--rebuild_index", "--drop_exist_collection")
        check_restored_to_2_2(alias_older, f"{COLLECTION}_bak", older_rows)


def test_backup_of_2_3_restores_into_2_2(
    cli: Tool,
    milvus_older: MilvusServer,
    milvus_a: MilvusServer,
    minio_a: MinioServer,
    alias_a: str,
    alias_older: str,
) -> None:
    name = "coll_of_2_3"
    cli.write_config("backup.yaml", backup_config(milvus_a, minio_a))
    cli.write_config("older.yaml", backup_config(milvus_older, None, minio_a))
    with deleted_after(cli, "of_2_3"), dropped_after(alias_a, name), dropped_after(alias_older, name):
        filled = fill(alias_a, name, ROWS)
        rows = read_by_partition(alias_a, name)
        assert {partition: len(found) for partition, found in rows.items()} == filled.alive
        cli.succeed("create", "-n", "of_2_3", "-c", name)
        cli.succeed("--config", "older.yaml", "restore", "-n", "of_2_3", "--rebuild_index")
        check_restored_to_2_2(alias_older, name, rows)


def test_what_2_2_does_not_know_is_refused_in_one_line(
    cli: Tool,
    milvus_older: MilvusServer,
    milvus_a: MilvusServer,
    minio_a: MinioServer,
    alias_a: str,
    alias_older: str,
) -> None:
    name = "coll_with_array"
    cli.write_config("backup.yaml", backup_config(milvus_a, minio_a))
    cli.write_config("older.yaml", backup_config(milvus_older, None, minio_a))
    fields = [
        FieldSchema("pk", DataType.INT64, is_primary=True),
        FieldSchema("numbers", DataType.ARRAY, element_type=DataType.INT64, max_capacity=8),
        FieldSchema("vector", DataType.FLOAT_VECTOR, dim=DIM),
    ]
    with deleted_after(cli, "with_array"), dropped_after(alias_a, name), dropped_after(alias_older, name):
        collection = Collection(name, CollectionSchema(fields), using=alias_a, num_shards=1)
        collection.insert([{"pk": 1, "numbers": [1, 2], "vector": [0.5] * DIM}])
        cli.succeed("create", "-n", "with_array", "-c", name)
        refused = cli.run("--config", "older.yaml", "restore", "-n", "with_array")
        assert refused.status == 1, refused
        assert f"restoring to default.{name}: field 'numbers' holds arrays" in refused.stderr, refused
        assert not utility.has_collection(name, using=alias_older)
