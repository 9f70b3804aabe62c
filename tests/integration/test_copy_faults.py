"""Copies between MinIO and versitygw, each behind a relay that spoils a share of what passes.

Whatever happens on the way, an object that the run does not name is right, and no other bytes are ever accepted.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import threading
import time
from collections import Counter
from dataclasses import replace
from typing import Callable, Iterator, NamedTuple

import pytest
from copying import BucketPlace, DiskPlace, config_of, fill, sample_tree
from fault_proxy import FaultProxy, Faults
from figures import keep_figures
from servers import MinioServer, VersityGw
from tool import Tool

SEED = int(os.environ.get("MB_SEED", "1"))
FROM, TO = "faults/src", "faults/copy"
SOAK_RUNS = 50
SOME_FAILED = 3
MORE_SMALL = 260
IN_PARTS = 3
LARGE_BYTES = 20 * 1024 * 1024
PASSING = Faults(
    slow_down=0.05, error=0.02, reset=0.02, cut=0.01, stall=0.01, stall_s=0.5, flip=0.01, outage_at=100, outage_s=1.0
)
SOAK = Faults(
    slow_down=0.05, error=0.02, reset=0.02, cut=0.01, stall=0.01, stall_s=3.0, flip=0.01, outage_at=150, outage_s=30.0
)
# The program waits 60 s for a connection on which nothing comes; then the relay is the one that waits longer.
OUTWAITED = 90.0
KINDS = ("slow down", "error", "reset", "cut", "stall", "outage")


class Sites(NamedTuple):
    """Two stores with the same tree below FROM, MD5s by key, and the program."""

    places: dict[str, BucketPlace]
    sums: dict[str, str]
    tool: Tool


def _tree(seed: int) -> dict[str, bytes]:
    chance = random.Random(seed)
    small = {f"more/{number:03}": chance.randbytes(chance.randrange(1, 40_000)) for number in range(MORE_SMALL)}
    return sample_tree(seed, parts=1) | small


@pytest.fixture(scope="module")
def sites(minio_a: MinioServer, make_cli: Callable[[str], Tool]) -> Iterator[Sites]:
    """Small objects have an MD5 as ETag and no checksum; those in parts were put there by the program."""
    tool = make_cli("faults")
    with VersityGw("bucket-f") as versity:
        places = {"minio": BucketPlace("minio", minio_a), "versity": BucketPlace("versity", versity)}
        disk = DiskPlace("disk", tool.folder)
        tool.write_config("backup.yaml", config_of(*places.values()))
        chance = random.Random(SEED)
        large = fill(disk, "large", {f"parts/{number}": chance.randbytes(LARGE_BYTES) for number in range(IN_PARTS)})
        for place in places.values():
            sums = fill(place, FROM, _tree(SEED)) | large
            tool.succeed("copy", disk.location("large/parts"), place.location(f"{FROM}/parts"))
        yield Sites(places, sums, tool)


def _named_as_failed(report: dict[str, list[dict[str, str]]]) -> set[str]:
    return {failure["key"].removeprefix(f"{FROM}/") for failure in report["failures"]}


def _check_run(sites: Sites, target: BucketPlace, status: int, stdout: str) -> None:
    """What the run says of itself is true."""
    assert status in (0, SOME_FAILED), stdout
    failed = _named_as_failed(json.loads(stdout))
    assert (status == 0) == (not failed), failed
    there = target.tree(TO)
    assert {key for key, value in there.items() if sites.sums.get(key) != value} == set(), "other bytes"
    assert sites.sums.keys() - there.keys() <= failed, "not there and not named"
    assert failed <= sites.sums.keys()


def _check_rerun(sites: Sites, target: BucketPlace) -> None:
    """Everything is there, and nothing else."""
    client, bucket = target.server.client, target.server.bucket
    assert target.tree(TO) == sites.sums
    large = [f"{TO}/{key}" for key in sites.sums if key.startswith(("large/", "parts/"))]
    assert [key for key in large if client.uploads(bucket, key)] == [] and target.uploads() == []
    assert client.keys(bucket, "faults/.locks/") == []


def _spoilt_copy(sites: Sites, source: BucketPlace, target: BucketPlace, faults: Faults, seed: int) -> Counter[str]:
    """Copy through the relays and once more without them; what the relays did."""
    tool = sites.tool
    client, bucket = target.server.client, target.server.bucket
    for key in client.keys(bucket, f"{TO}/"):
        client.delete(bucket, key)
    # One outage, of either side.
    calm = replace(faults, outage_at=0)
    sides = (faults, calm) if seed % 2 else (calm, faults)
    with (
        FaultProxy(source.server.port, sides[0], seed=seed, flips_below=f"{source.server.bucket}/{FROM}/") as read,
        FaultProxy(target.server.port, sides[1], seed=seed, flips_below=f"{target.server.bucket}/{TO}/") as write,
    ):
        behind = (replace(source, port=read.port), replace(target, port=write.port))
        tool.write_config("spoilt.yaml", config_of(*behind))
        copy = ("copy", source.location(FROM), target.location(TO))
        finished = tool.run("--config", "spoilt.yaml", "--json", *copy, timeout_s=900)
    done = read.counts + write.counts
    print(f"seed {seed}: {source.name} to {target.name} in {finished.seconds:.1f} s, {dict(done)}")
    try:
        _check_run(sites, target, finished.status, finished.stdout)
        tool.succeed("--config", "backup.yaml", "--json", *copy)
        _check_rerun(sites, target)
    except AssertionError as error:
        raise AssertionError(f"seed {seed}, {dict(done)}: {finished}") from error
    done["failures"] = len(_named_as_failed(json.loads(finished.stdout)))
    return done


def test_a_copy_through_faults_is_right_or_names_what_is_not(sites: Sites) -> None:
    minio, versity = sites.places.values()
    done = _spoilt_copy(sites, minio, versity, PASSING, SEED)
    done += _spoilt_copy(sites, versity, minio, PASSING, SEED + 1)
    assert all(done[kind] > 0 for kind in KINDS), done
    assert done["flip read"] + done["flip sent"] > 0, done


@pytest.mark.soak
@pytest.mark.skipif(not os.environ.get("MB_SOAK"), reason="long")
def test_copies_through_many_faults(sites: Sites) -> None:
    minio, versity = sites.places.values()
    done: Counter[str] = Counter()
    for number in range(SOAK_RUNS):
        source, target = (minio, versity) if number // 2 % 2 == 0 else (versity, minio)
        faults = replace(SOAK, stall_s=OUTWAITED) if number % 10 == 9 else SOAK
        done += _spoilt_copy(sites, source, target, faults, SEED + number)
        keep_figures("copy-faults", {"runs": number + 1, **done})
    assert done["flip read"] > 0 and done["flip sent"] > 0, done


# Of bodies that the destination gets in any two seconds.
BOUND_BYTES_PER_S = 20 * 1024 * 1024
WINDOW_S = 2.0
TOLERANCE = 0.05
# A relay that is kept waiting sees bytes when it wakes up, and a program that is does not catch up with more.
MOST_DELAY_S = 0.05


@contextlib.contextmanager
def _worst_delay() -> Iterator[Callable[[], float]]:
    """How much later than it wanted to this process woke up within the block, at worst."""
    done, worst = threading.Event(), [0.0]

    def watch() -> None:
        begun = time.monotonic()
        while not done.wait(0.01):
            now = time.monotonic()
            worst[0] = max(worst[0], now - begun - 0.01)
            begun = now

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield lambda: worst[0]
    finally:
        done.set()
        watcher.join()


@pytest.mark.soak
@pytest.mark.skipif(not os.environ.get("MB_SOAK"), reason="long")
@pytest.mark.parametrize(("count", "size"), [(12, 32 * 1024 * 1024), (96, 4 * 1024 * 1024)])
def test_bytes_keep_to_their_bound(
    cli: Tool, minio_a: MinioServer, minio_b: MinioServer, count: int, size: int
) -> None:
    source, target = BucketPlace("source", minio_a), BucketPlace("target", minio_b)
    chance = random.Random(SEED)
    sums = {f"o/{number:02}": "" for number in range(count)}
    for key in sums:
        body = chance.randbytes(size)
        source.put(f"bound/{key}", body)
        sums[key] = hashlib.md5(body).hexdigest()
    with FaultProxy(minio_b.port) as relay, _worst_delay() as worst_s:
        cli.write_config("backup.yaml", config_of(source, BucketPlace("target", minio_b, relay.port)))
        cli.succeed("copy", source.location("bound"), target.location("bound"), "--bwlimit", "20M", timeout_s=120)
    assert target.tree("bound") == sums
    busy = worst_s() > MOST_DELAY_S
    for place in (source, target):
        for key in sums:
            place.server.client.delete(place.server.bucket, f"bound/{key}")
    times, totals = [], [0]
    for when, passed in relay.received:
        times.append(when)
        totals.append(totals[-1] + passed)
    # Between the first second and the last: there the program begins and ends.
    begin, end = times[0] + 1, times[-1] - 1
    assert end - begin > 3 * WINDOW_S
    rates, last = [], 0
    for first, when in enumerate(times):
        while last < len(times) and times[last] < when + WINDOW_S:
            last += 1
        if begin <= when <= end - WINDOW_S:
            rates.append((totals[last] - totals[first]) / WINDOW_S / BOUND_BYTES_PER_S)
    mean = sum(rates) / len(rates)
    print(f"{min(rates):.3f} to {max(rates):.3f} of the bound, {mean:.3f} in the mean")
    if busy:
        pytest.skip(f"others kept the processors busy: {worst_s():.3f} s late")
    assert 1 - TOLERANCE <= min(rates) and max(rates) <= 1 + TOLERANCE, (min(rates), max(rates))
