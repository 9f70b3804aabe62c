"""What a run does when its surroundings give way, and the same command once they are back."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Iterator

import pytest
from configs import backup_config
from gate import Gate
from rows import Row, compare_partitions, dropped_after, fill, read_by_partition
from servers import MilvusServer, MinioServer
from stores import leftovers
from tool import Finished, Tool, finish

# Without the rights that let root write anywhere, as every other user is.
WITHOUT_ROOTS_RIGHTS = ("--bounding-set", "-dac_override,-dac_read_search")
# A server is back within this time, and the program has tried again.
RESTART_S = 120.0


def assert_told(finished: Finished, *named: str) -> None:
    """A clear error: one line that names what is wrong, and no success."""
    assert finished.status not in (0, 130) and finished.status < 128, finished
    errors = [line for line in finished.stderr.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1, finished
    for each in named:
        assert each in errors[0], finished


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a megabyte, less than the rows of `coll` take."""
    folder = tmp_path / "small"
    folder.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", folder]).returncode != 0:
        pytest.skip("file systems cannot be mounted here")
    yield folder
    subprocess.run(["umount", folder], check=True)


def on_disk(folder: Path) -> tuple[str, ...]:
    """Flags for backups below the folder."""
    return ("--set", "minio.backupStorageType=local", "--set", f"minio.backupRootPath={folder}")


def test_create_on_a_full_disk_goes_on_with_more_room(
    cli: Tool, milvus_a: MilvusServer, minio_a: MinioServer, coll_rows: dict[str, dict[int, Row]], small_disk: Path
) -> None:
    cli.write_config("backup.yaml", backup_config(milvus_a, minio_a))
    place = on_disk(small_disk)
    assert_told(cli.run(*place, "create", "-c", "coll", "-n", "full"), "the disk is full")
    assert "full" not in cli.succeed(*place, "list").stdout.splitlines()
    subprocess.run(["mount", "-o", "remount,size=64m", small_disk], check=True)
    again = json.loads(cli.succeed(*place, "--json", "create", "-c", "coll", "-n", "full").stdout)
    assert again["status"] == "ok"
    cli.succeed(*place, "verify", "-n", "full", "--deep")
    cli.succeed(*place, "delete", "-n", "full")


@pytest.mark.skipif(os.geteuid() == 0 and not shutil.which("setpriv"), reason="needs setpriv")
def test_create_in_a_directory_that_must_not_be_written(
    cli: Tool,
    milvus_a: MilvusServer,
    minio_a: MinioServer,
    coll_rows: dict[str, dict[int, Row]],
    tmp_path: Path,
) -> None:
    cli.write_config("backup.yaml", backup_config(milvus_a, minio_a))
    folder = tmp_path / "backups"
    folder.mkdir(mode=0o555)
    command = (*on_disk(folder), "create", "-c", "coll", "-n", "locked")
    refused = (
        Tool(Path("setpriv"), tmp_path).run(*WITHOUT_ROOTS_RIGHTS, str(cli.program), *command)
        if os.geteuid() == 0
        else cli.run(*command)
    )
    assert_told(refused, str(folder), "check the owner and mode of the directory")
    assert list(folder.iterdir()) == []
    folder.chmod(0o755)
    cli.succeed(*command)
    cli.succeed(*on_disk(folder), "verify", "-n", "locked", "--deep")


@pytest.fixture(scope="module")
def minio_c() -> Iterator[MinioServer]:
    """A store for backups alone, which may be restarted."""
    with MinioServer("bucket-c") as server:
        yield server


def outlive(
    tool: Tool,
    config: str,
    server: MilvusServer | MinioServer,
    pattern: bytes,
    nth: int = 1,
    *,
    command: tuple[str, ...],
) -> None:
    """Restart `server` once a run has sent it as much; a run that fails then says why, and ends right when repeated."""
    tool.write_config("direct.yaml", config)
    with Gate(server.port, pattern, nth) as gate:
        tool.write_config("gated.yaml", config.replace(f" {server.port}\n", f" {gate.port}\n"))
        with tool.started("--config", "gated.yaml", *command) as process:
            gate.wait_reached()
            server.restart()
            gate.open()
            finished = finish(process, RESTART_S)
    if finished.status != 0:
        assert json.loads(finished.stdout)["error"]["message"], finished
        tool.succeed("--config", "direct.yaml", *command)


def test_create_outlives_a_restart_of_its_storage(
    cli: Tool,
    milvus_a: MilvusServer,
    minio_a: MinioServer,
    minio_c: MinioServer,
    coll_rows: dict[str, dict[int, Row]],
) -> None:
    config = backup_config(milvus_a, minio_a, minio_c)
    cli.write_config("backup.yaml", config)
    command = ("--json", "create", "-c", "coll", "-n", "restarted")
    outlive(cli, config, minio_c, rb"PUT /bucket-c/backup/restarted/binlogs/", 10, command=command)
    cli.succeed("verify", "-n", "restarted", "--deep")
    assert minio_c.client.uploads("bucket-c") == []
    cli.succeed("delete", "-n", "restarted")
    assert minio_c.client.keys("bucket-c", "") == []


def test_restore_outlives_a_restart_of_milvus(
    cli: Tool,
    milvus_a: MilvusServer,
    minio_a: MinioServer,
    milvus_b: MilvusServer,
    minio_b: MinioServer,
    alias_b: str,
    coll_rows: dict[str, dict[int, Row]],
) -> None:
    cli.write_config("backup.yaml", backup_config(milvus_a, minio_a))
    cli.succeed("create", "-c", "coll", "-n", "shaken")
    config = backup_config(milvus_b, minio_b, minio_a)
    command = ("--json", "restore", "-n", "shaken", "-s", "_shaken", "--rebuild_index")
    with dropped_after(alias_b, "coll_shaken"):
        outlive(cli, config, milvus_b, rb"MilvusService/GetImportState", command=command)
        assert compare_partitions(coll_rows, read_by_partition(alias_b, "coll_shaken")) is None
    assert leftovers(minio_b) == []
    cli.succeed("delete", "-n", "shaken")


@pytest.mark.soak
def test_create_outlives_a_restart_of_milvus(
    cli: Tool, milvus_b: MilvusServer, minio_b: MinioServer, alias_b: str
) -> None:
    """It refuses to flush for a while after that, which is waited for."""
    config = backup_config(milvus_b, minio_b)
    cli.write_config("backup.yaml", config)
    command = ("--json", "create", "-c", "restarted", "-n", "restarted")
    with dropped_after(alias_b, "restarted", "restarted_back"):
        fill(alias_b, "restarted", 2000)
        rows = read_by_partition(alias_b, "restarted")
        outlive(cli, config, milvus_b, rb"MilvusService/Flush", command=command)
        cli.succeed("verify", "-n", "restarted", "--deep")
        cli.succeed("restore", "-n", "restarted", "-s", "_back", "--rebuild_index")
        assert compare_partitions(rows, read_by_partition(alias_b, "restarted_back")) is None
    cli.succeed("delete", "-n", "restarted")
    assert leftovers(minio_b) == []


@pytest.mark.soak
def test_restore_outlives_a_restart_of_its_storage(
    cli: Tool,
    milvus_a: MilvusServer,
    minio_a: MinioServer,
    milvus_b: MilvusServer,
    minio_b: MinioServer,
    alias_b: str,
    coll_rows: dict[str, dict[int, Row]],
) -> None:
    """The store is also the one that Milvus itself works with."""
    cli.write_config("backup.yaml", backup_config(milvus_a, minio_a))
    cli.succeed("create", "-c", "coll", "-n", "staged")
    config = backup_config(milvus_b, minio_b, minio_a)
    command = ("--json", "restore", "-n", "staged", "-s", "_staged", "--rebuild_index")
    with dropped_after(alias_b, "coll_staged"):
        outlive(cli, config, minio_b, rb"PUT /bucket-b/restore-temp-\S+insert_log", 5, command=command)
        assert compare_partitions(coll_rows, read_by_partition(alias_b, "coll_staged")) is None
    assert leftovers(minio_b) == []
    assert minio_b.client.uploads("bucket-b") == []
    cli.succeed("delete", "-n", "staged")
