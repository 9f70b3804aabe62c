"""Configuration files for milvus-backup, written from the servers that a test has started."""

from __future__ import annotations

from servers import MilvusServer, S3Server


def _yes(value: bool) -> str:
    return str(value).lower()


def backup_config(
    milvus: MilvusServer, store: S3Server, backup: S3Server | None = None, *, backup_root: str = "backup"
) -> str:
    """Text of a backup.yaml: `milvus` on `store`, backups on `backup`, which is `store` unless told otherwise."""
    target = backup or store
    return f"""\
milvus:
  address: {milvus.address}
  port: {milvus.port}
  user: "{milvus.user}"
  password: "{milvus.password}"
  tlsMode: 0

minio:
  storageType: "minio"
  address: {store.address}
  port: {store.port}
  accessKeyID: {store.access_key}
  secretAccessKey: {store.secret_key}
  useSSL: {_yes(store.use_ssl)}
  bucketName: "{milvus.bucket}"
  rootPath: "{milvus.root_path}"

  backupStorageType: "minio"
  backupAddress: {target.address}
  backupPort: {target.port}
  backupAccessKeyID: {target.access_key}
  backupSecretAccessKey: {target.secret_key}
  backupUseSSL: {_yes(target.use_ssl)}
  backupBucketName: "{target.bucket}"
  backupRootPath: "{backup_root}"

backup:
  gcPause:
    enable: true
    address: http://{milvus.address}:{milvus.management_port}
"""
