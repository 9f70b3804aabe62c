"""`--json` of every command on real servers, held to docs/events.schema.json: no member is missing, none is unknown."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any, Iterator

import events
import pytest
from configs import backup_config
from copying import BucketPlace
from rows import Row, dropped_after
from servers import MilvusServer, MinioServer
from tool import Tool, finish

USAGE, MISSING, DAMAGED = 2, 10, 20
ROOT = "told"
# These need a second Milvus.
IN_TEST_MIGRATION_2X = {"migration_start", "migration_start_via_storage"}


class Teller:
    """Runs commands with --json and remembers what they said."""

    def __init__(self, tool: Tool) -> None:
        self.tool = tool
        self.said: list[tuple[str, Any]] = []

    def note(self, name: str, text: str) -> Any:
        """One output that was got."""
        value = events.checked(name, text)
        self.said.append((name, value))
        return value

    def run(self, name: str, *arguments: str, status: int = 0) -> Any:
        """The output of a command that ends."""
        finished = self.tool.run("--json", *arguments)
        assert finished.status == status, finished
        return self.note(name, finished.stdout)

    def begin(self, name: str, *arguments: str) -> Any:
        """The first line of a command that runs until it is stopped."""
        with self.tool.started("--json", "--set", "log.console=false", *arguments) as process:
            assert process.stdout is not None
            value = self.note(name, process.stdout.readline())
            process.send_signal(signal.SIGTERM)
            finished = finish(process)
            assert finished.status == 0 and finished.stdout == "", finished
        return value


@pytest.fixture
def teller(cli: Tool, milvus_a: MilvusServer, minio_a: MinioServer, minio_b: MinioServer) -> Iterator[Teller]:
    """The program with a second storage and a schedule with hooks; its backups are gone at the end."""
    second = BucketPlace("second", minio_b).settings().replace("backupRootPath: backup", f"backupRootPath: {ROOT}")
    hook = f'{{command: "cat >> {cli.folder}/hooks", shell: true}}'
    cli.write_config("backup.yaml", backup_config(milvus_a, minio_a, backup_root=ROOT) + f"""\
storages:
{second}schedules:
  - name: often
    cron: "0 0 1 1 *"
    filter: coll
    verify: quick
    retention: {{keepLast: 3}}
    hooks:
      before: {hook}
      after: {hook}
""")
    yield Teller(cli)
    for store in (minio_a, minio_b):
        for key in store.client.keys(store.bucket, f"{ROOT}/"):
            store.client.delete(store.bucket, key)


def _backups(teller: Teller, alias: str, store: MinioServer) -> None:
    """The life of a backup."""
    run = teller.run
    run("check", "check")
    run("create", "create", "-n", "one", "-c", "coll", "--dry-run")
    made = run("create", "create", "-n", "one", "-c", "coll")
    assert made["per_collection"] and made["objects"] > 0
    run("tag", "tag", "one", "--add", "release")
    assert run("list", "list")["backups"][0]["tags"] == ["release"]
    run("get", "get", "-n", "one")
    assert run("inspect", "inspect", "-n", "one")["collections"]
    assert len(run("inspect_rows", "inspect", "-n", "one", "-c", "coll", "--rows", "2")) == 2
    run("inspect_diff", "inspect", "--diff", "one", "one")
    tested = run("verify", "verify", "-n", "one", "--restore-test", "--rows", "5")
    assert tested["backups"][0]["restore_test"]["collections"]
    assert run("copy", "copy", "-n", "one", "--to", "second")["backups"]
    run("copy", "copy", "--all", "--to", "second", "--dry-run")
    run("export", "export", "-n", "one", "-o", "one.tar")
    run("import", "import", "one.tar", "-n", "two")
    with dropped_after(alias, "coll_told"):
        assert run("restore", "restore", "-n", "one", "-s", "_told")["collections"]
    run("restore", "restore", "-n", "one", "-s", "_told", "--dry-run")
    log = next(key for key in store.client.keys(store.bucket, f"{ROOT}/two/") if "/insert_log/" in key)
    store.client.delete(store.bucket, log)
    assert run("verify", "verify", "--all", status=DAMAGED)["backups"][1]["problems"]
    run("prune", "prune", "--keep-tag", "release", "--dry-run")
    run("delete", "delete", "-n", "two", "--dry-run")
    run("delete", "delete", "-n", "two")


def _prune(teller: Teller) -> None:
    run = teller.run
    for name in ("meta_1", "meta_2"):  # of one second: the later name counts as the newer
        run("create", "create", "-n", name, "-c", "coll", "--meta_only")
    outcomes = {one["name"]: one["outcome"] for one in run("prune", "prune", "--keep-last", "1")["backups"]}
    assert outcomes["meta_1"] == "marked", outcomes
    assert run("list", "list")["pruned"]
    run("prune_undo", "prune", "--undo", "meta_1")
    run("prune", "prune", "--keep-last", "1", "--grace", "0")
    run("prune", "prune", "--keep-last", "1", "--grace", "0")


def _schedules(teller: Teller) -> None:
    run = teller.run
    assert run("schedule_list", "schedule", "list")["schedules"][0]["last"] is None
    assert run("schedule_run_now", "schedule", "run-now", "often")["steps"]
    assert run("schedule_list", "schedule", "list")["schedules"][0]["last"]["status"] == "ok"
    assert teller.begin("schedule_run", "schedule", "run")["schedules"] == 1
    lines = (teller.tool.folder / "hooks").read_text().splitlines()
    assert [teller.note("hook_event", line)["event"] for line in lines] == ["before", "after"]


def _rest(teller: Teller) -> None:
    run = teller.run
    teller.begin("server", "server", "-p", "0")
    run("config_show", "config", "show")
    run("config_migrate", "config", "migrate")
    run("config_migrate", "config", "migrate", "-o", "v2.yaml")
    run("error", "get", "-n", "no_such_backup", status=MISSING)
    run("error", "create", "-n", "1bad", status=USAGE)
    run("error", "nothing", status=USAGE)


def _must_be_wrong(name: str, value: Any, why: str) -> None:
    assert not events.validator(name).is_valid(value), f"{name}: the schema lets pass that {why}"


def test_commands_say_what_the_schema_has(
    teller: Teller, minio_a: MinioServer, alias_a: str, coll_rows: dict[str, dict[int, Row]]
) -> None:
    _backups(teller, alias_a, minio_a)
    _prune(teller)
    _schedules(teller)
    _rest(teller)
    assert {name for name, _ in teller.said} | IN_TEST_MIGRATION_2X == set(events.OUTPUTS)
    # It is a description only if something else does not fit.
    for name, value in teller.said:
        if isinstance(value, list):
            continue
        _must_be_wrong(name, value | {"unknown": 1}, "there is an unknown member")
        for member in events.SCHEMA["$defs"][name]["required"]:
            _must_be_wrong(name, {key: value[key] for key in value if key != member}, f"{member} is missing")


def test_the_documents_name_the_schema() -> None:
    docs = Path(__file__).resolve().parents[2] / "docs"
    assert "(events.schema.json)" in (docs / "cli.md").read_text()
    json.loads((docs / "events.schema.json").read_text())
