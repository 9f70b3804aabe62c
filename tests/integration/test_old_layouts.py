"""Backups in the layouts of all versions of the reference tool: shown by `get`, and restored row by row."""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
from typing import Callable, Iterator

import golden
import pytest
from configs import backup_config
from old_layouts import LAYOUTS, Layout, rewrite
from servers import MilvusServer, MinioServer
from tool import Tool, finish

ROOT = "layouts"
RESTORE_LIMIT_S = 180


def chosen(layout: Layout) -> tuple[str, ...]:
    """What `make test` restores of a layout: several segments a partition where directories differ from today's."""
    return ("golden_multi",) if layout.version < (0, 4, 5) else ("golden_types",)


def suffix(layout: Layout) -> str:
    """What is appended to the names of the collections of a layout."""
    return layout.name.removeprefix("layout")


@contextlib.contextmanager
def restored(tool: Tool, milvus: MilvusServer, layouts: dict[Layout, tuple[str, ...]]) -> Iterator[None]:
    """Restore collections of backups all at the same time, and drop them at the end of the block."""
    try:
        with contextlib.ExitStack() as stack:
            started = []
            for layout, collections in layouts.items():
                names = ("-n", layout.name, "-s", suffix(layout), "-c", ",".join(collections))
                started.append(stack.enter_context(tool.started("restore", *names, "--rebuild_index")))
            ended = [finish(process, RESTORE_LIMIT_S) for process in started]
        assert [finished for finished in ended if finished.status != 0] == []
        yield
    finally:
        golden.drop_restored(milvus, *map(suffix, layouts))


@pytest.fixture(scope="module")
def at_b(make_cli: Callable[[str], Tool], milvus_b: MilvusServer, minio_b: MinioServer) -> Tool:
    """The program configured for Milvus B, with backups of every layout on its store."""
    for layout in LAYOUTS:
        golden.upload(minio_b, f"{ROOT}/{layout.name}", rewrite(layout))
    tool = make_cli("layouts")
    tool.write_config("backup.yaml", backup_config(milvus_b, minio_b, backup_root=ROOT))
    return tool


@pytest.fixture(scope="module")
def problems(at_b: Tool, milvus_b: MilvusServer) -> Iterator[dict[Layout, BaseException | None]]:
    """What is wrong with the restored `chosen` collections of every layout."""
    with (
        restored(at_b, milvus_b, {layout: chosen(layout) for layout in LAYOUTS}),
        concurrent.futures.ThreadPoolExecutor() as pool,
    ):
        checks = {
            layout: pool.submit(golden.check_restored, milvus_b, suffix(layout), chosen(layout)) for layout in LAYOUTS
        }
        yield {layout: check.exception() for layout, check in checks.items()}


def test_layouts_differ_in_their_directories() -> None:
    shapes = {}
    for layout in LAYOUTS:
        paths = [path.split("/") for path in rewrite(layout, ("golden_multi",)) if "/insert_log/" in path]
        # Below the partition: group, segment, field, log, where there are groups.
        directories = {tuple(parts[4:-2]) for parts in paths}
        groups = {each[0] for each in directories}
        shapes[layout.version] = ({len(each) for each in directories}, len(directories), len(groups))
    assert shapes[(0, 1, 0)] == ({1}, 12, 12)
    assert shapes[(0, 3, 0)] == shapes[(0, 4, 0)] == ({2}, 12, 2)
    assert all(shapes[layout.version] == ({2}, 12, 12) for layout in LAYOUTS if layout.version >= (0, 4, 5))


def test_all_layouts_are_listed(at_b: Tool) -> None:
    assert at_b.succeed("list").stdout.splitlines()[-len(LAYOUTS) :] == sorted(layout.name for layout in LAYOUTS)


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_get_shows_what_the_layout_holds(at_b: Tool, layout: Layout) -> None:
    brief = json.loads(at_b.succeed("get", "-n", layout.name).stdout)
    source = json.loads(golden.files("golden_0516")["meta/full_meta.json"])
    has_databases = layout.version >= (0, 3, 0)

    def summary(collection: dict) -> tuple[str, str, int]:
        database = collection.get("db_name", "default") if has_databases else "default"
        return database, collection["collection_name"], collection["size"]

    assert brief["name"] == layout.name and brief["size"] == source["size"]
    assert sorted(map(summary, brief["collection_backups"])) == sorted(map(summary, source["collection_backups"]))


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_rows_are_the_rows(problems: dict[Layout, BaseException | None], layout: Layout) -> None:
    assert problems[layout] is None


@pytest.mark.soak
@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_every_collection(at_b: Tool, milvus_b: MilvusServer, layout: Layout) -> None:
    default_database = tuple(name for name in golden.COLLECTIONS if "." not in name)
    with restored(at_b, milvus_b, {layout: default_database}):
        has_aliases = layout.version >= (0, 5, 12)
        golden.check_restored(milvus_b, suffix(layout), default_database, aliases=has_aliases)
