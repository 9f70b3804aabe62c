"""Figures of create and restore on real servers; run by `make bench`.

    create_restore.py MILVUS_BACKUP [--large]

Starts Milvus and MinIO, then measures: create of 20,000 rows in two partitions (phases of the program, wall time,
CPU, peak memory), restore of them in place, and with --large create of 500,000 rows of 256 dimensions inside one
MinIO, with the bytes that passed the client. The program is run three times for every figure; the median is printed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from configs import backup_config  # noqa: E402
from large_backup import fill_large  # noqa: E402
from pymilvus import utility  # noqa: E402
from rows import connected, fill  # noqa: E402
from servers import MilvusServer, MinioServer, exit_on_signals  # noqa: E402

RUNS = 3


@dataclass(frozen=True)
class Measured:
    """One run of the program."""

    wall_s: float
    cpu_s: float
    peak_mib: float
    result: dict[str, Any]


class PeakMemory:
    """Samples the high-water mark of a process. (ru_maxrss would start with that of this interpreter.)"""

    def __init__(self, pid: int) -> None:
        self._status = Path(f"/proc/{pid}/status")
        self._kib = 0
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def _sample(self) -> None:
        with contextlib.suppress(OSError):
            while found := re.search(r"VmHWM:\s+(\d+)", self._status.read_text()):
                self._kib = int(found.group(1))
                time.sleep(0.005)

    def mib(self) -> float:
        """The mark, once the process has ended."""
        self._thread.join()
        return self._kib / 1024


def run(program: Path, config: Path, *arguments: str) -> Measured:
    """Run the program once; its --json result is parsed."""
    started = time.monotonic()
    process = subprocess.Popen(
        [program, "--config", config, "--json", *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        cwd=config.parent,
    )
    peak = PeakMemory(process.pid)
    assert process.stdout is not None
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall_s = time.monotonic() - started
    if status != 0:
        raise SystemExit(f"{' '.join(arguments)} failed: {printed.decode()}")
    return Measured(wall_s, usage.ru_utime + usage.ru_stime, peak.mib(), json.loads(printed))


def loopback_bytes() -> int:
    """Bytes received on the loopback interface since boot."""
    for line in Path("/proc/net/dev").read_text().splitlines():
        if line.strip().startswith("lo:"):
            return int(line.split()[1])
    return 0


def report(title: str, runs: list[Measured], extra: str = "") -> None:
    """Print the medians of some runs."""
    phases: dict[str, list[float]] = {}
    for each in runs:
        for name, seconds in each.result.get("phases", {}).items():
            phases.setdefault(name, []).append(seconds)
    medians = ", ".join(f"{name} {statistics.median(values):.3f}" for name, values in phases.items())
    print(f"{title}: wall {statistics.median(r.wall_s for r in runs):.2f} s, "
          f"CPU {statistics.median(r.cpu_s for r in runs):.2f} s, "
          f"peak {max(r.peak_mib for r in runs):.0f} MiB{extra}\n    phases (s): {medians}", flush=True)


def measure_small(program: Path, config: Path, alias: str) -> None:
    """create and restore of 20,000 rows."""
    fill(alias, "coll", 20_000)
    creates = [run(program, config, "create", "-c", "coll", "-n", f"small_{i}") for i in range(RUNS)]
    report("create 20,000 rows", creates)
    beyond = statistics.median(
        sum(s for name, s in each.result["phases"].items() if name != "flush") for each in creates
    )
    print(f"    beyond the server's flush: {beyond:.3f} s")
    restores = []
    for i in range(RUNS):
        restores.append(run(program, config, "restore", "-n", "small_0", "-s", f"_r{i}"))
        utility.drop_collection(f"coll_r{i}", using=alias)
    report("restore 20,000 rows in place", restores, f", {restores[0].result['imports']} imports")
    for i in range(RUNS):
        run(program, config, "delete", "-n", f"small_{i}")


def measure_large(program: Path, config: Path, alias: str) -> None:
    """create of 505 MiB inside one MinIO: no byte should pass the client."""
    fill_large(alias)
    creates = []
    for i in range(RUNS):
        before = loopback_bytes()
        creates.append(run(program, config, "create", "-c", "large", "-n", f"large_{i}"))
        traffic_kib = (loopback_bytes() - before) / 1024
        result = creates[-1].result
        print(f"    {result['bytes'] / 2**20:.0f} MiB in {result['objects']} objects, {result['server_side_objects']} "
              f"copied by the server; {traffic_kib:.0f} KiB on loopback, Milvus' own traffic included")
        run(program, config, "delete", "-n", f"large_{i}")
    report("create 500,000 x 256 inside one MinIO", creates)


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=Path)
    parser.add_argument("--large", action="store_true", help="also 500,000 rows of 256 dimensions")
    options = parser.parse_args()
    exit_on_signals()
    memory = Path("/dev/shm")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        store = stack.enter_context(MinioServer("bucket-a", base=memory if memory.is_dir() else None))
        milvus = stack.enter_context(MilvusServer(store))
        config = folder / "backup.yaml"
        config.write_text(backup_config(milvus, store))
        alias = stack.enter_context(connected(milvus))
        measure_small(options.program.absolute(), config, alias)
        if options.large:
            measure_large(options.program.absolute(), config, alias)
    return 0


if __name__ == "__main__":
    sys.exit(main())
