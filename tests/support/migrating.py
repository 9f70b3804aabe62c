"""What the tests of the migrations share: blocks of migration.yaml, rows as Milvus holds them."""

from __future__ import annotations

from pathlib import Path

import numpy
from milvus1x import Rows
from pymilvus import Collection
from servers import MinioServer

SYNTHETIC = Path(__file__).resolve().parents[1] / "data" / "milvus1x"


def remote(store: MinioServer, directory_key: str, directory: str, bucket: str = "") -> str:
    """A `remote:` block."""
    return f"""\
  mode: remote
  remote:
    {directory_key}: "{directory}"
    ak: {store.access_key}
    sk: {store.secret_key}
    cloud: aws
    endpoint: {store.address}:{store.port}
    region: us-west-2
    bucket: {bucket or store.bucket}
    useIAM: false
    checkBucket: false
"""


def read_rows(alias: str, name: str, field: str = "data") -> dict[str, Rows]:
    """Every row of an indexed collection by partition."""
    collection = Collection(name, using=alias)
    collection.load()
    found = {}
    for partition in collection.partitions:
        rows = collection.query(
            "id >= 0", output_fields=["id", field], partition_names=[partition.name], consistency_level="Strong"
        )
        found[partition.name] = {
            row["id"]: row[field][0] if isinstance(row[field][0], bytes) else numpy.float32(row[field]).tobytes()
            for row in rows
        }
        assert len(found[partition.name]) == len(rows), "an id is there twice"
    collection.release()
    return found


def expected_rows(name: str) -> Rows:
    """Rows of the synthetic data: `COLLECTION.PARTITION`."""
    ids = numpy.load(SYNTHETIC / "expected" / f"{name}.ids.npy")
    vectors = numpy.load(SYNTHETIC / "expected" / f"{name}.vectors.npy")
    return {int(key): vector.tobytes() for key, vector in zip(ids, vectors)}
