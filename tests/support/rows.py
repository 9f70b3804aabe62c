"""Rows for tests: fill a collection, read it back whole, compare two collections bit by bit. Needs pymilvus."""

from __future__ import annotations

import contextlib
import itertools
import json
from dataclasses import dataclass
from typing import Any, Iterator

import numpy
from pymilvus import Collection, CollectionSchema, DataType, FieldSchema, connections, utility
from servers import MilvusLite, MilvusServer

DIM = 32
PARTITIONS = ("part_a", "part_b")
INDEX = {"index_type": "IVF_FLAT", "metric_type": "L2", "params": {"nlist": 16}}
QUERY_ROWS = 5000
_aliases = (f"server-{number}" for number in itertools.count())

Row = dict[str, Any]


@contextlib.contextmanager
def connected(server: MilvusServer | MilvusLite) -> Iterator[str]:
    """Connect pymilvus to `server` and give the alias of the connection."""
    alias = next(_aliases)
    tls: dict[str, Any] = {}
    if server.certificates:
        files = server.certificates
        tls = {"secure": True, "ca_pem_path": str(files.ca), "server_name": "localhost"}
        tls |= {"client_pem_path": str(files.client), "client_key_path": str(files.client_key)}
    connections.connect(
        alias, host=server.address, port=server.port, user=server.user, password=server.password, **tls
    )
    try:
        yield alias
    finally:
        connections.disconnect(alias)


@contextlib.contextmanager
def dropped_after(alias: str, *names: str) -> Iterator[None]:
    """Drop these collections at the end of the block, those that are there."""
    try:
        yield
    finally:
        for name in names:
            if utility.has_collection(name, using=alias):
                utility.drop_collection(name, using=alias)


@dataclass(frozen=True)
class Filled:
    """What `fill` left: the collection and how many rows it has alive in each partition."""

    collection: Collection
    alive: dict[str, int]

    @property
    def total(self) -> int:
        """Rows alive in all partitions."""
        return sum(self.alive.values())


def make_row(number: int, vector: numpy.ndarray) -> Row:
    """Row `number`: its columns vary in length, type and alphabet."""
    return {
        "pk": number,
        "title": f"row {number} " + "ä€𝄞x"[number % 4] * (number % 50),
        "info": {"number": number, "half": number / 2, "tags": ["a", None, number % 2 == 0], "in": {"text": "é\"\\"}},
        "vector": vector,
        "colour": ("red", "green", "blue")[number % 3],
        "weight": number / 7,
    }


def vectors_of(rows: int) -> numpy.ndarray:
    """The vectors that `fill` gives to `rows` rows, by primary key."""
    return numpy.random.default_rng(7).standard_normal((rows, DIM), dtype=numpy.float32)


def create_collection(alias: str, name: str) -> Collection:
    """An empty collection with a dynamic field, two partitions besides the default one, and an index."""
    fields = [
        FieldSchema("pk", DataType.INT64, is_primary=True),
        FieldSchema("title", DataType.VARCHAR, max_length=512),
        FieldSchema("info", DataType.JSON),
        FieldSchema("vector", DataType.FLOAT_VECTOR, dim=DIM),
    ]
    schema = CollectionSchema(fields, description="rows for tests", enable_dynamic_field=True)
    collection = Collection(name, schema, using=alias, num_shards=1)
    for partition in PARTITIONS:
        collection.create_partition(partition)
    collection.create_index("vector", INDEX)
    return collection


def fill(alias: str, name: str = "coll", rows: int = 20_000) -> Filled:
    """Create collection `name` and insert `rows` rows, half of them into each of two partitions.

    Some rows are deleted before their segment is flushed, some after; the last tenth is inserted and partly deleted
    after the flush and left for the reader of the collection to flush.
    """
    collection = create_collection(alias, name)
    vectors = vectors_of(rows)
    alive = dict.fromkeys(PARTITIONS, 0)

    def insert(first: int, last: int) -> None:
        for partition, numbers in zip(PARTITIONS, (range(first, last, 2), range(first + 1, last, 2))):
            collection.insert([make_row(number, vectors[number]) for number in numbers], partition_name=partition)
            alive[partition] += len(numbers)

    def delete(numbers: range) -> None:
        collection.delete(f"pk in {list(numbers)}")
        for number in numbers:
            alive[PARTITIONS[number % 2]] -= 1

    flushed = rows - rows // 10
    insert(0, flushed)
    delete(range(0, flushed // 10, 5))
    collection.flush()
    delete(range(flushed // 2, flushed // 2 + rows // 20, 3))
    insert(flushed, rows)
    delete(range(flushed, flushed + rows // 50, 7))
    return Filled(collection, alive)


def _comparable(row: Row) -> Row:
    return {
        key: numpy.asarray(value, dtype=numpy.float32).tobytes() if key == "vector" else value
        for key, value in row.items()
    }


def read_all_rows(alias: str, name: str, partition: str | None = None) -> dict[int, Row]:
    """Every column of every row by primary key, of one partition or of all, vectors as their bytes.

    The collection is loaded for it, with an index on `vector` if it has none, and stays loaded.
    """
    collection = Collection(name, using=alias)
    if not collection.has_index():
        collection.create_index("vector", {"index_type": "FLAT", "metric_type": "L2", "params": {}})
    collection.load()
    rows: dict[int, Row] = {}
    last = -(2**63) + 1
    while True:
        page = collection.query(
            f"pk > {last}",
            output_fields=["*"],
            partition_names=[partition] if partition else None,
            limit=QUERY_ROWS,
            consistency_level="Strong",
        )
        rows.update((row["pk"], _comparable(row)) for row in page)
        if len(page) < QUERY_ROWS:
            return rows
        last = max(row["pk"] for row in page)


def count_rows(collection: Collection, partition: str | None = None) -> int:
    """Rows of a loaded collection by count(*). Pages of rows show a key once, however many rows have it."""
    partitions = [partition] if partition else None
    counted = collection.query(
        "", output_fields=["count(*)"], partition_names=partitions, consistency_level="Strong"
    )
    return int(counted[0]["count(*)"])


def read_by_partition(alias: str, name: str) -> dict[str, dict[int, Row]]:
    """`read_all_rows` of each partition that has a row, by the name of the partition. No key is in two rows."""
    collection = Collection(name, using=alias)
    partitions = [partition.name for partition in collection.partitions]
    read = {partition: read_all_rows(alias, name, partition) for partition in partitions}
    # Milvus 2.2 does not know count(*).
    if utility.get_server_version(using=alias).lstrip("v").startswith("2.2."):
        return {partition: rows for partition, rows in read.items() if rows}
    counted = {partition: count_rows(collection, partition) for partition in partitions}
    assert counted == {partition: len(rows) for partition, rows in read.items()}, f"rows twice in {name}: {counted}"
    return {partition: rows for partition, rows in read.items() if rows}


def compare(expected: dict[int, Row], found: dict[int, Row]) -> str | None:
    """The first difference of two results of `read_all_rows`, None when they are identical."""
    missing, extra = sorted(expected.keys() - found.keys()), sorted(found.keys() - expected.keys())
    if missing or extra:
        return f"{len(missing)} rows missing (pk {missing[:5]}), {len(extra)} rows too many (pk {extra[:5]})"
    for key in sorted(expected):
        if expected[key] == found[key]:
            continue
        for column in sorted(expected[key].keys() | found[key].keys()):
            before, after = expected[key].get(column), found[key].get(column)
            if before != after:
                return f"row pk={key}, column {column}: expected {_shown(before)}, found {_shown(after)}"
    return None


def compare_partitions(expected: dict[str, dict[int, Row]], found: dict[str, dict[int, Row]]) -> str | None:
    """The first difference of two results of `read_by_partition`, None when they are identical."""
    if expected.keys() != found.keys():
        return f"partitions with rows: expected {sorted(expected)}, found {sorted(found)}"
    for partition in sorted(expected):
        difference = compare(expected[partition], found[partition])
        if difference:
            return f"partition {partition}: {difference}"
    return None


def _shown(value: Any) -> str:
    if isinstance(value, bytes):
        return f"vector {numpy.frombuffer(value, dtype=numpy.float32)[:4].tolist()}… bytes {value[:16].hex()}…"
    return json.dumps(value, ensure_ascii=False)
