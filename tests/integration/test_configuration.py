"""Configuration files of version 2, and a Milvus that sees its disk elsewhere than we do."""

from __future__ import annotations

import json
from pathlib import Path

from pymilvus import utility

from configs import backup_config
from rows import compare_partitions, connected, fill, read_by_partition
from servers import MilvusServer, MinioServer
from tool import Tool


def test_translated_configuration_works(cli: Tool, milvus_a: MilvusServer, minio_a: MinioServer) -> None:
    cli.write_config("backup.yaml", backup_config(milvus_a, minio_a))
    cli.succeed("config", "migrate", "--strict", "-o", "v2.yaml")
    assert (cli.folder / "v2.yaml").stat().st_mode & 0o777 == 0o600
    checked = cli.succeed("--config", "v2.yaml", "check")
    assert "Success!" in checked.stdout
    # Hints below name the keys of the file's own version.
    summaries = [finished.stdout.partition("!!!")[0] for finished in (checked, cli.succeed("check"))]
    assert summaries[0].removesuffix("Success!\n") == summaries[1].removesuffix("Success!\n")
    cli.succeed("--config", "v2.yaml", "list")


LOCAL_CONFIG = """\
configVersion: v2
milvus:
  grpc: {{address: {milvus.address}, port: {milvus.port}}}
  storage: {{provider: local, rootPath: {seen}, localPath: {local_path}}}
backup:
  storage: {{rootPath: {backups}{backup_path}}}
"""


def test_local_storage_is_named_as_milvus_sees_it(cli: Tool, milvus_local: MilvusServer, tmp_path: Path) -> None:
    seen, backups = tmp_path / "seen", tmp_path / "backups"
    seen.symlink_to(milvus_local.local_root)

    def write(local_path: object, backup_path: str = "") -> None:
        cli.write_config(
            "backup.yaml",
            LOCAL_CONFIG.format(
                milvus=milvus_local, seen=seen, local_path=local_path, backups=backups, backup_path=backup_path
            ),
        )

    with connected(milvus_local) as alias:
        fill(alias, "coll")
        rows = read_by_partition(alias, "coll")
        write(milvus_local.local_root)
        cli.succeed("create", "-c", "coll", "-n", "local")
        meta = (backups / "local" / "meta" / "segment_meta.json").read_text()
        assert f"{milvus_local.local_root}/insert_log/" in meta
        assert str(seen) not in meta

        # Milvus is not known to see the backups, so they are staged where it looks.
        staged = json.loads(cli.succeed("restore", "-n", "local", "-s", "_staged", "--json").stdout)
        assert staged["staged_objects"] > 0
        assert compare_partitions(rows, read_by_partition(alias, "coll_staged")) is None

        write(milvus_local.local_root, f", localPath: {backups}")
        in_place = json.loads(cli.succeed("restore", "-n", "local", "-s", "_in_place", "--json").stdout)
        assert in_place["staged_objects"] == 0
        assert compare_partitions(rows, read_by_partition(alias, "coll_in_place")) is None

        # What is said is what Milvus is given: there it finds nothing.
        write("/not/there")
        lost = cli.run("restore", "-n", "local", "-s", "_lost")
        found = read_by_partition(alias, "coll_lost") if utility.has_collection("coll_lost", using=alias) else {}
        assert lost.status != 0 or not any(found.values()), lost
