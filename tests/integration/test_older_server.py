"""A backup taken of Milvus 2.2 restores into 2.3 with the same rows."""

from __future__ import annotations

import json
import time
from typing import Iterator

import pytest
from configs import backup_config
from pymilvus import Collection, utility
from rows import INDEX, Row, compare_partitions, connected, fill, read_by_partition, vectors_of
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
def older_rows(milvus_older: MilvusServer) -> dict[str, dict[int, Row]]:
    """A collection of Milvus 2.2 with partitions, deletes and a dynamic field, as read back by partition.

    A query of 2.2 returns no vectors; they are those that were inserted.
    """
    with connected(milvus_older) as alias:
        filled = fill(alias, COLLECTION, ROWS)
        deadline = time.monotonic() + SYNC_LIMIT_S
        while len([path for path in (milvus_older.local_root / "delta_log").rglob("*") if path.is_file()]) < DELTA_LOGS:
            assert time.monotonic() < deadline, "Milvus 2.2 has not written its deletes"
            time.sleep(0.2)
        rows = read_by_partition(alias, COLLECTION)
    assert {partition: len(found) for partition, found in rows.items()} == filled.alive
    vectors = vectors_of(ROWS)
    for found in rows.values():
        for key, row in found.items():
            row["vector"] = vectors[key].tobytes()
    return rows


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
    try:
        cli.succeed("restore", "-n", "of_2_2", "-s", "_bak", "--rebuild_index")
        assert compare_partitions(older_rows, read_by_partition(alias_a, f"{COLLECTION}_bak")) is None
        assert [index.params for index in Collection(f"{COLLECTION}_bak", using=alias_a).indexes] == [INDEX]
    finally:
        if utility.has_collection(f"{COLLECTION}_bak", using=alias_a):
            utility.drop_collection(f"{COLLECTION}_bak", using=alias_a)
        cli.run("delete", "-n", "of_2_2")
