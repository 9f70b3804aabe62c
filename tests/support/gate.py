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


HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HTTP2_FRAME_HEADER_BYTES = 9
HTTP2_HEADERS = 1


class _Shutter:
    """What gates that shut together share."""

    def __init__(self, nth: int) -> None:
        self.left = nth
        self.counting = threading.Lock()
        self.reached = threading.Event()
        self.open = threading.Event()
        self.closed = threading.Event()
        self.forwarded = 0


class _Http2Requests:
    """Counts the requests in what a client sends on one connection: its HEADERS frames."""

    def __init__(self) -> None:
        self._buffered = b""
        self._preface_left = len(HTTP2_PREFACE)
        self._body_left = 0

    def count(self, chunk: bytes) -> int:
        """Requests that begin in the next bytes of the connection."""
        skipped = min(self._preface_left, len(chunk))
        self._preface_left -= skipped
        self._buffered += chunk[skipped:]
        found = 0
        while True:
            passed = min(self._body_left, len(self._buffered))
            self._buffered, self._body_left = self._buffered[passed:], self._body_left - passed
            if len(self._buffered) < HTTP2_FRAME_HEADER_BYTES:
                return found
            self._body_left = int.from_bytes(self._buffered[:3], "big")
            found += self._buffered[3] == HTTP2_HEADERS
            self._buffered = self._buffered[HTTP2_FRAME_HEADER_BYTES:]


class Gate:
    """Forwards connections to `port` of 127.0.0.1 until clients have sent bytes that match `pattern` `nth` times.

    Without a pattern it counts HTTP/2 requests, which is what gRPC calls are. From the `nth` on nothing goes through,
    in neither direction, until `open()`; with `passes` what was sent `nth` still does. The connections of a client that
    has gone stay open towards the server, so that it is not told of its end. A gate `beside` another counts with it and
    shuts with it. `listen` is a port that an earlier gate had.
    """

    def __init__(
        self,
        port: int,
        pattern: bytes | None,
        nth: int = 1,
        *,
        passes: bool = False,
        beside: Gate | None = None,
        listen: int = 0,
    ) -> None:
        self._target = port
        self._pattern = re.compile(pattern) if pattern is not None else None
        self._passes = passes
        self._shutter = beside._shutter if beside else _Shutter(nth)
        self._listener = socket.create_server((HOST, listen), backlog=256)
        self._sockets: list[socket.socket] = []
        self.port: int = self._listener.getsockname()[1]

    def reached_within(self, timeout_s: float) -> bool:
        """Whether clients sent as much in that time."""
        return self._shutter.reached.wait(timeout_s)

    def wait_reached(self, timeout_s: float = 30) -> None:
        """Wait until a client has sent the pattern."""
        assert self.reached_within(timeout_s), "the client has not sent as much"

    @property
    def sent_bytes(self) -> int:
        """Bytes of clients that went through."""
        return self._shutter.forwarded

    def open(self) -> None:
        """Let everything through from now on."""
        self._shutter.open.set()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # What is held back here never arrives.
        self._shutter.closed.set()
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
            threading.Thread(target=self._forward_requests, args=(client, server), daemon=True).start()
            threading.Thread(target=self._forward_replies, args=(server, client), daemon=True).start()

    def _forward_requests(self, client: socket.socket, server: socket.socket) -> None:
        requests = _Http2Requests()
        with contextlib.suppress(OSError):
            while chunk := client.recv(CHUNK_BYTES):
                passes = self._count(chunk, requests) and self._passes
                if not passes:
                    self._wait_if_shut()
                    if self._shutter.closed.is_set():
                        return
                server.sendall(chunk)
                with self._shutter.counting:
                    self._shutter.forwarded += len(chunk)
        self._wait_if_shut()
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_WR)

    def _forward_replies(self, server: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while chunk := server.recv(CHUNK_BYTES):
                self._wait_if_shut()
                client.sendall(chunk)
            client.shutdown(socket.SHUT_WR)

    def _count(self, chunk: bytes, requests: _Http2Requests) -> bool:
        """Whether this is the chunk at which the gate shuts."""
        shutter = self._shutter
        with shutter.counting:
            found = len(self._pattern.findall(chunk)) if self._pattern else requests.count(chunk)
            if found == 0 or shutter.open.is_set() or shutter.reached.is_set():
                return False
            shutter.left -= found
            if shutter.left > 0:
                return False
            shutter.reached.set()
            return True

    def _wait_if_shut(self) -> None:
        if self._shutter.reached.is_set():
            self._shutter.open.wait()
