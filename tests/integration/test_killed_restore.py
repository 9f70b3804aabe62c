"""A restore that is killed, in front of its storage and its Milvus, and the same command once more."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from typing import Callable, Iterator

import pytest
from configs import backup_config
from figures import keep_figures
from gate import Gate
from pymilvus import Collection, utility
from rows import Row, compare_partitions, create_collection, fill, read_by_partition
from servers import MilvusServer, MinioServer
from test_create_restore import leftovers
from tool import Tool

TARGET = "small_back"
REQUEST = rb"(?:GET|HEAD|PUT|POST|DELETE) /"
# Milvus takes a request that it has within this time, so that the next run finds what became of it.
SETTLED_S = 0.3


@dataclass(frozen=True)
class Point:
    """Where a run is killed: at the `nth` request to `server` with these bytes, before or after it has arrived."""

    name: str
    server: str
    pattern: bytes
    nth: int = 1
    passes: bool = False


STAGED = rb"PUT /bucket-b/restore-temp-[0-9a-f]+/binlogs"
RECORD = rb"PUT /bucket-b/restore-temp-[0-9a-f]+/run/"
POINTS = (
    Point("marker written", "store", rb"PUT /bucket-b/restore-temp-[0-9a-f]+/run.json", passes=True),
    Point("collection created", "milvus", rb"MilvusService/CreateCollection", passes=True),
    Point("staging", "store", STAGED, 9),
    Point("import announced, not sent", "milvus", rb"MilvusService/Import"),
    Point("import sent, not recorded", "milvus", rb"MilvusService/Import", passes=True),
    Point("imports sent, not recorded", "store", RECORD, 4),
    Point("index", "milvus", rb"MilvusService/CreateIndex", passes=True),
    Point("counting", "milvus", rb"MilvusService/GetPersistentSegmentInfo"),
    Point("staging removed", "store", rb"POST /bucket-b/?\?delete", passes=True),
    Point("records removed", "store", rb"DELETE /bucket-b/restore-temp-[0-9a-f]+/run.json", passes=True),
)
SWAP_POINTS = (
    Point("replaced, old name given up", "milvus", rb"MilvusService/AlterAlias|MilvusService/DropCollection"),
    Point("replaced, not recorded", "milvus", rb"MilvusService/DropCollection", passes=True),
)


@pytest.fixture(scope="module")
def small_rows(alias_a: str) -> Iterator[dict[str, dict[int, Row]]]:
    """Collection `small` of Milvus A, as read back by partition."""
    fill(alias_a, "small", 1000)
    yield read_by_partition(alias_a, "small")
    utility.drop_collection("small", using=alias_a)


@pytest.fixture(scope="module")
def backup(
    make_cli: Callable[[str], Tool], milvus_a: MilvusServer, minio_a: MinioServer, small_rows: dict[str, dict[int, Row]]
) -> Iterator[str]:
    """Name of a backup of `small`."""
    tool = make_cli("small")
    tool.write_config("backup.yaml", backup_config(milvus_a, minio_a))
    tool.succeed("create", "-n", "small", "-c", "small")
    yield "small"
    tool.succeed("delete", "-n", "small")


class Killing:
    """Restores of `small` from MinIO A into Milvus B that are killed, and what is left of them."""

    def __init__(self, tool: Tool, alias: str, milvus: MilvusServer, store: MinioServer, backups: MinioServer) -> None:
        self._tool = tool
        self.alias = alias
        self.milvus = milvus
        self.store = store
        self._config = backup_config(milvus, store, backups)
        tool.write_config("backup.yaml", self._config)

    def command(self, *flags: str) -> tuple[str, ...]:
        """The command that is killed and repeated."""
        return ("restore", "-n", "small", "-r", f"small:{TARGET}", "--rebuild_index", *flags)

    def kill_at(self, point: Point, *flags: str) -> bool:
        """Whether the run came as far as the point, and was killed there."""
        server = self.milvus if point.server == "milvus" else self.store
        other = self.store if point.server == "milvus" else self.milvus
        never = rb"\x00 never sent \x00"
        with (
            Gate(server.port, point.pattern, point.nth, passes=point.passes) as gate,
            Gate(other.port, never, beside=gate) as beside,
        ):
            return self._kill({server.port: gate, other.port: beside}, flags)

    def kill_after(self, requests: int, passes: bool, *flags: str) -> bool:
        """The same after so many requests to both servers together."""
        with (
            Gate(self.store.port, REQUEST, requests, passes=passes) as storage,
            Gate(self.milvus.port, None, passes=passes, beside=storage) as milvus,
        ):
            return self._kill({self.store.port: storage, self.milvus.port: milvus}, flags)

    def _kill(self, gates: dict[int, Gate], flags: tuple[str, ...]) -> bool:
        config = self._config
        for port, gate in gates.items():
            config = config.replace(f" {port}\n", f" {gate.port}\n")
        self._tool.write_config("gated.yaml", config)
        first = next(iter(gates.values()))
        with self._tool.started("--config", "gated.yaml", *self.command(*flags)) as process:
            while process.poll() is None and not first.reached_within(0.02):
                pass
            reached = process.poll() is None
            if reached:
                time.sleep(SETTLED_S)
            process.kill()
            process.communicate()
        return reached

    def run_again(self, *flags: str) -> str:
        """How the same command ended: `resumed`, `from nothing`, `was complete`."""
        finished = self._tool.run("--json", *self.command(*flags))
        if finished.status == 11:
            assert "already exist" in finished.stdout + finished.stderr, finished
            return "was complete"
        assert finished.status == 0, finished
        return "resumed" if json.loads(finished.stdout)["collections"][0]["resumed"] else "from nothing"

    def check_clean(self) -> None:
        """Nothing but the target is left: no other collection, record, lock, staged object or open upload."""
        assert [name for name in utility.list_collections(using=self.alias) if name.startswith("small")] == [TARGET]
        assert leftovers(self.store) == []
        assert self.store.client.uploads("bucket-b") == []
        kept = list((self.store.data / "bucket-b").glob("restore-temp-*/**/xl.meta"))
        parts = [path for path in (self.store.data / ".minio.sys" / "multipart").rglob("*") if path.is_file()]
        assert kept + parts == []

    def drop(self) -> None:
        """Make room for the next run."""
        for name in utility.list_collections(using=self.alias):
            if name.startswith("small"):
                utility.drop_collection(name, using=self.alias)


@pytest.fixture
def killing(
    cli: Tool, backup: str, alias_b: str, milvus_b: MilvusServer, minio_b: MinioServer, minio_a: MinioServer
) -> Iterator[Killing]:
    """Restores into Milvus B; the target is gone at the end."""
    killing = Killing(cli, alias_b, milvus_b, minio_b, minio_a)
    yield killing
    killing.drop()


def test_killed_restore_goes_on(killing: Killing, small_rows: dict[str, dict[int, Row]]) -> None:
    # Each command is killed again and again, one phase later every time, before it may end.
    how: list[str] = []
    for chain in (POINTS[:3], POINTS[3:5], POINTS[5:]):
        for point in chain:
            assert killing.kill_at(point), f"the run did not come as far as: {point.name}"
        how.append(killing.run_again())
        killing.check_clean()
        assert compare_partitions(small_rows, read_by_partition(killing.alias, TARGET)) is None, chain
        killing.drop()
    assert how == ["resumed", "resumed", "was complete"]


def test_killed_replacement_goes_on(killing: Killing, small_rows: dict[str, dict[int, Row]]) -> None:
    for point in SWAP_POINTS:
        create_collection(killing.alias, TARGET)
        assert killing.kill_at(point, "--drop_exist_collection"), f"the run did not come as far as: {point.name}"
        killing.run_again("--drop_exist_collection")
        killing.check_clean()
        assert compare_partitions(small_rows, read_by_partition(killing.alias, TARGET)) is None, point
        killing.drop()


def test_killed_addition_adds_nothing_twice(killing: Killing) -> None:
    assert killing.run_again() == "from nothing"
    whole = Collection(TARGET, using=killing.alias).num_entities
    killing.drop()
    for point in POINTS[3:6]:
        create_collection(killing.alias, TARGET)
        assert killing.kill_at(point, "--skip_create_collection"), f"the run did not come as far as: {point.name}"
        assert killing.run_again("--skip_create_collection") == "resumed"
        killing.check_clean()
        assert Collection(TARGET, using=killing.alias).num_entities == whole, point
        killing.drop()


@pytest.mark.soak
@pytest.mark.skipif(not os.environ.get("MB_SOAK"), reason="long")
def test_killed_restore_goes_on_from_anywhere(killing: Killing, small_rows: dict[str, dict[int, Row]]) -> None:
    histogram = {"resumed": 0, "from nothing": 0, "was complete": 0}
    expected = sum(len(rows) for rows in small_rows.values())
    for requests in range(1, 221, 2):
        reached = killing.kill_after(requests, passes=requests % 4 == 1)
        how = killing.run_again()
        assert reached or how == "was complete", requests
        histogram[how] += 1
        killing.check_clean()
        found = read_by_partition(killing.alias, TARGET) if requests % 10 == 1 else None
        assert found is None or compare_partitions(small_rows, found) is None, requests
        assert found is None or sum(len(rows) for rows in found.values()) == expected, requests
        killing.drop()
    keep_figures("killed_restore", histogram)
