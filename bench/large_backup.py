"""A real backup of 500,000 rows of 256 dimensions, for the benches that need one."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

import numpy  # noqa: E402
from configs import backup_config  # noqa: E402
from pymilvus import Collection, CollectionSchema, DataType, FieldSchema  # noqa: E402
from rows import connected  # noqa: E402
from servers import MilvusServer, MinioServer  # noqa: E402

NAME = "large"
ROWS = 500_000
DIM = 256
_INSERT_ROWS = 10_000


def fill_large(alias: str) -> None:
    """A collection of random vectors, flushed."""
    fields = [FieldSchema("pk", DataType.INT64, is_primary=True),
              FieldSchema("vector", DataType.FLOAT_VECTOR, dim=DIM)]
    collection = Collection(NAME, CollectionSchema(fields), using=alias, num_shards=1)
    generator = numpy.random.default_rng(1)
    for start in range(0, ROWS, _INSERT_ROWS):
        vectors = generator.random((_INSERT_ROWS, DIM), dtype=numpy.float32)
        collection.insert([list(range(start, start + _INSERT_ROWS)), list(vectors)])
    collection.flush()


def make_large_backup(program: Path, store: MinioServer, bucket: str) -> dict[str, int]:
    """`backup/large` in `bucket`, which `store` has; keys and sizes. Milvus' own objects are removed again."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "backup.yaml"
        with MilvusServer(store) as milvus:
            config.write_text(backup_config(milvus, store))
            with connected(milvus) as alias:
                fill_large(alias)
            subprocess.run([program, "--config", config, "--set", f"minio.backupBucketName={bucket}", "create",
                            "-c", NAME, "-n", NAME], check=True, cwd=folder, capture_output=True)
    subprocess.run(["rm", "-rf", store.data / store.bucket / "files"], check=True)
    return store.client.sizes(bucket, f"backup/{NAME}/")
