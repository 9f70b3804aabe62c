"""A MariaDB server with the meta of a Milvus 1.x in it, as a Milvus keeps it that is told to use MySQL."""

from __future__ import annotations

import sqlite3
import subprocess
from pathlib import Path

import milvus1x
from servers import HOST, Server, accepts, free_ports

SYNTHETIC = Path(__file__).resolve().parents[1] / "data" / "milvus1x"
PROGRAM = Path("/usr/sbin/mariadbd")
SYSTEM_TABLES = Path("/usr/share/mysql")
USER = "reader"
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
            f"CREATE USER {USER}@'%' IDENTIFIED BY '{PASSWORD}'; GRANT SELECT ON *.* TO {USER}@'%';",
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
