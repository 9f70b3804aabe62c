"""milvusdm, and workMode faiss of milvus-migration, into a real Milvus 2.3.5: the guide, every sample file, modes."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy
import pytest
from mariadb import PASSWORD, USER, MariaDb
from migrating import SYNTHETIC, expected_rows, read_rows, remote
from milvus1x import Rows
from pymilvus import Collection, utility
from rows import connected, dropped_after
from servers import HOST, MilvusServer, MinioServer
from tool import Tool, finish

DATA = Path(__file__).resolve().parents[1] / "data"
HDF5 = DATA / "milvusdm"
FAISS = DATA / "faiss"


@pytest.fixture
def dm(binary: Path, tmp_path: Path) -> Tool:
    """The program under its other name, with a work directory of its own."""
    name = tmp_path / "milvusdm"
    name.symlink_to(binary)
    return Tool(name, tmp_path, {"MILVUSDM_PATH": str(tmp_path / "work")})


def storage(store: MinioServer) -> str:
    """The block that asks for bulk insert."""
    return f"""\
storage:
  storageType: minio
  address: {store.address}
  port: {store.port}
  accessKeyID: {store.access_key}
  secretAccessKey: {store.secret_key}
  useSSL: false
  bucketName: {store.bucket}
"""


def collection_task(
    task: str, data: str, milvus: MilvusServer, name: str, shape: tuple[int, str], mode: str = "append", partition: str = ""
) -> str:
    """An H2M.yaml or F2M.yaml as the guide has it; `data` are its lines about files."""
    return f"""\
{task}:
  milvus_version: 2.0.0
{data}
  dest_host: '{milvus.address}'
  dest_port: {milvus.port}
  mode: '{mode}'        # 'skip/append/overwrite'
  dest_collection_name: '{name}'
  dest_partition_name: '{partition}'
  collection_parameter:
    dimension: {shape[0]}
    index_file_size: 1024
    metric_type: '{shape[1]}'
"""


def h2m_files(*paths: Path) -> str:
    """The lines of H2M about files."""
    return "  data_path:\n" + "".join(f"    - {path}\n" for path in paths) + "  data_dir:"


def run_task(dm: Tool, text: str, *arguments: str) -> str:
    """Run a task to its success; gives its stdout."""
    dm.write_config("task.yaml", text)
    return dm.succeed(*(arguments or ("--yaml", "task.yaml"))).stdout


def index(alias: str, name: str, metric: str = "L2") -> None:
    """Give the collection the index that reading needs."""
    kind = "FLAT" if metric in ("L2", "IP") else "BIN_FLAT"
    Collection(name, using=alias).create_index(
        "embedding", {"index_type": kind, "metric_type": metric, "params": {}}
    )


def contiguous(path: Path, row_bytes: int, ids: list[int]) -> Rows:
    """Rows of a file of h5py's: the first dataset begins at byte 2048."""
    data = path.read_bytes()[2048 : 2048 + row_bytes * len(ids)]
    return {key: data[i * row_bytes : (i + 1) * row_bytes] for i, key in enumerate(ids)}


FLOATS = contiguous(HDF5 / "float32.h5", 48, [11 * i for i in range(50)])


def test_h2m_by_inserts(dm: Tool, milvus_b: MilvusServer, alias_b: str) -> None:
    old_log = dm.folder / "work/logs/milvusdm-2020-01-01.log"
    old_log.parent.mkdir(parents=True)
    old_log.write_text("old")
    dm.environment["logs_num"] = "1"
    with dropped_after(alias_b, "floats"):
        stdout = run_task(
            dm,
            collection_task("H2M", h2m_files(HDF5 / "float32.h5"), milvus_b, "floats", (12, "L2"), partition="p_1"),
            "--ya=task.yaml",  # the old parser took prefixes
        )
        assert "floats/p_1: 50 rows inserted\n" in stdout
        assert re.search(
            r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} ｜ INFO ｜ cmd_dm.cc ｜ \w+ ｜ \d+ ｜ Migrate HDF5 data to Milvus "
            r"Successfully: \['.*float32.h5'\]\n",
            stdout,
        )
        index(alias_b, "floats")
        assert read_rows(alias_b, "floats", "embedding") == {"_default": {}, "p_1": FLOATS}
    logs = list((dm.folder / "work/logs").iterdir())
    assert len(logs) == 1 and re.fullmatch(r"milvusdm-\d{4}-\d\d-\d\d\.log", logs[0].name)
    assert not list((dm.folder / "work/state").rglob("*.json"))


def published_floats() -> Rows:
    """MilvusDM's own example: 5000 x 100 doubles, and their ids at the end."""
    data = (HDF5 / "float_example.h5").read_bytes()
    ids = numpy.frombuffer(data[-40_000:], dtype="<i8")
    vectors = numpy.frombuffer(data[2048 : 2048 + 4_000_000], dtype="<f8").reshape(5000, 100).astype("<f4")
    return {int(key): vector.tobytes() for key, vector in zip(ids, vectors)}


@pytest.mark.parametrize("by_import", [False, pytest.param(True, marks=pytest.mark.soak)])
def test_h2m_of_the_published_example(
    dm: Tool, milvus_b: MilvusServer, minio_b: MinioServer, alias_b: str, by_import: bool
) -> None:
    expected = published_floats()
    assert len(expected) == 5000
    with dropped_after(alias_b, "published"):
        text = collection_task("H2M", h2m_files(HDF5 / "float_example.h5"), milvus_b, "published", (100, "L2"))
        run_task(dm, text + (storage(minio_b) if by_import else ""))
        index(alias_b, "published")
        assert read_rows(alias_b, "published", "embedding") == {"_default": expected}


@pytest.mark.soak
@pytest.mark.parametrize("by_import", [False, True])
def test_h2m_of_binary_vectors(
    dm: Tool, milvus_b: MilvusServer, minio_b: MinioServer, alias_b: str, by_import: bool
) -> None:
    ids = numpy.frombuffer((HDF5 / "uint8_binary.h5").read_bytes()[2048 + 240 :][:240], dtype="<i8")
    cases = [
        ("bits", HDF5 / "uint8_binary.h5", 64, "HAMMING", [int(key) for key in ids]),
        ("strings", HDF5 / "byte_example.h5", 512, "JACCARD", [1, 2, 3, 4, 5]),
    ]
    with dropped_after(alias_b, "bits", "strings"):
        for name, path, bits, metric, keys in cases:
            text = collection_task("H2M", h2m_files(path), milvus_b, name, (bits, metric), "overwrite")
            run_task(dm, text + (storage(minio_b) if by_import else ""))
            index(alias_b, name, metric)
            rows = contiguous(path, bits // 8, keys)
            assert name == "strings" or any(vector.endswith(b"\0") for vector in rows.values())
            assert read_rows(alias_b, name, "embedding") == {"_default": rows}


def test_h2m_by_bulk_insert_in_every_mode(
    dm: Tool, milvus_b: MilvusServer, minio_b: MinioServer, alias_b: str, tmp_path: Path
) -> None:
    shutil.copytree(HDF5, tmp_path / "dir", ignore=shutil.ignore_patterns("byte*", "uint8*", "float32.h5", "*latest*", "float_example*"))

    def task(files: str, mode: str, partition: str = "") -> str:
        return collection_task("H2M", files, milvus_b, "modes", (12, "IP"), mode, partition) + storage(minio_b)

    latest = h2m_files(HDF5 / "float32_latest_libver.h5")
    no_ids = h2m_files(HDF5 / "no_ids.h5")
    with dropped_after(alias_b, "modes"):
        # A directory: the second file has no ids and is numbered behind the first.
        directory = f"  data_path:\n  data_dir: '{tmp_path}/dir'"
        assert "modes/_default: 100 rows imported\n" in run_task(dm, task(directory, "skip"))
        run_task(dm, task(latest, "append", "p"))
        run_task(dm, task(no_ids, "append", "p"))
        assert "skipped, it exists" in run_task(dm, task(latest, "skip", "p"))
        assert Collection("modes", using=alias_b).num_entities == 200

        run_task(dm, task(latest, "overwrite", "p"))
        index(alias_b, "modes", "IP")
        rows = read_rows(alias_b, "modes", "embedding")
        assert rows["p"] == FLOATS
        # Rows of the second file are numbered behind those of the first.
        assert rows["_default"].keys() == FLOATS.keys() | set(range(50, 100))
        run_task(dm, task(latest, "overwrite"))
        assert [partition.name for partition in Collection("modes", using=alias_b).partitions] == ["_default"]
        index(alias_b, "modes", "IP")
        assert read_rows(alias_b, "modes", "embedding") == {"_default": FLOATS}
    assert minio_b.client.keys(minio_b.bucket, "milvusdm-temp/") == []


def faiss_rows(ids: str) -> Rows:
    """What the samples hold."""
    vectors = numpy.load(FAISS / "expected.vectors.npy")
    keys = numpy.load(FAISS / "expected.custom_ids.npy") if ids == "custom" else range(len(vectors))
    rows = {int(key): vector.tobytes() for key, vector in zip(keys, vectors)}
    return dict(list(rows.items())[:20]) if ids == "first 20" else rows


@pytest.mark.parametrize(
    "name, ids, by_import",
    [
        ("ivf_flat_dm_hash", "custom", False),
        *(
            pytest.param(name, ids, True, marks=pytest.mark.soak)
            for name, ids in [
                ("flat_l2", "numbered"),
                ("flat_ip", "numbered"),
                ("flat_l1", "numbered"),
                ("ivf_flat_l2_full", "numbered"),
                ("ivf_flat_l2_sparse", "first 20"),
                ("ivf_flat_dm_array", "numbered"),
                ("idmap_flat", "custom"),
                ("idmap2_flat", "custom"),
            ]
        ),
    ],
)
def test_f2m(
    dm: Tool, milvus_b: MilvusServer, minio_b: MinioServer, alias_b: str, name: str, ids: str, by_import: bool
) -> None:
    with dropped_after(alias_b, "faiss"):
        data = f"  data_path: '{FAISS / name}.index'"
        text = collection_task("F2M", data, milvus_b, "faiss", (16, "L2"), partition="p")
        stdout = run_task(dm, text + (storage(minio_b) if by_import else ""))
        assert f"Data migration successful from Faiss to Milvus: {FAISS}/{name}.index" in stdout
        index(alias_b, "faiss")
        assert read_rows(alias_b, "faiss", "embedding") == {"_default": {}, "p": faiss_rows(ids)}


@pytest.mark.soak
def test_f2m_of_binary_vectors(dm: Tool, milvus_b: MilvusServer, alias_b: str) -> None:
    vectors = numpy.load(FAISS / "expected.binary.npy")
    with dropped_after(alias_b, "binary_flat", "binary_idmap2", "binary_ivf"):
        for name in ("binary_flat", "binary_idmap2", "binary_ivf"):
            data = f"  data_path: '{FAISS / name}.index'"
            run_task(dm, collection_task("F2M", data, milvus_b, name, (32, "HAMMING")))
            index(alias_b, name, "HAMMING")
            first, step = (0, 1) if name == "binary_flat" else (100000, 7)
            expected = {first + step * i: vector.tobytes() for i, vector in enumerate(vectors)}
            assert read_rows(alias_b, name, "embedding") == {"_default": expected}


@pytest.mark.parametrize("place", ["local", pytest.param("remote", marks=pytest.mark.soak)])
def test_work_mode_faiss(
    dm: Tool, binary: Path, milvus_b: MilvusServer, minio_b: MinioServer, alias_b: str, place: str
) -> None:
    migration = Tool(binary, dm.folder)
    source = f"  mode: local\n  local:\n    faissFile: {FAISS}/ivf_flat_ip_ids.index\n"
    if place == "remote":
        minio_b.client.put(minio_b.bucket, "in/f.index", (FAISS / "idmap2_flat.index").read_bytes())
        source = remote(minio_b, "faissFile", "/in/f.index")
    migration.write_config(
        "migration.yaml",
        f"""\
dumper:
  worker:
    workMode: faiss
    reader:
      bufferSize: 1024
loader:
  worker:
    limit: 2
source:
{source}
target:
  create:
    collection:
      name: faiss_{place}
      shardsNum: 2
      dim: 16
      metricType: IP
{remote(minio_b, "outputDir", "faiss/" + place)}
  milvus2x:
    endpoint: "{milvus_b.address}:{milvus_b.port}"
""",
    )
    with dropped_after(alias_b, f"faiss_{place}"):
        if place == "local":
            dumped = migration.succeed("migration", "dump", "--config=migration.yaml")
            assert re.search(r"\nDump Success! Job dump\w{21} cost=\[\d+\.\d{6}\]\n", dumped.stdout)
            loaded = migration.succeed("migration", "load", "--index", "-c", "migration.yaml")
            assert "Load Success!" in loaded.stdout
        else:
            assert "Migration Success!" in migration.succeed("migration", "start", "--index").stdout
        assert read_rows(alias_b, f"faiss_{place}") == {"_default": faiss_rows("custom")}
    assert minio_b.client.keys(minio_b.bucket, "faiss/") == []


def old_task(task: str, rest: str) -> str:
    """An M2M.yaml or M2H.yaml as the guide's second example has it, for all of the synthetic tree."""
    return f"""\
{task}:
  milvus_version: 2.0.0
  source_milvus_path: '{SYNTHETIC}'
  mysql_parameter:
  source_collection:
    demo_l2:
    demo_ip:
    demo_bin:
      - ''
{rest}
"""


def check_synthetic(alias: str) -> None:
    """Compare what Milvus holds with the answers."""
    index(alias, "demo_l2")
    index(alias, "demo_bin", "HAMMING")
    assert read_rows(alias, "demo_l2", "embedding") == {
        "_default": expected_rows("demo_l2._default"),
        "p1": expected_rows("demo_l2.p1"),
    }
    assert read_rows(alias, "demo_bin", "embedding") == {"_default": expected_rows("demo_bin._default")}
    assert not utility.has_collection("demo_ip", using=alias)


def test_m2m(dm: Tool, milvus_b: MilvusServer, minio_b: MinioServer, alias_b: str) -> None:
    target = f"  dest_host: '{milvus_b.address}'\n  dest_port: {milvus_b.port}\n  mode: 'skip'"
    with dropped_after(alias_b, "demo_l2", "demo_bin"):
        stdout = run_task(dm, old_task("M2M", target) + storage(minio_b))
        assert "Successfully transformed all data." in stdout and "demo_ip/_default: no rows\n" in stdout
        assert " ｜ Ready to transform all data of collection: demo_bin/partitions: ['_default']\n" in stdout
        check_synthetic(alias_b)
        again = run_task(dm, old_task("M2M", target))
        assert "There collection:demo_l2 partition:p1 exists, and skip it." in again


def test_m2m_with_mysql(dm: Tool, milvus_b: MilvusServer, alias_b: str, mariadb: MariaDb) -> None:
    # Without a meta.sqlite beside the segments.
    shutil.copytree(SYNTHETIC / "db" / "tables", dm.folder / "old" / "db" / "tables")

    def task(password: str) -> str:
        parameters = f"{{host: {HOST}, user: {USER}, port: {mariadb.port}, password: '{password}', database: milvus}}"
        target = f"  dest_host: '{milvus_b.address}'\n  dest_port: {milvus_b.port}\n  mode: append"
        text = old_task("M2M", target).replace("mysql_parameter:", f"mysql_parameter: {parameters}")
        return text.replace(f"'{SYNTHETIC}'", f"'{dm.folder}/old'")

    with dropped_after(alias_b, "demo_l2", "demo_bin"):
        dm.write_config("wrong.yaml", task("not the password"))
        refused = dm.run("--yaml", "wrong.yaml")
        assert refused.status == 12 and "mysql_parameter" in refused.stderr, refused
        assert refused.stderr.count("\n") == 1 and "not the password" not in refused.stdout + refused.stderr
        stdout = run_task(dm, task(PASSWORD))
        assert "demo_l2/p1: 24 rows inserted\n" in stdout and PASSWORD not in stdout
        check_synthetic(alias_b)


def test_into_a_milvus_that_asks_for_a_password(dm: Tool, minio_b: MinioServer) -> None:
    with MilvusServer(minio_b, root_path="asks", auth=True) as milvus, connected(milvus) as alias:
        text = collection_task("H2M", h2m_files(HDF5 / "float32.h5"), milvus, "floats", (12, "L2"))

        def task(user: str, password: str) -> str:
            return text.replace("  mode:", f"  dest_user: {user}\n  dest_password: '{password}'\n  mode:")

        for wrong in (text, task(milvus.user, "not the password"), task("nobody", milvus.password)):
            dm.write_config("wrong.yaml", wrong)
            refused = dm.run("--yaml", "wrong.yaml")
            assert refused.status == 12 and "check H2M.dest_user and H2M.dest_password" in refused.stderr, refused
            assert refused.stderr.count("\n") == 1 and "not the password" not in refused.stdout + refused.stderr
        by_import = task(milvus.user, milvus.password) + storage(minio_b)
        assert "floats/_default: 50 rows imported\n" in run_task(dm, by_import)
        index(alias, "floats")
        assert read_rows(alias, "floats", "embedding") == {"_default": FLOATS}


def write_hdf5(dm: Tool) -> list[Path]:
    """M2H of the synthetic tree; gives the YAML files that it has written."""
    stdout = run_task(dm, old_task("M2H", f"  data_dir: '{dm.folder}/out'"))
    assert "Successfully copied all data." in stdout
    return sorted((dm.folder / "out").glob("*/yamls/*/*.yaml"))


def test_m2h(dm: Tool) -> None:
    yamls = write_hdf5(dm)
    names = ["demo_bin/None", "demo_l2/None", "demo_l2/p1"]
    assert [f"{path.parent.name}/{path.stem}" for path in yamls] == names
    # Contiguous, so the rows are in the file as they are.
    for name, key in zip(names, ["demo_bin._default", "demo_l2._default", "demo_l2.p1"]):
        (path,) = (dm.folder / "out").glob(f"*/{name}.h5")
        assert b"".join(expected_rows(key).values()) in path.read_bytes()


def test_m2h_and_back(dm: Tool, milvus_b: MilvusServer, minio_b: MinioServer, alias_b: str) -> None:
    with dropped_after(alias_b, "demo_l2", "demo_bin"):
        for path in write_hdf5(dm):
            text = path.read_text().replace("19530", str(milvus_b.port)).replace("mode: skip", "mode: append")
            run_task(dm, text.replace("127.0.0.1", milvus_b.address) + storage(minio_b))
        check_synthetic(alias_b)


def test_a_killed_run_is_made_good_by_the_next(dm: Tool, milvus_b: MilvusServer, alias_b: str) -> None:
    rows = numpy.random.default_rng(7).random((40000, 128), dtype=numpy.float32)
    header = b"IxF2" + numpy.int32(128).tobytes() + numpy.array([len(rows), 1 << 20, 1 << 20], "<i8").tobytes()
    tail = b"\1" + numpy.int32(1).tobytes() + numpy.uint64(rows.size).tobytes() + rows.tobytes()
    (dm.folder / "large.index").write_bytes(header + tail)
    text = collection_task("F2M", "  data_path: large.index", milvus_b, "killed", (128, "L2"), "skip")
    dm.write_config("task.yaml", text)
    with dropped_after(alias_b, "killed"):
        with dm.started("--yaml", "task.yaml") as process:
            while not utility.has_collection("killed", using=alias_b):
                assert process.poll() is None
            process.kill()
            finish(process)
        assert "40000 rows inserted" in run_task(dm, text)
        assert Collection("killed", using=alias_b).num_entities == len(rows)
        assert "skipped" in run_task(dm, text)


def test_what_cannot_be_taken_is_said_in_one_line(dm: Tool, milvus_b: MilvusServer, alias_b: str) -> None:
    cut = dm.folder / "cut.h5"
    cut.write_bytes((HDF5 / "float32.h5").read_bytes()[:-100])
    cut_chunks = dm.folder / "chunks.h5"
    cut_chunks.write_bytes((HDF5 / "float32_chunked_gzip.h5").read_bytes()[:-100])
    empty = dm.folder / "empty"
    empty.mkdir()
    lie = dm.folder / "lie.index"
    lie.write_bytes((FAISS / "flat_l2.index").read_bytes()[:-4])
    cases = [
        ("F2M", FAISS / "ivfpq.index", (16, "L2"), 1, "kind IwPQ (IVF with product quantizer), which is not read"),
        ("F2M", FAISS / "pca_ivf.index", (16, "L2"), 1, "IxPT"),
        ("F2M", lie, (16, "L2"), 20, "damaged or cut off"),
        ("F2M", FAISS / "flat_l2.index", (17, "L2"), 4, "holds vectors of dimension 16 and not 17"),
        ("F2M", dm.folder / "none", (16, "L2"), 4, "No such file or directory"),
        ("F2M", HDF5 / "float32.h5", (12, "L2"), 20, "is no Faiss index"),
        ("F2M", FAISS / "binary_flat.index", (32, "L2"), 4, "holds binary vectors"),
        ("H2M", cut, (12, "L2"), 20, "cut off"),
        ("H2M", cut_chunks, (12, "L2"), 20, "cut off"),
        ("H2M", HDF5 / "byte_example.h5", (256, "HAMMING"), 4, "holds vectors of dimension 512 and not 256"),
        ("H2M", dm.folder, (12, "L2"), 4, "it is no file"),
        ("H2M", lie, (12, "L2"), 20, "is no HDF5 file"),
        ("H2M", HDF5 / "float32.h5", (96, "HAMMING"), 4, "holds float vectors"),
    ]
    for task, path, shape, status, part in cases:
        data = h2m_files(path) if task == "H2M" else f"  data_path: {path}"
        dm.write_config("task.yaml", collection_task(task, data, milvus_b, "refused", shape))
        refused = dm.run("--yaml", "task.yaml")
        assert refused.status == status, refused
        assert refused.stderr.count("\n") == 1 and part in refused.stderr, refused
    for directory, part in ((empty, "holds no file *.h5"), (empty / "none", "No such file or directory")):
        lines = f"  data_path:\n  data_dir: {directory}"
        dm.write_config("task.yaml", collection_task("H2M", lines, milvus_b, "refused", (12, "L2")))
        refused = dm.run("--yaml", "task.yaml")
        assert refused.status == 4 and part in refused.stderr and refused.stderr.count("\n") == 1, refused
    assert not utility.has_collection("refused", using=alias_b)
    dm.write_config("task.yaml", "X2M:\n  mode: skip\n")
    wrong = dm.run("--yaml", "task.yaml")
    assert wrong.status == 4 and "error task type" in wrong.stderr
    assert dm.run().status == 2
