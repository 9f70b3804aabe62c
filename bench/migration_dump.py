#!/usr/bin/env python3
"""Dump of a Milvus 1.x of 4 GiB beside `cp --reflink=never` of the same files, and export of 100,000 segments.

Files are in memory (/dev/shm, which needs 9 GiB). 128 and 768 dimensions, half each, 1 % of the rows deleted.
python3 bench/migration_dump.py build/release/milvus-backup
"""

from __future__ import annotations

import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "tests" / "support"))

from milvus1x import SCHEMA, Tree  # noqa: E402
from peak import Measured, measure  # noqa: E402

SEGMENT_BYTES = 512 << 20
SEGMENTS = 4
ROUNDS = 3
MANY_SEGMENTS = 100_000


def write_tree(folder: Path) -> None:
    """Collections of both dimensions."""
    tree = Tree(folder)
    random = numpy.random.default_rng(1)
    for dim in (128, 768):
        tree.add_table(f"d{dim}", dim)
        rows = SEGMENT_BYTES // (4 * dim)
        vectors = random.random((rows, dim), dtype=numpy.float32)
        for _ in range(SEGMENTS):
            deleted = [int(row) for row in random.choice(rows, rows // 100, replace=False)]
            tree.add_segment(f"d{dim}", vectors, deleted, key=None)
    tree.write_sqlite()


def write_config(folder: Path) -> None:
    """A migration.yaml from `old` to `new`."""
    (folder / "migration.yaml").write_text(f"""\
dumper: {{worker: {{workMode: milvus1x, limit: 2}}}}
meta: {{mode: sqlite, sqliteFile: {folder}/old/meta.sqlite}}
source: {{mode: local, local: {{tablesDir: {folder}/old/tables}}}}
target: {{mode: local, local: {{outputDir: {folder}/new}}}}
""")


def checked(measured: Measured) -> Measured:
    """Fail with what the program said."""
    if measured.status != 0:
        sys.exit(measured.stdout[-2000:] + measured.stderr)
    return measured


def bench_dump(program: Path, folder: Path) -> None:
    """Copy and dump in turn."""
    write_tree(folder / "old")
    write_config(folder)
    size = sum(path.stat().st_size for path in (folder / "old" / "tables").rglob("*") if path.is_file())
    copies, dumps, peaks, cpu = [], [], [], []
    for _ in range(ROUNDS):
        copied = checked(measure(folder / "r", folder, "cp", "-r", "--reflink=never", "old/tables", "copy"))
        shutil.rmtree(folder / "copy")
        dumped = checked(measure(folder / "r", folder, program, "migration", "dump"))
        shutil.rmtree(folder / "new")
        copies.append(copied.wall_s)
        dumps.append(dumped.wall_s)
        peaks.append(dumped.peak_mib)
        cpu.append(dumped.cpu_s)
    gib = size / 2**30
    copy, dump = statistics.median(copies), statistics.median(dumps)
    print(f"dump of {gib:.2f} GiB: {dump:.2f} s, {statistics.median(cpu):.2f} CPU s, peak {max(peaks):.0f} MiB; "
          f"cp: {copy:.2f} s; speed of dump / speed of cp: {copy / dump:.2f}")


def bench_export(program: Path, folder: Path) -> None:
    """A meta database of many segments."""
    path = folder / "many.sqlite"
    with sqlite3.connect(path) as database:
        database.executescript(SCHEMA)
        database.execute("INSERT INTO Tables VALUES (1, 'many', 0, 128, 0, 0, 0, 1, '{}', 1, '', '', '1.1.1', 0)")
        database.executemany(
            "INSERT INTO TableFiles VALUES (?, 'many', ?, 1, ?, 1, 1000, 1000, 0, 0, 0, 0)",
            ((number, str(10**18 + number), str(10**18 + number)) for number in range(1, MANY_SEGMENTS + 1)),
        )
    database.close()
    runs = [checked(measure(folder / "r", folder, program, "migration", "export", "-s", path, "-o", folder / "out"))
            for _ in range(ROUNDS)]
    print(f"export of {MANY_SEGMENTS} segments: {statistics.median(run.wall_s for run in runs):.2f} s, "
          f"peak {max(run.peak_mib for run in runs):.0f} MiB")


def main() -> None:
    """Print a line per figure."""
    program = Path(sys.argv[1]).absolute()
    with tempfile.TemporaryDirectory(dir="/dev/shm") as scratch:
        bench_export(program, Path(scratch))
        started = time.monotonic()
        bench_dump(program, Path(scratch))
        print(f"took {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
