"""Export of a Milvus 1.x whose meta is in MySQL, from a MariaDB server that the test starts."""

from __future__ import annotations

import milvus1x
from mariadb import PASSWORD, MariaDb
from migrating import SYNTHETIC, remote
from rows import dropped_after
from servers import HOST, MilvusServer, MinioServer
from test_migration_1x import SYNTHETIC_NAMES, check_synthetic, config, local_source
from tool import Tool


def test_the_guides_export_from_mysql(migration: Tool, mariadb: MariaDb) -> None:
    parameters = "charset=utf8mb4&parseTime=True&loc=Local"
    for number, address in enumerate((f"tcp({HOST}:{mariadb.port})", f"unix({mariadb.socket})")):
        dsn = f"reader:{PASSWORD}@{address}/milvus?{parameters}"
        exported = migration.succeed("export", "-m", dsn, "-o", f"out{number}")
        assert "export file success" in exported.stdout
        assert PASSWORD not in exported.stdout + exported.stderr
        meta = (migration.folder / f"out{number}/meta.json").read_text()
        assert milvus1x.without_own_keys(meta) == (SYNTHETIC / "expected/meta.upstream-export.json").read_text()
    # The same as from SQLite, to the byte.
    migration.succeed("export", "-s", str(SYNTHETIC / "db/meta.sqlite"), "-o", "sqlite")
    assert (migration.folder / "sqlite/meta.json").read_text() == meta

    migration.write_config(
        "migration.yaml",
        f"""\
dumper: {{worker: {{workMode: milvus1x}}}}
meta: {{mode: mysql, mysqlUrl: "reader:{PASSWORD}@tcp({HOST}:{mariadb.port})/milvus"}}
source: {{mode: local, local: {{tablesDir: {SYNTHETIC}/db/tables}}}}
target: {{mode: local, local: {{outputDir: dumped}}}}
""",
    )
    assert "dumped 251 rows" in migration.succeed("dump").stdout


def test_the_guide_from_mysql_to_milvus(
    migration: Tool, mariadb: MariaDb, milvus_b: MilvusServer, minio_b: MinioServer, alias_b: str
) -> None:
    migration.write_config(
        "configs/migration.yaml",
        config(
            f'  mode: mysql\n  mysqlUrl: "reader:{PASSWORD}@tcp({HOST}:{mariadb.port})/milvus?parseTime=True"',
            local_source(SYNTHETIC / "db/tables"),
            remote(minio_b, "outputDir", "mysql"),
            milvus_b,
        ),
    )
    assert "dumped 251 rows" in migration.succeed("dump", "--config=configs/migration.yaml").stdout
    with dropped_after(alias_b, *SYNTHETIC_NAMES):
        migration.succeed("load", "--index", "--config=configs/migration.yaml")
        check_synthetic(alias_b)
    assert minio_b.client.keys(minio_b.bucket, "mysql/") == []


def test_refusals_of_mysql_are_one_line(migration: Tool, mariadb: MariaDb) -> None:
    def refused(dsn: str, status: int, text: str) -> None:
        failed = migration.run("export", "-m", dsn, "-o", "out")
        assert failed.status == status and text in failed.stderr, failed
        assert failed.stderr.count("\n") == 1 and "secret" not in failed.stdout + failed.stderr
        assert not (migration.folder / "out").exists()

    address = f"tcp({HOST}:{mariadb.port})"
    refused(f"reader:secret@{address}/milvus", 12, "check user and password")
    refused(f"reader:{PASSWORD}@{address}/nowhere", 1, "nowhere")
    refused(f"reader:{PASSWORD}@{address}/notes", 1, "is no meta of Milvus 0.9 to 1.x")
    refused(f"reader:{PASSWORD}@{address}/empty", 1, "is no meta of Milvus 0.9 to 1.x")
    refused("reader:secret@tcp(127.0.0.1:1)/milvus", 1, "check host, port and database")
