"""A backup of 100,000 logs on a local disk, in `make soak` of 1,000,000: what every command takes of memory for it.

bench/many_objects.py measures `create` too, and the same on S3.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterator

import pytest
from configs import backup_config
from peak import Measured, measure
from servers import MilvusServer, MinioServer
from synthetic_backup import Shape, write_backup

SMALL = Shape(collections=1, partitions=50, segments=100, fields=20)
MILLION = Shape(collections=5, partitions=100, segments=100, fields=20)

# A program that has just started takes 18 MiB, one that speaks to Milvus 25. The tree of the small backup held in plain
# structs was 30 MiB more, its file names sorted in a list another 25.
MOST_MIB = {SMALL: 40.0, MILLION: 128.0}


@dataclass(frozen=True)
class Storage:
    """A folder with the backup `many` of a shape in it, and the log with the last key."""

    shape: Shape
    folder: Path
    last_log: Path


@pytest.fixture(
    scope="module", params=[SMALL, pytest.param(MILLION, marks=pytest.mark.soak)], ids=["100,000", "1,000,000"]
)
def storage(request: pytest.FixtureRequest) -> Iterator[Storage]:
    """In memory where that is possible: a backup is more than twice as many inodes as logs."""
    shape: Shape = request.param
    memory = Path("/dev/shm")
    fits = memory.is_dir() and os.statvfs(memory).f_favail > 3 * shape.objects
    folder = Path(tempfile.mkdtemp(prefix="mb-test-many-", dir=memory if fits else None))
    try:
        yield Storage(shape, folder, write_backup(folder / "backup", "many", shape))
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def run(binary: Path, storage: Storage, milvus_a: MilvusServer, minio_a: MinioServer, tmp_path: Path):
    """Run the program on the backups of `storage`."""
    (tmp_path / "backup.yaml").write_text(backup_config(milvus_a, minio_a))
    place = ("--set", "minio.backupStorageType=local", "--set", f"minio.backupRootPath={storage.folder / 'backup'}")
    return lambda *arguments: measure(tmp_path / "peak.json", tmp_path, binary, *place, "--json", *arguments)


def succeeded(storage: Storage, measured: Measured) -> dict[str, Any]:
    """The result of a run that ended well and within bounds."""
    assert measured.status == 0, measured
    assert measured.peak_mib < MOST_MIB[storage.shape], measured
    result: dict[str, Any] = json.loads(measured.stdout)
    return result


def test_list_reads_headers_only(run, storage: Storage) -> None:
    assert [backup["name"] for backup in succeeded(storage, run("list"))["backups"]] == ["many"]


def test_get_skips_segments_and_keeps_sizes(run, storage: Storage) -> None:
    brief = succeeded(storage, run("get", "-n", "many"))
    assert brief["size"] == sum(each["size"] for each in brief["collection_backups"]) > storage.shape.objects * 1000
    assert brief["meta_size"] == sum(file.stat().st_size for file in (storage.folder / "backup/many/meta").iterdir())


def test_dry_run_of_delete_counts_and_removes_nothing(run, storage: Storage) -> None:
    brief = succeeded(storage, run("get", "-n", "many"))
    for _ in range(2):
        would = succeeded(storage, run("delete", "-n", "many", "--dry-run"))
        assert would["dry_run"] is True
        assert would["objects"] == storage.shape.objects + 2
        assert would["bytes"] == brief["size"] + brief["meta_size"]


def test_restore_compares_every_file_with_the_meta(run, storage: Storage) -> None:
    """The log with the last key is gone, so the restore ends with the last comparison, before its first change."""
    hidden = storage.folder / "hidden"
    storage.last_log.rename(hidden)
    try:
        refused = run("restore", "-n", "many", "-s", "_bak")
    finally:
        hidden.rename(storage.last_log)
    assert refused.status == 20, refused
    assert f"{storage.last_log.name} is missing" in json.loads(refused.stdout)["error"]["message"]
    assert refused.peak_mib < MOST_MIB[storage.shape], refused


def test_dry_run_of_restore_prints_the_plan(run, storage: Storage) -> None:
    plan = succeeded(storage, run("restore", "-n", "many", "-s", "_bak", "--dry-run"))
    assert plan["dry_run"] is True and len(plan["collections"]) == storage.shape.collections
