#!/usr/bin/env python3
"""Milvus 1.x into Milvus 2.x in figures: export, dump, load.

    migration_dump.py MILVUS_BACKUP [--quick] [export] [dump] [load] [small]

export: meta.json of a meta database of 100,000 segments.
dump:   4 GiB of segments, half of 128 and half of 768 dimensions, 1 % of the rows deleted, to a directory, in turn with
        `cp -r --reflink=never` of the same files.
load:   1,000,000 x 128 rows in 4 segments from MinIO into Milvus 2.3.5, and pymilvus having the server import the same
        files. In the server is the time from the first import that is sent to the end of the last one.
small:  500 segments of 1,000 x 128 rows, which are imported together.

All of them when none is named; each three times, of which the median is printed. Sources, targets and the data of the
servers are in memory (/dev/shm, which needs 9 GiB). --quick takes a fraction of the rows, once, to see that it works.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy
from pymilvus import BulkInsertState, Collection, CollectionSchema, DataType, FieldSchema, utility

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "tests" / "support"))

from migrating import remote  # noqa: E402
from milvus1x import SCHEMA, Tree  # noqa: E402
from peak import Measured, measure  # noqa: E402
from rows import connected  # noqa: E402
from servers import MilvusServer, MinioServer, exit_on_signals  # noqa: E402

MEMORY = Path("/dev/shm")
PARTS = ("export", "dump", "load", "small")
LOAD_DIM = 128
POLL_S = 0.05
BEGUN = "[Loader] begin to do load!"
FIRST_IMPORT = "[Loader] begin to start bulkInsert"
IMPORTS_ENDED = "[Remote Cleaner] Begin to clean files"


@dataclass(frozen=True)
class Size:
    """How much of everything."""

    rounds: int
    exported_segments: int
    dumped_segment_bytes: int
    dumped_segments: int
    """Of each of the two dimensions."""
    loaded_segments: int
    loaded_segment_rows: int
    small_segments: int
    small_segment_rows: int
    free_bytes: int


WHOLE = Size(3, 100_000, 256 << 20, 8, 4, 250_000, 500, 1000, 9 << 30)
QUICK = Size(1, 5_000, 16 << 20, 2, 2, 40_000, 20, 100, 2 << 30)


def checked(measured: Measured) -> Measured:
    """Fail with what the program said."""
    if measured.status != 0:
        sys.exit(measured.stdout[-2000:] + measured.stderr)
    return measured


def gib(size: int) -> str:
    """Bytes for people."""
    return f"{size / 2**30:.2f} GiB"


def bench_export(program: Path, folder: Path, size: Size) -> None:
    """A meta database of many segments."""
    path = folder / "many.sqlite"
    with sqlite3.connect(path) as database:
        database.executescript(SCHEMA)
        database.execute("INSERT INTO Tables VALUES (1, 'many', 0, 128, 0, 0, 0, 1, '{}', 1, '', '', '1.1.1', 0)")
        database.executemany(
            "INSERT INTO TableFiles VALUES (?, 'many', ?, 1, ?, 1, 1000, 1000, 0, 0, 0, 0)",
            ((number, str(10**18 + number), str(10**18 + number)) for number in range(1, size.exported_segments + 1)),
        )
    database.close()
    command = [program, "migration", "export", "-s", path, "-o", folder / "out"]
    runs = [checked(measure(folder / "r", folder, *command)) for _ in range(size.rounds)]
    assert f"{size.exported_segments} segments" in runs[0].stdout, runs[0].stdout[-500:]
    print(f"export of {size.exported_segments:,} segments: {statistics.median(run.wall_s for run in runs):.2f} s, "
          f"peak {max(run.peak_mib for run in runs):.0f} MiB (wanted: below 2 s)", flush=True)
    path.unlink()


def write_tree(folder: Path, size: Size) -> int:
    """Collections of both dimensions; gives the number of rows that live."""
    tree = Tree(folder)
    random = numpy.random.default_rng(1)
    alive = 0
    for dim in (128, 768):
        tree.add_table(f"d{dim}", dim)
        rows = size.dumped_segment_bytes // (4 * dim)
        vectors = random.random((rows, dim), dtype=numpy.float32)
        for _ in range(size.dumped_segments):
            deleted = [int(row) for row in random.choice(rows, rows // 100, replace=False)]
            tree.add_segment(f"d{dim}", vectors, deleted, key=None)
            alive += rows - len(deleted)
    tree.write_sqlite()
    return alive


def bench_dump(program: Path, folder: Path, size: Size) -> None:
    """Copy and dump in turn."""
    alive = write_tree(folder / "old", size)
    (folder / "migration.yaml").write_text(f"""\
dumper: {{worker: {{workMode: milvus1x, limit: 2}}}}
meta: {{mode: sqlite, sqliteFile: {folder}/old/meta.sqlite}}
source: {{mode: local, local: {{tablesDir: {folder}/old/tables}}}}
target: {{mode: local, local: {{outputDir: {folder}/new}}}}
""")
    copied_bytes = sum(path.stat().st_size for path in (folder / "old" / "tables").rglob("*") if path.is_file())
    copies, dumps = [], []
    for _ in range(size.rounds):
        copies.append(checked(measure(folder / "r", folder, "cp", "-r", "--reflink=never", "old/tables", "copy")))
        shutil.rmtree(folder / "copy")
        dumps.append(checked(measure(folder / "r", folder, program, "migration", "dump")))
        assert f"dumped {alive} rows" in dumps[-1].stdout, dumps[-1].stdout[-500:]
        shutil.rmtree(folder / "new")
    shutil.rmtree(folder / "old")
    (folder / "migration.yaml").unlink()
    copy, dump = (statistics.median(run.wall_s for run in runs) for runs in (copies, dumps))
    copy_cpu, dump_cpu = (statistics.median(run.cpu_s for run in runs) for runs in (copies, dumps))
    print(f"dump of {gib(copied_bytes)}: {dump:.2f} s, {dump_cpu:.2f} CPU s, peak "
          f"{max(run.peak_mib for run in dumps):.0f} MiB; cp: {copy:.2f} s, {copy_cpu:.2f} CPU s; "
          f"speed of dump / speed of cp: {copy / dump:.2f} (wanted: 0.9 and 64 MiB)", flush=True)


def cpu_seconds(pid: int) -> float:
    """CPU that a running process has taken, its threads together."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def seconds_of(stdout: str, message: str) -> float:
    """When a log line with this message was written first."""
    found = re.search(r"^\[([^]]+)\] \[INFO\] \[[^]]*\] \[\"" + re.escape(message) + r"\"\]", stdout, re.MULTILINE)
    assert found, f"{message}: not in the log"
    return datetime.strptime(found[1], "%Y/%m/%d %H:%M:%S.%f %z").timestamp()


def import_by_pymilvus(alias: str, store: MinioServer) -> float:
    """Seconds that the server takes for the files of the dump, all of which it is given at once."""
    fields = [FieldSchema("id", DataType.INT64, is_primary=True),
              FieldSchema("data", DataType.FLOAT_VECTOR, dim=LOAD_DIM)]
    Collection("peer", CollectionSchema(fields), using=alias)
    files = [key for key in store.client.keys(store.bucket, "bench/migration/tables/") if key.endswith("/id.npy")]
    started = time.monotonic()
    tasks = [utility.do_bulk_insert("peer", [ids, ids.replace("/id.npy", "/data.npy")], using=alias) for ids in files]
    for task in tasks:
        while (state := utility.get_bulk_insert_state(task, using=alias)).state != BulkInsertState.ImportCompleted:
            if state.state in (BulkInsertState.ImportFailed, BulkInsertState.ImportFailedAndCleaned):
                sys.exit(f"pymilvus: {state}")
            time.sleep(POLL_S)
    seconds = time.monotonic() - started
    utility.drop_collection("peer", using=alias)
    return seconds


@dataclass(frozen=True)
class Loaded:
    """One load."""

    measured: Measured
    before_s: float
    server_s: float
    servers_cpu_s: float
    imports: int
    peer_s: float


def load_once(program: Path, folder: Path, milvus: MilvusServer, store: MinioServer, rows: int, peer: bool) -> Loaded:
    """Dump, have pymilvus import it if wanted, and load it."""
    checked(measure(folder / "r", folder, program, "migration", "dump"))
    with connected(milvus) as alias:
        peer_s = import_by_pymilvus(alias, store) if peer else 0.0
        cpu = cpu_seconds(milvus.pid) + cpu_seconds(store.pid)
        measured = checked(measure(folder / "r", folder, program, "migration", "load"))
        servers_cpu_s = cpu_seconds(milvus.pid) + cpu_seconds(store.pid) - cpu
        found = Collection("loaded", using=alias).num_entities
        assert found == rows, f"{found} rows instead of {rows}"
        utility.drop_collection("loaded", using=alias)
    begun, first, ended = (seconds_of(measured.stdout, message) for message in (BEGUN, FIRST_IMPORT, IMPORTS_ENDED))
    said = re.search(r"^loaded: \d+ rows loaded by (\d+) imports$", measured.stdout, re.MULTILINE)
    assert said, measured.stdout[-500:]
    return Loaded(measured, first - begun, ended - first, servers_cpu_s, int(said[1]), peer_s)


def bench_load(program: Path, folder: Path, size: Size, segments: int, segment_rows: int, peer: bool) -> None:
    """Segments of one collection from a bucket into the Milvus that has it."""
    rows = segments * segment_rows
    tree = Tree(folder / "old")
    tree.add_table("loaded", LOAD_DIM)
    vectors = numpy.random.default_rng(2).random((segment_rows, LOAD_DIM), dtype=numpy.float32)
    for _ in range(segments):
        tree.add_segment("loaded", vectors, key=None)
    tree.write_sqlite()
    with contextlib.ExitStack() as stack:
        store = stack.enter_context(MinioServer("bench", MEMORY))
        milvus = stack.enter_context(MilvusServer(store, MEMORY))
        (folder / "migration.yaml").write_text(f"""\
dumper: {{worker: {{workMode: milvus1x, limit: 2}}}}
loader: {{worker: {{limit: 16}}}}
meta: {{mode: sqlite, sqliteFile: {folder}/old/meta.sqlite}}
source: {{mode: local, local: {{tablesDir: {folder}/old/tables}}}}
target:
{remote(store, "outputDir", "bench")}
  milvus2x: {{endpoint: "{milvus.address}:{milvus.port}"}}
""")
        runs = [load_once(program, folder, milvus, store, rows, peer) for _ in range(size.rounds)]
    shutil.rmtree(folder / "old")
    (folder / "migration.yaml").unlink()
    wall = statistics.median(run.measured.wall_s for run in runs)
    server = statistics.median(run.server_s for run in runs)
    client_cpu = statistics.median(run.measured.cpu_s for run in runs)
    servers_cpu = statistics.median(run.servers_cpu_s for run in runs)
    line = (f"load of {rows:,} x {LOAD_DIM} rows in {segments} segments: {wall:.1f} s by {runs[0].imports} imports, of "
            f"which {server:.1f} s ({server / wall:.0%}) in the server and "
            f"{statistics.median(run.before_s for run in runs):.1f} s before it; client {client_cpu:.2f} CPU s, peak "
            f"{max(run.measured.peak_mib for run in runs):.0f} MiB; Milvus and MinIO {servers_cpu:.1f} CPU s "
            f"({servers_cpu / (servers_cpu + client_cpu):.0%} of all)")
    if peer:
        line += f"; pymilvus with the same files: {statistics.median(run.peer_s for run in runs):.1f} s"
    print(line, flush=True)


def main() -> None:
    """Print a line per figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=Path)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--quick", action="store_true", help="a fraction of it, once")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    parts = options.parts or PARTS
    size = QUICK if options.quick else WHOLE
    free = shutil.disk_usage(MEMORY).free
    if free < size.free_bytes:
        sys.exit(f"{MEMORY} has {gib(free)} and {gib(size.free_bytes)} are needed")
    exit_on_signals()
    program = options.program.absolute()
    with tempfile.TemporaryDirectory(dir=MEMORY) as scratch:
        folder = Path(scratch)
        if "export" in parts:
            bench_export(program, folder, size)
        if "dump" in parts:
            bench_dump(program, folder, size)
        if "load" in parts:
            bench_load(program, folder, size, size.loaded_segments, size.loaded_segment_rows, True)
        if "small" in parts:
            bench_load(program, folder, size, size.small_segments, size.small_segment_rows, False)


if __name__ == "__main__":
    main()
