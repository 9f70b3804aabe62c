"""A create that is killed at the n-th request to its storage and its Milvus: what is left, and the same command once more."""

from __future__ import annotations

import json
import os
from typing import Iterator

import pytest
from configs import backup_config
from figures import keep_figures
from gate import Gate
from pymilvus import utility
from rows import Row, compare_partitions, read_by_partition
from servers import MilvusServer, MinioServer
from test_create_restore import dropped_after, leftovers
from tool import Tool

REQUEST = rb"(?:GET|HEAD|PUT|POST|DELETE) /"
# A create of these rows sends about 100 requests to both servers together; later points find a run that has finished.
POINTS = (rb"MilvusService/Flush", rb"MilvusService/GetFlushState", *range(1, 106, 5))
ALL_POINTS = tuple(range(1, 110)) * 2
FINISHED_S = 20.0


def files_on_disk(store: MinioServer, below: str) -> list[str]:
    """Objects below a prefix as the server keeps them, and parts of uploads nobody ended.

    MinIO may leave the data of a copy that its client did not wait for, without the `xl.meta` that makes it an object.
    """
    found = list((store.data / "bucket-a" / below).rglob("xl.meta"))
    uploads = [path for path in (store.data / ".minio.sys" / "multipart").rglob("*") if path.is_file()]
    return [str(path) for path in found + uploads]


@pytest.fixture
def emptied(at_gate: Tool, minio_a: MinioServer) -> Iterator[Tool]:
    """The program configured for Milvus A; the backup `killed` is gone at the end."""
    yield at_gate
    at_gate.run("delete", "-n", "killed")


@pytest.fixture
def at_gate(cli: Tool, milvus_a: MilvusServer, minio_a: MinioServer) -> Tool:
    """The program; `gated.yaml` is written by the test."""
    cli.write_config("backup.yaml", backup_config(milvus_a, minio_a))
    return cli


def _run_until(tool: Tool, gates: dict[int, Gate], config: str) -> bool:
    """Run create until one of the gates has shut and kill it there; whether it came that far."""
    for port, gate in gates.items():
        config = config.replace(f" {port}\n", f" {gate.port}\n")
    tool.write_config("gated.yaml", config)
    first = next(iter(gates.values()))
    with tool.started("--config", "gated.yaml", "create", "-c", "coll", "-n", "killed") as process:
        while process.poll() is None and not first.reached_within(0.02):
            pass
        reached = process.poll() is None
        process.kill()
        process.communicate()
    return reached


def _killed(tool: Tool, milvus: MilvusServer, store: MinioServer, point: int | bytes) -> bool:
    """Kill create at a request, counted over both servers, or when it has sent that call to Milvus."""
    config = backup_config(milvus, store)
    if isinstance(point, int):
        with Gate(store.port, REQUEST, point) as storage, Gate(milvus.port, None, beside=storage) as calls:
            return _run_until(tool, {store.port: storage, milvus.port: calls}, config)
    with (
        Gate(milvus.port, point, passes=True) as calls,
        Gate(store.port, rb"\x00 never sent \x00", beside=calls) as storage,
    ):
        return _run_until(tool, {milvus.port: calls, store.port: storage}, config)


def _sweep(
    tool: Tool, milvus: MilvusServer, store: MinioServer, points: tuple[int | bytes, ...]
) -> dict[str, int]:
    """Kill and run again at every point; how many runs were cut and how they went on."""
    went: dict[str, int] = {"resumed": 0, "from nothing": 0, "was complete": 0}
    whole: set[str] = set()
    for nth in points:
        reached = _killed(tool, milvus, store, nth)
        keys = store.client.keys("bucket-a", "backup/killed/")
        listed = "killed" in tool.succeed("list").stdout.splitlines()
        assert listed == ("backup/killed/meta/backup_meta.json" in keys), (nth, keys)
        if listed:
            tool.succeed("verify", "-n", "killed", "--deep")
        again = tool.run("--json", "create", "-c", "coll", "-n", "killed", timeout_s=FINISHED_S)
        if again.status != 0:
            assert listed and again.status == 11, (nth, again)
            went["was complete"] += 1
        elif not reached:
            assert isinstance(nth, int), f"the run did not send {nth!r}"
            raise AssertionError((nth, "a finished backup was made again", again))
        else:
            went["resumed" if json.loads(again.stdout)["resumed"] else "from nothing"] += 1
        keys = store.client.keys("bucket-a", "backup/killed/")
        assert len(keys) > 20 and "backup/killed/meta/run.json" not in keys, (nth, keys)
        tool.succeed("verify", "-n", "killed", "--deep")
        # Log ids differ only when Milvus has compacted meanwhile; the metas are always the same five.
        whole.add(",".join(sorted(key for key in keys if "/meta/" in key)))
        assert leftovers(store) == [], nth
        assert store.client.uploads("bucket-a") == [], nth
        tool.succeed("delete", "-n", "killed")
        assert files_on_disk(store, "backup/killed") == [], nth
    assert len(whole) == 1, whole
    return went


def test_killed_create_goes_on(
    emptied: Tool,
    milvus_a: MilvusServer,
    minio_a: MinioServer,
    coll_rows: dict[str, dict[int, Row]],
    alias_a: str,
) -> None:
    went = _sweep(emptied, milvus_a, minio_a, POINTS)
    assert went["resumed"] >= len(POINTS) // 2, went

    assert _killed(emptied, milvus_a, minio_a, 40)
    emptied.succeed("create", "-c", "coll", "-n", "killed")
    with dropped_after(alias_a, "coll_killed"):
        emptied.succeed("restore", "-n", "killed", "-s", "_killed", "--rebuild_index")
        assert compare_partitions(coll_rows, read_by_partition(alias_a, "coll_killed")) is None
    assert "coll_killed" not in utility.list_collections(using=alias_a)


@pytest.mark.soak
@pytest.mark.skipif(not os.environ.get("MB_SOAK"), reason="long")
def test_killed_create_goes_on_from_anywhere(
    emptied: Tool, milvus_a: MilvusServer, minio_a: MinioServer, coll_rows: dict[str, dict[int, Row]]
) -> None:
    keep_figures("killed_create", _sweep(emptied, milvus_a, minio_a, ALL_POINTS))
