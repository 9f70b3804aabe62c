"""`milvus-backup server` on a real Milvus: the requests of the reference tool, and what a killed server leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from typing import Any, Callable, Iterator

import events
import pytest
from configs import backup_config
from copying import BucketPlace
from gate import Gate
from rows import Row, compare_partitions, dropped_after, read_by_partition
from servers import MilvusServer, MinioServer
from serving import Api, kill, serving, terminate
from stores import REQUEST, leftovers
from tool import Tool, finish

# A create of these rows sends about 60 requests to its storage; by then it copies.
COPYING = 40


@pytest.fixture
def tool(cli: Tool, milvus_a: MilvusServer, minio_a: MinioServer) -> Iterator[Tool]:
    """The program configured for Milvus A; the backup `served` is gone at the end."""
    cli.write_config("backup.yaml", backup_config(milvus_a, minio_a))
    yield cli
    cli.run("delete", "-n", "served")


def test_guide_over_http(tool: Tool, coll_rows: dict[str, dict[int, Row]], alias_a: str) -> None:
    """Create, list, get, restore and delete, asynchronously, with the rows compared."""
    with serving(tool) as api, dropped_after(alias_a, "coll_served"):
        assert api.send("GET", "/hello") == (200, "Hello, This is backup service")
        status, text = api.send("GET", "/check")
        assert status == 200 and "Success!" in text, text
        body = {"async": True, "backup_name": "served", "collection_names": ["coll"]}
        answer = api.ask("POST", "/create", body)
        task = answer.pop("requestId")
        assert answer == {"msg": "create backup is executing asynchronously", "data": None}
        made = api.wait("/get_backup", backup_name="served")
        assert (made["state_code"], made["progress"], made["id"]) == (2, 100, task), made
        assert made["start_time"] <= made["end_time"]
        assert [one["collection_name"] for one in made["collection_backups"]] == ["coll"]
        assert api.succeed("GET", "/get_backup", backup_id=task) == made
        entry = {key: made[key] for key in ("id", "name", "size", "milvus_version")}
        assert entry in api.succeed("GET", "/list")
        body = {"async": True, "backup_name": "served", "collection_suffix": "_served", "restoreIndex": True}
        answer = api.ask("POST", "/restore", body)
        assert answer["msg"] == "restore backup is executing asynchronously"
        assert answer["data"]["state_code"] == 0 and answer["data"]["progress"] == 0
        restored = api.wait("/get_restore", id=answer["data"]["id"])
        assert (restored["state_code"], restored["progress"]) == (2, 100), restored
        (part,) = restored["collection_restore_tasks"]
        assert (part["target_db_name"], part["target_collection_name"]) == ("default", "coll_served")
        assert part["state_code"] == 2
        assert compare_partitions(coll_rows, read_by_partition(alias_a, "coll_served")) is None
        # The collection is there now, so the same once more fails and says why.
        again = api.ask("POST", "/restore", body | {"async": False})
        assert again["code"] == 3 and "coll_served" in again["msg"], again
        answer = api.ask("DELETE", "/delete", backup_name="served")
        answer.pop("requestId")
        assert answer == {"msg": "success"}
        assert "served" not in [one["name"] for one in api.succeed("GET", "/list") or []]
        assert [one["state"] for one in api.succeed("GET", "/tasks")] == ["failed", "succeeded", "succeeded"]
        api.process.send_signal(signal.SIGTERM)
        finished = finish(api.process)
        assert finished.status == 0, finished


def _end_while_copying(
    tool: Tool, milvus: MilvusServer, store: MinioServer, end: Callable[[Api, Gate], None]
) -> tuple[dict[str, Any], str]:
    """Let `end` end a server in the middle of a create; the request, and the id of its task."""
    body = {"async": True, "backup_name": "served", "collection_names": ["coll"]}
    with Gate(store.port, REQUEST, COPYING) as gate:
        config = backup_config(milvus, store)
        tool.write_config("gated.yaml", config.replace(f" {store.port}\n", f" {gate.port}\n"))
        with serving(tool, "--config", "gated.yaml") as api:
            task = api.ask("POST", "/create", body)["requestId"]
            gate.wait_reached()
            assert api.succeed("GET", "/get_backup", backup_id=task)["state_code"] == 1
            end(api, gate)
    return body, task


@pytest.mark.parametrize("end", [kill, terminate])
def test_ended_server_says_so_and_goes_on(
    tool: Tool,
    milvus_a: MilvusServer,
    minio_a: MinioServer,
    coll_rows: dict[str, dict[int, Row]],
    end: Callable[[subprocess.Popen[str], Gate], None],
) -> None:
    body, task = _end_while_copying(tool, milvus_a, minio_a, lambda api, gate: end(api.process, gate))
    with serving(tool) as api:
        for query in ({"backup_id": task}, {"backup_name": "served"}):
            data = api.succeed("GET", "/get_backup", **query)
            assert data["state_code"] == 3, data
            assert data["errorMessage"].startswith("interrupted: the server "), data
            assert "the same request goes on with it" in data["errorMessage"], data
        assert [one["state"] for one in api.succeed("GET", "/tasks")] == ["interrupted"]
        data = api.succeed("POST", "/create", body | {"async": False})
        assert data["state_code"] == 2, data
    tool.succeed("verify", "-n", "served")
    assert leftovers(minio_a) == []


@pytest.fixture
def sites(
    tool: Tool, milvus_a: MilvusServer, minio_a: MinioServer, minio_b: MinioServer, coll_rows: dict[str, dict[int, Row]]
) -> Iterator[Tool]:
    """The same with the storage `second` on another store, where nothing is left at the end."""
    tool.write_config("backup.yaml", backup_config(milvus_a, minio_a) + _second(minio_b, minio_b.port))
    tool.succeed("create", "-n", "served", "-c", "coll")
    yield tool
    for key in minio_b.client.keys(minio_b.bucket, "served_copies/"):
        minio_b.client.delete(minio_b.bucket, key)


def _second(store: MinioServer, port: int) -> str:
    settings = BucketPlace("second", store, port).settings()
    return "storages:\n" + settings.replace("backupRootPath: backup", "backupRootPath: served_copies")


def test_copy_and_verify(sites: Tool, minio_b: MinioServer) -> None:
    """A backup is copied to a second store, proved there, and damage there is found."""
    with serving(sites) as api:
        answer = api.ask("POST", "/copy", {"backup_name": "served", "to": "second", "dry_run": True})
        planned = events.checked("copy", json.dumps(answer["data"]))
        assert planned["dry_run"] and minio_b.client.keys(minio_b.bucket, "served_copies/") == []
        copied = api.succeed("POST", "/copy", {"backup_name": "served", "to": "second"})
        events.checked("copy", json.dumps(copied))
        assert copied["objects"] == planned["objects"] > 0
        assert copied["backups"] == [{"name": "served", "outcome": "copied"}]
        whole = api.succeed("POST", "/verify", {"backup_name": "served", "from": "second", "deep": True})
        assert events.checked("verify", json.dumps(whole))["status"] == "ok"
        assert whole["backups"][0]["read_objects"] > 0
        keys = minio_b.client.keys(minio_b.bucket, "served_copies/served/")
        assert len(keys) == copied["objects"]
        log = next(key for key in keys if "/insert_log/" in key)
        body = bytearray(minio_b.client.get(minio_b.bucket, log))
        body[len(body) // 2] ^= 1
        minio_b.client.put(minio_b.bucket, log, bytes(body))
        damaged = api.ask("POST", "/verify", {"backup_name": "served", "from": "second"})
        assert damaged["code"] == 3 and log in damaged["msg"], damaged
        (backup,) = events.checked("verify", json.dumps(damaged["data"]))["backups"]
        assert [problem["key"] for problem in backup["problems"]] == [log]
        # What is damaged is not copied back.
        answer = api.ask("POST", "/copy", {"backup_name": "served", "from": "second", "as": "again"})
        assert answer["code"] == 3 and log in answer["msg"], answer
        minio_b.client.delete(minio_b.bucket, log)
        api.succeed("POST", "/copy", {"backup_name": "served", "to": "second", "overwrite": True})
        api.succeed("POST", "/verify", {"all": True, "from": "second"})
        tasks = api.succeed("GET", "/tasks")
        assert [task["kind"] for task in tasks] == [
            "verify", "copy", "copy", "verify", "verify", "copy", "copy_dry_run"
        ]
        assert [task["state"] for task in tasks].count("failed") == 2
        assert any(log in warning for task in tasks for warning in task.get("warnings", []))


def test_killed_copy_is_interrupted_and_goes_on(
    sites: Tool, milvus_a: MilvusServer, minio_a: MinioServer, minio_b: MinioServer
) -> None:
    body = {"async": True, "backup_name": "served", "to": "second"}
    with Gate(minio_b.port, REQUEST, COPYING) as gate:
        sites.write_config("gated.yaml", backup_config(milvus_a, minio_a) + _second(minio_b, gate.port))
        with serving(sites, "--config", "gated.yaml") as api:
            answer = api.ask("POST", "/copy", body)
            assert answer["msg"] == "copy is executing asynchronously"
            gate.wait_reached()
            (task,) = api.succeed("GET", "/tasks")
            assert (task["id"], task["kind"], task["state"]) == (answer["requestId"], "copy", "running")
            kill(api.process, gate)
    with serving(sites) as api:
        (task,) = api.succeed("GET", "/tasks")
        assert task["state"] == "interrupted" and "the same request goes on with it" in task["error"], task
        assert api.ask("POST", "/verify", {"backup_name": "served", "from": "second"})["code"] == 3
        copied = api.succeed("POST", "/copy", body | {"async": False})
        assert copied["resumed"] and copied["backups"][0]["outcome"] == "copied", copied
        api.succeed("POST", "/verify", {"backup_name": "served", "from": "second", "deep": True})
    assert leftovers(minio_b) == []


def test_cancelled_task_can_be_gone_on_with(
    tool: Tool, milvus_a: MilvusServer, minio_a: MinioServer, coll_rows: dict[str, dict[int, Row]]
) -> None:
    def cancel(api: Api, gate: Gate) -> None:
        (task,) = api.succeed("GET", "/tasks")
        assert task["state"] == "running"
        api.succeed("POST", "/cancel", id=task["id"])
        gate.open()
        data = api.wait("/get_backup", backup_name="served")
        assert data["state_code"] == 3 and data["errorMessage"].startswith("cancelled; "), data
        data = api.succeed("POST", "/create", {"backup_name": "served", "collection_names": ["coll"]})
        assert data["state_code"] == 2, data

    _end_while_copying(tool, milvus_a, minio_a, cancel)


def _memory(api: Api) -> float:
    """Bytes that the server has, from its metrics."""
    status, page = Api(api.url.removesuffix("/api/v1"), api.process).send("GET", "/metrics")
    assert status == 200, page
    (line,) = [line for line in page.splitlines() if line.startswith("process_resident_memory_bytes ")]
    return float(line.split()[1])


@pytest.mark.parametrize("cycles", [20, pytest.param(500, marks=pytest.mark.soak)])
def test_memory_does_not_grow(tool: Tool, coll_rows: dict[str, dict[int, Row]], cycles: int) -> None:
    """Backups made and deleted over and over; 500 times within 5 % in `make soak`."""
    if cycles > 100 and not os.environ.get("MB_SOAK"):
        pytest.skip("long")
    with serving(tool) as api:
        body = {"backup_name": "served", "collection_names": ["coll"], "strategy": "skip_flush"}
        sizes = []
        for _ in range(cycles):
            assert api.succeed("POST", "/create", body)["state_code"] == 2
            api.succeed("DELETE", "/delete", backup_name="served")
            sizes.append(_memory(api))
        # The first ones open connections and fill caches.
        warm = max(sizes[: cycles // 5])
        print(f"{cycles} cycles: {warm / 2**20:.1f} MiB after {cycles // 5}, {sizes[-1] / 2**20:.1f} MiB at the end")
        assert max(sizes[-5:]) <= warm * 1.05, sizes


def test_refusals(tool: Tool) -> None:
    with serving(tool, "--set", "server.token=s3cret", token="s3cret") as api:
        assert api.send("GET", "/hello")[0] == 200
        assert Api(api.url, api.process).send("GET", "/hello")[0] == 401
        assert Api(api.url, api.process, "other").send("GET", "/list")[0] == 401
        port = api.url.split(":")[2].split("/")[0]
        second = tool.run("server", "-p", port, "--state-dir", "second")
        assert second.status == 1 and f"cannot listen on 127.0.0.1:{port}" in second.stderr, second
        second = tool.run("server", "-p", "0")
        assert second.status == 11 and "server-state is the state directory" in second.stderr, second
    open_to_all = tool.run("server", "--host", "0.0.0.0")
    assert open_to_all.status == 4 and "server.token" in open_to_all.stderr, open_to_all
    bad_port = tool.run("server", "-p", "x")
    assert bad_port.status == 2 and "'x' is not a port" in bad_port.stderr, bad_port
