#!/usr/bin/env python3
"""HDF5 and Faiss files of 4 GiB on their way into Milvus, beside the least that they can cost.

    milvusdm_files.py BUILD [--size GIB] [--rounds N] [--folder DIR] [--only NAME ...]

BUILD is the folder of milvus-backup, bench/insert_floor and tests/fake_cluster (build/release, configured with
-DMB_BUILD_BENCH=ON -DMB_BUILD_TESTS=ON); Python needs numpy, as in the tests' environment. Milvus is played by
fake_cluster, which looks at no row. Files are in memory (/dev/shm; a bit more than twice the size is needed).

    faiss    `milvus-migration dump` of an IVF-flat index
    float32  H2M of a matrix of float32 with ids, as h5py and M2H write it, by import
    float64  H2M of a matrix of float64, as the published example has it, by import
    chunks   H2M of float32 in chunks of 1024 rows, by import
    inserts  H2M of float32 by inserts
    m2h      M2H of a Milvus 1.x into HDF5

The floor is measured in turn with each run: one reader that reads the file in pieces of 1 MiB and writes as many bytes
as the run writes (and removes them where the run does); for inserts bench/insert_floor, which reads the file and sends
what it has read. Status 1 when a run takes more than 96 MiB or, from 1 GiB on, is slower than 0.8 of its floor; chunks
and m2h are printed only.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import ctypes.util
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Iterator

import numpy

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "tests" / "support"))

from milvus1x import Tree  # noqa: E402
from peak import Measured, measure  # noqa: E402

DIM = 128
ROW_BYTES = 4 * DIM
ID_BYTES = 8
LISTS = 4096
SEGMENT_ROWS = (64 << 20) // ROW_BYTES
"""Of a Milvus 1.x; small, because all of a segment is in memory while it is written here."""
CHUNK_ROWS = 1024
PIECE_BYTES = 1 << 20
MOST_MIB = 96
LEAST_SPEED = 0.8
NAMES = ("faiss", "float32", "float64", "chunks", "inserts", "m2h")


class Hdf5:
    """What is needed of libhdf5 to write a file; the program under test has it, so it is there."""

    def __init__(self) -> None:
        names = ("libhdf5_serial.so.103", ctypes.util.find_library("hdf5_serial"), ctypes.util.find_library("hdf5"))
        for name in names:
            with contextlib.suppress(OSError):
                self._library = ctypes.CDLL(name) if name else None
            if getattr(self, "_library", None):
                break
        else:
            sys.exit("libhdf5 was not found")
        self._library.H5open()

    def name(self, text: str) -> int:
        """A type or class by the name of its variable."""
        return ctypes.c_int64.in_dll(self._library, text).value

    def call(self, name: str, *arguments: object) -> int:
        """Call a function that answers an identifier or a status, negative for an error."""
        function = getattr(self._library, name)
        function.restype = ctypes.c_int64 if "create" in name else ctypes.c_int
        result = function(*arguments)
        if result < 0:
            sys.exit(f"{name} failed")
        return result

    def close(self, name: str, number: int) -> None:
        """Close an object with the function `name`."""
        function = getattr(self._library, name)
        function.restype = ctypes.c_int
        if function(ctypes.c_int64(number)) < 0:
            sys.exit(f"{name} failed")

    def space(self, *dims: int) -> int:
        """An extent."""
        numbers = (ctypes.c_uint64 * len(dims))(*dims)
        return self.call("H5Screate_simple", ctypes.c_int(len(dims)), numbers, None)

    def write(self, path: Path, rows: int, block: numpy.ndarray, chunk_rows: int = 0) -> None:
        """`rows` vectors, of which `block` has the first, repeated, and the ids from 0 on."""
        number = lambda value: ctypes.c_int64(value)  # noqa: E731
        none = number(0)
        file = self.call("H5Fcreate", str(path).encode(), ctypes.c_uint(2), none, none)
        ids = numpy.arange(rows, dtype="<i8")
        floats = "H5T_IEEE_F64LE_g" if block.dtype == numpy.float64 else "H5T_IEEE_F32LE_g"
        for name, kind, shape in (("embeddings", floats, (rows, DIM)), ("ids", "H5T_STD_I64LE_g", (rows,))):
            settings = self.call("H5Pcreate", number(self.name("H5P_CLS_DATASET_CREATE_ID_g")))
            if chunk_rows:
                chunk = (ctypes.c_uint64 * len(shape))(chunk_rows, *shape[1:])
                self.call("H5Pset_chunk", number(settings), ctypes.c_int(len(shape)), chunk)
            space = self.space(*shape)
            kind_number = number(self.name(kind))
            dataset = self.call(
                "H5Dcreate2", number(file), name.encode(), kind_number, number(space), none, number(settings), none
            )
            for first in range(0, rows, len(block)):
                count = min(len(block), rows - first)
                data = block if name == "embeddings" else ids[first : first + count]
                extent = (count, *shape[1:])
                memory = self.space(*extent)
                begin = (ctypes.c_uint64 * len(shape))(first)
                size = (ctypes.c_uint64 * len(shape))(*extent)
                self.call("H5Sselect_hyperslab", number(space), ctypes.c_int(0), begin, None, size, None)
                pointer = ctypes.c_void_p(data.ctypes.data)
                self.call("H5Dwrite", number(dataset), kind_number, number(memory), number(space), none, pointer)
                self.close("H5Sclose", memory)
            self.close("H5Dclose", dataset)
            self.close("H5Sclose", space)
            self.close("H5Pclose", settings)
        self.close("H5Fclose", file)


def checked(measured: Measured) -> Measured:
    """Fail with what the program said."""
    if measured.status != 0:
        sys.exit(measured.stdout[-2000:] + measured.stderr)
    return measured


def flat_header(code: bytes, rows: int) -> bytes:
    """What a flat index of faiss has before its vectors, and an IVF index before its lists."""
    numbers = numpy.array([rows, 1 << 20, 1 << 20], "<i8").tobytes()
    return code + numpy.int32(DIM).tobytes() + numbers + b"\1" + numpy.int32(1).tobytes()


def write_index(path: Path, rows: int) -> int:
    """An IVF-flat index with lists of equal size; gives its rows."""
    per_list = max(rows // LISTS, 1)
    vectors = numpy.random.default_rng(1).random((per_list, DIM), dtype=numpy.float32).tobytes()
    u64 = lambda *numbers: numpy.array(numbers, "<u8").tobytes()  # noqa: E731
    with path.open("wb") as file:
        file.write(flat_header(b"IwFl", per_list * LISTS) + u64(LISTS, 1))
        file.write(flat_header(b"IxF2", LISTS) + u64(LISTS * DIM) + bytes(LISTS * ROW_BYTES))
        file.write(b"\0" + u64(0) + b"ilar" + u64(LISTS, ROW_BYTES) + b"full" + u64(LISTS, *[per_list] * LISTS))
        for number in range(LISTS):
            file.write(vectors)
            file.write(numpy.arange(number * per_list, (number + 1) * per_list, dtype="<i8").tobytes())
    return per_list * LISTS


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


@dataclass
class Bench:
    """Runs the program and its floors, and remembers what was missed."""

    build: Path
    folder: Path
    gib: float
    rounds: int
    missed: list[str] = field(default_factory=list)

    @property
    def program(self) -> Path:
        """The program under test."""
        return self.build / "milvus-backup"

    def rows(self, row_bytes: int) -> int:
        """How many rows make the size."""
        return max(int(self.gib * 2**30) // row_bytes, 1)

    def measure(self, *command: str | Path) -> Measured:
        """Run a command to its success."""
        return checked(measure(self.folder / "report", self.folder, *command))

    def copy_floor(self, sources: list[Path], written: int, removes: bool) -> float:
        """Seconds to read these files and to write so many bytes."""
        target = self.folder / "floor"
        size = sum(path.stat().st_size for path in sources)
        piece = memoryview(bytearray(PIECE_BYTES))
        read = done = 0
        started = time.monotonic()
        with target.open("wb", buffering=0) as to:
            for path in sources:
                with path.open("rb", buffering=0) as source:
                    while count := source.readinto(piece):
                        read += count
                        wanted = min(written * read // size - done, PIECE_BYTES)
                        assert to.write(piece[:wanted]) == wanted
                        done += wanted
        if removes:
            target.unlink()
        seconds = time.monotonic() - started
        target.unlink(missing_ok=True)
        return seconds

    def compare(
        self, name: str, size: int, run: Callable[[], Measured], floor: Callable[[], float], asked: bool = True
    ) -> None:
        """Run both in turn, and print a line."""
        runs, floors = [], []
        for _ in range(self.rounds):
            runs.append(run())
            floors.append(floor())
        wall, least = statistics.median(one.wall_s for one in runs), statistics.median(floors)
        peak = max(one.peak_mib for one in runs)
        speed = least / wall
        print(f"{name}: {size / 2**30:.2f} GiB in {wall:.2f} s, {statistics.median(one.cpu_s for one in runs):.2f} CPU s, "
              f"peak {peak:.0f} MiB; floor {least:.2f} s; speed / speed of the floor: {speed:.2f}", flush=True)
        if asked and peak > MOST_MIB:
            self.missed.append(f"{name}: {peak:.0f} MiB instead of at most {MOST_MIB}")
        if asked and self.gib >= 1 and speed < LEAST_SPEED:
            self.missed.append(f"{name}: {speed:.2f} of the floor's speed instead of at least {LEAST_SPEED}")

    def dump_faiss(self) -> None:
        """Dump an index."""
        source, target = self.folder / "f.index", self.folder / "new"
        rows = write_index(source, self.rows(ROW_BYTES + ID_BYTES))
        (self.folder / "migration.yaml").write_text(f"""\
dumper: {{worker: {{workMode: faiss}}}}
source: {{mode: local, local: {{faissFile: {source}}}}}
target:
  create: {{collection: {{name: c, dim: {DIM}, metricType: L2}}}}
  mode: local
  local: {{outputDir: {target}}}
""")
        written = rows * (ROW_BYTES + ID_BYTES)

        def run() -> Measured:
            measured = self.measure(self.program, "migration", "dump")
            found = sum(path.stat().st_size for path in target.rglob("*.npy"))
            assert written < found < written + (1 << 20), found
            shutil.rmtree(target)
            return measured

        self.compare("dump of IVF-flat", source.stat().st_size, run, lambda: self.copy_floor([source], written, False))
        source.unlink()

    def bring_hdf5(self, name: str, dtype: type, chunk_rows: int = 0, by_inserts: bool = False) -> None:
        """H2M of a file of one form."""
        source = self.folder / "c.h5"
        item = numpy.dtype(dtype).itemsize
        rows = self.rows(item * DIM + ID_BYTES)
        block = numpy.random.default_rng(2).random((64 * CHUNK_ROWS, DIM)).astype(dtype)
        Hdf5().write(source, rows, block[: min(rows, len(block))], min(chunk_rows, rows))
        staging = "" if by_inserts else f"storage: {{storageType: local, rootPath: {self.folder}/milvus}}\n"
        with fake_milvus(self.build / "tests" / "fake_cluster") as port:
            (self.folder / "h2m.yaml").write_text(f"""\
H2M:
  data_path: [{source}]
  dest_host: 127.0.0.1
  dest_port: {port}
  mode: overwrite
  dest_collection_name: c
  collection_parameter: {{dimension: {DIM}, metric_type: L2}}
{staging}""")

            def run() -> Measured:
                measured = self.measure(self.program, "dm", "--yaml", "h2m.yaml")
                assert f"c/_default: {rows} rows {'inserted' if by_inserts else 'imported'}" in measured.stdout
                return measured

            def floor() -> float:
                if not by_inserts:
                    return self.copy_floor([source], rows * (ROW_BYTES + ID_BYTES), True)
                # Into the collection that the run before has made.
                command = [self.build / "bench" / "insert_floor", source, str(ROW_BYTES), str(port), "c"]
                return self.measure(*command).wall_s

            self.compare(name, source.stat().st_size, run, floor, asked=chunk_rows == 0)
        source.unlink()

    def write_hdf5(self) -> None:
        """M2H of a collection of many segments."""
        tree = Tree(self.folder / "old" / "db")
        tree.add_table("c", DIM)
        rows = self.rows(ROW_BYTES + ID_BYTES)
        vectors = numpy.random.default_rng(3).random((min(rows, SEGMENT_ROWS), DIM), dtype=numpy.float32)
        for first in range(0, rows, len(vectors)):
            tree.add_segment("c", vectors[: rows - first], key=None)
        tree.write_sqlite()
        target = self.folder / "out"
        (self.folder / "m2h.yaml").write_text(f"""\
M2H:
  source_milvus_path: {self.folder}/old
  mysql_parameter:
  source_collection:
    c:
  data_dir: {target}
""")
        sources = sorted(path for path in tree.folder.rglob("*") if path.suffix in (".rv", ".uid"))
        written = rows * (ROW_BYTES + ID_BYTES)

        def run() -> Measured:
            measured = self.measure(self.program, "dm", "--yaml", "m2h.yaml")
            (file,) = target.rglob("*.h5")
            assert written < file.stat().st_size < written + (1 << 20)
            shutil.rmtree(target)
            return measured

        floor = lambda: self.copy_floor(sources, written, False)  # noqa: E731
        self.compare("M2H", sum(path.stat().st_size for path in sources), run, floor, asked=False)
        shutil.rmtree(self.folder / "old")

    def run(self, name: str) -> None:
        """One of NAMES."""
        if name == "faiss":
            self.dump_faiss()
        elif name == "m2h":
            self.write_hdf5()
        elif name == "float64":
            self.bring_hdf5("H2M of float64 by import", numpy.float64)
        elif name == "chunks":
            self.bring_hdf5("H2M of float32 in chunks by import", numpy.float32, chunk_rows=CHUNK_ROWS)
        elif name == "inserts":
            self.bring_hdf5("H2M of float32 by inserts", numpy.float32, by_inserts=True)
        else:
            self.bring_hdf5("H2M of float32 by import", numpy.float32)


def main() -> None:
    """Print a line per figure, and what was missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=Path, help="the folder of the programs")
    parser.add_argument("--size", type=float, default=4, metavar="GIB", help="of each file (4)")
    parser.add_argument("--rounds", type=int, default=3, help="medians of so many runs (3)")
    parser.add_argument("--folder", type=Path, default=Path("/dev/shm"), help="where the files go (/dev/shm)")
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, help="leave the others out")
    options = parser.parse_args()
    needed = int(options.size * 2.2 * 2**30)
    if shutil.disk_usage(options.folder).free < needed:
        parser.error(f"{options.folder} has less than the {needed / 2**30:.1f} GiB that are needed: use --size or --folder")
    with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
        os.environ["MILVUSDM_PATH"] = f"{scratch}/work"
        bench = Bench(options.build.absolute(), Path(scratch), options.size, options.rounds)
        for name in options.only:
            bench.run(name)
    if bench.missed:
        sys.exit("\n".join(bench.missed))


if __name__ == "__main__":
    main()
