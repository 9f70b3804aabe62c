"""What Prometheus reads: the files that commands leave, and the page of a server; no Milvus, a storage on a disk."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Callable

import golden
import pytest
from serving import serving
from tool import Tool

SERIES = re.compile(r'([a-z_]+)(?:\{((?:[a-z_]+="[^"]*",?)*)\})? (\S+)')


@pytest.fixture(scope="module")
def tool(make_cli: Callable[[str], Tool]) -> Tool:
    """The program configured for a directory with a golden backup, and a directory for metrics."""
    tool = make_cli("metrics")
    golden.write(tool.folder / "backups" / golden.NAMES[0], golden.files(golden.NAMES[0]))
    (tool.folder / "textfile").mkdir()
    tool.write_config("backup.yaml", f'minio:\n  storageType: "local"\n  backupStorageType: "local"\n'
                                     f'  rootPath: "{tool.folder}/milvus"\n  backupRootPath: "{tool.folder}/backups"\n'
                                     f'metrics:\n  textfileDir: "{tool.folder}/textfile"\n'
                                     f'storages:\n  other:\n    storageType: local\n'
                                     f'    backupRootPath: "{tool.folder}/other"\n')
    return tool


def series(text: str) -> dict[str, float]:
    """Values by series; every line is one, or a comment, and every series has a help and a type before it."""
    values = {}
    known: set[str] = set()
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            known.add(line.split()[2])
        if line.startswith("#"):
            continue
        match = SERIES.fullmatch(line)
        assert match, line
        assert match[1] in known, line
        key = match[1] + (f"{{{match[2]}}}" if match[2] else "")
        assert key not in values, line
        values[key] = float(match[3])
    return values


def left(tool: Tool, command: str) -> dict[str, float]:
    """The file of a command, without the part that all names share; readable by others."""
    file: Path = tool.folder / "textfile" / f"milvus_backup_{command}.prom"
    assert file.stat().st_mode & 0o444 == 0o444
    return {key.removeprefix("milvus_backup_"): value for key, value in series(file.read_text()).items()}


def test_commands_leave_files(tool: Tool) -> None:
    """A success, then a failure that keeps the time of the success; what a copy moved."""
    tool.succeed("get", "-n", golden.NAMES[0])
    first = left(tool, "get")
    assert first['last_run_exit_status{command="get"}'] == 0
    success = first['last_success_timestamp_seconds{command="get"}']
    assert success == first['last_run_timestamp_seconds{command="get"}'] > 1.7e9
    assert tool.run("get", "-n", "no_such_backup").status == 10
    second = left(tool, "get")
    assert second['last_run_exit_status{command="get"}'] == 10
    assert second['last_success_timestamp_seconds{command="get"}'] == success
    assert second['last_run_timestamp_seconds{command="get"}'] > success
    assert second['last_run_storage_errors{command="get",method="read"}'] == 0
    # Nothing is pruned by a dry run.
    tool.succeed("prune", "--keep-last", "1", "--dry-run")
    assert not (tool.folder / "textfile" / "milvus_backup_prune.prom").exists()
    tool.succeed("prune", "--keep-last", "1")
    assert left(tool, "prune")['last_run_exit_status{command="prune"}'] == 0

    files = golden.files(golden.NAMES[0])
    tool.succeed("copy", "-n", golden.NAMES[0], "--to", "other")
    copied = left(tool, "copy")
    assert copied['last_run_objects{command="copy"}'] == len(files)
    assert copied['last_run_bytes{command="copy"}'] == sum(map(len, files.values()))


def test_directory_that_is_not_there(tool: Tool) -> None:
    """It is a warning, and the command has done its work."""
    finished = tool.succeed("--set", f"metrics.textfileDir={tool.folder}/none", "list")
    assert golden.NAMES[0] in finished.stdout
    assert f"metrics.textfileDir {tool.folder}/none" in finished.stderr
    assert not (tool.folder / "none").exists()


def test_page_of_a_server(tool: Tool) -> None:
    """Behind the token, and it counts what the server asked its storage."""
    with serving(tool, "--set", "server.token=geheim", token="geheim") as api:
        page = api.url.removesuffix("/api/v1")
        stranger = type(api)(page, api.process)
        assert stranger.send("GET", "/metrics")[0] == 401
        friend = type(api)(page, api.process, "geheim")
        api.succeed("GET", "/list")
        status, text = friend.send("GET", "/metrics")
        assert status == 200
        values = series(text)
        assert values['milvus_backup_storage_requests_total{method="read"}'] >= 1
        assert values['milvus_backup_storage_bytes_total{method="read"}'] > 0
        assert values['milvus_backup_tasks{state="running"}'] == 0
        assert values["process_resident_memory_bytes"] > 1e6
    assert not (tool.folder / "textfile" / "milvus_backup_server.prom").exists()
