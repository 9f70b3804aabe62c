"""Runs of the program that are killed in front of a Milvus and a store, at a request that a test chooses."""

from __future__ import annotations

import time
from dataclasses import dataclass

from gate import Gate
from servers import MilvusServer, MinioServer
from stores import REQUEST
from tool import Tool

NEVER = rb"\x00 never sent \x00"
# A server takes a request that it has within this time, so that the next run finds what became of it.
SETTLED_S = 0.3


@dataclass(frozen=True)
class Point:
    """Where a run is killed: at the `nth` request to `server` with these bytes, before or after it has arrived."""

    name: str
    server: str
    pattern: bytes
    nth: int = 1
    passes: bool = False


@dataclass(frozen=True)
class Victim:
    """A command, the servers it works with, and its configuration."""

    tool: Tool
    config: str
    milvus: MilvusServer
    store: MinioServer

    def kill_at(self, point: Point, *command: str) -> bool:
        """Whether the run came as far as the point, and was killed there."""
        server, other = (self.milvus, self.store) if point.server == "milvus" else (self.store, self.milvus)
        with (
            Gate(server.port, point.pattern, point.nth, passes=point.passes) as gate,
            Gate(other.port, NEVER, beside=gate) as beside,
        ):
            return self._kill({server.port: gate, other.port: beside}, command, SETTLED_S)

    def kill_after(self, requests: int, *command: str, passes: bool = False, settled_s: float = 0) -> bool:
        """The same after so many requests to both servers together."""
        with (
            Gate(self.store.port, REQUEST, requests, passes=passes) as storage,
            Gate(self.milvus.port, None, passes=passes, beside=storage) as milvus,
        ):
            return self._kill({self.store.port: storage, self.milvus.port: milvus}, command, settled_s)

    def _kill(self, gates: dict[int, Gate], command: tuple[str, ...], settled_s: float) -> bool:
        config = self.config
        for port, gate in gates.items():
            config = config.replace(f" {port}\n", f" {gate.port}\n")
        self.tool.write_config("gated.yaml", config)
        first = next(iter(gates.values()))
        with self.tool.started("--config", "gated.yaml", *command) as process:
            while process.poll() is None and not first.reached_within(0.02):
                pass
            reached = process.poll() is None
            if reached:
                time.sleep(settled_s)
            process.kill()
            process.communicate()
        return reached
