"""The relay that spoils a share of what passes through it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time

import pytest
from fault_proxy import FaultProxy, Faults
from servers import HOST


def test_a_relay_that_cannot_listen_again_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise OSError("the port is taken")

    with pytest.raises(OSError, match="the port is taken"):
        with FaultProxy(0, Faults(outage_at=1)) as proxy:
            monkeypatch.setattr(asyncio, "start_server", refuse)
            with socket.create_connection((HOST, proxy.port)) as client:
                client.sendall(b"GET / HTTP/1.1\r\n\r\n")
                with contextlib.suppress(OSError):
                    client.recv(1)
            time.sleep(0.05)


def test_a_relay_may_end_within_its_outage() -> None:
    with FaultProxy(0, Faults(outage_at=1, outage_s=60.0)) as proxy:
        with socket.create_connection((HOST, proxy.port)) as client:
            client.sendall(b"GET / HTTP/1.1\r\n\r\n")
            with contextlib.suppress(OSError):
                client.recv(1)
