"""Servers of the program under test: started on a free port, asked, and ended in the middle of their work."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any, Iterator
from urllib.parse import urlencode

from gate import Gate
from tool import Tool, finish

# By then a signal has reached the program's thread for signals.
SETTLED_S = 2.0
ENDED = (2, 3)


@contextlib.contextmanager
def listening(tool: Tool, *arguments: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Start the program as a server; where it listens, and its process. Lines of a log may come first."""
    with tool.started(*arguments) as process:
        assert process.stdout is not None
        seen = []
        for line in process.stdout:
            seen.append(line)
            if line.startswith("listening on "):
                yield line.removeprefix("listening on ").strip(), process
                return
        raise AssertionError(f"{seen} {finish(process)}")


def kill(process: subprocess.Popen[str], _gate: Gate) -> None:
    """End a server whose work a gate holds up, at once."""
    process.kill()
    process.communicate()


def terminate(process: subprocess.Popen[str], gate: Gate) -> None:
    """Ask a server whose work a gate holds up to end; it does so in peace."""
    process.send_signal(signal.SIGTERM)
    time.sleep(SETTLED_S)
    gate.open()
    finished = finish(process)
    assert finished.status == 0, finished


@dataclass(frozen=True)
class Api:
    """A running `milvus-backup server`."""

    url: str
    process: subprocess.Popen[str]
    token: str = ""

    def send(self, method: str, path: str, body: dict[str, Any] | None = None, **query: str) -> tuple[int, str]:
        """HTTP status and body of the answer."""
        request = urllib.request.Request(
            f"{self.url}{path}?{urlencode(query)}",
            data=None if body is None else json.dumps(body).encode(),
            method=method,
            headers={"Content-Type": "application/json"}
            | ({"Authorization": f"Bearer {self.token}"} if self.token else {}),
        )
        try:
            with urllib.request.urlopen(request, timeout=120) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None, **query: str) -> dict[str, Any]:
        """The answer of a request that was handled."""
        status, text = self.send(method, path, body, **query)
        assert status == 200, text
        answer: dict[str, Any] = json.loads(text)
        assert answer["requestId"]
        return answer

    def succeed(self, method: str, path: str, body: dict[str, Any] | None = None, **query: str) -> Any:
        """The data of a success."""
        answer = self.ask(method, path, body, **query)
        assert "code" not in answer, answer
        return answer.get("data")

    def wait(self, path: str, **query: str) -> dict[str, Any]:
        """Ask until the task has ended; its progress never goes back."""
        progress = 0
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            data: dict[str, Any] = self.succeed("GET", path, **query)
            assert data["progress"] >= progress, data
            progress = data["progress"]
            if data["state_code"] in ENDED:
                return data
            time.sleep(0.05)
        raise AssertionError(f"not ended: {data}")


@contextlib.contextmanager
def serving(tool: Tool, *flags: str, token: str = "") -> Iterator[Api]:
    """`milvus-backup server` on a free port. Nobody reads its stderr, so it logs into its file alone."""
    with listening(tool, *flags, "--set", "log.console=false", "server", "-p", "0") as (url, process):
        yield Api(url, process, token)
