#!/usr/bin/env python3
"""1,000,000 × 128 rows from one Milvus 2.3.5 to another, beside pymilvus reading and inserting them.

    migration_2x.py MILVUS_BACKUP [--rows N]

Both servers keep their data in memory (/dev/shm, which needs 8 GiB). In one run: the floor (pymilvus inserting
generated rows), `milvus-migration start`, and a loop of pymilvus' query iterator and insert; rows per second, CPU
seconds and peak memory of the client.
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy
from pymilvus import Collection, CollectionSchema, DataType, FieldSchema, connections, utility

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "tests" / "support"))

from peak import Measured, measure  # noqa: E402
from servers import MilvusServer, exit_on_signals  # noqa: E402

DIM = 128
NAME = "vectors"
INSERT_ROWS = 10_000
PAGE_ROWS = 5_000


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
    vectors = numpy.random.default_rng(1).standard_normal((INSERT_ROWS, DIM), dtype=numpy.float32)
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
        sys.exit(f"{what}: {measured.stdout[-2000:]}{measured.stderr}")
    rate = rows / measured.wall_s
    print(f"{what}: {rate:,.0f} rows/s, {measured.cpu_s:.1f} CPU s, peak {measured.peak_mib:.0f} MiB", flush=True)
    return rate


def bench(program: Path, rows: int) -> None:
    """All of it."""
    itself = [sys.executable, str(Path(__file__).resolve())]
    with contextlib.ExitStack() as stack:
        base = Path(stack.enter_context(tempfile.TemporaryDirectory(dir="/dev/shm")))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        source = stack.enter_context(MilvusServer(base=base))
        target = stack.enter_context(MilvusServer(base=base))
        connections.connect("source", host=source.address, port=source.port)
        connections.connect("target", host=target.address, port=target.port)
        subprocess.run([*itself, "--insert", str(source.port), "--rows", str(rows)], check=True)
        collection = Collection(NAME, using="source")
        collection.flush()
        collection.create_index("vector", {"index_type": "FLAT", "metric_type": "L2", "params": {}})
        utility.wait_for_index_building_complete(NAME, using="source")
        collection.load()
        write_config(folder, source, target)
        runs = {
            "inserting generated rows": [*itself, "--insert", str(target.port), "--rows", str(rows)],
            "milvus-migration start": [str(program), "migration", "start"],
            "query iterator and insert": [*itself, "--loop", str(source.port), str(target.port)],
        }
        rates, cpu = {}, {}
        for what, command in runs.items():
            measured = measure(folder / "result", folder, *command)
            rates[what], cpu[what] = report(what, rows, measured), measured.cpu_s
            Collection(NAME, using="target").flush()
            found = Collection(NAME, using="target").num_entities
            assert found == rows, f"{what}: {found} rows"
            utility.drop_collection(NAME, using="target")
        ours, theirs = "milvus-migration start", "query iterator and insert"
        print(f"rows/s: {rates[ours] / rates[theirs]:.1f} times the loop's; CPU: {cpu[ours] / cpu[theirs]:.2f} of it")


def main() -> None:
    """One of the clients, or all of them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("program", nargs="?", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--insert", type=int, metavar="PORT")
    parser.add_argument("--loop", type=int, nargs=2, metavar="PORT")
    arguments = parser.parse_args()
    if arguments.insert:
        insert_generated(arguments.insert, arguments.rows)
    elif arguments.loop:
        loop(*arguments.loop)
    else:
        exit_on_signals()
        bench(arguments.program.absolute(), arguments.rows)


if __name__ == "__main__":
    main()
