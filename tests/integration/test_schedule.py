"""Schedules on a real Milvus: backups with writes going on, copied to a second store, kept to the last three.

Time is left out of these: `run-now` begins a run, and a server begins with one that has not ended. In `make soak` a
server runs a schedule by the minute.
"""

from __future__ import annotations

import json
import re
import threading
import time
from pathlib import Path
from typing import Iterator

import pytest
from configs import backup_config
from gate import Gate
from pymilvus import Collection
from rows import connected, create_collection, make_row, vectors_of
from servers import MilvusServer, MinioServer
from serving import Api, serving
from stores import REQUEST, leftovers
from tool import Tool

COLLECTION = "scheduled"
ROOT = "schedules"
BATCH = 20
# A run of these rows sends more than 60 requests to Milvus' storage; by then it copies.
COPYING = 25
FAILED, EXISTS = 1, 11
MINUTES = 10
KILLS = (3, 6)
# What a run may leave in memory: buffers that are kept for the next one are there after the first.
GROWTH_KIB = 24 * 1024


class Writer:
    """Inserts and deletes in a thread of its own until the end of the block."""

    def __init__(self, server: MilvusServer) -> None:
        self._server = server
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.rows = 0
        self.error: BaseException | None = None

    def __enter__(self) -> Writer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        assert self.error is None, self.error

    def _run(self) -> None:
        try:
            with connected(self._server) as alias:
                collection = Collection(COLLECTION, using=alias)
                vectors = vectors_of(BATCH)
                while not self._stop.wait(0.1):
                    first = 1_000_000 + self.rows
                    collection.insert([make_row(first + i, vectors[i]) for i in range(BATCH)])
                    collection.delete(f"pk in [{first}]")
                    self.rows += BATCH
        except BaseException as error:  # noqa: BLE001, told by the test
            self.error = error


@pytest.fixture(scope="module")
def collection(milvus_a: MilvusServer, alias_a: str) -> Iterator[None]:
    """A collection that the tests write to."""
    made = create_collection(alias_a, COLLECTION)
    vectors = vectors_of(2_000)
    made.insert([make_row(number, vectors[number]) for number in range(2_000)])
    made.flush()
    yield
    made.drop()


def config_of(milvus: MilvusServer, store: MinioServer, second: MinioServer, cron: str, more: str = "") -> str:
    """One schedule, `often`, with a copy on the second store."""
    return backup_config(milvus, store, backup_root=ROOT) + f"""\
storages:
  second:
    storageType: minio
    address: {second.address}
    port: {second.port}
    accessKeyID: {second.access_key}
    secretAccessKey: {second.secret_key}
    bucketName: {second.bucket}
    backupRootPath: {ROOT}
schedules:
  - name: often
    cron: "{cron}"
    filter: {COLLECTION}
    copyTo: [second]
    verify: deep
    retention: {{keepLast: 3, grace: 0s}}
    retryDelay: 1s
{more}"""


@pytest.fixture
def tool(
    cli: Tool, milvus_a: MilvusServer, minio_a: MinioServer, minio_b: MinioServer, collection: None
) -> Iterator[Tool]:
    """The program with a schedule whose time does not come; its backups are gone at the end."""
    cli.write_config("backup.yaml", config_of(milvus_a, minio_a, minio_b, "0 0 1 1 *"))
    yield cli
    for store in (minio_a, minio_b):
        for key in store.client.keys(store.bucket, f"{ROOT}/"):
            store.client.delete(store.bucket, key)


def backups(tool: Tool, storage: str = "backup") -> list[str]:
    """Complete backups of a storage; nothing else may be there."""
    place = "backup" if storage == "backup" else "second"
    report = json.loads(tool.run("--json", "verify", "--all", "--deep", "--from", place).stdout)
    assert report["status"] == "ok", report
    for backup in report["backups"]:
        assert backup["status"] == "ok" and not backup["partial"], backup
        assert backup["read_objects"] > 0, backup
    return sorted(backup["name"] for backup in report["backups"])


def rows_of(tool: Tool, name: str) -> int:
    """Rows that a backup says it has."""
    report = json.loads(tool.succeed("--json", "inspect", "-n", name).stdout)
    return sum(collection["rows"] for collection in report["collections"])


def unfinished(tool: Tool) -> str:
    """What `schedule list` says of the run that has not ended."""
    (schedule,) = json.loads(tool.succeed("--json", "schedule", "list").stdout)["schedules"]
    assert len(schedule["next"]) == 3 and schedule["next"] == sorted(schedule["next"]), schedule
    return str(schedule["unfinished"])


def test_runs_keep_the_last_three_on_both_sides(tool: Tool, milvus_a: MilvusServer, minio_a: MinioServer) -> None:
    taken = []
    with Writer(milvus_a):
        for _ in range(4):
            report = json.loads(tool.succeed("--json", "schedule", "run-now", "often").stdout)
            assert report["status"] == "ok" and report["created"], report
            assert [step["name"] for step in report["steps"]] == [
                "create", "copy second", "verify backup", "retention backup", "verify second", "retention second",
            ]
            taken.append(report["backup"])
    assert all(re.fullmatch(r"often_\d{8}T\d{6}Z", name) for name in taken), taken
    assert backups(tool) == taken[1:]
    assert backups(tool, "second") == taken[1:]
    counts = [rows_of(tool, name) for name in taken[1:]]
    assert counts == sorted(counts) and counts[0] < counts[-1], counts
    assert unfinished(tool) == ""
    assert leftovers(minio_a) == []


def gated(tool: Tool, milvus: MilvusServer, store: MinioServer, second: MinioServer, gate: Gate) -> None:
    """Write the configuration whose first store is behind the gate."""
    config = config_of(milvus, store, second, "0 0 1 1 *")
    tool.write_config("gated.yaml", config.replace(f" {store.port}\n", f" {gate.port}\n"))


def test_killed_run_is_gone_on_with(
    tool: Tool, milvus_a: MilvusServer, minio_a: MinioServer, minio_b: MinioServer
) -> None:
    """`run-now` killed, then a server that goes on with it killed, then another server: one backup on each side."""
    with Writer(milvus_a):
        with Gate(minio_a.port, REQUEST, COPYING) as gate:
            gated(tool, milvus_a, minio_a, minio_b, gate)
            with tool.started("--config", "gated.yaml", "schedule", "run-now", "often") as process:
                gate.wait_reached()
                busy = tool.run("schedule", "run-now", "often")
                assert busy.status == EXISTS and "schedule often is running" in busy.stderr, busy
                process.kill()
                process.communicate()
        name = unfinished(tool)
        assert name.startswith("often_")
        with Gate(minio_a.port, REQUEST, COPYING) as gate:
            gated(tool, milvus_a, minio_a, minio_b, gate)
            with serving(tool, "--config", "gated.yaml") as api:
                gate.wait_reached()
                (task,) = api.succeed("GET", "/tasks")
                assert (task["id"], task["kind"], task["state"]) == (name, "schedule", "running"), task
                second = tool.run("schedule", "run")
                assert second.status == EXISTS, second
                api.process.kill()
                api.process.communicate()
        assert unfinished(tool) == name
        with serving(tool) as api:
            task = ended(api, name)
            assert task["state"] == "succeeded", task
            assert [item["name"] for item in task["items"]][:2] == ["create", "copy second"], task
    assert unfinished(tool) == ""
    assert backups(tool) == [name]
    assert backups(tool, "second") == [name]
    assert leftovers(minio_a) == []


def ended(api: Api, name: str) -> dict[str, object]:
    """The task of a run once it has ended."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        for task in api.succeed("GET", "/tasks") or []:
            # Until the schedule goes on with it, it is what the killed server has left: interrupted.
            if task["id"] == name and task["state"] in ("succeeded", "failed", "cancelled"):
                return dict(task)
        time.sleep(0.05)
    raise AssertionError(f"{name} has not ended")


def test_hooks(tool: Tool, milvus_a: MilvusServer, minio_a: MinioServer, minio_b: MinioServer) -> None:
    """A first hook that refuses: nothing is made, and the last one is told why."""
    hooks = """\
    hooks:
      before: {command: [sh, -c, "echo not today; exit 5"]}
      failure: {command: "cat > told.json", shell: true}
"""
    tool.write_config("backup.yaml", config_of(milvus_a, minio_a, minio_b, "@daily", hooks))
    refused = tool.run("schedule", "run-now", "often")
    assert refused.status == FAILED, refused
    assert "schedules.often.hooks.before: 'sh' ended with status 5: not today" in refused.stderr, refused
    told = json.loads((tool.folder / "told.json").read_text())
    assert told["event"] == "failure" and told["status"] == "failed" and not told["created"], told
    assert minio_a.client.keys(minio_a.bucket, f"{ROOT}/") == []


def _memory_kib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0])


def _runs(api: Api) -> dict[str, str]:
    return {task["id"]: task["state"] for task in api.succeed("GET", "/tasks") or []}


@pytest.mark.soak
def test_every_minute(
    tool: Tool, milvus_a: MilvusServer, minio_a: MinioServer, minio_b: MinioServer
) -> None:
    """Ten minutes of a schedule by the minute, its server killed in the middle of two runs."""
    tool.write_config("minutes.yaml", config_of(milvus_a, minio_a, minio_b, "* * * * *"))
    memory: list[int] = []
    begun: set[str] = set()
    with Writer(milvus_a):
        for runs in (*KILLS, MINUTES):
            with serving(tool, "--config", "minutes.yaml") as api:
                memory = []
                seen = {name for name, state in _runs(api).items() if state == "succeeded"}
                while len(begun) < runs:
                    states = _runs(api)
                    begun.update(states)
                    done = {name for name, state in states.items() if state == "succeeded"}
                    if done - seen:
                        memory.append(_memory_kib(api.process.pid))
                    seen |= done
                    time.sleep(0.05)
                if runs != MINUTES:
                    api.process.kill()  # the run that was begun last has not ended
                    api.process.communicate()
                    continue
                for name in begun:
                    assert ended(api, name)["state"] == "succeeded", name
                api.process.terminate()
                assert api.process.wait(120) == 0
    names = sorted(begun)
    assert len(names) == MINUTES
    assert backups(tool) == names[-3:]
    assert backups(tool, "second") == names[-3:]
    assert unfinished(tool) == ""
    assert leftovers(minio_a) == []
    assert max(memory[1:]) - memory[0] < GROWTH_KIB, memory
