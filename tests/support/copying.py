"""Storages that a copy goes between, filled and looked at without the program under test."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from servers import S3Server


class Place(Protocol):
    """A storage as the tests see it."""

    name: str

    def settings(self) -> str:
        """Its entry below `storages:`."""

    def location(self, prefix: str) -> str:
        """How `copy SRC DST` calls the tree below `prefix`."""

    def put(self, key: str, body: bytes) -> None:
        """Store an object."""

    def tree(self, prefix: str) -> dict[str, str]:
        """MD5 of every object below `prefix`, by relative key."""

    def uploads(self) -> list[str]:
        """Multipart uploads that nobody has ended."""


# An object of at least this size is sent in parts, also where its ETag is an MD5.
IN_PARTS = 17 * 1024 * 1024


@dataclass(frozen=True)
class BucketPlace:
    """The bucket of a server, under the name `name`; `port` may be that of a proxy in front of it."""

    name: str
    server: S3Server
    port: int = 0

    def settings(self) -> str:
        return f"""\
  {self.name}:
    storageType: minio
    address: {self.server.address}
    port: {self.port or self.server.port}
    accessKeyID: {self.server.access_key}
    secretAccessKey: {self.server.secret_key}
    bucketName: {self.server.bucket}
    backupRootPath: backup
"""

    def location(self, prefix: str) -> str:
        return f"{self.name}:{self.server.bucket}/{prefix}"

    def put(self, key: str, body: bytes) -> None:
        self.server.client.put(self.server.bucket, key, body)

    def tree(self, prefix: str) -> dict[str, str]:
        client, bucket = self.server.client, self.server.bucket
        keys = client.keys(bucket, f"{prefix}/")
        return {key[len(prefix) + 1 :]: hashlib.md5(client.get(bucket, key)).hexdigest() for key in keys}

    def uploads(self) -> list[str]:
        return self.server.client.uploads(self.server.bucket)


@dataclass(frozen=True)
class DiskPlace:
    """A directory."""

    name: str
    root: Path

    def settings(self) -> str:
        return f"""\
  {self.name}:
    storageType: local
    backupRootPath: {self.root}/backup
"""

    def location(self, prefix: str) -> str:
        return f"{self.root}/{prefix}"

    def put(self, key: str, body: bytes) -> None:
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)

    def tree(self, prefix: str) -> dict[str, str]:
        root = self.root / prefix
        files = [path for path in root.rglob("*") if path.is_file()]
        return {str(path.relative_to(root)): hashlib.md5(path.read_bytes()).hexdigest() for path in files}

    def uploads(self) -> list[str]:
        return [str(path) for path in self.root.rglob("*.mb*")]


def config_of(*places: Place) -> str:
    """A configuration whose own storages are not used, and these below `storages:`."""
    unused = "minio:\n  storageType: local\n  rootPath: unused\n  backupStorageType: local\n  backupRootPath: unused\n"
    return unused + "storages:\n" + "".join(place.settings() for place in places)


def sample_tree(seed: int, parts: int = 2) -> dict[str, bytes]:
    """Objects of all sizes a copy treats differently, and keys that need quoting."""
    chance = random.Random(seed)
    sizes = {"empty": 0, "one": 1, "a/b/c/d/e": 20_000, "small+plus": 300, "sp ace/ü%41&=?": 40, "a.b": 5, "z": 70_000}
    tree = {key: chance.randbytes(size) for key, size in sizes.items()}
    tree |= {f"many/{number:03}": chance.randbytes(500 + number) for number in range(30)}
    tree |= {f"large/{number}": chance.randbytes(IN_PARTS + number) for number in range(parts)}
    return tree


def fill(place: Place, prefix: str, tree: dict[str, bytes]) -> dict[str, str]:
    """Store the tree; returns what `tree()` of any copy must give."""
    for key, body in tree.items():
        place.put(f"{prefix}/{key}", body)
    return {key: hashlib.md5(body).hexdigest() for key, body in tree.items()}


def sample_backup(fill_byte: str, parts: int = 2) -> dict[str, bytes]:
    """A directory that is a backup by its header; no log in it is one."""
    logs = "binlogs/insert_log/7/70/700/700"
    tree = {f"{logs}/{field}/{field + 1000}": fill_byte.encode() * (100 + field) for field in range(20)}
    tree |= {f"{logs}/{field}/1": fill_byte.encode() * (IN_PARTS + field) for field in range(100, 100 + parts)}
    header = f'{{"id":"{fill_byte}","name":"b","size":0,"milvus_version":"v2.3.5"}}'
    tree |= {f"meta/{name}_meta.json": b"{}" for name in ("collection", "partition", "segment")}
    return tree | {"meta/full_meta.json": header.encode(), "meta/backup_meta.json": header.encode()}
