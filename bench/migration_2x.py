#!/usr/bin/env python3
"""1,000,000 × 128 rows from one Milvus 2.3.5 to another, beside pymilvus reading and inserting them.

    migration_2x.py MILVUS_BACKUP [--rows N] [--base DIR]

Each Milvus keeps its data in a MinIO of its own below DIR (/dev/shm, which needs 10 GiB for a million rows). In one run:
the floor (pymilvus inserting generated rows), `milvus-migration start`, a loop of pymilvus' query iterator and insert,
and `start --via-storage`; rows per second, CPU seconds and peak memory of each client, and beside which bars they come
out. The target is empty at the begin of each, and its rows are counted after it. The exit status is 1 when a bar is
missed, which with few rows means little.
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy
from pymilvus import Collection, CollectionSchema, DataType, FieldSchema, connections, utility

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "tests" / "support"))

from configs import backup_config  # noqa: E402
from peak import Measured, measure  # noqa: E402
from servers import MilvusServer, MinioServer, exit_on_signals  # noqa: E402

DIM = 128
NAME = "vectors"
INSERT_ROWS = 10_000
PAGE_ROWS = 5_000
COUNT_LIMIT_S = 120

FLOOR, OURS, LOOP = "inserting generated rows", "milvus-migration start", "query iterator and insert"
STORAGES = "milvus-migration start --via-storage"

LEAST_SPEED = 3.0  # rows/s, times those of the loop
MOST_CPU = 0.25  # of the loop's
MOST_MIB = 128


def make(alias: str) -> Collection:
    """An empty collection with a key and a vector."""
    fields = [
        FieldSchema("pk", DataType.INT64, is_primary=True),
        FieldSchema("vector", DataType.FLOAT_VECTOR, dim=DIM),
    ]
    return Collection(NAME, CollectionSchema(fields), using=alias, num_shards=1)


def insert_generated(port: int, rows: int) -> None:
    """The floor: rows that cost nothing to come by."""
    connections.connect("to", host="127.0.0.1", port=port)
    collection = make("to")
    vectors = numpy.random.default_rng(1).standard_normal((min(INSERT_ROWS, rows), DIM), dtype=numpy.float32).tolist()
    for first in range(0, rows, INSERT_ROWS):
        count = min(INSERT_ROWS, rows - first)
        collection.insert([list(range(first, first + count)), vectors[:count]])


def loop(source_port: int, target_port: int) -> None:
    """What people write without a tool."""
    connections.connect("from", host="127.0.0.1", port=source_port)
    connections.connect("to", host="127.0.0.1", port=target_port)
    iterator = Collection(NAME, using="from").query_iterator(batch_size=PAGE_ROWS, output_fields=["pk", "vector"])
    target = make("to")
    while page := iterator.next():
        target.insert([[row["pk"] for row in page], [row["vector"] for row in page]])
    iterator.close()


def write_config(folder: Path, source: MilvusServer, target: MilvusServer) -> None:
    """A migration.yaml that leaves the size of pages to the program."""
    (folder / "migration.yaml").write_text(f"""\
dumper: {{worker: {{workMode: milvus2x}}}}
meta: {{mode: config, collection: {NAME}}}
source: {{milvus2x: {{endpoint: "{source.address}:{source.port}"}}}}
target: {{milvus2x: {{endpoint: "{target.address}:{target.port}"}}}}
""")


def report(what: str, rows: int, measured: Measured) -> float:
    """Print a line; returns rows per second."""
    if measured.status != 0:
        sys.exit(f"{what}: exit status {measured.status}\n{measured.stdout[-2000:]}{measured.stderr[-2000:]}")
    rate = rows / measured.wall_s
    print(
        f"{what}: {measured.wall_s:.1f} s, {rate:,.0f} rows/s, {measured.cpu_s:.1f} CPU s, "
        f"peak {measured.peak_mib:.0f} MiB",
        flush=True,
    )
    return rate


def fill_source(itself: list[str], source: MilvusServer, rows: int) -> None:
    """Rows in the source, flushed, indexed and loaded."""
    subprocess.run([*itself, "--insert", str(source.port), "--rows", str(rows)], check=True)
    collection = Collection(NAME, using="source")
    collection.flush()
    collection.create_index("vector", {"index_type": "FLAT", "metric_type": "L2", "params": {}})
    utility.wait_for_index_building_complete(NAME, using="source")
    collection.load()


def check_target(what: str, rows: int) -> None:
    """Count what has arrived, and drop it."""
    collection = Collection(NAME, using="target")
    if what in (FLOOR, LOOP):  # ours flushes itself
        collection.flush()
    limit = time.monotonic() + COUNT_LIMIT_S
    while (found := collection.num_entities) != rows and time.monotonic() < limit:
        time.sleep(0.1)
    if found != rows:
        sys.exit(f"{what}: {found} rows in the target instead of {rows}")
    utility.drop_collection(NAME, using="target")


def judge(rates: dict[str, float], runs: dict[str, Measured]) -> bool:
    """Print how the runs compare; whether every bar is met."""
    speed, cpu = rates[OURS] / rates[LOOP], runs[OURS].cpu_s / runs[LOOP].cpu_s
    bars = {
        f"rows/s: {speed:.2f} times the loop's, at least {LEAST_SPEED:g}": speed >= LEAST_SPEED,
        f"CPU: {cpu:.3f} of the loop's, at most {MOST_CPU:g}": cpu <= MOST_CPU,
        f"memory: {runs[OURS].peak_mib:.0f} MiB, at most {MOST_MIB}": runs[OURS].peak_mib <= MOST_MIB,
    }
    for text, is_met in bars.items():
        print(f"{text}: {'met' if is_met else 'MISSED'}")
    for what in (OURS, LOOP, STORAGES):
        print(f"{what}: {rates[what] / rates[FLOOR]:.2f} of the floor's rows/s")
    return all(bars.values())


def bench(program: Path, rows: int, base: Path) -> bool:
    """All of it; whether every bar is met."""
    itself = [sys.executable, str(Path(__file__).resolve())]
    with contextlib.ExitStack() as stack:
        data = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mb-bench-2x-", dir=base)))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        source_store = stack.enter_context(MinioServer("source", base=data))
        target_store = stack.enter_context(MinioServer("target", base=data))
        source = stack.enter_context(MilvusServer(source_store, base=data))
        target = stack.enter_context(MilvusServer(target_store, base=data))
        connections.connect("source", host=source.address, port=source.port)
        connections.connect("target", host=target.address, port=target.port)
        fill_source(itself, source, rows)
        write_config(folder, source, target)
        (folder / "source.yaml").write_text(backup_config(source, source_store))
        (folder / "target.yaml").write_text(backup_config(target, target_store))
        start = [str(program), "migration", "start"]
        sites = ["--source-config", "source.yaml", "--target-config", "target.yaml"]
        commands = {
            FLOOR: [*itself, "--insert", str(target.port), "--rows", str(rows)],
            OURS: start,
            LOOP: [*itself, "--loop", str(source.port), str(target.port)],
            STORAGES: [*start, "--via-storage", *sites],
        }
        rates: dict[str, float] = {}
        runs: dict[str, Measured] = {}
        for what, command in commands.items():
            runs[what] = measure(folder / "result", folder, *command)
            rates[what] = report(what, rows, runs[what])
            check_target(what, rows)
        return judge(rates, runs)


def main() -> int:
    """One of the clients, or all of them."""
    parser = argparse.ArgumentParser(description="See the text at the top of this file.")
    parser.add_argument("program", nargs="?", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--base", type=Path, default=Path("/dev/shm"), help="where servers keep their data")
    parser.add_argument("--insert", type=int, metavar="PORT", help=argparse.SUPPRESS)
    parser.add_argument("--loop", type=int, nargs=2, metavar="PORT", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.rows < 1:
        parser.error("--rows: at least 1")
    if arguments.insert:
        insert_generated(arguments.insert, arguments.rows)
        return 0
    if arguments.loop:
        loop(*arguments.loop)
        return 0
    if arguments.program is None:
        parser.error("name the program")
    exit_on_signals()
    return 0 if bench(arguments.program.absolute(), arguments.rows, arguments.base) else 1


if __name__ == "__main__":
    sys.exit(main())
