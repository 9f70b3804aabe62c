#!/usr/bin/env python3
"""CPU seconds per GiB of reading logs of float vectors: hashed only, and hashed and parsed, beside sha256sum.

Writes containers as Milvus does, with random vectors of 768 dimensions, Zstandard with its checksum and the same
without compression, into a scratch folder; needs pyarrow and the program bench_binlog_read (target of that name).
python3 bench/binlog_read.py BINARY
"""

from __future__ import annotations

import resource
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

DIMENSIONS = 768
ROWS = 20_000
FILES = 4
MAGIC = b"\xbc\xfa\xff\x00"


def container(payload: bytes) -> bytes:
    """One insert event around a Parquet file."""
    extras = b'{"original_size":"0"}'
    length = 81 + len(extras)
    descriptor = struct.pack("<QbiiqqqqQQi", 0, 0, length, 4 + length, 1, 2, 3, 101, 0, 0, 101)
    descriptor += bytes([52, 16, 16, 16, 16, 16, 16, 16]) + struct.pack("<i", len(extras)) + extras
    start = 4 + len(descriptor)
    event = struct.pack("<QbiiQQ", 0, 1, 33 + len(payload), start + 33 + len(payload), 1, 1)
    return MAGIC + descriptor + event + payload


def write(folder: Path, compression: str) -> list[Path]:
    """Logs of random vectors, which do not shrink, as embeddings do not."""
    paths = []
    for number in range(FILES):
        values = np.random.default_rng(number).random((ROWS, DIMENSIONS), dtype=np.float32)
        kind = pa.binary(DIMENSIONS * 4)
        array = pa.FixedSizeBinaryArray.from_buffers(kind, ROWS, [None, pa.py_buffer(values.tobytes())])
        table = pa.table([array], schema=pa.schema([pa.field("val", kind, False)]))
        inner = folder / "inner.parquet"
        pq.write_table(table, inner, compression=compression, use_dictionary=False, store_schema=False,
                       row_group_size=ROWS)
        paths.append(folder / f"{compression}-{number}")
        paths[-1].write_bytes(container(inner.read_bytes()))
    return paths


def cpu_seconds(*command: str) -> float:
    """CPU that a command takes, user and system."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Print a line per way of reading."""
    program = sys.argv[1]
    with tempfile.TemporaryDirectory() as scratch:
        for compression in ("zstd", "none"):
            paths = write(Path(scratch), compression)
            gib = sum(path.stat().st_size for path in paths) / 2**30
            names = [str(path) for path in paths]
            subprocess.run(["cat", *names], check=True, stdout=subprocess.DEVNULL)
            hashed = min(cpu_seconds(program, "hash", *names) for _ in range(3))
            parsed = min(cpu_seconds(program, "check", *names) for _ in range(3))
            other = min(cpu_seconds("sha256sum", *names) for _ in range(3))
            print(f"{compression}: {gib:.2f} GiB; reading and CRC32C {hashed / gib:.2f}, parsing on top "
                  f"{(parsed - hashed) / gib:.2f}, sha256sum {other / gib:.2f} CPU s/GiB")


if __name__ == "__main__":
    main()
