"""A backup of 100,000 logs on a local disk: what every command takes of memory for it.

bench/many_objects.py measures the same at 1,000,000, and `create`.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

import pytest
from configs import backup_config
from peak import Measured, measure
from servers import MilvusServer, MinioServer
from synthetic_backup import Shape, write_backup

SHAPE = Shape(collections=1, partitions=50, segments=100, fields=20)

# A program that has just started takes 18 MiB, one that speaks to Milvus 25. The tree of this backup held in plain
# structs was 30 MiB more, its file names sorted in a list another 25.
MOST_MIB = 40.0


@dataclass(frozen=True)
class Storage:
    """A folder with the backup `many` in it, and the log with the last key."""

    folder: Path
    last_log: Path


@pytest.fixture(scope="module")
def storage() -> Iterator[Storage]:
    """In memory where that is possible: the backup is 200,000 inodes."""
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="mb-test-many-", dir=memory if memory.is_dir() else None))
    try:
        yield Storage(folder, write_backup(folder / "backup", "many", SHAPE))
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def run(binary: Path, storage: Storage, milvus_a: MilvusServer, minio_a: MinioServer, tmp_path: Path):
    """Run the program on the backups of `storage`."""
    (tmp_path / "backup.yaml").write_text(backup_config(milvus_a, minio_a))
    place = ("--set", "minio.backupStorageType=local", "--set", f"minio.backupRootPath={storage.folder / 'backup'}")
    return lambda *arguments: measure(tmp_path / "peak.json", tmp_path, binary, *place, "--json", *arguments)


def succeeded(measured: Measured) -> dict[str, object]:
    """The result of a run that ended well and within bounds."""
    assert measured.status == 0, measured
    assert measured.peak_mib < MOST_MIB, measured
    return json.loads(measured.stdout)


def test_list_reads_headers_only(run) -> None:
    assert [backup["name"] for backup in succeeded(run("list"))["backups"]] == ["many"]


def test_get_skips_segments_and_keeps_sizes(run, storage: Storage) -> None:
    brief = succeeded(run("get", "-n", "many"))
    assert brief["size"] == brief["collection_backups"][0]["size"] > SHAPE.objects * 1000
    assert brief["meta_size"] == sum(file.stat().st_size for file in (storage.folder / "backup/many/meta").iterdir())


def test_dry_run_of_delete_counts_and_removes_nothing(run) -> None:
    brief = succeeded(run("get", "-n", "many"))
    for _ in range(2):
        would = succeeded(run("delete", "-n", "many", "--dry-run"))
        assert would["dry_run"] is True
        assert would["objects"] == SHAPE.objects + 2
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
    assert refused.peak_mib < MOST_MIB, refused
