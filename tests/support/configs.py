"""Configuration files for milvus-backup, written from the servers that a test has started."""

from __future__ import annotations

from pathlib import Path

from servers import MilvusServer, S3Server


def _yes(value: bool) -> str:
    return str(value).lower()


def _milvus(milvus: MilvusServer) -> str:
    return f"""\
milvus:
  address: {milvus.address}
  port: {milvus.port}
  user: "{milvus.user}"
  password: "{milvus.password}"
  tlsMode: 0
"""


def _garbage_collection(milvus: MilvusServer) -> str:
    return f"""\
backup:
  gcPause:
    enable: true
    address: http://{milvus.address}:{milvus.management_port}
"""


def _milvus_storage(milvus: MilvusServer, store: S3Server | None) -> str:
    if store is None:
        return f"""\
  storageType: "local"
  rootPath: "{milvus.local_root}"
"""
    return f"""\
  storageType: "minio"
  address: {store.address}
  port: {store.port}
  accessKeyID: {store.access_key}
  secretAccessKey: {store.secret_key}
  useSSL: {_yes(store.use_ssl)}
  bucketName: "{milvus.bucket}"
  rootPath: "{milvus.root_path}"
"""


def _backup_storage(store: S3Server | None, root: str | Path) -> str:
    if store is None:
        return f"""\
  backupStorageType: "local"
  backupRootPath: "{root}"
"""
    return f"""\
  backupStorageType: "minio"
  backupAddress: {store.address}
  backupPort: {store.port}
  backupAccessKeyID: {store.access_key}
  backupSecretAccessKey: {store.secret_key}
  backupUseSSL: {_yes(store.use_ssl)}
  backupBucketName: "{store.bucket}"
  backupRootPath: "{root}"
"""


def backup_config(
    milvus: MilvusServer,
    store: S3Server | None,
    backup: S3Server | None = None,
    *,
    backup_root: str | Path = "backup",
) -> str:
    """Text of a backup.yaml: `milvus` on `store`, backups on `backup`, which is `store` unless told otherwise.

    No `store` means Milvus' local disk; without `backup` the backups are there too, below an absolute `backup_root`.
    """
    return f"""\
{_milvus(milvus)}
minio:
{_milvus_storage(milvus, store)}
{_backup_storage(backup or store, backup_root)}
{_garbage_collection(milvus)}"""
