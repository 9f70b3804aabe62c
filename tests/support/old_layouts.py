"""Rewrites a golden backup into the layouts that earlier versions of the reference tool wrote.

    old_layouts.py FOLDER

writes one backup per entry of LAYOUTS into FOLDER. Binlogs are moved, not changed; what a version did not record yet
is left out of its meta files, and what it recorded and later versions dropped is put in.
"""

from __future__ import annotations

import copy
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterable, Iterator

from golden import COLLECTIONS, Files, files, write

SOURCE = "golden_0516"
SEGMENTS_PER_GROUP = 3

Message = dict[str, Any]


@dataclass(frozen=True)
class Layout:
    """What one version wrote; `version` is the first one of its kind."""

    version: tuple[int, int, int]

    @property
    def name(self) -> str:
        """Name for a backup of this layout."""
        return "layout_" + "_".join(str(part) for part in self.version)

    @property
    def has_groups(self) -> bool:
        """Whether binlogs lie in group directories."""
        return self.version >= (0, 3, 0)

    @property
    def shares_groups(self) -> bool:
        """Whether a group directory holds several segments; later each segment has its own."""
        return self.has_groups and self.version < (0, 4, 5)

    @property
    def has_full_meta(self) -> bool:
        """Whether full_meta.json is written, besides the leveled files."""
        return self.version >= (0, 4, 0)


LAYOUTS = tuple(
    Layout(version)
    for version in (
        (0, 1, 0),
        (0, 3, 0),
        (0, 4, 0),
        (0, 4, 5),
        (0, 4, 21),
        (0, 5, 4),
        (0, 5, 7),
        (0, 5, 9),
        (0, 5, 12),
        (0, 5, 14),
    )
)

# Keys of a collection, by the version that first wrote them.
_COLLECTION_KEYS = {
    "db_name": (0, 3, 0),
    "load_state": (0, 3, 0),
    "channel_checkpoints": (0, 4, 21),
    "l0_segments": (0, 4, 21),
    "db_id": (0, 5, 4),
    "created_timestamp": (0, 5, 12),
    "virtual_channel_names": (0, 5, 12),
    "physical_channel_names": (0, 5, 12),
    "aliases": (0, 5, 12),
}
# Dropped in the 0.5 series; a released 0.5.9 still wrote some of them.
_TASK_RECORD_ENDS = (0, 5, 0)
_NO_CHANNEL_FILE = (0, 5, 12)
_COLLECTION_META_WITHOUT_SEGMENTS = (0, 5, 14)
_HEADER_KEYS = ("id", "state_code", "start_time", "end_time", "progress", "name", "size", "milvus_version")


def rewrite(layout: Layout, collections: Iterable[str] = COLLECTIONS) -> Files:
    """Every file of a backup of the golden `collections` in `layout`, by its path below the backup's directory."""
    source = files(SOURCE)
    info = json.loads(source["meta/full_meta.json"])
    wanted = set(collections)
    info["name"] = layout.name
    info["collection_backups"] = [each for each in info["collection_backups"] if _name_of(each) in wanted]
    content: Files = {}
    for segment in _segments(info):
        _group(layout, info, segment)
    for segment in _segments(info):
        content |= _move_binlogs(layout, segment, source)
        _age_segment(layout, segment)
    for collection in info["collection_backups"]:
        _age_collection(layout, collection)
    info["size"] = sum(each["size"] for each in info["collection_backups"])
    _age_backup(layout, info)
    return content | _metas(layout, info)


def _name_of(collection: Message) -> str:
    database = collection.get("db_name", "default")
    return collection["collection_name"] if database == "default" else f"{database}.{collection['collection_name']}"


def _segments(info: Message) -> Iterator[Message]:
    for collection in info["collection_backups"]:
        for partition in collection["partition_backups"]:
            yield from partition.get("segment_backups", [])


def _group(layout: Layout, info: Message, segment: Message) -> None:
    if not layout.has_groups:
        del segment["group_id"]
    elif layout.shares_groups:
        neighbours = [each["segment_id"] for each in _segments(info) if each["partition_id"] == segment["partition_id"]]
        segment["group_id"] = 1 + sorted(neighbours).index(segment["segment_id"]) // SEGMENTS_PER_GROUP


def _move_binlogs(layout: Layout, segment: Message, source: Files) -> Files:
    moved: Files = {}
    ids = [str(segment[key]) for key in ("collection_id", "partition_id", "segment_id")]
    group = [str(segment["group_id"])] if layout.has_groups else []
    for kind in ("insert_log", "delta_log"):
        old = "/".join(["binlogs", kind, *ids, ids[-1], ""])
        new = "/".join(["binlogs", kind, *ids[:2], *group, ids[-1], ""])
        moved |= {new + path.removeprefix(old): body for path, body in source.items() if path.startswith(old)}
    return moved


def _age_segment(layout: Layout, segment: Message) -> None:
    if layout.version < (0, 5, 4):
        for field in segment["binlogs"] + segment["deltalogs"]:
            for log in field.get("binlogs", []):
                del log["log_id"]
    if segment["deltalogs"] == [{}] and not layout.has_full_meta:
        # No deletes: seen as no key, as an empty list, and as a list of one empty field.
        if layout.has_groups:
            segment["deltalogs"] = []
        else:
            del segment["deltalogs"]
    if layout.version < (0, 5, 12):
        segment["backuped"] = True


def _age_collection(layout: Layout, collection: Message) -> None:
    collection["channel_checkpoints"] = {name: "CAE=" for name in collection["virtual_channel_names"]}
    for key, since in _COLLECTION_KEYS.items():
        if layout.version < since:
            collection.pop(key, None)
    if layout.version < (0, 5, 12):
        for index in collection.get("index_infos", []):
            del index["index_id"]
    if layout.version < _COLLECTION_KEYS["load_state"]:
        for partition in collection["partition_backups"]:
            partition.pop("load_state", None)
    if layout.version < _TASK_RECORD_ENDS:
        collection.update(_task_record())


def _age_backup(layout: Layout, info: Message) -> None:
    if layout.version < (0, 4, 5):
        del info["database_backups"]
    if layout.version >= (0, 4, 21):
        info["rbac_meta"] = {}
    if layout.version >= (0, 5, 12):
        info["control_channel_name"] = "by-dev-rootcoord-dml_0_vcchan"
        info["physical_channel_names"] = ["by-dev-rootcoord-dml_0"]
    if layout.version < _TASK_RECORD_ENDS:
        info.update(_task_record())


def _task_record() -> Message:
    return {"state_code": 2, "start_time": 1700000000, "end_time": 1700000001, "progress": 100}


def _metas(layout: Layout, info: Message) -> Files:
    collections = info["collection_backups"]
    partitions = [partition for collection in collections for partition in collection["partition_backups"]]
    metas = {
        "backup_meta": {key: info[key] for key in _HEADER_KEYS if key in info},
        "collection_meta": {"infos": [_level_of(layout, collection) for collection in collections]},
        "partition_meta": {"infos": [_without(partition, "segment_backups") for partition in partitions]},
        "segment_meta": {"infos": list(_segments(info))},
    }
    if layout.has_full_meta:
        metas["full_meta"] = info
    if (0, 4, 21) <= layout.version < _NO_CHANNEL_FILE:
        metas["channel_cp_meta"] = {collection["collection_name"]: [] for collection in collections}
    text = {name: json.dumps(meta, separators=(",", ":"), ensure_ascii=False) for name, meta in metas.items()}
    return {f"meta/{name}.json": body.encode() for name, body in text.items()}


def _level_of(layout: Layout, collection: Message) -> Message:
    if not layout.has_groups:
        return _without(collection, "partition_backups")
    level = copy.deepcopy(collection)
    if layout.version >= _COLLECTION_META_WITHOUT_SEGMENTS:
        level["partition_backups"] = [_without(each, "segment_backups") for each in level["partition_backups"]]
    return level


def _without(message: Message, key: str) -> Message:
    return {name: value for name, value in message.items() if name != key}


def main(arguments: list[str]) -> int:
    """Write every layout into the folder named by the only argument."""
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    for layout in LAYOUTS:
        write(Path(arguments[0]) / layout.name, rewrite(layout))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
