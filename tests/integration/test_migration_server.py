"""`milvus-migration server` on real Milvus 2.3.5: the guide's requests, and what a killed server leaves."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from typing import Any, Callable, Iterator

import pytest
from gate import Gate
from migrating import SYNTHETIC, remote
from pymilvus import Collection
from rows import Row, compare_partitions, dropped_after, read_by_partition
from servers import MilvusServer, MinioServer, make_certificates
from serving import kill, listening, terminate
from test_migration_1x import SYNTHETIC_NAMES, check_synthetic, local_source
from test_migration_1x import config as config_1x
from test_migration_2x import config
from tool import Tool, finish

# A start of `coll` sends about 60 requests to the target; by then it inserts.
INSERTING = 20


@dataclass(frozen=True)
class Api:
    """A running server, asked by the program that the guide uses."""

    url: str
    process: subprocess.Popen[str]

    def curl(self, *arguments: str) -> tuple[int, str]:
        """HTTP status and body of what `curl ARGUMENTS` is answered."""
        command = ["curl", "-sS", "-w", "\n%{http_code}", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        body, status = done.stdout.rsplit("\n", 1)
        return int(status), body

    def post(self, path: str, body: str = "") -> dict[str, Any]:
        """The answer to a request with this body, or without one."""
        more = ["-H", "Content-Type: application/json", "-d", body] if body else []
        status, text = self.curl("-XPOST", *more, f"{self.url}{path}")
        assert status == 200, text
        answer: dict[str, Any] = json.loads(text)
        return answer

    def start(self, path: str = "/start", body: str = '{"async":true}') -> str:
        """The id of a job that has been started."""
        answer = self.post(path, body)
        assert answer["code"] == 0, answer
        return str(answer["data"]["jobId"])

    def job(self, job: str) -> dict[str, Any]:
        """What the server says of a job."""
        status, text = self.curl(f"{self.url}/get_job?jobId={job}")
        assert status == 200, text
        answer: dict[str, Any] = json.loads(text)
        assert answer["code"] == 0 and list(answer["data"]) == [
            "jobId",
            "jobStatus",
            "jobProcess",
            "msg",
            "totalTasks",
            "finishTasks",
        ], answer
        return dict(answer["data"])

    def wait(self, job: str) -> dict[str, Any]:
        """Ask until the job has ended; its progress never goes back."""
        process = 0
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            data = self.job(job)
            assert data["jobProcess"] >= process, data
            process = data["jobProcess"]
            if data["jobStatus"] in ("success", "fail"):
                return data
            time.sleep(0.05)
        raise AssertionError(f"not ended: {data}")


@contextlib.contextmanager
def serving(tool: Tool, *flags: str) -> Iterator[Api]:
    """`server run` of `tool` on a free port; its log is on stdout too."""
    with listening(tool, "server", "run", "-p", "0", *flags) as (url, process):
        yield Api(url, process)


def test_the_guide_with_curl(
    migration: Tool,
    milvus_a: MilvusServer,
    milvus_b: MilvusServer,
    alias_b: str,
    coll_rows: dict[str, dict[int, Row]],
) -> None:
    """The server is started, the file put into configs/, and one request without a body sent."""
    with serving(migration) as api, dropped_after(alias_b, "coll"):
        assert json.loads(api.curl(f"{api.url}/healthy")[1])["data"] == "ok"
        before = api.post("/start")
        assert before["code"] == 500 and "no configuration file found" in before["msg"], before
        migration.write_config("configs/migration.yaml", config(milvus_a, milvus_b, collection="coll"))
        status, text = api.curl("-XPOST", f"{api.url}/start")
        assert status == 200
        assert re.fullmatch(
            r'\{"code":0,"data":\{"jobId":"start_\w{21}"\},"msg":"success","requestId":"req-\w{21}"\}', text
        ), text
        job = json.loads(text)["data"]["jobId"]
        assert api.job(job) == {
            "jobId": job,
            "jobStatus": "success",
            "jobProcess": 100,
            "msg": "",
            "totalTasks": 1,
            "finishTasks": 1,
        }
        assert not Collection("coll", using=alias_b).has_index()
        assert compare_partitions(coll_rows, read_by_partition(alias_b, "coll")) is None
        # Once more from the same server: nothing is inserted twice.
        assert api.wait(api.start())["jobStatus"] == "success"
        assert compare_partitions(coll_rows, read_by_partition(alias_b, "coll")) is None
        # The command finds what the server has done.
        assert "done before this run" in migration.succeed("start").stdout
        api.process.send_signal(signal.SIGTERM)
        finished = finish(api.process)
        assert finished.status == 0, finished
        assert '["=================>JobProcess!"] [Percent=100]' in finished.stdout
        assert '["[Starter] Migration Success!"]' in finished.stdout


def test_dump_and_load_of_milvus_1x(
    migration: Tool, milvus_b: MilvusServer, minio_b: MinioServer, alias_b: str
) -> None:
    shutil.copytree(SYNTHETIC / "db", migration.folder / "db")
    tables = migration.folder / "db/tables"
    migration.write_config(
        "migration.yaml",
        config_1x(
            f"  mode: sqlite\n  sqliteFile: {migration.folder}/db/meta.sqlite",
            local_source(tables),
            remote(minio_b, "outputDir", "served"),
            milvus_b,
        ),
    )
    with serving(migration) as api, dropped_after(alias_b, *SYNTHETIC_NAMES):
        one = api.post("/dump", '{"collectionNames":["demo_bin"]}')
        assert one["code"] == 0, one
        dumped = api.wait(api.start("/dump"))
        assert (dumped["jobStatus"], dumped["totalTasks"], dumped["finishTasks"]) == ("success", 7, 7), dumped
        unknown = api.post("/load", '{"collectionNames":["nope"]}')
        assert unknown["code"] == 500 and "nope" in unknown["msg"], unknown
        loaded = api.wait(api.start("/load"))
        assert (loaded["jobStatus"], loaded["totalTasks"], loaded["finishTasks"]) == ("success", 3, 3), loaded
        for name, index, metric in (
            ("demo_l2", "FLAT", "L2"),
            ("demo_ip", "FLAT", "IP"),
            ("demo_bin", "BIN_FLAT", "HAMMING"),
        ):
            params = {"index_type": index, "metric_type": metric, "params": {}}
            Collection(name, using=alias_b).create_index("data", params)
        check_synthetic(alias_b)
    assert minio_b.client.keys(minio_b.bucket, "served/") == []


@pytest.mark.parametrize("end", [kill, terminate])
def test_ended_server_says_so_and_goes_on(
    migration: Tool,
    milvus_a: MilvusServer,
    milvus_b: MilvusServer,
    alias_b: str,
    coll_rows: dict[str, dict[int, Row]],
    end: Callable[[subprocess.Popen[str], Gate], None],
) -> None:
    with dropped_after(alias_b, "coll"):
        with Gate(milvus_b.port, None, INSERTING) as gate:
            text = config(milvus_a, milvus_b, collection="coll", target_port=gate.port)
            migration.write_config("migration.yaml", text)
            with serving(migration) as api:
                job = api.start()
                gate.wait_reached()
                assert api.job(job)["jobStatus"] == "running"
                refused = api.post("/start")
                assert refused["code"] == 500 and job in refused["msg"], refused
                end(api.process, gate)
        with Gate(milvus_b.port, None, 10**6, listen=gate.port), serving(migration) as api:
            data = api.job(job)
            assert data["jobStatus"] == "fail", data
            assert data["msg"].startswith("interrupted: the server "), data
            assert "the same request goes on with it" in data["msg"], data
            status, listed = api.curl(f"{api.url}/jobs")
            assert status == 200 and [one["state"] for one in json.loads(listed)["data"]] == ["interrupted"]
            answer = api.post("/start")
            assert answer["code"] == 0, answer
            assert compare_partitions(coll_rows, read_by_partition(alias_b, "coll")) is None


def test_cancelled_job_can_be_gone_on_with(
    migration: Tool,
    milvus_a: MilvusServer,
    milvus_b: MilvusServer,
    alias_b: str,
    coll_rows: dict[str, dict[int, Row]],
) -> None:
    with dropped_after(alias_b, "coll"), Gate(milvus_b.port, None, INSERTING) as gate:
        text = config(milvus_a, milvus_b, collection="coll", target_port=gate.port)
        migration.write_config("migration.yaml", text)
        with serving(migration) as api:
            job = api.start()
            gate.wait_reached()
            assert api.post(f"/cancel?jobId={job}")["data"]["jobId"] == job
            gate.open()
            data = api.wait(job)
            assert data["jobStatus"] == "fail" and data["msg"].startswith("cancelled; "), data
            answer = api.post("/start")
            assert answer["code"] == 0, answer
        assert compare_partitions(coll_rows, read_by_partition(alias_b, "coll")) is None


def test_refusals(migration: Tool) -> None:
    open_to_all = migration.run("server", "--host", "0.0.0.0")
    assert open_to_all.status == 4 and "server.token" in open_to_all.stderr, open_to_all
    bad_port = migration.run("server", "run", "-p", "x")
    assert bad_port.status == 2 and "'x' is not a port" in bad_port.stderr, bad_port
    missing = migration.run("server", "-c", "other.yaml")
    assert missing.status == 4 and "other.yaml" in missing.stderr, missing
    migration.write_config("migration.yaml", "server:\n  token: s3cret\n")
    with serving(migration) as api:
        assert api.curl(f"{api.url}/healthy")[0] == 401
        assert api.curl("-H", "Authorization: Bearer s3cret", f"{api.url}/healthy")[0] == 200
        port = api.url.split(":")[2].split("/")[0]
        taken = migration.run("server", "-p", f":{port}", "--state-dir", "second")
        assert taken.status == 1 and f"cannot listen on 127.0.0.1:{port}" in taken.stderr, taken
        second = migration.run("server", "-p", "0")
        assert second.status == 11 and "migration-server-state is the state directory" in second.stderr, second


def test_tls(migration: Tool) -> None:
    certificates = make_certificates(migration.folder)
    files = f"  tlsCertPath: {certificates.server}\n  tlsKeyPath: {certificates.server_key}\n"
    migration.write_config("migration.yaml", "server:\n" + files)
    with serving(migration) as api:
        assert api.url.startswith("https://127.0.0.1:")
        status, text = api.curl("--cacert", str(certificates.ca), f"{api.url}/healthy")
        assert status == 200 and json.loads(text)["data"] == "ok", text
        status, text = api.curl("--cacert", str(certificates.ca), "-XPOST", f"{api.url}/start")
        assert status == 200 and "workMode" in json.loads(text)["msg"], text
        for url in (f"{api.url}/healthy", api.url.replace("https:", "http:") + "/healthy"):
            assert subprocess.run(["curl", "-sS", url], capture_output=True, timeout=60).returncode != 0
    migration.write_config("migration.yaml", f"server:\n  tlsCertPath: {certificates.server}\n")
    half = migration.run("server")
    assert half.status == 4 and "server.tlsKeyPath is missing" in half.stderr, half
