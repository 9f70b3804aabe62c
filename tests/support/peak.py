"""The most memory a program has used at one time, as the kernel counts it.

    peak.py REPORT PROGRAM ARGUMENTS...

runs the program, writes one line of JSON to the file REPORT and exits with the program's status. A process of its own
and small, because the count of a new process starts with that of the one that started it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Measured:
    """One run of a program."""

    status: int
    stdout: str
    stderr: str
    peak_mib: float
    wall_s: float
    cpu_s: float


def measure(report: Path, folder: Path, *command: str | Path) -> Measured:
    """Run `command` in `folder`; `report` is a file this may write."""
    finished = subprocess.run(
        [sys.executable, "-S", "-E", Path(__file__), report, *command], cwd=folder, capture_output=True, text=True,
        stdin=subprocess.DEVNULL, check=False,
    )
    figures = json.loads(report.read_text())
    return Measured(finished.returncode, finished.stdout, finished.stderr, **figures)


def main() -> int:
    """Run what the command line names."""
    started = time.monotonic()
    process = subprocess.Popen(sys.argv[2:])
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    figures = {"peak_mib": usage.ru_maxrss / 1024, "wall_s": time.monotonic() - started,
               "cpu_s": usage.ru_utime + usage.ru_stime}
    Path(sys.argv[1]).write_text(json.dumps(figures))
    return process.returncode


if __name__ == "__main__":
    sys.exit(main())
