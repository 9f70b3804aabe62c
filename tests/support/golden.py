"""The backups under tests/data/backups: put where they can be restored, and compared with what their source held."""

from __future__ import annotations

import concurrent.futures
import contextlib
import functools
import gzip
import itertools
import json
from pathlib import Path
from typing import Any, Iterable, Iterator

from pymilvus import Collection, connections, db, utility
from rows import count_rows
from servers import MilvusServer, S3Server
from typed_rows import comparable, difference, make_readable, read

DATA = Path(__file__).resolve().parents[1] / "data" / "backups"
NAMES = ("golden_0509", "golden_0516")
COLLECTIONS = ("golden_types", "golden_multi", "golden_pkey", "golden_empty", "shop.books")
# Every binlog of golden_0509 is the same file in golden_0516, so it is kept once.
BINLOGS_OF = "golden_0516"
# Whether restore gives a collection the aliases that the backup names.
ALIASES_RESTORED = True
# Earlier backups hold no aliases.
BACKUPS_WITH_ALIASES = ("golden_0516",)

Files = dict[str, bytes]
_aliases = itertools.count()


@functools.cache
def expected() -> dict[str, Any]:
    """Per collection: its rows, and the counts, indexes and aliases of the server it came from."""
    with gzip.open(DATA / "expected.json.gz") as file:
        return json.load(file)


def files(name: str) -> Files:
    """Every file of the golden backup `name`, by its path below the directory of the backup."""
    content: Files = {}
    for folder in (DATA / name / "meta", DATA / BINLOGS_OF / "binlogs"):
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                content[str(path.relative_to(folder.parent))] = path.read_bytes()
    return content


def upload(store: S3Server, prefix: str, content: Files) -> None:
    """Put the files of a backup into the bucket of `store`, below `prefix`."""
    for path, body in content.items():
        store.client.put(store.bucket, f"{prefix}/{path}", body)


def write(folder: Path, content: Files) -> None:
    """Put the files of a backup into `folder`."""
    for path, body in content.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(body)


def check_restored(
    milvus: MilvusServer, suffix: str, collections: Iterable[str] = COLLECTIONS, *, aliases: bool = False
) -> None:
    """Compare rows, partitions and indexes of restored golden collections with those of the source.

    With `aliases` they must have the source's aliases too, if restore gives any; without, none.
    """
    with concurrent.futures.ThreadPoolExecutor() as pool:  # loading one takes seconds of waiting
        checks = {name: pool.submit(_check_collection, milvus, name, suffix, aliases) for name in collections}
    for name, check in checks.items():
        problem = check.exception()
        assert problem is None, f"{name} restored with suffix {suffix}: {problem}"


def drop_restored(milvus: MilvusServer, *suffixes: str) -> None:
    """Drop every golden collection that was restored with one of `suffixes`."""
    with _connected(milvus, "") as default:
        databases = db.list_database(using=default)
    restored = {name.rpartition(".")[2] + suffix for name in COLLECTIONS for suffix in suffixes}
    for database in databases:
        with _connected(milvus, database) as alias:
            for name in restored.intersection(utility.list_collections(using=alias)):
                for other_name in utility.list_aliases(name, using=alias):
                    utility.drop_alias(other_name, using=alias)
                utility.drop_collection(name, using=alias)


@contextlib.contextmanager
def _connected(milvus: MilvusServer, database: str) -> Iterator[str]:
    alias = f"golden-{next(_aliases)}"
    connections.connect(alias, host=milvus.address, port=milvus.port, db_name=database or "default")
    try:
        yield alias
    finally:
        connections.disconnect(alias)


def _check_collection(milvus: MilvusServer, name: str, suffix: str, aliases: bool) -> None:
    wanted = expected()[name]
    database, _, collection_name = name.rpartition(".")
    with _connected(milvus, database) as alias:
        collection = Collection(collection_name + suffix, using=alias)
        indexes = [f"{index.index_name}:{json.dumps(index.params)}" for index in collection.indexes]
        assert sorted(indexes) == sorted(wanted["indexes"])
        assert sorted(collection.aliases) == (sorted(wanted["aliases"]) if aliases and ALIASES_RESTORED else [])
        make_readable(collection)
        found = comparable(read(collection), collection.schema)
        assert difference(comparable(wanted["rows"], collection.schema), found) is None
        assert count_rows(collection) == len(wanted["rows"])
        for partition, count in (wanted["partitions"] or {}).items():
            assert len(read(collection, partition=partition)) == count, partition
        collection.release()
