"""What milvus-backup says and which exit status it gives when something is wrong."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass

import pytest
from configs import backup_config
from rows import Row
from servers import MilvusServer, MinioServer, free_ports
from tool import Finished, Tool

FAILED, USAGE, BAD_CONFIG, MISSING, EXISTS, REFUSED = 1, 2, 4, 10, 11, 12
STORAGE_DOWN, MILVUS_DOWN, DAMAGED = 13, 14, 20
PERMANENT_S = 2.0
UNREACHABLE_S = 30.0


@pytest.fixture
def config(milvus_a: MilvusServer, minio_a: MinioServer) -> str:
    """A configuration for Milvus A that works."""
    return backup_config(milvus_a, minio_a)


def assert_failed(finished: Finished, status: int, *named: str, limit_s: float = PERMANENT_S) -> None:
    """Check exit status, that standard error names every one of `named`, and the time it took."""
    assert finished.status == status, finished
    for each in named:
        assert each in finished.stderr, f"{each} is not named: {finished}"
    assert finished.seconds < limit_s, finished


@dataclass(frozen=True)
class Usage:
    """A wrong command line and what the message must name."""

    arguments: tuple[str, ...]
    named: str


@pytest.mark.parametrize(
    "usage",
    [
        Usage(("create", "--no_such_flag"), "--no_such_flag"),
        Usage(("restore", "-s", "_bak"), "name"),
        Usage(("get",), "name"),
        Usage(("delete",), "name"),
        Usage(("restore", "-n", "any", "-s", "_bak", "-r", "a:b"), "rename"),
        Usage(("create", "-n", "bad name"), "bad name"),
        Usage(("create", "-n", "any", "--strategy", "sometimes"), "--strategy"),
        Usage(("no_such_command",), "no_such_command"),
    ],
    ids=lambda usage: " ".join(usage.arguments),
)
def test_wrong_usage(at_a: Tool, usage: Usage) -> None:
    assert_failed(at_a.run(*usage.arguments), USAGE, usage.named)


def test_config_file_missing(cli: Tool) -> None:
    assert_failed(cli.run("--config", "absent.yaml", "list"), BAD_CONFIG, "absent.yaml")


def test_config_not_yaml(cli: Tool) -> None:
    cli.write_config("broken.yaml", "milvus: [unclosed\n")
    assert_failed(cli.run("--config", "broken.yaml", "list"), BAD_CONFIG, "broken.yaml")


def test_config_value_of_wrong_type(cli: Tool, config: str, minio_a: MinioServer) -> None:
    cli.write_config("backup.yaml", config.replace(f"  port: {minio_a.port}\n", "  port: nine\n"))
    assert_failed(cli.run("list"), BAD_CONFIG, "minio.port", "nine")


@pytest.mark.parametrize("command", ["get", "restore", "delete"])
def test_backup_missing(at_a: Tool, command: str) -> None:
    assert_failed(at_a.run(command, "-n", "absent_backup"), MISSING, "absent_backup")


def test_backup_exists(at_a: Tool, coll_rows: dict[str, dict[int, Row]]) -> None:
    at_a.succeed("create", "-c", "coll", "-n", "twice")
    assert_failed(at_a.run("create", "-c", "coll", "-n", "twice"), EXISTS, "twice")
    at_a.succeed("delete", "-n", "twice")


@pytest.mark.parametrize("command", [("list",), ("check",), ("create", "-n", "never", "-c", "coll")], ids=" ".join)
def test_storage_credentials_refused(
    cli: Tool, config: str, minio_a: MinioServer, command: tuple[str, ...], coll_rows: dict[str, dict[int, Row]]
) -> None:
    for key in ("ccessKeyID", "ecretAccessKey"):
        cli.write_config("backup.yaml", config.replace(f"{key}: minioadmin", f"{key}: wrong-value"))
        finished = cli.run(*command)
        assert_failed(finished, REFUSED, "bucket-a", str(minio_a.port), "ccessKeyID")
        assert key == "ccessKeyID" or "wrong-value" not in finished.stderr + finished.stdout


def test_bucket_missing(cli: Tool, config: str, minio_a: MinioServer) -> None:
    cli.write_config("backup.yaml", config.replace('ackupBucketName: "bucket-a"', 'ackupBucketName: "bucket-none"'))
    assert_failed(cli.run("list"), STORAGE_DOWN, "bucket-none", str(minio_a.port), "minio.backupBucketName")
    cli.write_config("backup.yaml", config.replace(' bucketName: "bucket-a"', ' bucketName: "bucket-none"'))
    # Only `create` makes a bucket, and never that of Milvus.
    assert_failed(cli.run("check"), STORAGE_DOWN, "bucket-none", str(minio_a.port), "minio.bucketName")


@pytest.mark.parametrize("key", ["minio.accessKeyID", "minio.secretAccessKey", "minio.address", "minio.bucketName"])
def test_key_without_a_value(at_a: Tool, key: str) -> None:
    """What backups inherit is missing there first."""
    inherited = key.replace("minio.", "")
    named = f"minio.backup{inherited[0].upper()}{inherited[1:]}"
    assert_failed(at_a.run("--set", f"{key}=", "--set", f"{named}=", "list"), BAD_CONFIG, f"{named} is not set")


def test_storage_unreachable(cli: Tool, config: str, minio_a: MinioServer) -> None:
    port = str(free_ports(1)[0])
    cli.write_config("backup.yaml", config.replace(str(minio_a.port), port))
    assert_failed(cli.run("list"), STORAGE_DOWN, port, "bucket-a", "minio.backupAddress")


def test_storage_name_that_does_not_resolve(cli: Tool, config: str, minio_a: MinioServer) -> None:
    name = "no-such-host.invalid"
    started = time.monotonic()
    with pytest.raises(OSError):
        socket.getaddrinfo(name, minio_a.port)
    if time.monotonic() - started > PERMANENT_S / 4:
        pytest.skip("the name server of this machine takes its time")
    cli.write_config("backup.yaml", config.replace(f"backupAddress: {minio_a.address}", f"backupAddress: {name}"))
    assert_failed(cli.run("list"), STORAGE_DOWN, name, "bucket-a", "minio.backupAddress")


def test_milvus_unreachable(cli: Tool, config: str, milvus_a: MilvusServer, minio_a: MinioServer) -> None:
    port = str(free_ports(1)[0])
    cli.write_config("backup.yaml", config.replace(f"port: {milvus_a.port}\n", f"port: {port}\n"))
    assert_failed(cli.run("create", "-n", "never"), MILVUS_DOWN, port, limit_s=UNREACHABLE_S)
    assert minio_a.client.keys("bucket-a", "backup/never/") == []


def test_milvus_credentials_refused(cli: Tool) -> None:
    with MinioServer("bucket-auth") as store, MilvusServer(store, auth=True) as milvus:
        config = backup_config(milvus, store)
        cli.write_config("backup.yaml", config.replace('password: "Milvus"', 'password: "wrong"'))
        assert_failed(cli.run("create", "-n", "never"), REFUSED, str(milvus.port))
        cli.write_config("backup.yaml", config)
        cli.succeed("check")


def test_collection_missing(at_a: Tool, minio_a: MinioServer) -> None:
    finished = at_a.run("create", "-n", "never", "-c", "no_such_collection")
    assert_failed(finished, FAILED, "no_such_collection")
    assert minio_a.client.keys("bucket-a", "backup/never/") == []


def test_wrong_root_path_is_not_an_empty_backup(
    cli: Tool, config: str, minio_a: MinioServer, coll_rows: dict[str, dict[int, Row]]
) -> None:
    cli.write_config("backup.yaml", config.replace('rootPath: "files"', 'rootPath: "not-there"'))
    finished = cli.run("create", "-c", "coll", "-n", "never")
    assert finished.status == DAMAGED, finished
    assert "no insert logs under 'not-there/" in finished.stderr and "minio.rootPath" in finished.stderr, finished
    assert minio_a.client.keys("bucket-a", "backup/never/") == []
