"""A copy that is killed at the n-th request to its destination: what is left, and the same command once more."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any, Iterator

import pytest
from copying import BucketPlace, DiskPlace, Place, config_of, fill, sample_backup, sample_tree
from gate import Gate
from servers import MinioServer, VersityGw
from stores import REQUEST
from tool import Tool, finish

POINTS = (3, 9, 16, 24, 28, 32, 36, 40, 44, 48, 53, 58)
ALL_POINTS = tuple(range(1, 61)) * 2
INTERRUPTED = 130
IN_FLIGHT = 4
PART_BYTES = 5 * 1024 * 1024
# Heads of requests, control bodies, the marker and the lock.
HEADS_BYTES = 512 * 1024
NEVER = 1_000_000
FLAGS = ("--part-size", "5M", "--concurrency", str(IN_FLIGHT))


@pytest.fixture(scope="module")
def store(minio_a: MinioServer) -> Iterator[BucketPlace]:
    """The source."""
    yield BucketPlace("source", minio_a)
    # Of a run that was killed when all was done: the next that works on this backup would remove it.
    for key in minio_a.client.keys(minio_a.bucket, "backup/.locks/b/"):
        minio_a.client.delete(minio_a.bucket, key)


@pytest.fixture(scope="module")
def versity() -> Iterator[VersityGw]:
    """A destination that lists every unfinished upload."""
    with VersityGw("bucket-k") as server:
        yield server


def _killed(tool: Tool, store: Place, versity: VersityGw, nth: int) -> bool:
    """Copy until the `nth` request to the destination and kill the run there; whether it came that far."""
    with Gate(versity.port, REQUEST, nth) as gate:
        tool.write_config("gated.yaml", config_of(store, BucketPlace("target", versity, gate.port)))
        arguments = ("--config", "gated.yaml", "copy", "-n", "b", "--from", "source", "--to", "target", *FLAGS)
        with tool.started(*arguments) as process:
            while process.poll() is None and not gate.reached_within(0.02):
                pass
            reached = process.poll() is None
            process.kill()
            process.communicate()
    return reached


def _go_on(tool: Tool, store: Place, versity: VersityGw) -> tuple[dict[str, Any], int]:
    """The same command once more: what it says, and how many bytes it sent to the destination."""
    with Gate(versity.port, REQUEST, NEVER) as gate:
        tool.write_config("gated.yaml", config_of(store, BucketPlace("target", versity, gate.port)))
        again = ("--config", "gated.yaml", "--json", "copy", "-n", "b", "--from", "source", "--to", "target", *FLAGS)
        return json.loads(tool.succeed(*again).stdout), gate.sent_bytes


def _sweep(tool: Tool, store: Place, versity: VersityGw, points: tuple[int, ...]) -> dict[str, int]:
    went: dict[str, int] = {"resumed": 0, "from nothing": 0, "was complete": 0, "with parts": 0}
    target = BucketPlace("target", versity)
    sample = sample_backup("k")
    sums = fill(store, "backup/b", sample)
    tool.write_config("backup.yaml", config_of(store, target))
    stored = reused = 0
    for nth in points:
        reached = _killed(tool, store, versity, nth)
        there = target.tree("backup/b")
        marker = there.pop("meta/run.json", None)
        if "meta/backup_meta.json" in there:
            assert there == sums, nth
        assert all(sums[key] == value for key, value in there.items()), nth
        parts = versity.client.unfinished_bytes(versity.bucket)
        went["with parts"] += parts > 0
        again, sent = _go_on(tool, store, versity)
        assert reached or not again["resumed"], nth
        # Whatever had arrived was not sent again; what was on its way may still have arrived.
        assert len(there) <= again["kept_objects"] <= len(there) + IN_FLIGHT, (nth, again, sorted(there))
        assert again["objects"] + again["kept_objects"] == len(sums), (nth, again)
        missing = sum(len(body) for key, body in sample.items() if key not in there) - parts
        assert sent <= missing + IN_FLIGHT * PART_BYTES + HEADS_BYTES, (nth, sent, again, parts)
        assert again["bytes"] - again["reused_bytes"] <= sent, (nth, sent, again)
        stored, reused = stored + parts, reused + again["reused_bytes"]
        went["resumed" if marker else "was complete" if again["objects"] == 0 else "from nothing"] += 1
        assert target.tree("backup/b") == sums, nth
        assert target.uploads() == [], nth
        left = [key for key in versity.client.keys(versity.bucket) if not key.startswith("backup/b/")]
        assert left == [], nth
        for key in sums:
            versity.client.delete(versity.bucket, f"backup/b/{key}")
    # Parts of an upload that was begun and not recorded are the only ones that are sent once more.
    assert reused >= 0.8 * stored, (reused, stored)
    return went


def test_an_interrupted_copy_says_so_and_goes_on(cli: Tool, store: BucketPlace, versity: VersityGw) -> None:
    target = BucketPlace("target", versity)
    sums = fill(store, "backup/b", sample_backup("i"))
    copy = ("copy", "-n", "b", "--from", "source", "--to", "target", *FLAGS)
    with Gate(versity.port, REQUEST, 20) as gate:
        cli.write_config("backup.yaml", config_of(store, BucketPlace("target", versity, gate.port)))
        with cli.started(*copy) as process:
            gate.wait_reached()
            process.send_signal(signal.SIGINT)
            gate.open()
            finished = finish(process)
    assert finished.status == INTERRUPTED, finished
    assert "meta/backup_meta.json" not in target.tree("backup/b")
    cli.write_config("backup.yaml", config_of(store, target))
    assert json.loads(cli.succeed("--json", *copy).stdout)["resumed"]
    assert target.tree("backup/b") == sums
    assert target.uploads() == []
    for key in sums:
        versity.client.delete(versity.bucket, f"backup/b/{key}")


def test_killed_copy_goes_on(cli: Tool, store: BucketPlace, versity: VersityGw) -> None:
    went = _sweep(cli, store, versity, POINTS)
    assert went["resumed"] >= len(POINTS) // 2 and went["with parts"] > 0, went


def _written_now(folder: Path) -> list[Path]:
    """Files that are being written there."""
    return list(folder.glob(".*.mbtmp"))


def test_a_copy_killed_on_a_disk_leaves_nothing_to_stay(cli: Tool, store: BucketPlace) -> None:
    disk = DiskPlace("disk", cli.folder / "there")
    client, bucket = store.server.client, store.server.bucket
    slow = {f"half/{number}": bytes([number]) * 2_000_000 for number in range(4)}
    sums = fill(store, "slow", sample_tree(3, parts=1) | slow)
    cli.write_config("backup.yaml", config_of(store))
    copy = ("copy", store.location("slow"), disk.location("tree"))
    folder = disk.root / "tree" / "half"
    give_up = time.monotonic() + 30
    with cli.started(*copy, "--bwlimit", "4M") as process:
        while not _written_now(folder) and process.poll() is None and time.monotonic() < give_up:
            time.sleep(0.005)
        process.kill()
        process.communicate()
    left = _written_now(folder)
    assert left
    for path in left:
        # What is younger than an hour may be another machine's.
        os.utime(path, (path.stat().st_atime, path.stat().st_mtime - 2 * 3600))
    # What it was writing is no longer there to be copied.
    gone = f"half/{left[0].name.split('.')[1]}"
    client.delete(bucket, f"slow/{gone}")
    del sums[gone]
    cli.succeed(*copy)
    assert disk.tree("tree") == sums
    assert disk.uploads() == [] and [path.name for path in disk.root.iterdir()] == ["tree"]
    for key in sums:
        client.delete(bucket, f"slow/{key}")


@pytest.mark.soak
@pytest.mark.skipif(not os.environ.get("MB_SOAK"), reason="long")
def test_killed_copy_goes_on_from_anywhere(cli: Tool, store: BucketPlace, versity: VersityGw) -> None:
    went = _sweep(cli, store, versity, ALL_POINTS)
    assert went["resumed"] > 50 and went["with parts"] > 10, went
