"""Export of a Milvus 1.x whose meta is in MySQL, from a MariaDB server that the test starts."""

from __future__ import annotations

import sqlite3
import subprocess
from pathlib import Path
from typing import Iterator

import milvus1x
import pytest
from servers import HOST, Server, accepts, free_ports
from tool import Tool

SYNTHETIC = Path(__file__).resolve().parents[2] / "tests" / "data" / "milvus1x"
PROGRAM = Path("/usr/sbin/mariadbd")
SYSTEM_TABLES = Path("/usr/share/mysql")
PASSWORD = "p@ss:w/ord?"


def statements_of(sqlite: Path) -> list[str]:
    """The rows of a meta.sqlite as INSERTs."""
    with sqlite3.connect(sqlite) as database:
        return [line for line in database.iterdump() if line.startswith("INSERT")]


class MariaDb(Server):
    """A MariaDB server with the databases `milvus` (the synthetic meta) and `notes` (something else)."""

    name = "mariadb"

    def __init__(self) -> None:
        super().__init__()
        (self.port,) = free_ports(1)
        self.socket = self.folder / "s"
        data = self.folder / "data"
        data.mkdir()
        # What mariadb-install-db does, which wants a program of the client's package.
        tables = [(SYSTEM_TABLES / name).read_text() for name in ("mysql_system_tables.sql", "mysql_performance_tables.sql")]
        subprocess.run(
            [PROGRAM, "--no-defaults", "--bootstrap", "--user=root", f"--datadir={data}", "--basedir=/usr"],
            input="CREATE DATABASE mysql;\nUSE mysql;\n" + "\n".join(tables),
            text=True,
            check=True,
            capture_output=True,
        )
        schema = milvus1x.SCHEMA.replace("INTEGER PRIMARY KEY NOT NULL", "BIGINT PRIMARY KEY AUTO_INCREMENT")
        rows = [line.replace('INTO "', "INTO ").replace('" VALUES', " VALUES", 1) for line in statements_of(SYNTHETIC / "db" / "meta.sqlite")]
        setup = [
            "CREATE DATABASE milvus; USE milvus;",
            schema,
            *rows,
            "CREATE DATABASE notes; CREATE TABLE notes.notes (id INT); CREATE DATABASE empty;",
            f"CREATE USER reader@'%' IDENTIFIED BY '{PASSWORD}'; GRANT SELECT ON *.* TO reader@'%';",
        ]
        # The server reads a statement a line.
        self._setup = self.folder / "setup.sql"
        self._setup.write_text("\n".join(" ".join(text.split("\n")) for text in setup).replace("; ", ";\n") + "\n")

    def command(self) -> list[str | Path]:
        """Start it by hand on its own port and socket."""
        return [
            PROGRAM,
            "--no-defaults",
            "--user=root",
            f"--datadir={self.folder / 'data'}",
            f"--port={self.port}",
            f"--bind-address={HOST}",
            f"--socket={self.socket}",
            f"--init-file={self._setup}",
            "--innodb-fast-shutdown=2",
        ]

    def ready(self) -> bool:
        """Whether it takes connections."""
        return accepts(self.port)


@pytest.fixture(scope="module")
def mariadb() -> Iterator[MariaDb]:
    """The server, running."""
    if not PROGRAM.exists():
        pytest.skip("MariaDB is not installed: apt-get install mariadb-server-core")
    with MariaDb() as server:
        yield server


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
