"""Milvus 0.9–1.x into a real Milvus 2.3.5: the guide, trees of every kind, interruptions, refusals."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
from pathlib import Path
from typing import Callable

import milvus1x
import numpy
import pytest
from gate import Gate
from migrating import SYNTHETIC, expected_rows, read_rows, remote
from milvus1x import Rows, Tree
from pymilvus import Collection, utility
from rows import dropped_after
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
    assert exported.stderr.startswith("Nothing may be written to the old Milvus any more") and "wal" not in exported.stderr
    (migration.folder / "milvus/wal").mkdir()
    (migration.folder / "milvus/wal/1.wal").write_bytes(b"rows")
    unflushed = migration.succeed("export", "-s", "milvus/db/meta.sqlite", "-o", "outputDir")
    assert "milvus/wal is not empty: rows that were not flushed are only there" in unflushed.stderr
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


def several_imports(folder: Path, name: str) -> Tree:
    """A collection of three partitions with two small segments each, which are imported together."""
    tree = Tree(folder)
    for number, tag in enumerate(("_default", "p", "q")):
        table = name if number == 0 else f"167575310000{number}"
        tree.add_table(table, 4, owner=name if number else "", tag=tag if number else "")
        for segment in range(2):
            vectors = numpy.full((50, 4), 10 * number + segment, dtype="<f4")
            tree.add_segment(table, vectors, [segment], key=(name, tag))
    tree.write_sqlite()
    return tree


def partitions_of(tree: Tree, name: str) -> dict[str, Rows]:
    """What is alive in a collection by partition."""
    return {tag: rows for (collection, tag), rows in tree.alive.items() if collection == name}


def test_small_segments_are_imported_together(
    migration: Tool, milvus_b: MilvusServer, minio_b: MinioServer, alias_b: str
) -> None:
    tree = Tree(migration.folder / "db")
    tree.add_table("small", 4)
    for number in range(100):
        vectors = numpy.full((7, 4), number, dtype="<f4")
        tree.add_segment("small", vectors, [number % 7], key=("small", "_default"))
    tree.write_sqlite()
    migration.write_config(
        "migration.yaml",
        config(
            "  mode: sqlite\n  sqliteFile: db/meta.sqlite",
            local_source(migration.folder / "db/tables"),
            remote(minio_b, "outputDir", "small"),
            milvus_b,
        ),
    )
    with dropped_after(alias_b, "small"):
        dry = migration.succeed("start", "--dry-run", "--col", "small")
        assert "would dump 600 rows" in dry.stdout and "small: 600 rows would be loaded by 1 imports" in dry.stdout
        assert not utility.has_collection("small", using=alias_b)
        assert minio_b.client.keys(minio_b.bucket, "small/") == []
        started = migration.succeed("start", "--index", "--keep")
        assert "small: 600 rows loaded by 1 imports" in started.stdout
        assert read_rows(alias_b, "small") == {"_default": tree.alive["small", "_default"]}
    keys = minio_b.client.keys(minio_b.bucket, "small/")
    assert len([key for key in keys if key.endswith(".npy")]) == 2 * 100
    for key in keys:
        minio_b.client.delete(minio_b.bucket, key)


# What a `start` is killed at: a request to the storage, the how manieth, and whether it still goes through.
START_KILLED_AT = {
    "dumping": (rb"PUT /\S*/tables/\S*/data\.npy", 3, False),
    "the record of a collection that is to be created": (rb"PUT /\S*/load/000000\.json", 1, True),
    "merging": (rb"PUT /\S*/load/000000/1/data\.npy", 1, False),
    "before imports are sent": (rb"PUT /\S*/load/000000\.json", 3, True),
    "once they are sent": (rb"PUT /\S*/load/000000\.json", 4, False),
    "before anything is removed": (rb"PUT /\S*/load/meta\.json", 1, False),
    "once the meta is removed": (rb"DELETE /\S*/migration/meta\.json", 1, True),
    "once the segments are removed": (rb"<Key>[^<]*/tables/", 1, True),
}
USUAL_POINTS = ("dumping", "merging", "once they are sent", "once the meta is removed")


POINTS = [pytest.param(point, marks=[] if point in USUAL_POINTS else [pytest.mark.soak]) for point in START_KILLED_AT]


@pytest.mark.parametrize("point", POINTS)
def test_what_a_killed_start_has_left_is_gone_on_with(
    migration: Tool, milvus_b: MilvusServer, minio_b: MinioServer, alias_b: str, point: str
) -> None:
    tree = several_imports(migration.folder / "db", "started")
    pattern, nth, passes = START_KILLED_AT[point]

    def write_config(port: int) -> None:
        place = remote(minio_b, "outputDir", "started").replace(f":{minio_b.port}\n", f":{port}\n")
        meta = "  mode: sqlite\n  sqliteFile: db/meta.sqlite"
        text = config(meta, local_source(migration.folder / "db/tables"), place, milvus_b)
        # One segment after the other.
        migration.write_config("migration.yaml", text.replace("limit: 2", "limit: 1"))

    with dropped_after(alias_b, "started"):
        with Gate(minio_b.port, pattern, nth, passes=passes) as gate:
            write_config(gate.port)
            with migration.started("start", "--index") as process:
                gate.wait_reached(60)
                process.kill()
                finish(process)
        write_config(minio_b.port)
        again = migration.succeed("start", "--index")
        removed_only = point in ("once the meta is removed", "once the segments are removed")
        assert ("all of this was loaded before this run" in again.stdout) == removed_only, again
        assert read_rows(alias_b, "started") == partitions_of(tree, "started")
        assert Collection("started", using=alias_b).num_entities == 6 * 49
    assert minio_b.client.keys(minio_b.bucket, "started/") == []


def test_a_killed_load_goes_on_and_imports_nothing_twice(
    migration: Tool, milvus_b: MilvusServer, minio_b: MinioServer, alias_b: str
) -> None:
    tree = several_imports(migration.folder / "db", "killed")
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
        assert read_rows(alias_b, "killed") == partitions_of(tree, "killed")
        again = migration.succeed("load")
        assert "by 3 imports, before this run" in again.stdout
        assert Collection("killed", using=alias_b).num_entities == 6 * 49
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

    usable = iam.replace("useIAM: true", "useIAM: false")
    migration.write_config("migration.yaml", usable)
    nothing = migration.run("load")
    assert nothing.status == 1 and "there is no dump at iam/migration/" in nothing.stderr
    unknown = migration.run("start", "--col", "nope")
    assert unknown.status == 2 and "no required collection exist, col=nope" in unknown.stderr

    # Nobody waits for a dump that has nowhere to go.
    migration.write_config("migration.yaml", usable.replace(f':{milvus_b.port}"', ':1"'))
    unreachable = migration.run("start")
    assert unreachable.status == 14 and "connecting to Milvus at" in unreachable.stderr, unreachable
    assert minio_b.client.keys(minio_b.bucket, "iam/") == []


def the_file(db: Path, pattern: str) -> Path:
    """A file of the only segment."""
    return next(db.rglob(pattern))


def cut(pattern: str, size: int) -> Callable[[Path], None]:
    """Makes the file that long."""
    return lambda db: os.truncate(the_file(db, pattern), size)


def put(pattern: str, payload: bytes) -> Callable[[Path], None]:
    """Gives the file another payload."""

    def spoil(db: Path) -> None:
        the_file(db, pattern).write_bytes(len(payload).to_bytes(8, "little") + payload)

    return spoil


def without_vectors(db: Path) -> None:
    """No file of vectors."""
    the_file(db, "*.rv").unlink()


def directory_of_vectors(db: Path) -> None:
    """A directory where the file of vectors was."""
    path = the_file(db, "*.rv")
    path.unlink()
    path.mkdir()


def sql(statements: str, *, anew: bool = False) -> Callable[[Path], None]:
    """Changes the meta database, or makes another one in its place."""

    def spoil(db: Path) -> None:
        if anew:
            (db / "meta.sqlite").unlink()
        with sqlite3.connect(db / "meta.sqlite") as database:
            database.executescript(statements)
        database.close()

    return spoil


def no_database(db: Path) -> None:
    """Something else in a file of that name."""
    (db / "meta.sqlite").write_bytes(b"x" * 5000)


Damages = dict[str, tuple[Callable[[Path], None], str]]

# What is done to the files of a segment of 10 rows of 4 floats, and what is said of it.
FILE_DAMAGES: Damages = {
    "truncated": (cut("*.rv", 8 + 159), ".rv says it holds 160 bytes and holds 159: it is cut off"),
    "oversized": (cut("*.rv", 8 + 161), ".rv says it holds 160 bytes and holds 161: it is damaged"),
    "cut in its length": (cut("*.rv", 5), ".rv has 5 bytes, not even the 8 of its length"),
    "empty": (cut("*.rv", 0), ".rv has 0 bytes, not even the 8 of its length"),
    "missing": (without_vectors, ".rv does not exist"),
    "no file": (directory_of_vectors, ".rv does not exist"),
    "unreadable": (lambda db: the_file(db, "*.rv").chmod(0), "Permission denied"),
    "ids truncated": (cut("*.uid", 8 + 72), ".uid says it holds 80 bytes and holds 72: it is cut off"),
    "fewer ids": (put("*.uid", bytes(72)), "holds 160 bytes, but the 9 ids of"),
    "deletes outside": (put("deleted_docs", b"\n\0\0\0"), "deleted_docs names row 10 of a segment that has 10"),
    "deletes cut": (put("deleted_docs", bytes(3)), "deleted_docs holds 3 bytes, no whole number of offsets"),
    "wrong dimension": (sql("UPDATE Tables SET dimension=5"), "the dimension of the meta is wrong"),
    "wrong kind": (sql("UPDATE Tables SET metric_type=3, dimension=8"), "the dimension of the meta is wrong"),
}
# The same of the meta database, which export finds as well.
META_DAMAGES: Damages = {
    "no dimension": (sql("UPDATE Tables SET dimension=0"), "dimension 0 is not between 1 and"),
    "no metric": (sql("UPDATE Tables SET metric_type=9"), "metric 9 is none of 1 to 7"),
    "hostile name": (
        sql("UPDATE Tables SET table_id='../c'; UPDATE TableFiles SET table_id='../c'"),
        "the name is not that of a directory",
    ),
    "of 0.11": (
        sql("CREATE TABLE Collections (id INTEGER); CREATE TABLE Segments (id INTEGER)", anew=True),
        "is the meta of a Milvus 0.11 or 0.12",
    ),
    "of something else": (sql("CREATE TABLE notes (id INTEGER)", anew=True), "is no meta of Milvus 0.9 to 1.x"),
    "empty": (cut("meta.sqlite", 0), "it has no tables"),
    "cut off": (cut("meta.sqlite", 5000), "meta.sqlite: database disk image is malformed"),
    "no database": (no_database, "meta.sqlite: file is not a database"),
    "missing": (lambda db: (db / "meta.sqlite").unlink(), "meta.sqlite does not exist"),
}
DAMAGES: Damages = {f"files {name}": damage for name, damage in FILE_DAMAGES.items()} | {
    f"meta {name}": damage for name, damage in META_DAMAGES.items()
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_named_in_one_line_and_a_rerun_doubles_nothing(migration: Tool, damage: str) -> None:
    if damage == "files unreadable" and os.geteuid() == 0:
        pytest.skip("root reads every file; unit/migration/dump_test.cc shows it")
    db = migration.folder / "db"
    tree = Tree(db)
    tree.add_table("c", 4)
    tree.add_segment("c", numpy.ones((10, 4), dtype="<f4"), [3], key=("c", "_default"))
    tree.write_sqlite()
    shutil.copytree(db, migration.folder / "whole")
    spoil, said = DAMAGES[damage]
    spoil(db)
    migration.write_config(
        "migration.yaml",
        f"""\
dumper: {{worker: {{workMode: milvus1x}}}}
meta: {{mode: sqlite, sqliteFile: db/meta.sqlite}}
source: {{mode: local, local: {{tablesDir: db/tables}}}}
target: {{mode: local, local: {{outputDir: out}}, milvus2x: {{endpoint: "127.0.0.1:1"}}}}
""",
    )
    commands = [("dump",), ("dump", "--dry-run"), ("start",)]
    if damage.startswith("meta "):
        commands.append(("export", "-s", "db/meta.sqlite", "-o", "out"))
    for command in commands:
        refused = migration.run(*command)
        assert refused.status not in (0, 2, 3) and said in refused.stderr, refused
        assert refused.stderr.count("\n") == 1, refused
        assert not (migration.folder / "out").exists(), command
    shutil.rmtree(db)
    (migration.folder / "whole").rename(db)
    assert "dumped 9 rows" in migration.succeed("dump").stdout
    again = migration.succeed("dump")
    assert "dumped 9 rows" in again.stdout and "1 of 1 segments were there already" in again.stdout
    names = sorted(path.name for path in (migration.folder / "out").rglob("*") if path.is_file())
    assert names == ["data.npy", "dump.json", "id.npy", "meta.json"]
