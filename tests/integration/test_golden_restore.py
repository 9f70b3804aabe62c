"""Backups written by the reference tool, every scalar and vector type of 2.3 in them, restored row by row."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Callable, Iterator

import golden
import pytest
from configs import backup_config
from servers import MilvusServer, MinioServer
from tool import Tool, finish

# Each non-empty partition costs a server 2 s: the second backup restored on one server leaves the long one out.
SOME = ("golden_types", "golden_multi", "golden_empty")
REST = tuple(name for name in golden.COLLECTIONS if name not in SOME)
RESTORE_LIMIT_S = 180


@dataclass(frozen=True)
class Restored:
    """A golden backup in a Milvus: which one, where, and what it is called there."""

    name: str
    milvus: MilvusServer
    suffix: str
    collections: tuple[str, ...] = golden.COLLECTIONS


def restore_at_once(runs: list[tuple[Tool, Restored]]) -> None:
    """Restore everything, all programs at the same time, for they wait most of it for their servers."""
    with contextlib.ExitStack() as stack:
        started = []
        for tool, restored in runs:
            chosen = () if restored.collections == golden.COLLECTIONS else ("-c", ",".join(restored.collections))
            arguments = ("restore", "-n", restored.name, "-s", restored.suffix, "--rebuild_index", *chosen)
            started.append(stack.enter_context(tool.started(*arguments)))
        ended = [finish(process, RESTORE_LIMIT_S) for process in started]
    for finished in ended:
        assert finished.status == 0, finished


@pytest.fixture(scope="module")
def on_disk(milvus_local: MilvusServer, make_cli: Callable[[str], Tool]) -> Tool:
    """The program configured for the Milvus on disk, the golden backups below an absolute backupRootPath."""
    tool = make_cli("on_disk")
    root = tool.folder / "backups"
    for name in golden.NAMES:
        golden.write(root / name, golden.files(name))
    tool.write_config("backup.yaml", backup_config(milvus_local, None, backup_root=root))
    return tool


@pytest.fixture(scope="module")
def restored(
    milvus_a: MilvusServer,
    minio_a: MinioServer,
    milvus_b: MilvusServer,
    minio_b: MinioServer,
    milvus_local: MilvusServer,
    on_disk: Tool,
    make_cli: Callable[[str], Tool],
) -> Iterator[dict[str, Restored]]:
    """Both golden backups restored from MinIO and from a disk."""
    runs: dict[str, tuple[Tool, Restored]] = {}
    for name, milvus, store in (("golden_0509", milvus_a, minio_a), ("golden_0516", milvus_b, minio_b)):
        golden.upload(store, f"golden/{name}", golden.files(name))
        tool = make_cli(f"{name}_minio")
        tool.write_config("backup.yaml", backup_config(milvus, store, backup_root="golden"))
        runs[f"{name} minio"] = (tool, Restored(name, milvus, "_bak"))
    runs["golden_0509 disk"] = (on_disk, Restored("golden_0509", milvus_local, "_0509"))
    runs["golden_0516 disk"] = (on_disk, Restored("golden_0516", milvus_local, "_0516", SOME))
    restore_at_once(list(runs.values()))
    yield {case: done for case, (_, done) in runs.items()}
    for milvus in (milvus_a, milvus_b):
        golden.drop_restored(milvus, "_bak")


@pytest.mark.parametrize("case", [f"{name} {place}" for name in golden.NAMES for place in ("minio", "disk")])
def test_rows_of_a_backup_of_the_reference_tool(restored: dict[str, Restored], case: str) -> None:
    found = restored[case]
    has_aliases = found.name in golden.BACKUPS_WITH_ALIASES
    golden.check_restored(found.milvus, found.suffix, found.collections, aliases=has_aliases)


def test_a_restore_from_disk_leaves_only_milvus_data(
    restored: dict[str, Restored], milvus_local: MilvusServer, on_disk: Tool
) -> None:
    staged = [path for path in milvus_local.local_root.iterdir() if path.name.startswith("restore-temp-")]
    assert staged == []
    for name in golden.NAMES:
        folder = on_disk.folder / "backups" / name
        found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        assert found == golden.files(name)


@pytest.mark.soak
def test_the_rest_from_disk(on_disk: Tool, milvus_local: MilvusServer) -> None:
    rest = Restored("golden_0516", milvus_local, "_rest", REST)
    restore_at_once([(on_disk, rest)])
    golden.check_restored(milvus_local, rest.suffix, rest.collections)
    golden.drop_restored(milvus_local, rest.suffix)
