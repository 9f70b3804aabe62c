"""A backup written by the reference tool, every scalar and vector type of 2.3 in it, restored row by row."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy
from configs import backup_config
from pymilvus import Collection, DataType, connections, db
from servers import MilvusServer, MinioServer
from tool import Tool

DATA = Path(__file__).resolve().parents[1] / "data" / "backups"
NAME = "golden_0516"


def comparable(row: dict[str, Any], fields: dict[str, DataType]) -> dict[str, Any]:
    """A row with vectors in a form that the file of expected rows and pymilvus share."""
    result: dict[str, Any] = {}
    for name, value in row.items():
        if fields.get(name) == DataType.BINARY_VECTOR:
            result[name] = [each if isinstance(each, str) else bytes(each).hex() for each in value]
        elif fields.get(name) == DataType.FLOAT_VECTOR:
            result[name] = numpy.asarray(value, dtype=numpy.float32).tobytes()
        elif fields.get(name) in (DataType.FLOAT, None) and isinstance(value, float):
            result[name] = float(numpy.float32(value))
        elif isinstance(value, (list, tuple)) or hasattr(value, "__iter__") and not isinstance(value, (str, dict)):
            result[name] = list(value)
        else:
            result[name] = value
    return result


def read_rows(collection: Collection, partition: str | None = None) -> list[dict[str, Any]]:
    """Every column of every row, by primary key."""
    primary = collection.schema.primary_field
    everything = f'{primary.name} >= ""' if primary.dtype == DataType.VARCHAR else f"{primary.name} >= {-(2**63) + 1}"
    return collection.query(
        everything, output_fields=["*"], limit=16384, consistency_level="Strong",
        partition_names=[partition] if partition else None,
    )


def check_partition_key(collection: Collection, rows: dict[Any, dict[str, Any]]) -> None:
    """Milvus looks for a value of the partition key only in the partition it belongs to: rows must be there."""
    primary = collection.schema.primary_field.name
    for field in [field for field in collection.schema.fields if field.is_partition_key]:
        for value in {row[field.name] for row in rows.values()}:
            condition = f"{field.name} == {json.dumps(value)}"
            found = collection.query(condition, output_fields=[primary], limit=16384, consistency_level="Strong")
            assert {row[primary] for row in found} == {key for key, row in rows.items() if row[field.name] == value}


def check_collection(alias: str, name: str, expected: dict[str, Any]) -> None:
    """Compare rows, counts of partitions and indexes of `<name>_bak` with what the source held."""
    collection = Collection(f"{name}_bak", using=alias)
    fields = {field.name: field.dtype for field in collection.schema.fields}
    indexes = [f"{index.index_name}:{json.dumps(index.params)}" for index in collection.indexes]
    assert sorted(indexes) == sorted(expected["indexes"])
    for field in collection.schema.fields:
        vector = field.dtype in (DataType.FLOAT_VECTOR, DataType.BINARY_VECTOR)
        if vector and not any(index.field_name == field.name for index in collection.indexes):
            collection.create_index(field.name, {"index_type": "FLAT", "metric_type": "L2", "params": {}})
    collection.load()
    primary = collection.schema.primary_field.name
    found = {row[primary]: comparable(row, fields) for row in read_rows(collection)}
    wanted = {row[primary]: comparable(row, fields) for row in expected["rows"]}
    assert found.keys() == wanted.keys()
    for key, row in wanted.items():
        assert found[key] == row
    for partition, count in (expected["partitions"] or {}).items():
        assert len(read_rows(collection, partition)) == count
    check_partition_key(collection, wanted)
    collection.release()


def test_rows_of_a_backup_of_the_reference_tool(cli: Tool, milvus_b: MilvusServer, minio_b: MinioServer) -> None:
    for path in sorted((DATA / NAME).rglob("*")):
        if path.is_file():
            key = f"golden/{NAME}/{path.relative_to(DATA / NAME)}"
            minio_b.client.put("bucket-b", key, path.read_bytes())
    cli.write_config("backup.yaml", backup_config(milvus_b, minio_b, backup_root="golden"))
    cli.succeed("restore", "-n", NAME, "-s", "_bak", "--rebuild_index")
    with gzip.open(DATA / "expected.json.gz") as file:
        expected = json.load(file)
    for name, content in expected.items():
        database, _, collection = name.rpartition(".")
        alias = f"golden-{database or 'default'}"
        connections.connect(alias, host=milvus_b.address, port=milvus_b.port)
        if database:
            db.using_database(database, using=alias)
        try:
            check_collection(alias, collection, content)
        finally:
            connections.disconnect(alias)
