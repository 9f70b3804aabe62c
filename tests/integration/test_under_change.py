"""create while others write, delete, replace, compact and drop: what the backup says and what it brings back."""

from __future__ import annotations

import json
import random
import threading
from typing import Iterator

import numpy
import pytest
from configs import backup_config
from pymilvus import Collection, MilvusException, utility
from rows import DIM, Row, connected, count_rows, create_collection, make_row, read_all_rows
from servers import MilvusServer, MinioServer
from tool import Tool

NAME = "changing"
DOOMED = "doomed"
OLD = 3_000
# Of the old rows: deleted before the backup; deleted during it; replaced during it; dropped with their partition.
GONE = range(0, 300)
DELETED = range(1_000, 1_600)
REPLACED = range(2_000, 2_600)
IN_DOOMED = range(5_000, 5_200)
NEW = 10_000
BATCH = 40


def row(number: int, version: int = 0) -> Row:
    """Row `number`, which says in its columns how often it was replaced."""
    vector = numpy.full(DIM, number % 97 + version / 8, dtype=numpy.float32)
    return make_row(number, vector) | {"title": f"row {number} version {version}", "version": version}


class Change:
    """Everything that happens to the collection while a backup is taken, in a thread of its own."""

    def __init__(self, server: MilvusServer, seed: int) -> None:
        self._server = server
        self._random = random.Random(seed)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.inserted: set[int] = set()
        self.steps = 0
        self.error: BaseException | None = None

    def __enter__(self) -> Change:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            with connected(self._server) as alias:
                self._change(alias)
        except BaseException as error:  # noqa: BLE001, told by the test
            self.error = error

    def _change(self, alias: str) -> None:
        collection = Collection(NAME, using=alias)
        new, deleted, replaced = NEW, list(DELETED), list(REPLACED)
        self._random.shuffle(deleted)
        self._random.shuffle(replaced)
        while not self._stop.is_set():
            self.steps += 1
            numbers = range(new, new + BATCH)
            new += BATCH
            self.inserted.update(numbers)
            collection.insert([row(number) for number in numbers])
            gone, deleted = deleted[:BATCH], deleted[BATCH:]
            if gone:
                collection.delete(f"pk in {gone}")
            changed, replaced = replaced[:BATCH], replaced[BATCH:]
            if changed:
                collection.upsert([row(number, 1) for number in changed])
            if self.steps % 4 == 2:
                collection.compact()
            if self.steps == 3:
                collection.release()
                collection.drop_partition(DOOMED)
            if self.steps % 5 == 4:
                churn = create_collection(alias, "churn")
                churn.insert([row(number) for number in range(20)])
                churn.drop()


@pytest.fixture
def changing(alias_a: str) -> Iterator[Collection]:
    """A collection with rows in storage, rows in memory, and deletes of both."""
    collection = create_collection(alias_a, NAME)
    collection.create_partition(DOOMED)
    collection.insert([row(number) for number in range(OLD // 2)])
    collection.insert([row(number) for number in IN_DOOMED], partition_name=DOOMED)
    collection.flush()
    collection.insert([row(number) for number in range(OLD // 2, OLD)])
    collection.delete(f"pk in {list(GONE)}")
    yield collection
    for name in (NAME, f"{NAME}_bak", "churn"):
        try:
            utility.drop_collection(name, using=alias_a)
        except MilvusException:
            pass


def taken_under_change(tool: Tool, server: MilvusServer, alias: str, seed: int) -> None:
    """Take a backup of the collection while it changes, and look at every row that it brings back."""
    before = {number: row(number) for number in (*range(OLD), *IN_DOOMED)}
    with Change(server, seed) as change:
        created = json.loads(tool.succeed("--json", "create", "-c", NAME, "-n", NAME).stdout)
    assert change.error is None, change.error
    assert created["status"] == "ok" and change.steps > 3, (created, change.steps)
    checked = json.loads(tool.succeed("--json", "verify", "--deep", "-n", NAME).stdout)["backups"][0]
    assert checked["status"] == "ok" and checked["problem_count"] == 0, checked
    tool.succeed("restore", "-n", NAME, "-s", "_bak")
    found = read_all_rows(alias, f"{NAME}_bak")

    def same(number: int, version: int = 0) -> bool:
        expected = row(number, version)
        vector = expected["vector"].tobytes()
        return found[number] == expected | {"vector": vector}

    untouched = set(range(OLD)) - set(GONE) - set(DELETED) - set(REPLACED)
    lost = sorted(untouched - found.keys())
    assert not lost, f"{len(lost)} rows written before the flush are missing: {lost[:10]}"
    assert not set(GONE) & found.keys(), "rows deleted before the flush are back"
    assert found.keys() <= before.keys() | change.inserted, "rows that nobody has written"
    # Milvus makes a delete and an insert out of a replacement, and may have flushed only one of them.
    between = sorted(set(REPLACED) - found.keys())
    assert not between, f"{len(between)} replaced rows are between their states: {between[:10]}"
    restored = Collection(f"{NAME}_bak", using=alias)
    rows = count_rows(restored)
    assert rows == len(found), f"{rows - len(found)} rows are there in two states"
    print(sum(same(number, 1) for number in REPLACED), "of", len(REPLACED), "replaced rows are new")
    for number in found:
        is_own = same(number) or (number in REPLACED and same(number, 1))
        assert is_own, f"row {number} is none of its states: {found[number]}"


def test_a_backup_of_a_changing_collection_is_of_one_time(
    cli: Tool, milvus_a: MilvusServer, minio_a: MinioServer, alias_a: str, changing: Collection
) -> None:
    cli.write_config("backup.yaml", backup_config(milvus_a, minio_a, backup_root="changing"))
    seed = random.randrange(2**32)
    print("seed", seed)
    taken_under_change(cli, milvus_a, alias_a, seed)
    cli.succeed("delete", "-n", NAME)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(12))
def test_backups_of_a_changing_collection_are_of_one_time(
    cli: Tool, milvus_a: MilvusServer, minio_a: MinioServer, alias_a: str, changing: Collection, seed: int
) -> None:
    cli.write_config("backup.yaml", backup_config(milvus_a, minio_a, backup_root="changing"))
    taken_under_change(cli, milvus_a, alias_a, seed)
    cli.succeed("delete", "-n", NAME)
