"""Servers that the integration tests share: Milvus A on MinIO A with bucket-a, Milvus B on MinIO B with bucket-b."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Callable, Iterator

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "tests" / "support"))

from configs import backup_config  # noqa: E402
from copying import BucketPlace  # noqa: E402
from mariadb import PROGRAM as MARIADB  # noqa: E402
from mariadb import MariaDb  # noqa: E402
from rows import Row, connected, fill, read_by_partition  # noqa: E402
from servers import MilvusServer, MinioServer, NotInstalled, mc_program, stop_all  # noqa: E402
from tool import Tool  # noqa: E402


def pytest_configure() -> None:
    """Let SIGTERM end the run as Ctrl-C does, with its clean-up."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long tests out, unless MB_SOAK=1 asks for them."""
    if os.environ.get("MB_SOAK") == "1":
        return
    long = [item for item in items if item.get_closest_marker("soak")]
    items[:] = [item for item in items if item not in long]
    config.hook.pytest_deselected(items=long)


def pytest_unconfigure() -> None:
    """End what an interrupted run has left."""
    stop_all()


@pytest.fixture(scope="session", autouse=True)
def _servers_installed() -> None:
    try:
        MinioServer.program()
        MilvusServer.installation()
        mc_program()
    except NotInstalled as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def minio_a() -> Iterator[MinioServer]:
    """The store of Milvus A."""
    with MinioServer("bucket-a") as server:
        yield server


@pytest.fixture(scope="session")
def minio_b() -> Iterator[MinioServer]:
    """The store of Milvus B."""
    with MinioServer("bucket-b") as server:
        yield server


@pytest.fixture(scope="session")
def milvus_a(minio_a: MinioServer) -> Iterator[MilvusServer]:
    """Milvus with its data in bucket-a under `files`."""
    with MilvusServer(minio_a) as server:
        yield server


@pytest.fixture(scope="session")
def milvus_b(minio_b: MinioServer) -> Iterator[MilvusServer]:
    """Milvus with its data in bucket-b under `files`, empty at first.

    MB_IMPORT_EXPIRY_S: after so many seconds it gives an import up; 900 where it is not set.
    """
    expiry_s = os.environ.get("MB_IMPORT_EXPIRY_S", "900")
    with MilvusServer(minio_b, settings={"rootCoord.importTaskExpiration": expiry_s}) as server:
        yield server


@pytest.fixture(scope="module")
def milvus_local() -> Iterator[MilvusServer]:
    """Milvus with its data on its local disk, one for each file that wants it."""
    with MilvusServer() as server:
        yield server


@pytest.fixture(scope="session")
def alias_a(milvus_a: MilvusServer) -> Iterator[str]:
    """pymilvus connection to Milvus A."""
    with connected(milvus_a) as alias:
        yield alias


@pytest.fixture(scope="session")
def alias_b(milvus_b: MilvusServer) -> Iterator[str]:
    """pymilvus connection to Milvus B."""
    with connected(milvus_b) as alias:
        yield alias


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDb]:
    """A MariaDB server with the meta of the synthetic Milvus 1.x."""
    if not MARIADB.exists():
        pytest.skip("MariaDB is not installed: apt-get install mariadb-server-core")
    with MariaDb() as server:
        yield server


@pytest.fixture(scope="session")
def coll_rows(alias_a: str) -> dict[str, dict[int, Row]]:
    """Collection `coll` of Milvus A, filled with 20,000 rows less the deleted ones, as read back by partition."""
    filled = fill(alias_a, "coll")
    rows = read_by_partition(alias_a, "coll")
    assert {partition: len(found) for partition, found in rows.items()} == filled.alive
    return rows


@pytest.fixture(scope="session")
def binary() -> Path:
    """The program under test, from MB_BINARY."""
    path = Path(os.environ.get("MB_BINARY", REPOSITORY / "build" / "release" / "milvus-backup")).absolute()
    if not path.exists():
        pytest.exit(f"{path} does not exist: build it, or set MB_BINARY", returncode=1)
    return path


@pytest.fixture
def cli(binary: Path, tmp_path: Path) -> Tool:
    """The program under test in a folder of the test's own."""
    return Tool(binary, tmp_path)


@pytest.fixture
def migration(binary: Path, tmp_path: Path) -> Tool:
    """The program under its other name."""
    name = tmp_path / "milvus-migration"
    name.symlink_to(binary)
    return Tool(name, tmp_path)


@pytest.fixture(scope="session")
def make_cli(binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Tool]:
    """Give the program under test in a new folder, for fixtures that outlive a test."""
    return lambda name: Tool(binary, tmp_path_factory.mktemp(name))


@pytest.fixture
def at_a(cli: Tool, milvus_a: MilvusServer, minio_a: MinioServer) -> Tool:
    """The program configured for Milvus A, with backups on its store."""
    cli.write_config("backup.yaml", backup_config(milvus_a, minio_a))
    return cli


@pytest.fixture
def at_b(cli: Tool, milvus_b: MilvusServer, minio_b: MinioServer, minio_a: MinioServer) -> Tool:
    """The program configured for Milvus B, with backups on the store of A."""
    cli.write_config("backup.yaml", backup_config(milvus_b, minio_b, minio_a))
    return cli


@pytest.fixture
def at_both(
    make_cli: Callable[[str], Tool],
    milvus_a: MilvusServer,
    minio_a: MinioServer,
    milvus_b: MilvusServer,
    minio_b: MinioServer,
) -> Tool:
    """The program with a file per site, `a.yaml` and `b.yaml`; each knows the other's storage."""
    tool = make_cli("sites")
    site_a, site_b = BucketPlace("site_a", minio_a).settings(), BucketPlace("site_b", minio_b).settings()
    tool.write_config("a.yaml", backup_config(milvus_a, minio_a) + "storages:\n" + site_b)
    tool.write_config("b.yaml", backup_config(milvus_b, minio_b) + "storages:\n" + site_a)
    return tool
