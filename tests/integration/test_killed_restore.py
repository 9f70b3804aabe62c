"""A restore that is killed, in front of its storage and its Milvus, and the same command once more."""

from __future__ import annotations

import json
import os
from typing import Callable, Iterator

import pytest
from configs import backup_config
from figures import keep_figures
from killing import Point, Victim
from pymilvus import Collection, utility
from rows import Row, compare_partitions, create_collection, fill, read_by_partition
from servers import MilvusServer, MinioServer
from stores import leftovers
from tool import Tool

TARGET = "small_back"
DOUBLED, MILVUS_DOWN = 20, 14
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
# Ten points in each phase.
PHASES = {
    "staging": [Point("staging", "store", STAGED, nth, nth % 2 == 0) for nth in range(1, 11)],
    "import sent, not recorded": [POINTS[4], POINTS[5]] * 5,
    "index": [Point("index", "milvus", rb"MilvusService/CreateIndex", passes=nth % 2 == 0) for nth in range(10)],
}
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
        self.backups = backups
        config = backup_config(milvus, store, backups)
        self._victim = Victim(tool, config, milvus, store)
        tool.write_config("backup.yaml", config)
        self.deaths = 0
        self.doubled = 0

    def command(self, *flags: str) -> tuple[str, ...]:
        """The command that is killed and repeated."""
        return ("restore", "-n", "small", "-r", f"small:{TARGET}", "--rebuild_index", *flags)

    def kill_at(self, point: Point, *flags: str) -> bool:
        """Whether the run came as far as the point, and was killed there."""
        return self._victim.kill_at(point, *self.command(*flags))

    def kill_after(self, requests: int, passes: bool, *flags: str) -> bool:
        """The same after so many requests to both servers together."""
        # Long enough for what Milvus is answering, also on a busy machine.
        return self._victim.kill_after(requests, *self.command(*flags), passes=passes, settled_s=1)

    def run_again(self, *flags: str) -> str:
        """How the same command ended: `resumed`, `from nothing`, `was complete`.

        Milvus 2.3.5 dies when a client is gone while it waits for GetImportState (its proxy reads an answer that is not
        there). A run that is killed cannot spare it that, so Milvus is started again. What it was importing then it gives
        up after a quarter of an hour, which the command waits for and tells; the next one ends. The rows of imports
        that the restart made fail are counted until it has cleaned up, within five minutes.
        """
        has_died = self.milvus.revive()
        self.deaths += has_died
        finished = self._tool.run("--json", *self.command(*flags), timeout_s=1700 if has_died else 120)
        if finished.status == MILVUS_DOWN and self.milvus.revive():
            # It died only now.
            has_died = True
            self.deaths += 1
            finished = self._tool.run("--json", *self.command(*flags), timeout_s=1700)
        if has_died and finished.status == 1:
            assert json.loads(finished.stdout)["error"]["code"] == "aborted", finished
            finished = self._tool.run("--json", *self.command(*flags))
        if finished.status == DOUBLED and "as many as one of the imports" in finished.stdout:
            # Milvus 2.3.5 has carried out an import that it lists nowhere; what the advice says.
            self.doubled += 1
            self.drop()
            finished = self._tool.run("--json", *self.command(*flags))
        if finished.status == 11:
            assert "already exist" in finished.stdout + finished.stderr, finished
            return "was complete"
        assert finished.status == 0, finished
        return "resumed" if json.loads(finished.stdout)["collections"][0]["resumed"] else "from nothing"

    def check_clean(self) -> None:
        """Nothing but the target is left: no other collection, record, lock, staged object or open upload."""
        assert [name for name in utility.list_collections(using=self.alias) if name.startswith("small")] == [TARGET]
        assert leftovers(self.store) == [] and leftovers(self.backups) == []
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
    keep_figures("killed_restore", histogram | {"deaths of Milvus": killing.deaths, "doubled": killing.doubled})


@pytest.mark.soak
@pytest.mark.skipif(not os.environ.get("MB_SOAK"), reason="long")
def test_killed_restore_goes_on_from_every_phase(killing: Killing, small_rows: dict[str, dict[int, Row]]) -> None:
    figures: dict[str, int] = {}
    for phase, points in PHASES.items():
        assert len(points) >= 10
        for point in points:
            assert killing.kill_at(point), f"the run did not come as far as: {point}"
            how = f"{phase}: {killing.run_again()}"
            figures[how] = figures.get(how, 0) + 1
            killing.check_clean()
            assert compare_partitions(small_rows, read_by_partition(killing.alias, TARGET)) is None, point
            killing.drop()
    keep_figures("killed_restore_phases", figures | {"deaths of Milvus": killing.deaths})
