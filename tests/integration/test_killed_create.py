"""A create that is killed at the n-th request to its storage and its Milvus: what is left, and the same command once more."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import Iterable, Iterator

import pytest
from configs import backup_config
from figures import keep_figures
from killing import Point, Victim
from pymilvus import utility
from rows import Row, compare_partitions, dropped_after, read_by_partition
from servers import MilvusServer, MinioServer
from stores import leftovers
from tool import Tool

FLUSH = Point("flush", "milvus", rb"MilvusService/Flush", passes=True)
WAIT = Point("wait for the flush", "milvus", rb"MilvusService/GetFlushState", passes=True)
# A create of these rows sends about 100 requests to both servers together; later points find a run that has finished.
POINTS = (FLUSH, WAIT, *range(1, 106, 5))
ALL_POINTS = tuple(range(1, 110)) * 2
FINISHED_S = 20.0
COMMAND = ("create", "-c", "coll", "-n", "killed")
META = rb"PUT /bucket-a/backup/killed/meta/"
# Ten points in each phase, half of them with the request on its way.
PHASES = {
    "flush": [replace(point, passes=passes) for point in (FLUSH, WAIT) for passes in (False, True)] * 3,
    "copy": [Point("copy", "store", rb"(?i)x-amz-copy-source: ", nth, nth % 2 == 0) for nth in range(1, 11)],
    "metas": [
        Point("metas", "store", META + rb"(?:collection|partition|segment|full)_meta\.json", 1 + nth % 4, nth >= 5)
        for nth in range(10)
    ],
    "header": [Point("header", "store", META + rb"backup_meta\.json", passes=nth % 2 == 0) for nth in range(10)],
}


def files_on_disk(store: MinioServer, below: str) -> list[str]:
    """Objects below a prefix as the server keeps them, and parts of uploads nobody ended.

    MinIO may leave the data of a copy that its client did not wait for, without the `xl.meta` that makes it an object.
    """
    found = list((store.data / "bucket-a" / below).rglob("xl.meta"))
    uploads = [path for path in (store.data / ".minio.sys" / "multipart").rglob("*") if path.is_file()]
    return [str(path) for path in found + uploads]


@pytest.fixture
def emptied(at_a: Tool) -> Iterator[Tool]:
    """The program configured for Milvus A; the backup `killed` is gone at the end."""
    yield at_a
    at_a.run("delete", "-n", "killed")


def _killed(tool: Tool, milvus: MilvusServer, store: MinioServer, point: int | Point) -> bool:
    """Kill create at a request, counted over both servers, or at a point."""
    victim = Victim(tool, backup_config(milvus, store), milvus, store)
    return victim.kill_after(point, *COMMAND) if isinstance(point, int) else victim.kill_at(point, *COMMAND)


def _sweep(
    tool: Tool, milvus: MilvusServer, store: MinioServer, points: Iterable[int | Point]
) -> dict[str, int]:
    """Kill and run again at every point; how many runs were cut and how they went on."""
    went: dict[str, int] = {"resumed": 0, "from nothing": 0, "was complete": 0}
    whole: set[str] = set()
    for nth in points:
        reached = _killed(tool, milvus, store, nth)
        keys = store.client.keys("bucket-a", "backup/killed/")
        shown = tool.succeed("list")
        listed = "killed" in shown.stdout.splitlines()
        assert listed == ("backup/killed/meta/backup_meta.json" in keys), (nth, keys)
        assert listed or not keys or "killed is not a complete backup" in shown.stderr, (nth, shown)
        if listed:
            tool.succeed("verify", "-n", "killed", "--deep")
        again = tool.run("--json", *COMMAND, timeout_s=FINISHED_S)
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
    emptied.succeed(*COMMAND)
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


@pytest.mark.soak
@pytest.mark.skipif(not os.environ.get("MB_SOAK"), reason="long")
def test_killed_create_goes_on_from_every_phase(
    emptied: Tool, milvus_a: MilvusServer, minio_a: MinioServer, coll_rows: dict[str, dict[int, Row]]
) -> None:
    figures = {}
    for phase, points in PHASES.items():
        assert len(points) >= 10
        for how, count in _sweep(emptied, milvus_a, minio_a, points).items():
            figures[f"{phase}: {how}"] = count
    keep_figures("killed_create_phases", figures)
