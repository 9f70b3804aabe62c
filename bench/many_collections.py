"""Figures of create with many small collections on a real server.

    many_collections.py MILVUS_BACKUP [--collections N] [--rows N] [--runs N]

Starts Milvus and MinIO, makes the collections (one shard, 8 dimensions), and takes backups of all of them: a first one
that pays for the server's flush, then in turns with the default parallelism and with every parallelism set to 1.
Prints wall time, CPU, peak memory and the phases of each.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import sys
import tempfile
import time
from pathlib import Path

from create_restore import Measured, report, run

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

import numpy  # noqa: E402
from configs import backup_config  # noqa: E402
from pymilvus import Collection, CollectionSchema, DataType, FieldSchema  # noqa: E402
from rows import connected  # noqa: E402
from servers import MilvusServer, MinioServer, exit_on_signals  # noqa: E402

DIM = 8
PARALLELISM = ("backupCollection", "backupSegment", "copydata", "restoreCollection", "importJob")
ONE_AT_A_TIME = ("--set", ",".join(f"backup.parallelism.{key}=1" for key in PARALLELISM))


def make(alias: str, number: int, rows: int) -> None:
    """One collection, not flushed."""
    fields = [FieldSchema("pk", DataType.INT64, is_primary=True), FieldSchema("vector", DataType.FLOAT_VECTOR, dim=DIM)]
    collection = Collection(f"many_{number:05}", CollectionSchema(fields), using=alias, num_shards=1)
    vectors = numpy.random.default_rng(number).random((rows, DIM), dtype=numpy.float32)
    collection.insert([list(range(rows)), list(vectors)])


def make_all(alias: str, collections: int, rows: int) -> None:
    """All collections, with a line every hundred."""
    started = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for number, _ in enumerate(pool.map(lambda each: make(alias, each, rows), range(collections)), 1):
            if number % 100 == 0:
                print(f"    {number} collections made after {time.monotonic() - started:.0f} s", flush=True)


def back_up(program: Path, config: Path, name: str, *options: str) -> Measured:
    """Take one backup of everything and delete it."""
    measured = run(program, config, *options, "create", "-n", name)
    run(program, config, "delete", "-n", name)
    return measured


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=Path)
    parser.add_argument("--collections", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--runs", type=int, default=1, help="how often each setting is measured, in turns")
    options = parser.parse_args()
    exit_on_signals()
    program = options.program.absolute()
    memory = Path("/dev/shm")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        store = stack.enter_context(MinioServer("bucket-a", base=memory if memory.is_dir() else None))
        milvus = stack.enter_context(MilvusServer(store))
        config = folder / "backup.yaml"
        config.write_text(backup_config(milvus, store))
        alias = stack.enter_context(connected(milvus))
        make_all(alias, options.collections, options.rows)
        title = f"create {options.collections} collections"
        report(f"{title}, flush and all", [back_up(program, config, "first")])
        default, single = [], []
        for turn in range(options.runs):
            default.append(back_up(program, config, f"default_{turn}"))
            single.append(back_up(program, config, f"single_{turn}", *ONE_AT_A_TIME))
        report(f"{title}, already flushed, default parallelism", default)
        report(f"{title}, already flushed, every parallelism 1", single)
        print(f"    {default[0].result['objects']} objects, {default[0].result['bytes'] / 2**20:.1f} MiB each")
    return 0


if __name__ == "__main__":
    sys.exit(main())
