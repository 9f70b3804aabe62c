"""Milvus 0.9–1.x into a real Milvus 2.3.5: the guide, trees of every kind, interruptions, refusals."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import milvus1x
import numpy
import pytest
from migrating import SYNTHETIC, dropped_after, expected_rows, read_rows, remote
from milvus1x import Rows, Tree
from pymilvus import Collection, utility
from servers import MilvusServer, MinioServer
from tool import Tool, finish

# One that is short and has vectors of both kinds.
SEEDS = [pytest.param(seed, marks=[] if seed == 15 else [pytest.mark.soak]) for seed in range(20)]


def config(meta: str, source: str, target: str, milvus: MilvusServer) -> str:
    """A migration.yaml with the blocks of the guide's."""
    return f"""\
dumper:
  worker:
    limit: 2
    workMode: milvus1x
    reader:
      bufferSize: 1024
    writer:
      bufferSize: 1024
loader:
  worker:
    limit: 16
meta:
{meta}
source:
{source}
target:
{target}
  milvus2x:
    endpoint: "{milvus.address}:{milvus.port}"
    username: "{milvus.user}"
    password: "{milvus.password}"
"""


def local_source(tables: Path) -> str:
    """A `local:` block of the source."""
    return f"  mode: local\n  local:\n    tablesDir: {tables}/\n"


def check_synthetic(alias: str) -> None:
    """Compare what Milvus holds with the answers."""
    assert read_rows(alias, "demo_l2") == {
        "_default": expected_rows("demo_l2._default"),
        "p1": expected_rows("demo_l2.p1"),
        "empty_part": {},
    }
    assert read_rows(alias, "demo_bin") == {"_default": expected_rows("demo_bin._default")}
    assert read_rows(alias, "demo_ip") == {"_default": {}}
    assert not utility.has_collection("dropped", using=alias) and not utility.has_collection("no_seg", using=alias)


SYNTHETIC_NAMES = ("demo_l2", "demo_ip", "demo_bin")


def test_the_guide_step_by_step_with_sqlite_and_a_bucket(
    migration: Tool, milvus_b: MilvusServer, minio_b: MinioServer, alias_b: str
) -> None:
    shutil.copytree(SYNTHETIC / "db", migration.folder / "milvus" / "db")
    exported = migration.succeed("export", "-s", "milvus/db/meta.sqlite", "-o", "outputDir")
    assert '["export file success"] [exportFile=outputDir/meta.json]' in exported.stdout
    upstream = (SYNTHETIC / "expected" / "meta.upstream-export.json").read_text()
    assert milvus1x.without_own_keys((migration.folder / "outputDir/meta.json").read_text()) == upstream

    data = migration.folder / "migration_data"
    data.mkdir()
    (migration.folder / "outputDir/meta.json").rename(data / "meta.json")
    shutil.copytree(migration.folder / "milvus/db/tables", data / "tables")
    client = minio_b.client
    client.put(minio_b.bucket, "migration/test/xx/migration2/neighbour", b"stays")
    migration.write_config(
        "configs/migration.yaml",
        config(
            f"  mode: local\n  localFile: {data}/meta.json",
            local_source(data / "tables"),
            remote(minio_b, "outputDir", "/migration/test/xx"),
            milvus_b,
        ),
    )
    dumped = migration.succeed("dump", "--config=configs/migration.yaml")
    assert re.match(r"jodId is  dump[0-9a-zA-Z]{21}\n", dumped.stdout)
    assert re.search(r"\nDump Success! Job dump\w{21} cost=\[\d+\.\d{6}\]\n", dumped.stdout)
    assert '"totalTasks":7,"finishTasks":7}' in dumped.stdout
    keys = client.keys(minio_b.bucket, "migration/test/xx/migration/")
    assert len([key for key in keys if key.endswith(".npy")]) == 2 * 6
    assert "dumped 251 rows" in migration.succeed("dump").stdout  # found in configs/, and done already

    with dropped_after(alias_b, *SYNTHETIC_NAMES):
        loaded = migration.succeed("load", "--index", "--config", "configs/migration.yaml")
        assert re.search(r"\nLoad Success! Job load\w{21} cost=\[\d+\.\d{6}\]\n", loaded.stdout)
        assert '["[Loader] Load Success!"]' in loaded.stdout
        assert "its partition 'empty part' empty_part" in loaded.stderr
        check_synthetic(alias_b)
        assert Collection("demo_l2", using=alias_b).index().params == {
            "index_type": "IVF_FLAT",
            "metric_type": "L2",
            "params": {"nlist": 16},
        }
    assert client.keys(minio_b.bucket, "migration/") == ["migration/test/xx/migration2/neighbour"]
    client.delete(minio_b.bucket, "migration/test/xx/migration2/neighbour")
    log = (migration.folder / "logs/migration.log").read_text().splitlines()
    line = re.compile(r"\[\d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d{3} [+-]\d\d:\d\d\] \[[A-Z]+\] \[.+\]$")
    assert log and all(line.match(one) for one in log)


def test_the_go_tools_sample_from_a_bucket_in_one_run(
    migration: Tool, milvus_b: MilvusServer, minio_b: MinioServer, alias_b: str
) -> None:
    tree = milvus1x.test1w(migration.folder / "db")
    exported = migration.succeed("export", "-s", str(tree.write_sqlite()), "-o", "out")
    assert "10000 rows" in exported.stdout
    client = minio_b.client
    for path in (migration.folder / "db/tables").rglob("*"):
        if path.is_file():
            client.put(minio_b.bucket, f"old/{path.relative_to(migration.folder / 'db')}", path.read_bytes())
    client.put(minio_b.bucket, "old/meta.json", (migration.folder / "out/meta.json").read_bytes())
    migration.write_config(
        "migration.yaml",
        config(
            "  mode: remote\n  remoteMetaFile: old/meta.json",
            remote(minio_b, "tablesDir", "/old/tables/"),
            remote(minio_b, "outputDir", "new"),
            milvus_b,
        ),
    )
    with dropped_after(alias_b, "test1w"):
        started = migration.succeed("start", "--index", "-c=migration.yaml")
        assert re.search(r"\nMigration Success! Job start\w{21} cost=", started.stdout)
        assert read_rows(alias_b, "test1w") == {"_default": tree.alive["test1w", "_default"]}
    assert client.keys(minio_b.bucket, "new/") == []
    for key in client.keys(minio_b.bucket, "old/"):
        client.delete(minio_b.bucket, key)


def names_in_milvus(stderr: str, tree: Tree) -> dict[tuple[str, str], tuple[str, str]]:
    """Collections and partitions as a load has said it calls them."""
    names = {key: key for key in tree.alive}
    for said in re.finditer(r"Warning: collection '(.+?)' becomes (\w+)(.*)", stderr):
        old, new, rest = said.groups()
        tags = dict(re.findall(r"its partition '(.+?)' (\w+)", rest))
        for collection, tag in tree.alive:
            if collection == old:
                names[collection, tag] = new, tags.get(tag, tag)
    return names


@pytest.mark.parametrize("seed", SEEDS)
def test_random_trees_arrive_row_by_row(
    migration: Tool, milvus_b: MilvusServer, minio_b: MinioServer, alias_b: str, seed: int
) -> None:
    tree = milvus1x.random_tree(migration.folder / "db", seed)
    tree.write_sqlite()
    migration.write_config(
        "migration.yaml",
        config(
            "  mode: sqlite\n  sqliteFile: db/meta.sqlite",
            local_source(migration.folder / "db/tables"),
            remote(minio_b, "outputDir", f"random/{seed}"),
            milvus_b,
        ),
    )
    migration.succeed("dump")
    loaded = migration.succeed("load", "--index", timeout_s=300)
    names = names_in_milvus(loaded.stderr, tree)
    with dropped_after(alias_b, *{name for name, _ in names.values()}):
        expected: dict[str, dict[str, Rows]] = {}
        for key, rows in tree.alive.items():
            collection, partition = names[key]
            expected.setdefault(collection, {"_default": {}})[partition] = rows
        for collection, partitions in expected.items():
            if utility.has_collection(collection, using=alias_b) or any(partitions.values()):
                assert read_rows(alias_b, collection) == partitions, seed


def test_a_killed_load_goes_on_and_imports_nothing_twice(
    migration: Tool, milvus_b: MilvusServer, minio_b: MinioServer, alias_b: str
) -> None:
    tree = Tree(migration.folder / "db")
    tree.add_table("killed", 4)
    for number in range(4):
        vectors = numpy.full((50, 4), number, dtype="<f4")
        tree.add_segment("killed", vectors, [number], key=("killed", "_default"))
    tree.write_sqlite()
    migration.write_config(
        "migration.yaml",
        config(
            "  mode: sqlite\n  sqliteFile: db/meta.sqlite",
            local_source(migration.folder / "db/tables"),
            remote(minio_b, "outputDir", "killed"),
            milvus_b,
        ),
    )
    migration.succeed("dump")
    with dropped_after(alias_b, "killed"):
        for mark in ("begin to start bulkInsert", "bulkInsertState"):
            with migration.started("load") as process:
                assert process.stdout
                for line in process.stdout:
                    if mark in line:
                        break
                process.kill()
                finish(process)
        # One that was killed on this machine is known to be dead.
        migration.succeed("load", "--keep", "--index")
        assert read_rows(alias_b, "killed") == {"_default": tree.alive["killed", "_default"]}
        again = migration.succeed("load")
        assert "before this run" in again.stdout
        assert Collection("killed", using=alias_b).num_entities == 4 * 49
    assert minio_b.client.keys(minio_b.bucket, "killed/") == []


@pytest.mark.parametrize("place", ["directory", pytest.param("bucket of another", marks=pytest.mark.soak)])
def test_rows_are_inserted_where_milvus_cannot_read_the_dump(
    migration: Tool, milvus_b: MilvusServer, minio_a: MinioServer, alias_b: str, place: str
) -> None:
    local = "  mode: local\n  local:\n    outputDir: out\n"
    migration.write_config(
        "migration.yaml",
        config(
            f"  mode: sqlite\n  sqliteFile: {SYNTHETIC}/db/meta.sqlite",
            local_source(SYNTHETIC / "db/tables"),
            local if place == "directory" else remote(minio_a, "outputDir", "elsewhere"),
            milvus_b,
        ),
    )
    migration.succeed("dump")
    with dropped_after(alias_b, *SYNTHETIC_NAMES):
        loaded = migration.succeed("load", "--index")
        assert "the rows of default.demo_l2 are inserted instead" in loaded.stdout
        check_synthetic(alias_b)
    assert not (migration.folder / "out/migration").exists()
    assert minio_a.client.keys(minio_a.bucket, "elsewhere/") == []


def test_what_cannot_work_is_said_in_one_line_and_leaves_nothing_behind(
    migration: Tool, milvus_b: MilvusServer, minio_b: MinioServer
) -> None:
    source = local_source(SYNTHETIC / "db/tables")
    meta = f"  mode: sqlite\n  sqliteFile: {SYNTHETIC}/db/meta.sqlite"
    iam = config(meta, source, remote(minio_b, "outputDir", "iam").replace("useIAM: false", "useIAM: true"), milvus_b)
    migration.write_config("migration.yaml", iam)
    for command in ("dump", "load", "start"):
        refused = migration.run(command)
        assert refused.status == 2, refused
        assert refused.stderr.count("\n") == 1 and "set target.remote.useIAM to false" in refused.stderr
    assert minio_b.client.keys(minio_b.bucket, "iam/") == []

    migration.write_config("migration.yaml", iam.replace("useIAM: true", "useIAM: false").replace("19530", "1"))
    nothing = migration.run("load")
    assert nothing.status == 1 and "there is no dump at iam/migration/" in nothing.stderr
