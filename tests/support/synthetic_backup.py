"""A backup of very many small logs, written without a Milvus: metas, and sparse files of the sizes they state.

Names are as long as real ones: ids have 18 digits. Nothing in the files is a binlog; only names and sizes are right.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterator

_FIRST_ID = 470629250807647320
_VECTOR, _INT64, _VARCHAR = 101, 5, 21


@dataclass(frozen=True)
class Shape:
    """How many there are of each, in each of the level above. `fields` counts the two of Milvus itself."""

    collections: int = 5
    partitions: int = 100
    segments: int = 100
    fields: int = 20

    @property
    def objects(self) -> int:
        """Number of logs."""
        return self.collections * self.partitions * self.segments * self.fields

    @property
    def field_ids(self) -> list[int]:
        """As Milvus numbers them."""
        return [0, 1, *range(100, 98 + self.fields)]


def _size_of(log_id: int) -> int:
    return 1000 + log_id % 4_000_000


class Backup:
    """A backup of `shape` as one tree of dictionaries, collection by collection."""

    def __init__(self, name: str, shape: Shape) -> None:
        self.name = name
        self.shape = shape
        self.size = 0
        self._next_id = _FIRST_ID

    def _new_id(self) -> int:
        self._next_id += 1
        return self._next_id

    def collections(self) -> Iterator[dict[str, Any]]:
        """Every collection with all its segments; adds up `size`."""
        for number in range(self.shape.collections):
            collection_id = self._new_id()
            partitions = [self._partition(collection_id, i) for i in range(self.shape.partitions)]
            size = sum(partition["size"] for partition in partitions)
            self.size += size
            yield {
                "id": "t", "collection_id": collection_id, "db_name": "default", "collection_name": f"many_{number}",
                "schema": {"name": f"many_{number}", "fields": self._schema()}, "shards_num": 1,
                "partition_backups": partitions, "size": size, "has_index": False,
            }

    def _schema(self) -> list[dict[str, Any]]:
        fields: list[dict[str, Any]] = [
            {"fieldID": 100, "name": "pk", "is_primary_key": True, "data_type": _INT64},
            {"fieldID": 101, "name": "v", "data_type": _VECTOR, "type_params": [{"key": "dim", "value": "8"}]},
        ]
        for field_id in self.shape.field_ids[4:]:
            fields.append({"fieldID": field_id, "name": f"f{field_id}", "data_type": _VARCHAR,
                           "type_params": [{"key": "max_length", "value": "64"}]})
        return fields

    def _partition(self, collection_id: int, number: int) -> dict[str, Any]:
        partition_id = self._new_id()
        segments = [self._segment(collection_id, partition_id) for _ in range(self.shape.segments)]
        return {
            "partition_id": partition_id, "partition_name": f"p{number}" if number else "_default",
            "collection_id": collection_id, "segment_backups": segments,
            "size": sum(segment["size"] for segment in segments), "load_state": "Loaded",
        }

    def _segment(self, collection_id: int, partition_id: int) -> dict[str, Any]:
        segment_id = self._new_id()
        source = f"files/insert_log/{collection_id}/{partition_id}/{segment_id}"
        fields = []
        size = 0
        for field_id in self.shape.field_ids:
            log_id = self._new_id()
            size += _size_of(log_id)
            log = {"log_path": f"{source}/{field_id}/{log_id}", "log_size": _size_of(log_id), "log_id": log_id}
            fields.append({"fieldID": field_id, "binlogs": [log]})
        return {
            "segment_id": segment_id, "collection_id": collection_id, "partition_id": partition_id, "num_of_rows": 1000,
            "binlogs": fields, "deltalogs": [{}], "size": size, "group_id": segment_id,
            "v_channel": f"by-dev-rootcoord-dml_0_{collection_id}v0",
        }


def write_backup(root: Path, name: str, shape: Shape) -> Path:
    """Write the backup `name` below `root`, one collection in memory at a time; returns the log with the last key."""
    folder = root / name
    (folder / "meta").mkdir(parents=True)
    backup = Backup(name, shape)
    last = folder
    compact = json.JSONEncoder(separators=(",", ":")).encode
    with (folder / "meta" / "full_meta.json").open("w") as full:
        full.write(f'{{"id":"t","state_code":0,"name":"{name}","collection_backups":[')
        for number, collection in enumerate(backup.collections()):
            full.write(("," if number else "") + compact(collection))
            last = _write_logs(folder / "binlogs" / "insert_log", collection)
        full.write(f'],"size":{backup.size},"milvus_version":"v2.3.5"}}')
    header = {"id": "t", "state_code": 0, "name": name, "size": backup.size, "milvus_version": "v2.3.5"}
    (folder / "meta" / "backup_meta.json").write_text(compact(header))
    return last


def _write_logs(folder: Path, collection: dict[str, Any]) -> Path:
    path = ""
    for partition in collection["partition_backups"]:
        for segment in partition["segment_backups"]:
            ids = (segment["collection_id"], segment["partition_id"], segment["group_id"], segment["segment_id"])
            directory = "/".join((str(folder), *map(str, ids)))
            os.makedirs(directory)
            for field in segment["binlogs"]:
                os.mkdir(f"{directory}/{field['fieldID']}")
                log = field["binlogs"][0]
                path = f"{directory}/{field['fieldID']}/{log['log_id']}"
                descriptor = os.open(path, os.O_CREAT | os.O_WRONLY)
                os.truncate(descriptor, log["log_size"])
                os.close(descriptor)
    return Path(path)
