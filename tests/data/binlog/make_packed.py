#!/usr/bin/env python3
"""Writes packed.parquet and wide.parquet: packed logs as Milvus 2.6 makes them, by a writer that is not ours.

Row i of 0..2499 holds what tests/unit/binlog/packed_test.cc says. Needs pyarrow (tests/support/requirements.txt);
python3 make_packed.py DIRECTORY
"""

import struct
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

ROWS = 2500
TIME = 470629250807000000


def field(name: str, kind: pa.DataType, number: int, nullable: bool = False) -> pa.Field:
    return pa.field(name, kind, nullable, {"PARQUET:field_id": str(number)})


def sparse(i: int) -> bytes:
    return b"".join(struct.pack("<If", j * 3 + i % 5, j + 0.5) for j in range(i % 4))


def sometimes(i: int, value: object) -> object:
    return None if i % 7 == 3 else value


COLUMNS = [
    (field("RowID", pa.int64(), 0), lambda i: i),
    (field("Timestamp", pa.int64(), 1), lambda i: TIME + i // 100),
    (field("pk", pa.string(), 100), lambda i: f"key {i:05}"),
    (field("flag", pa.bool_(), 101, True), lambda i: sometimes(i, i % 3 == 0)),
    (field("tiny", pa.int8(), 102, True), lambda i: sometimes(i, i % 256 - 128)),
    (field("short", pa.int16(), 103), lambda i: i * 13 % 65536 - 32768),
    (field("number", pa.int32(), 104, True), lambda i: sometimes(i, i * -1000)),
    (field("real", pa.float32(), 105), lambda i: i / 4),
    (field("precise", pa.float64(), 106, True), lambda i: sometimes(i, i / 3)),
    (field("text", pa.string(), 107, True), lambda i: sometimes(i, "é" * (i % 3))),
    (field("json", pa.binary(), 108), lambda i: b'{"i":%d}' % i),
    (field("constant", pa.int64(), 109), lambda i: 42),
]
WIDE = [
    (field("float_vector", pa.binary(16), 110), lambda i: struct.pack("<4f", i, i + 0.25, -i, 1)),
    (field("float16", pa.binary(4), 111), lambda i: struct.pack("<2e", i % 100, -0.5)),
    (field("bfloat16", pa.binary(4), 112), lambda i: struct.pack("<f", i)[2:] + struct.pack("<f", -0.5)[2:]),
    (field("int8_vector", pa.binary(3), 113), lambda i: struct.pack("3b", i % 128, -1, 0)),
    (field("sparse", pa.binary(), 114), sparse),
    (field("maybe_vector", pa.binary(), 115, True), lambda i: sometimes(i, struct.pack("<2f", i, 1))),
]


def write(path: Path, columns: list, **options: object) -> None:
    schema = pa.schema([each for each, _ in columns])
    arrays = [pa.array([make(i) for i in range(ROWS)], each.type) for each, make in columns]
    table = pa.table(arrays, schema=schema)
    pq.write_table(table, path, store_schema=False, row_group_size=1000, **options)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    write(folder / "packed.parquet", COLUMNS, compression="zstd", data_page_size=2048, write_batch_size=64)
    write(folder / "wide.parquet", WIDE, compression="none", use_dictionary=["sparse"], data_page_size=8192)
