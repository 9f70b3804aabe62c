#!/usr/bin/env python3
"""Files of 4 GiB as milvusdm and milvus-migration read and write them, beside `cp --reflink=never` of the same file.

An IVF-flat index to NumPy files (`dump` of workMode faiss); a Milvus 1.x to an HDF5 file (M2H); that HDF5 file to NumPy
files and their import into a fake Milvus (H2M with `storage:`), which itself reads nothing. All files are in memory
(/dev/shm, which needs 9 GiB).
python3 bench/milvusdm_files.py build/release/milvus-backup build/release/tests/fake_cluster [--gib N]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Callable, Iterator

import numpy

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "tests" / "support"))

from milvus1x import Tree  # noqa: E402
from peak import Measured, measure  # noqa: E402

DIM = 128
ROW_BYTES = 4 * DIM
LISTS = 4096
ROUNDS = 3


def checked(measured: Measured) -> Measured:
    """Fail with what the program said."""
    if measured.status != 0:
        sys.exit(measured.stdout[-2000:] + measured.stderr)
    return measured


def flat_header(code: bytes, rows: int) -> bytes:
    """What a flat index of faiss has before its vectors, and an IVF index before its lists."""
    numbers = numpy.array([rows, 1 << 20, 1 << 20], "<i8").tobytes()
    return code + numpy.int32(DIM).tobytes() + numbers + b"\1" + numpy.int32(1).tobytes()


def write_index(path: Path, rows: int) -> None:
    """An IVF-flat index with lists of equal size."""
    per_list = rows // LISTS
    vectors = numpy.random.default_rng(1).random((per_list, DIM), dtype=numpy.float32).tobytes()
    u64 = lambda *numbers: numpy.array(numbers, "<u8").tobytes()  # noqa: E731
    with path.open("wb") as file:
        file.write(flat_header(b"IwFl", per_list * LISTS) + u64(LISTS, 1))
        file.write(flat_header(b"IxF2", LISTS) + u64(LISTS * DIM) + bytes(LISTS * ROW_BYTES))
        file.write(b"\0" + u64(0) + b"ilar" + u64(LISTS, ROW_BYTES) + b"full" + u64(LISTS, *[per_list] * LISTS))
        for number in range(LISTS):
            file.write(vectors)
            file.write(numpy.arange(number * per_list, (number + 1) * per_list, dtype="<i8").tobytes())


def compare(name: str, folder: Path, source: Path, run: Callable[[], Measured], result: str) -> None:
    """Copy `source` and run the program in turn, and print a line."""
    copies, runs = [], []
    for _ in range(ROUNDS):
        copies.append(checked(measure(folder / "r", folder, "cp", "--reflink=never", source, "copy")).wall_s)
        (folder / "copy").unlink()
        runs.append(checked(run()))
        shutil.rmtree(folder / result, ignore_errors=True)
    copy, wall = statistics.median(copies), statistics.median(one.wall_s for one in runs)
    print(f"{name}: {source.stat().st_size / 2**30:.2f} GiB in {wall:.2f} s, "
          f"{statistics.median(one.cpu_s for one in runs):.2f} CPU s, peak {max(one.peak_mib for one in runs):.0f} MiB; "
          f"cp {copy:.2f} s; speed / speed of cp: {copy / wall:.2f}", flush=True)


def bench_faiss(program: Path, folder: Path, rows: int) -> None:
    """Dump an index."""
    source = folder / "f.index"
    write_index(source, rows)
    (folder / "migration.yaml").write_text(f"""\
dumper: {{worker: {{workMode: faiss}}}}
source: {{mode: local, local: {{faissFile: {source}}}}}
target:
  create: {{collection: {{name: c, dim: {DIM}, metricType: L2}}}}
  mode: local
  local: {{outputDir: {folder}/new}}
""")
    compare("dump of IVF-flat", folder, source, lambda: measure(folder / "r", folder, program, "migration", "dump"), "new")
    source.unlink()


@contextlib.contextmanager
def fake_milvus(program: Path) -> Iterator[int]:
    """A Milvus that only counts; gives its port."""
    process = subprocess.Popen([program, "0", "0", "0", "2"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin and process.stdout
    try:
        yield json.loads(process.stdout.readline())["milvus_port"]
    finally:
        process.stdin.close()
        process.wait()


def bench_hdf5(program: Path, cluster: Path, folder: Path, rows: int) -> None:
    """To HDF5, and from there."""
    tree = Tree(folder / "old" / "db")
    tree.add_table("c", DIM)
    tree.add_segment("c", numpy.random.default_rng(2).random((rows, DIM), dtype=numpy.float32), key=None)
    tree.write_sqlite()
    (folder / "m2h.yaml").write_text(f"M2H: {{source_milvus_path: {folder}/old, mysql_parameter: , "
                                     f"source_collection: {{c: }}, data_dir: {folder}/out}}\n")
    raw = next((folder / "old").rglob("*.rv"))
    os.environ["MILVUSDM_PATH"] = str(folder / "work")
    to_hdf5 = lambda: measure(folder / "r", folder, program, "dm", "--yaml", "m2h.yaml")  # noqa: E731
    compare("M2H", folder, raw, to_hdf5, "out")
    checked(to_hdf5())
    source = next((folder / "out").rglob("*.h5"))
    source = source.rename(folder / "c.h5")
    shutil.rmtree(folder / "out")
    shutil.rmtree(folder / "old")
    with fake_milvus(cluster) as port:
        (folder / "h2m.yaml").write_text(f"""\
H2M:
  data_path: [{source}]
  dest_host: 127.0.0.1
  dest_port: {port}
  mode: overwrite
  dest_collection_name: c
  collection_parameter: {{dimension: {DIM}, metric_type: L2}}
storage: {{storageType: local, rootPath: {folder}/milvus}}
""")
        compare("H2M", folder, source, lambda: measure(folder / "r", folder, program, "dm", "--yaml", "h2m.yaml"), "milvus")


def main() -> None:
    """Print a line per figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=Path)
    parser.add_argument("fake_cluster", type=Path)
    parser.add_argument("--gib", type=float, default=4)
    options = parser.parse_args()
    rows = int(options.gib * 2**30) // ROW_BYTES
    with tempfile.TemporaryDirectory(dir="/dev/shm") as scratch:
        bench_faiss(options.program.absolute(), Path(scratch), rows)
        bench_hdf5(options.program.absolute(), options.fake_cluster.absolute(), Path(scratch), rows)


if __name__ == "__main__":
    main()
