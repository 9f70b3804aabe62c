"""Milvus' guide to moving a collection between instances on different object stores, step by step as written there."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from pymilvus import connections
from rows import Row, compare_partitions, read_by_partition
from servers import MilvusServer, MinioServer, mc_program
from tool import Tool

GUIDE_CONFIG = """\
# milvus proxy address, compatible to milvus.yaml
milvus:
  address: {milvus.address}
  port: {milvus.port}
  authorizationEnabled: false
  # tls mode values [0, 1, 2]
  # 0 is close, 1 is one-way authentication, 2 is two-way authentication.
  tlsMode: 0
  user: "root"
  password: "Milvus"

# Related configuration of minio, which is responsible for data persistence for Milvus.
minio:
  # cloudProvider: "minio" # deprecated use storageType instead
  storageType: "minio" # support storage type: local, minio, s3, aws, gcp, ali(aliyun), azure, tc(tencent)

  address: {store.address} # Address of MinIO/S3
  port: {store.port}   # Port of MinIO/S3
  accessKeyID: minioadmin  # accessKeyID of MinIO/S3
  secretAccessKey: minioadmin # MinIO/S3 encryption string
  useSSL: false # Access to MinIO/S3 with SSL
  useIAM: false
  iamEndpoint: ""

  bucketName: "{store.bucket}" # Milvus Bucket name in MinIO/S3, make it the same as your milvus instance
  rootPath: "files" # Milvus storage root path in MinIO/S3, make it the same as your milvus instance

  # only for azure
  backupAccessKeyID: minioadmin  # accessKeyID of MinIO/S3
  backupSecretAccessKey: minioadmin # MinIO/S3 encryption string

  backupBucketName: "{store.bucket}" # Bucket name to store backup data. Backup data will store to backupBucketName/backupRootPath
  backupRootPath: "backup" # Rootpath to store backup data. Backup data will store to backupBucketName/backupRootPath
"""


class Mc:
    """The MinIO client with its settings in a folder of the test's own."""

    def __init__(self, folder: Path) -> None:
        self._environment = {**os.environ, "MC_CONFIG_DIR": str(folder)}

    def __call__(self, *arguments: str | Path) -> str:
        """Run mc; a failure fails the test."""
        ended = subprocess.run(
            [mc_program(), *arguments], env=self._environment, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, f"mc {arguments}: {ended.stdout}{ended.stderr}"
        return ended.stdout

    def alias(self, name: str, store: MinioServer) -> None:
        """Give `store` the alias `name`."""
        self("alias", "set", name, f"http://{store.address}:{store.port}", store.access_key, store.secret_key)


@pytest.fixture
def mc(tmp_path: Path) -> Mc:
    """The MinIO client."""
    return Mc(tmp_path / "mc")


def lay_out(folder: Path, binary: Path, milvus: MilvusServer, store: MinioServer) -> Tool:
    """The guide's folder: the program and configs/backup.yaml."""
    (folder / "configs").mkdir(parents=True)
    (folder / "configs" / "backup.yaml").write_text(GUIDE_CONFIG.format(milvus=milvus, store=store))
    (folder / "milvus-backup").symlink_to(binary)
    return Tool(folder / "milvus-backup", folder)


def collection_id(alias: str, name: str) -> int:
    """The id that Milvus gave to the collection `name`."""
    return connections._fetch_handler(alias).describe_collection(name)["collection_id"]


def test_backup_goes_from_a_to_b_through_mc(
    binary: Path,
    tmp_path: Path,
    mc: Mc,
    minio_a: MinioServer,
    minio_b: MinioServer,
    milvus_a: MilvusServer,
    milvus_b: MilvusServer,
    alias_b: str,
    coll_rows: dict[str, dict[int, Row]],
) -> None:
    at_a = lay_out(tmp_path / "a", binary, milvus_a, minio_a)
    at_a.succeed("create", "-c", "coll", "-n", "my_backup")
    header = json.loads(minio_a.client.get("bucket-a", "backup/my_backup/meta/backup_meta.json"))
    assert header["name"] == "my_backup"

    mc.alias("my_minio", minio_a)
    assert "bucket-a" in mc("ls", "my_minio")
    downloaded = tmp_path / "downloaded"
    mc("cp", "--recursive", "my_minio/bucket-a/backup/my_backup/", f"{downloaded}/")
    mc.alias("other_minio", minio_b)
    mc("cp", "--recursive", f"{downloaded}/", "other_minio/bucket-b/backup/my_backup/")
    assert minio_b.client.keys("bucket-b", "backup/") == minio_a.client.keys("bucket-a", "backup/my_backup/")

    before = set(minio_b.client.keys("bucket-b", "restore-temp-"))
    at_b = lay_out(tmp_path / "b", binary, milvus_b, minio_b)
    at_b.succeed("restore", "-c", "coll", "-n", "my_backup", "-s", "_bak")
    assert minio_b.client.keys("bucket-b", f"files/insert_log/{collection_id(alias_b, 'coll_bak')}/")
    assert compare_partitions(coll_rows, read_by_partition(alias_b, "coll_bak")) is None
    assert set(minio_b.client.keys("bucket-b", "restore-temp-")) == before
