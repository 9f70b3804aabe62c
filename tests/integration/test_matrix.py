"""Collections of every kind that 2.3 knows, backed up and restored beside themselves: every column of every row.

Each collection has a column of every scalar type and of every type of array. The rest varies: `make test` runs
combinations in which each pair of settings occurs, `make soak` runs all of them.
"""

from __future__ import annotations

import concurrent.futures
import itertools
import json
from dataclasses import dataclass, field
from typing import Any, Callable, Iterator

import numpy
import pytest
from configs import backup_config
from pairwise import Combination, combinations, pairwise
from pymilvus import Collection, CollectionSchema, DataType, FieldSchema, connections, db, utility
from rows import count_rows
from servers import MilvusServer, MinioServer
from tool import Tool
from typed_rows import Row, comparable, difference, make_readable, read

DATABASE = "matrix"
ROWS_FLUSHED, ROWS_LATER = 80, 40
TENANTS = 5
PARTITION = "part_a"
EMPTY_PARTITION = "part_empty"
KEY_PARTITIONS = 2
DIMENSION = 16
AT_ONCE = 40
LIMIT_S = 400

FACTORS: dict[str, tuple[Any, ...]] = {
    "key": (DataType.INT64, DataType.VARCHAR),
    "auto_id": (False, True),
    "dynamic": (False, True),
    "partition_key": (None, "tenant_number", "tenant_name"),
    "partitions": (False, True),
    "shards": (1, 2),
    "deletes": ("none", "before flush", "after flush", "before and after flush"),
    "vector": (DataType.FLOAT_VECTOR, DataType.BINARY_VECTOR),
}
# With a partition key Milvus makes the partitions itself.
ALL = combinations(FACTORS, lambda row: not (row["partition_key"] and row["partitions"]))
FEW = pairwise(ALL)

SCALARS = {
    "flag": (DataType.BOOL, (True, False)),
    "tiny": (DataType.INT8, (0, 127, -128, 5)),
    "small": (DataType.INT16, (0, 32767, -32768, 7)),
    "medium": (DataType.INT32, (0, 2**31 - 1, -(2**31), 9)),
    "large": (DataType.INT64, (0, 2**63 - 1, -(2**63), 2**53 + 1)),
    "single": (DataType.FLOAT, (0.0, 3.4028234663852886e38, 1.401298464324817e-45, -0.1)),
    "double": (DataType.DOUBLE, (0.0, 1.7976931348623157e308, 5e-324, -0.1)),
    "text": (DataType.VARCHAR, ("", "plain", 'é€𝄞 "quoted" \\', "x" * 200)),
}
JSONS = ({"a": 1, "b": [1, None, {"c": "é"}]}, {}, {"big": 2**53 + 1, "half": 0.5}, {"t": True, "s": 'q"\\'})


@dataclass
class Made:
    """A collection that has been filled: its settings, and the rows it has alive by partition."""

    name: str
    kind: Combination
    collection: Collection
    alive: dict[str, list[Row]] = field(default_factory=dict)

    @property
    def rows(self) -> list[Row]:
        """The rows of all partitions."""
        return [row for rows in self.alive.values() for row in rows]


def schema_of(kind: Combination) -> CollectionSchema:
    """The schema of a collection of this kind."""
    text = {"max_length": 512}
    fields = [FieldSchema("pk", kind["key"], is_primary=True, auto_id=kind["auto_id"], max_length=64)]
    for name, (kind_of_value, _) in SCALARS.items():
        fields.append(FieldSchema(name, kind_of_value, **(text if kind_of_value == DataType.VARCHAR else {})))
        array = {"element_type": kind_of_value, "max_capacity": 8, **text}
        fields.append(FieldSchema(f"{name}_array", DataType.ARRAY, **array))
    fields.append(FieldSchema("json", DataType.JSON))
    for name, kind_of_value, params in (("tenant_number", DataType.INT64, {}), ("tenant_name", DataType.VARCHAR, text)):
        fields.append(FieldSchema(name, kind_of_value, is_partition_key=kind["partition_key"] == name, **params))
    fields.append(FieldSchema("vector", kind["vector"], dim=DIMENSION))
    return CollectionSchema(fields, description=json.dumps(kind, default=str), enable_dynamic_field=kind["dynamic"])


def make_row(kind: Combination, number: int, random: numpy.random.Generator) -> Row:
    """Row `number` of a collection of this kind, without its key when Milvus gives the keys."""
    row: Row = {} if kind["auto_id"] else {"pk": number if kind["key"] == DataType.INT64 else f"key {number} é"}
    for name, (_, values) in SCALARS.items():
        row[name] = values[number % len(values)]
        row[f"{name}_array"] = [values[(number + i) % len(values)] for i in range(number % 9)]
    row["json"] = JSONS[number % len(JSONS)]
    row["tenant_number"] = number % TENANTS
    row["tenant_name"] = f"tenant {number % TENANTS}"
    if kind["vector"] == DataType.BINARY_VECTOR:
        row["vector"] = random.bytes(DIMENSION // 8)
    else:
        row["vector"] = [float(value) for value in random.standard_normal(DIMENSION, dtype=numpy.float32)]
    if kind["dynamic"] and number % 3:
        row |= {"colour": ("red", "green")[number % 2], "weight": number / 7}
    return row


def make(alias: str, name: str, kind: Combination) -> Made:
    """Create and fill a collection; its last rows and deletes are left for `create` to flush."""
    options = {"num_partitions": KEY_PARTITIONS} if kind["partition_key"] else {}
    collection = Collection(name, schema_of(kind), using=alias, num_shards=kind["shards"], **options)
    made = Made(name, kind, collection)
    partitions = [None]
    if kind["partitions"]:
        partitions = ["_default", PARTITION]
        collection.create_partition(PARTITION)
        collection.create_partition(EMPTY_PARTITION)
    random = numpy.random.default_rng(3)

    def insert(first: int, count: int) -> None:
        for offset, partition in enumerate(partitions):
            rows = [make_row(kind, each, random) for each in range(first + offset, first + count, len(partitions))]
            inserted = collection.insert(rows, partition_name=partition)
            rows = [{**row, "pk": key} for row, key in zip(rows, inserted.primary_keys, strict=True)]
            made.alive.setdefault(partition or "", []).extend(rows)

    def delete(step: int) -> None:
        gone = [row["pk"] for row in made.rows[::step]]
        collection.delete(f"pk in {json.dumps(gone, ensure_ascii=False)}")
        made.alive = {name: [row for row in rows if row["pk"] not in gone] for name, rows in made.alive.items()}

    insert(0, ROWS_FLUSHED)
    if "before" in kind["deletes"]:
        delete(7)
    if kind["deletes"] != "none":
        collection.flush()
    if "after" in kind["deletes"]:
        delete(9)
    insert(ROWS_FLUSHED, ROWS_LATER)
    return made


def check(alias: str, made: Made, suffix: str) -> None:
    """Compare the schema, partitions, and every column of every row of a restored collection."""
    restored = Collection(made.name + suffix, using=alias)
    assert restored.schema == made.collection.schema
    assert restored.num_shards == made.collection.num_shards
    assert {each.name for each in restored.partitions} == {each.name for each in made.collection.partitions}
    make_readable(restored)
    try:
        for partition, rows in made.alive.items():
            found = comparable(read(restored, partition=partition or None), restored.schema)
            assert difference(comparable(rows, restored.schema), found) is None
            assert count_rows(restored, partition) == len(rows)
        # A row in another partition than its key leads to would not be found.
        if made.kind["partition_key"]:
            for tenant in range(TENANTS):
                number, name = f"tenant_number == {tenant}", f'tenant_name == "tenant {tenant}"'
                query = number if made.kind["partition_key"] == "tenant_number" else name
                rows = [row for row in made.rows if row["tenant_number"] == tenant]
                found = comparable(read(restored, expression=query), restored.schema)
                assert difference(comparable(rows, restored.schema), found) is None
    finally:
        restored.release()


@pytest.fixture(scope="module")
def alias_matrix(milvus_a: MilvusServer) -> Iterator[str]:
    """pymilvus connection to a database of this module's own in Milvus A."""
    connections.connect("matrix-default", host=milvus_a.address, port=milvus_a.port)
    db.create_database(DATABASE, using="matrix-default")
    connections.connect("matrix", host=milvus_a.address, port=milvus_a.port, db_name=DATABASE)
    yield "matrix"
    connections.disconnect("matrix")
    db.drop_database(DATABASE, using="matrix-default")
    connections.disconnect("matrix-default")


@pytest.fixture(scope="module")
def at_a(make_cli: Callable[[str], Tool], milvus_a: MilvusServer, minio_a: MinioServer) -> Tool:
    """The program configured for Milvus A, with backups on its store."""
    tool = make_cli("matrix")
    tool.write_config("backup.yaml", backup_config(milvus_a, minio_a, backup_root="matrix"))
    return tool


def back_up_and_restore(tool: Tool, alias: str, kinds: list[Combination]) -> None:
    """Make a collection of each kind, take one backup of all, restore it with a suffix, and compare."""
    made: list[Made] = []
    try:
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            made = list(pool.map(lambda item: make(alias, f"kind_{item[0]}", item[1]), enumerate(kinds)))
        tool.succeed("create", "-n", DATABASE, "--filter", f"{DATABASE}.*", timeout_s=LIMIT_S)
        tool.succeed("restore", "-n", DATABASE, "-s", "_bak", timeout_s=LIMIT_S)
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            checks = {each.name: pool.submit(check, alias, each, "_bak") for each in made}
        outcomes = [(str(each.kind), checks[each.name].exception()) for each in made]
        assert [(kind, str(error)) for kind, error in outcomes if error] == []
    finally:
        tool.run("delete", "-n", DATABASE)
        for name in utility.list_collections(using=alias):
            utility.drop_collection(name, using=alias)


def test_few_hold_every_pair() -> None:
    def pairs(rows: list[Combination]) -> set[frozenset[tuple[str, Any]]]:
        return {frozenset(pair) for row in rows for pair in itertools.combinations(row.items(), 2)}

    assert len(FEW) <= AT_ONCE
    assert pairs(FEW) == pairs(ALL)


def test_every_pair_of_settings(at_a: Tool, alias_matrix: str) -> None:
    back_up_and_restore(at_a, alias_matrix, FEW)


@pytest.mark.soak
@pytest.mark.parametrize("first", range(0, len(ALL), AT_ONCE))
def test_every_combination(at_a: Tool, alias_matrix: str, first: int) -> None:
    back_up_and_restore(at_a, alias_matrix, ALL[first : first + AT_ONCE])
