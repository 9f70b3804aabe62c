"""Rows of collections of any schema: read whole, and compared bit by bit with what they should be. Needs pymilvus."""

from __future__ import annotations

import struct
from typing import Any, Iterable

from pymilvus import Collection, CollectionSchema, DataType, FieldSchema

Row = dict[str, Any]

VECTORS = (DataType.FLOAT_VECTOR, DataType.BINARY_VECTOR)
MOST_ROWS = 16_384  # what a server returns to one query


def _float32(value: float) -> float:
    return struct.unpack("<f", struct.pack("<f", value))[0]


def _binary(value: Any) -> bytes:
    """A binary vector as the file of expected rows has it, as pymilvus returns it, or as it was inserted."""
    first = value[0] if isinstance(value, list) else value
    return bytes.fromhex(first) if isinstance(first, str) else bytes(first)


def _comparable(value: Any, field: FieldSchema | None) -> Any:
    if field is None or value is None:
        return value
    match field.dtype:
        case DataType.BINARY_VECTOR:
            return _binary(value)
        case DataType.FLOAT_VECTOR:
            return [_float32(each) for each in value]
        case DataType.FLOAT:
            return _float32(value)
        case DataType.ARRAY if field.element_type == DataType.FLOAT:
            return [_float32(each) for each in value]
        case DataType.ARRAY:
            return list(value)
    return value


def comparable(rows: Iterable[Row], schema: CollectionSchema) -> dict[Any, Row]:
    """Rows by primary key, their values in one form however they were come by."""
    fields = {field.name: field for field in schema.fields}
    primary = schema.primary_field.name
    return {row[primary]: {name: _comparable(row[name], fields.get(name)) for name in row} for row in rows}


def make_readable(collection: Collection) -> None:
    """Load a collection, with an index on its vector if it has none."""
    indexed = {index.field_name for index in collection.indexes}
    for field in collection.schema.fields:
        if field.dtype in VECTORS and field.name not in indexed:
            binary = field.dtype == DataType.BINARY_VECTOR
            kind = ("BIN_FLAT", "HAMMING") if binary else ("FLAT", "L2")
            collection.create_index(field.name, {"index_type": kind[0], "metric_type": kind[1], "params": {}})
    collection.load()


def read(collection: Collection, *, partition: str | None = None, expression: str = "") -> list[Row]:
    """Every column of the rows of a loaded collection: of one partition or of all, those of `expression` or all."""
    primary = collection.schema.primary_field
    least = '""' if primary.dtype == DataType.VARCHAR else str(-(2**63) + 1)
    rows = collection.query(
        expression or f"{primary.name} >= {least}",
        output_fields=["*"],
        limit=MOST_ROWS,
        consistency_level="Strong",
        partition_names=[partition] if partition else None,
    )
    assert len(rows) < MOST_ROWS, f"{collection.name} has too many rows for one query"
    return rows


def difference(expected: dict[Any, Row], found: dict[Any, Row]) -> str | None:
    """The first difference of two results of `comparable`, None when they are identical."""
    missing, extra = sorted(expected.keys() - found.keys()), sorted(found.keys() - expected.keys())
    if missing or extra:
        return f"{len(missing)} rows missing ({missing[:5]}), {len(extra)} rows too many ({extra[:5]})"
    for key in sorted(expected):
        for column in sorted(expected[key].keys() | found[key].keys()):
            before, after = expected[key].get(column, "absent"), found[key].get(column, "absent")
            if before != after or type(before) is not type(after):
                return f"row {key!r}, column {column}: expected {before!r}, found {after!r}"
    return None
