"""verify on real servers: whole backups of ours and of the reference tool, and damage by somebody else's hand."""

from __future__ import annotations

import json
from pathlib import Path

import golden
import pytest
from configs import backup_config
from pymilvus import db, utility
from servers import MilvusServer, MinioServer
from tool import Finished, Tool

DAMAGED = 20


@pytest.fixture
def at_a(cli: Tool, milvus_a: MilvusServer, minio_a: MinioServer) -> Tool:
    """The program configured for Milvus A, backups in its bucket below `verified`."""
    cli.write_config("backup.yaml", backup_config(milvus_a, minio_a, backup_root="verified"))
    return cli


def damage(finished: Finished) -> dict[str, str]:
    """What was found, by key, of the only backup that was checked."""
    assert finished.status == DAMAGED, finished
    result = json.loads(finished.stdout)
    assert result["status"] == "damaged"
    (backup,) = result["backups"]
    assert backup["problem_count"] == len(backup["problems"])
    return {problem["key"]: problem["found"] for problem in backup["problems"]}


def test_a_backup_is_proved_whole_and_its_damage_found(
    at_a: Tool, minio_a: MinioServer, coll_rows: dict[str, object]
) -> None:
    created = json.loads(at_a.succeed("--json", "create", "-c", "coll", "-n", "mine").stdout)
    assert created["read_back_objects"] == 0  # MinIO states MD5s
    client = minio_a.client
    keys = client.keys("bucket-a", "verified/mine/")
    whole = json.loads(at_a.succeed("--json", "verify", "-n", "mine").stdout)["backups"][0]
    assert whole["status"] == "ok" and whole["manifest"] and whole["objects"] == len(keys)
    # Every one but header, manifest and its part.
    assert whole["hashes"] == len(keys) - 3

    logs = [key for key in keys if "/insert_log/" in key]
    originals = {key: client.get("bucket-a", key) for key in logs[:3]}
    client.delete("bucket-a", logs[0])
    flipped = bytearray(originals[logs[1]])
    flipped[len(flipped) // 2] ^= 1
    client.put("bucket-a", logs[1], bytes(flipped))
    client.put("bucket-a", logs[2], originals[logs[2]] + b"x")
    stranger = f"{logs[2]}9"
    client.put("bucket-a", stranger, b"stranger")
    assert set(damage(at_a.run("--json", "verify", "-n", "mine"))) == {*logs[:3], stranger}
    text = at_a.run("verify", "--all")
    assert text.status == DAMAGED and f"{logs[0]}: expected " in text.stdout, text

    for key, body in originals.items():
        client.put("bucket-a", key, body)
    client.delete("bucket-a", stranger)
    at_a.succeed("verify", "-n", "mine")
    at_a.succeed("delete", "-n", "mine")
    assert client.keys("bucket-a", "verified/mine/") == []


def test_backups_of_the_reference_tool_are_checked_without_a_manifest(
    cli: Tool, milvus_a: MilvusServer, tmp_path: Path
) -> None:
    root = tmp_path / "backups"
    for name in golden.NAMES:
        golden.write(root / name, golden.files(name))
    cli.write_config("backup.yaml", backup_config(milvus_a, None, backup_root=root))
    checked = json.loads(cli.succeed("--json", "verify", "--all").stdout)["backups"]
    assert [(one["name"], one["status"], one["manifest"]) for one in checked] == [
        (name, "ok", False) for name in sorted(golden.NAMES)
    ]
    # The same by place, under a configuration that knows nothing of them.
    cli.write_config("other.yaml", backup_config(milvus_a, None, backup_root=tmp_path / "empty"))
    for source in (("--all", str(root)), ("--all", "--from-config", "backup.yaml"), (str(root / golden.NAMES[0]),)):
        elsewhere = json.loads(cli.succeed("--config", "other.yaml", "--json", "verify", *source).stdout)["backups"]
        assert [one | {"seconds": 0} for one in elsewhere] == [
            one | {"seconds": 0} for one in checked[: len(elsewhere)]
        ]
        assert len(elsewhere) == (2 if source[0] == "--all" else 1)
    summary = cli.succeed("--config", "other.yaml", "inspect", str(root / golden.NAMES[0])).stdout
    assert summary.startswith(f"{golden.NAMES[0]}  Milvus ")
    log = next(path for path in (root / golden.NAMES[0]).rglob("*") if path.is_file() and "insert_log" in path.parts)
    log.unlink()
    assert damage(cli.run("--json", "verify", "-n", golden.NAMES[0])) == {
        str(log.relative_to(root)): "nothing"
    }


def test_a_backup_on_a_disk_is_read_for_its_manifest(
    cli: Tool, milvus_a: MilvusServer, minio_a: MinioServer, coll_rows: dict[str, object], tmp_path: Path
) -> None:
    root = tmp_path / "backups"
    cli.write_config("backup.yaml", backup_config(milvus_a, minio_a))
    on_disk = ("--set", f"minio.backupStorageType=local,minio.backupRootPath={root}")
    created = json.loads(cli.succeed(*on_disk, "--json", "create", "-c", "coll", "-n", "mine").stdout)
    assert created["read_back_objects"] == created["objects"] + 4  # and the metas beside the header
    assert cli.succeed(*on_disk, "verify", "-n", "mine").stdout.startswith("backup mine is whole")


def test_a_damaged_log_never_reaches_the_server(
    cli: Tool, milvus_a: MilvusServer, minio_a: MinioServer, coll_rows: dict[str, object], tmp_path: Path
) -> None:
    """Milvus 2.3.5 ends itself on some of them."""
    root = tmp_path / "backups"
    cli.write_config("backup.yaml", backup_config(milvus_a, minio_a))
    on_disk = ("--set", f"minio.backupStorageType=local,minio.backupRootPath={root}")
    cli.succeed(*on_disk, "create", "-c", "coll", "-n", "mine")
    log = max((path for path in root.rglob("*") if "insert_log" in path.parts and path.is_file()),
              key=lambda path: path.stat().st_size)
    body = bytearray(log.read_bytes())
    body[len(body) // 2] ^= 1
    log.write_bytes(bytes(body))
    refused = cli.run(*on_disk, "restore", "-n", "mine", "-s", "_damaged")
    assert refused.status == DAMAGED, refused
    assert str(log.relative_to(root)) in refused.stderr and "manifest" in refused.stderr, refused
    assert json.loads(cli.succeed("--json", "check").stdout)["milvus_version"]
    assert minio_a.client.keys("bucket-a", "restore-temp-") == []


def test_a_backup_is_restored_as_a_test(
    cli: Tool, milvus_a: MilvusServer, minio_a: MinioServer, alias_a: str, tmp_path: Path
) -> None:
    """Every type of 2.3, deletes, a partition key, a database that Milvus does not have."""
    root = tmp_path / "backups"
    golden.write(root / golden.NAMES[1], golden.files(golden.NAMES[1]))
    cli.write_config("backup.yaml", backup_config(milvus_a, minio_a))
    before = sorted(utility.list_collections(using=alias_a))
    databases = sorted(db.list_database(using=alias_a))
    tested = ("--json", "verify", "--restore-test", "--rows", "1000", str(root / golden.NAMES[1]))
    (backup,) = json.loads(cli.succeed(*tested).stdout)["backups"]
    assert backup["status"] == "ok" and backup["problem_count"] == 0
    counts = {name.removeprefix("default."): one["count"] for name, one in golden.expected().items()}
    found = {one["name"].removeprefix("default."): one for one in backup["restore_test"]["collections"]}
    assert {name: one["restored_rows"] for name, one in found.items()} == counts
    assert {name: one["compared_rows"] for name, one in found.items()} == counts
    assert sorted(utility.list_collections(using=alias_a)) == before
    assert sorted(db.list_database(using=alias_a)) == databases
    assert minio_a.client.keys("bucket-a", "restore-te") == []
