"""A relay in front of an S3 server that spoils a share of the requests and replies that pass through it.

It knows where a request ends and where a reply does, so each fault is that of one request. Which ones are spoilt, and
how, follows from a seed and from what is asked for how often, not from the order in which requests come.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
import threading
import time
import urllib.parse
from collections import Counter
from dataclasses import dataclass
from types import TracebackType
from typing import Awaitable, Callable, Coroutine, Self

from servers import HOST, free_ports

CHUNK_BYTES = 64 * 1024
HEAD_LIMIT_BYTES = 1024 * 1024
WITHOUT_BODY = (204, 304)
END_TIMEOUT_S = 30


@dataclass(frozen=True)
class Faults:
    """Shares of all requests, 0 to 1, and how long things last."""

    slow_down: float = 0.0
    """A 503 SlowDown in place of the reply; the server hears nothing."""
    error: float = 0.0
    """A 500 InternalError; the server has carried half of these requests out."""
    reset: float = 0.0
    """The connection is reset: before the server hears of the request, after it, or within the reply."""
    cut: float = 0.0
    """The connection is closed within the body: of the request, or where it has none, of the reply."""
    stall: float = 0.0
    """Nothing comes for `stall_s` seconds within the reply."""
    stall_s: float = 0.0
    flip: float = 0.0
    """One bit of the body of an object, or of a part of one, on its way in either direction."""
    outage_at: int = 0
    """At this request all connections are reset, and nobody listens for `outage_s` seconds; 0 is never."""
    outage_s: float = 0.0


@dataclass(frozen=True)
class Message:
    """A request or a reply: its head with the empty line, and its body as it is framed."""

    head: bytes
    body: bytes
    chunked: bool = False
    ends_connection: bool = False

    @property
    def words(self) -> list[str]:
        """The words of the first line."""
        return self.head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")

    @property
    def whole(self) -> bytes:
        """All that goes over the wire."""
        return self.head + self.body

    def flipped(self, chance: random.Random) -> Message:
        """The same with another bit somewhere in its body."""
        body = bytearray(self.body)
        body[chance.randrange(len(body))] ^= 1 << chance.randrange(8)
        return Message(self.head, bytes(body))


def _error_reply(status: int, code: str, with_body: bool) -> bytes:
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>by the relay</Message></Error>'
    head = f"HTTP/1.1 {status} {code}\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n\r\n"
    return (head + body if with_body else head).encode()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close the connection so that the other side learns of an error, and not of an end."""
    connection = writer.get_extra_info("socket")
    if connection is not None:
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class FaultProxy:
    """Relays from `port` of 127.0.0.1 to the server at `target`.

    Bytes are flipped in objects of which the path, bucket first, starts with `flips_below`. `counts` says how often
    what was done; `received` when how many bytes of bodies came from clients, by the monotonic clock.
    """

    def __init__(self, target: int, faults: Faults = Faults(), *, seed: int = 0, flips_below: str = "") -> None:
        self.port = free_ports(1)[0]
        self.counts: Counter[str] = Counter()
        self.received: list[tuple[float, int]] = []
        self._target = target
        self._faults = faults
        self._seed = seed
        self._flips_below = f"/{flips_below}"
        self._asked: Counter[str] = Counter()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._listener: asyncio.Server | None = None
        self._clients: set[asyncio.Task[None]] = set()
        self._outage: asyncio.Task[None] | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        self._within(self._listen())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._within(self._close())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def _within(self, what: Coroutine[None, None, None]) -> None:
        asyncio.run_coroutine_threadsafe(what, self._loop).result(END_TIMEOUT_S)

    async def _listen(self) -> None:
        self._listener = await asyncio.start_server(
            self._serve, HOST, self.port, limit=HEAD_LIMIT_BYTES, backlog=256, reuse_address=True
        )

    async def _drop(self) -> None:
        """Listen no longer, and end all connections."""
        if self._listener is not None:
            self._listener.close()
        clients = list(self._clients)
        for client in clients:
            client.cancel()
        await asyncio.gather(*clients, return_exceptions=True)

    async def _close(self) -> None:
        outcome: BaseException | None = None
        if self._outage is not None:
            self._outage.cancel()
            (outcome,) = await asyncio.gather(self._outage, return_exceptions=True)
        await self._drop()
        # Cancelled is well: the outage was to last longer.
        if outcome is not None and not isinstance(outcome, asyncio.CancelledError):
            raise outcome

    async def _be_out(self) -> None:
        await self._drop()
        await asyncio.sleep(self._faults.outage_s)
        await self._listen()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._clients.add(task)
        try:
            while (request := await self._read_request(reader)) is not None:
                if not await self._answer(request, writer):
                    break
            writer.close()
        except (asyncio.CancelledError, asyncio.IncompleteReadError, OSError):
            _reset(writer)
        finally:
            self._clients.discard(task)

    async def _answer(self, request: Message, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection goes on."""
        self.counts["requests"] += 1
        if self.counts["requests"] == self._faults.outage_at:
            self.counts["outage"] += 1
            self._outage = asyncio.ensure_future(self._be_out())
        chance = self._chance(request)
        spoil = self._draw(chance)
        if spoil is not None:
            return await spoil(request, writer, chance)
        kind = self._object_kind(request)
        flips = kind != "" and chance.random() < self._faults.flip
        if flips and kind == "PUT" and request.body:
            self.counts["flip sent"] += 1
            request = request.flipped(chance)
        reply = await self._forward(request)
        if flips and kind == "GET" and reply.words[1] in ("200", "206") and reply.body and not reply.chunked:
            self.counts["flip read"] += 1
            reply = reply.flipped(chance)
        writer.write(reply.whole)
        await writer.drain()
        return not reply.ends_connection

    def _chance(self, request: Message) -> random.Random:
        """One per request: the same for the n-th time that the same is asked for."""
        path, _, query = request.words[1].partition("?")
        # Upload ids and tokens are others in every run.
        known = [part for part in query.split("&") if part.startswith(("partNumber=", "uploads", "list-type="))]
        what = " ".join((request.words[0], path, *known))
        self._asked[what] += 1
        return random.Random(f"{self._seed} {what} {self._asked[what]}")

    def _draw(
        self, chance: random.Random
    ) -> Callable[[Message, asyncio.StreamWriter, random.Random], Awaitable[bool]] | None:
        faults = self._faults
        left = chance.random()
        for name, share, spoil in (
            ("slow down", faults.slow_down, self._slow_down),
            ("error", faults.error, self._fail),
            ("reset", faults.reset, self._break),
            ("cut", faults.cut, self._cut),
            ("stall", faults.stall, self._stall),
        ):
            if left < share:
                self.counts[name] += 1
                return spoil
            left -= share
        return None

    def _object_kind(self, request: Message) -> str:
        """GET or PUT for the bytes of an object that may be flipped, else nothing."""
        method, target = request.words[:2]
        path, _, query = target.partition("?")
        if method not in ("GET", "PUT") or not urllib.parse.unquote(path).startswith(self._flips_below):
            return ""
        if method == "GET" and ("uploadId=" in query or query.startswith("uploads")):
            return ""
        return method

    async def _slow_down(self, request: Message, writer: asyncio.StreamWriter, _chance: random.Random) -> bool:
        writer.write(_error_reply(503, "SlowDown", request.words[0] != "HEAD"))
        await writer.drain()
        return True

    async def _fail(self, request: Message, writer: asyncio.StreamWriter, chance: random.Random) -> bool:
        if chance.random() < 0.5:
            await self._forward(request)
        writer.write(_error_reply(500, "InternalError", request.words[0] != "HEAD"))
        await writer.drain()
        return True

    async def _break(self, request: Message, writer: asyncio.StreamWriter, chance: random.Random) -> bool:
        when = chance.choice(("before", "after", "within"))
        if when != "before":
            reply = await self._forward(request)
            if when == "within":
                writer.write(reply.whole[: len(reply.whole) // 2])
                await writer.drain()
        raise ConnectionResetError

    async def _cut(self, request: Message, writer: asyncio.StreamWriter, _chance: random.Random) -> bool:
        if request.body:
            _, server = await asyncio.open_connection(HOST, self._target)
            server.write(request.head + request.body[: len(request.body) // 2])
            server.close()
            return False
        reply = await self._forward(request)
        body = len(reply.body) // 2
        writer.write(reply.head + reply.body[:body] if body > 0 else reply.head[: len(reply.head) // 2])
        await writer.drain()
        return False

    async def _stall(self, request: Message, writer: asyncio.StreamWriter, _chance: random.Random) -> bool:
        reply = await self._forward(request)
        half = len(reply.whole) // 2
        writer.write(reply.whole[:half])
        await writer.drain()
        await asyncio.sleep(self._faults.stall_s)
        writer.write(reply.whole[half:])
        await writer.drain()
        return not reply.ends_connection

    async def _forward(self, request: Message) -> Message:
        """The server's reply."""
        reader, writer = await asyncio.open_connection(HOST, self._target, limit=HEAD_LIMIT_BYTES)
        try:
            writer.write(request.whole)
            await writer.drain()
            return await self._read_reply(reader, request.words[0])
        finally:
            writer.close()

    async def _read_request(self, reader: asyncio.StreamReader) -> Message | None:
        """The next one of the connection; none when the client has ended it."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return None
        headers = self._headers(head)
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return Message(head, await self._read_chunks(reader), chunked=True)
        body = bytearray()
        left = int(headers.get("content-length", "0"))
        while len(body) < left:
            chunk = await reader.read(min(CHUNK_BYTES, left - len(body)))
            if not chunk:
                raise asyncio.IncompleteReadError(bytes(body), left)
            self.received.append((time.monotonic(), len(chunk)))
            body += chunk
        return Message(head, bytes(body))

    async def _read_reply(self, reader: asyncio.StreamReader, method: str) -> Message:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            status = int(head.split(b" ", 2)[1][:3])
            if status >= 200:
                break
        headers = self._headers(head)
        if method == "HEAD" or status in WITHOUT_BODY:
            return Message(head, b"")
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return Message(head, await self._read_chunks(reader), chunked=True)
        if "content-length" in headers:
            return Message(head, await reader.readexactly(int(headers["content-length"])))
        return Message(head, await reader.read(-1), ends_connection=True)

    @staticmethod
    async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
        """A chunked body with its framing."""
        body = bytearray()
        while True:
            line = await reader.readuntil(b"\r\n")
            size = int(line.split(b";")[0], 16)
            body += line
            if size == 0:
                break
            body += await reader.readexactly(size + 2)
        while line != b"\r\n":  # trailers, and the empty line behind them
            line = await reader.readuntil(b"\r\n")
            body += line
        return bytes(body)

    @staticmethod
    def _headers(head: bytes) -> dict[str, str]:
        lines = head.decode("latin-1").split("\r\n")[1:]
        pairs = (line.partition(":") for line in lines if line)
        return {name.strip().lower(): value.strip() for name, _, value in pairs}
