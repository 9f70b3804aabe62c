"""A TCP proxy that stops a client in the middle of its work, so that a test can interrupt it there."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from types import TracebackType
from typing import Self

from servers import HOST

CHUNK_BYTES = 64 * 1024


class Gate:
    """Forwards connections to `port` of 127.0.0.1 until clients have sent bytes that match `pattern` `nth` times.

    From then on nothing a client sends goes through, on any connection, until `open()`.
    """

    def __init__(self, port: int, pattern: bytes, nth: int = 1) -> None:
        self._target = port
        self._pattern = re.compile(pattern)
        self._left = nth
        self._counting = threading.Lock()
        self._reached = threading.Event()
        self._open = threading.Event()
        self._listener = socket.create_server((HOST, 0), backlog=256)
        self._sockets: list[socket.socket] = []
        self.port: int = self._listener.getsockname()[1]

    def reached_within(self, timeout_s: float) -> bool:
        """Whether clients sent as much in that time."""
        return self._reached.wait(timeout_s)

    def wait_reached(self, timeout_s: float = 30) -> None:
        """Wait until a client has sent the pattern."""
        assert self._reached.wait(timeout_s), f"nothing matching {self._pattern.pattern!r} was sent"

    def open(self) -> None:
        """Let everything through from now on."""
        self._open.set()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.open()
        for each in [self._listener, *self._sockets]:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection((HOST, self._target))
            except OSError:  # the server is being restarted
                client.close()
                continue
            self._sockets += [client, server]
            threading.Thread(target=self._forward, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self._forward, args=(server, client, False), daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket, from_client: bool) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(CHUNK_BYTES):
                if from_client:
                    self._hold(chunk)
                sink.sendall(chunk)
            sink.shutdown(socket.SHUT_WR)

    def _hold(self, chunk: bytes) -> None:
        with self._counting:
            if not self._open.is_set() and not self._reached.is_set():
                self._left -= len(self._pattern.findall(chunk))
                if self._left <= 0:
                    self._reached.set()
        if self._reached.is_set():
            self._open.wait()
