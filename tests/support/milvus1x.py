"""Milvus 0.9 to 1.x on disk: trees of segment files with their meta database, and what is alive in them."""

from __future__ import annotations

import json
import random
import sqlite3
import struct
from dataclasses import dataclass, field
from pathlib import Path

import numpy

RAW, TO_INDEX, INDEX, TO_DELETE, BACKUP = 1, 2, 3, 4, 7
L2, IP, HAMMING, JACCARD = 1, 2, 3, 4

SCHEMA = """
CREATE TABLE Tables (id INTEGER PRIMARY KEY NOT NULL, table_id VARCHAR(255) UNIQUE NOT NULL, state INTEGER NOT NULL,
  dimension INTEGER NOT NULL, created_on BIGINT NOT NULL, flag BIGINT DEFAULT 0 NOT NULL,
  index_file_size BIGINT NOT NULL, engine_type INTEGER NOT NULL, index_params VARCHAR(512) NOT NULL,
  metric_type INTEGER NOT NULL, owner_table VARCHAR(255) DEFAULT '' NOT NULL,
  partition_tag VARCHAR(255) DEFAULT '' NOT NULL, version VARCHAR(64) DEFAULT '1.1.1' NOT NULL,
  flush_lsn BIGINT NOT NULL);
CREATE TABLE TableFiles (id INTEGER PRIMARY KEY NOT NULL, table_id VARCHAR(255) NOT NULL,
  segment_id VARCHAR(255) DEFAULT '' NOT NULL, engine_type INTEGER NOT NULL, file_id VARCHAR(255) NOT NULL,
  file_type INTEGER NOT NULL, file_size BIGINT DEFAULT 0 NOT NULL, row_count BIGINT DEFAULT 0 NOT NULL,
  updated_time BIGINT NOT NULL, created_on BIGINT NOT NULL, date INTEGER DEFAULT -1 NOT NULL,
  flush_lsn BIGINT NOT NULL);
CREATE TABLE Environment (global_lsn BIGINT DEFAULT 0 NOT NULL);
"""

Rows = dict[int, bytes]
"""The bytes of a vector by its id."""


@dataclass
class Tree:
    """A Milvus 1.x being built in `folder`: `meta.sqlite` and `tables/`."""

    folder: Path
    statements: list[str] = field(default_factory=list)
    """INSERTs that fill the meta database, as both SQLite and MySQL understand them."""
    alive: dict[tuple[str, str], Rows] = field(default_factory=dict)
    """Live rows by collection and partition tag (`_default` for the collection's own)."""
    _numbers: int = 1675753122650000000
    _ids: int = 0

    def add_table(
        self, name: str, dim: int, metric: int = L2, *, owner: str = "", tag: str = "", state: int = 0, engine: int = 1
    ) -> None:
        """Add a collection, or a partition of the collection `owner`."""
        self._numbers += 1000
        text = [name, "{}", owner, tag]
        quoted = ["'" + one.replace("'", "''") + "'" for one in text]
        self.statements.append(
            "INSERT INTO Tables (table_id, state, dimension, created_on, flag, index_file_size, engine_type,"
            f" index_params, metric_type, owner_table, partition_tag, flush_lsn) VALUES ({quoted[0]}, {state}, {dim},"
            f" {self._numbers}, 2, 1073741824, {engine}, {quoted[1]}, {metric}, {quoted[2]}, {quoted[3]}, 0);"
        )
        if state == 0:
            self.alive.setdefault((owner or name, tag or "_default"), {})

    def add_segment(
        self,
        table: str,
        vectors: numpy.ndarray,
        deleted: list[int] | None = None,
        *,
        key: tuple[str, str] | None,
        file_type: int = RAW,
        first_id: int | None = None,
    ) -> None:
        """Add a segment of `table` with these rows; those that live are noted for collection and partition `key`."""
        self._numbers += 1000
        segment = str(self._numbers)
        rows = len(vectors)
        if first_id is None:
            first_id, self._ids = self._ids, self._ids + rows
        ids = numpy.arange(first_id, first_id + rows, dtype="<i8")
        folder = self.folder / "tables" / table / segment
        folder.mkdir(parents=True)
        for name, payload in (
            (f"{segment}.rv", vectors.tobytes()),
            (f"{segment}.uid", ids.tobytes()),
            ("deleted_docs", numpy.array(deleted or [], dtype="<i4").tobytes()),
        ):
            (folder / name).write_bytes(struct.pack("<Q", len(payload)) + payload)
        gone = set(deleted or [])
        live = [row for row in range(rows) if row not in gone]
        if key is not None and file_type != TO_DELETE:
            self.alive[key] |= {int(ids[row]): vectors[row].tobytes() for row in live}
        for kind in [file_type, INDEX] if file_type == BACKUP else [file_type]:
            self.statements.append(
                "INSERT INTO TableFiles (table_id, segment_id, engine_type, file_id, file_type, file_size, row_count,"
                " updated_time, created_on, date, flush_lsn) VALUES ("
                f"'{table}', '{segment}', 1, '{segment}', {kind}, {vectors.nbytes + ids.nbytes}, {len(live)}, 0, 0,"
                " 0, 0);"
            )

    def write_sqlite(self) -> Path:
        """Write the meta database; gives its path."""
        path = self.folder / "meta.sqlite"
        with sqlite3.connect(path) as database:
            database.executescript(SCHEMA + "\n".join(self.statements))
        database.close()
        return path


def test1w(folder: Path) -> Tree:
    """The Go tool's own sample: 10,000 rows of 256 times 1.0 with the ids from 1 on."""
    tree = Tree(folder)
    tree.add_table("test1w", 256)
    tree.add_segment("test1w", numpy.ones((10000, 256), dtype="<f4"), key=("test1w", "_default"), first_id=1)
    return tree


def random_tree(folder: Path, seed: int) -> Tree:
    """Collections of any kind, with partitions, deletes, dropped tables and odd names."""
    rng = random.Random(seed)
    numbers = numpy.random.default_rng(seed)
    tree = Tree(folder)
    for number, name in enumerate((f"plain_{seed}", f"odd-{seed}.x", f"{seed} digits first")):
        metric = rng.choice((L2, IP, HAMMING, JACCARD))
        dim = rng.choice((8, 16, 64)) if metric >= HAMMING else rng.choice((1, 3, 17, 128))
        tables = [(name, "", "_default")]
        tables += [(str(1675753100000 + 100 * number + i), name, tag) for i, tag in enumerate(("p", "a b", "9"))]
        for table, owner, tag in tables[: rng.randint(1, len(tables))]:
            tree.add_table(table, dim, metric, owner=owner, tag=tag if owner else "")
            for _ in range(rng.randint(0 if owner else 1, 2)):
                rows = rng.choice((1, 7, 64, 300))
                if metric >= HAMMING:
                    vectors = numbers.integers(0, 256, (rows, dim // 8), dtype=numpy.uint8)
                else:
                    vectors = numbers.random((rows, dim), dtype=numpy.float32)
                deleted = [rng.randrange(rows) for _ in range(rng.choice((0, 1, rows // 2, rows * 3)))]
                kind = rng.choice((RAW, TO_INDEX, BACKUP, BACKUP, TO_DELETE) if owner else (RAW, TO_INDEX, BACKUP))
                tree.add_segment(table, vectors, deleted, key=(name, tag), file_type=kind)
    tree.add_table(f"dropped_{seed}", 4, state=1)
    tree.add_segment(f"dropped_{seed}", numpy.zeros((3, 4), dtype="<f4"), key=None, first_id=0)
    return tree


def without_own_keys(meta: str) -> str:
    """A meta.json as the Go tool would have written it."""
    document = json.loads(meta)
    own = ("owner", "partitionTag", "indexType", "indexParams", "flag", "emptyPartitions")
    for collection in document["collections"]:
        for key in own:
            collection.pop(key, None)
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)
