"""Runs milvus-backup as a user would, in a folder of its own."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Iterator


@dataclass(frozen=True)
class Finished:
    """A run that has ended."""

    status: int
    stdout: str
    stderr: str
    seconds: float

    def __str__(self) -> str:
        return f"exit status {self.status} after {self.seconds:.2f} s\nstdout:\n{self.stdout}\nstderr:\n{self.stderr}"


@dataclass(frozen=True)
class Tool:
    """The program, started in `folder`, where its configuration and its log file are."""

    program: Path
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def write_config(self, name: str, text: str) -> None:
        """Write the configuration file `name` into the folder."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def run(self, *arguments: str, timeout_s: float = 120) -> Finished:
        """Run the program to its end."""
        with self.started(*arguments) as process:
            return finish(process, timeout_s)

    def succeed(self, *arguments: str, timeout_s: float = 120) -> Finished:
        """Run the program; anything but exit status 0 fails the test."""
        finished = self.run(*arguments, timeout_s=timeout_s)
        assert finished.status == 0, f"{' '.join(arguments)}: {finished}"
        return finished

    @contextlib.contextmanager
    def started(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """Start the program; it is killed if it still runs at the end of the block."""
        process = subprocess.Popen(
            [self.program, *arguments],
            cwd=self.folder,
            env={name: value for name, value in os.environ.items() if not name.startswith(("MINIO_", "MILVUS"))}
            | self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
                process.communicate()


def finish(process: subprocess.Popen[str], timeout_s: float = 20) -> Finished:
    """Wait for the end of a started program."""
    started = time.monotonic()
    stdout, stderr = process.communicate(timeout=timeout_s)
    return Finished(process.returncode, stdout, stderr, time.monotonic() - started)
