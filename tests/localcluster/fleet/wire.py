"""Running fleets, and clients that ask them over TLS."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import httpx

from metrics_api.localcluster.fleet.authorization import AcceptedTokens
from metrics_api.localcluster.fleet.server import Fleet
from tests.fakes import FakeClock
from tests.localcluster.fleet.nodes import EPOCH

TOKEN = "a-token"
SUMMARY = "/stats/summary?only_cpu_and_memory=true"
RESOURCE = "/metrics/resource"


def make_fleet(nodes: int = 1, pods: int = 5, *, clock: FakeClock | None = None, **options: Any) -> Fleet:
    options.setdefault("authorizer", AcceptedTokens({TOKEN}))
    return Fleet(nodes, pods, clock=clock or FakeClock(EPOCH), **options)


def address_of(fleet: Fleet, name: str = "node-00000") -> tuple[str, int]:
    status = fleet.node_object(name)["status"]
    address = next(entry["address"] for entry in status["addresses"] if entry["type"] == "InternalIP")
    return address, status["daemonEndpoints"]["kubeletEndpoint"]["Port"]


def trusting(fleet: Fleet) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=fleet.authority.certificate.decode())


def client_of(fleet: Fleet, *, token: str | None = TOKEN, context: ssl.SSLContext | None = None) -> httpx.AsyncClient:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return httpx.AsyncClient(verify=context or trusting(fleet), headers=headers, trust_env=False)


def url_of(fleet: Fleet, path: str, name: str = "node-00000") -> str:
    address, port = address_of(fleet, name)
    return f"https://{address}:{port}{path}"


async def ask(
    fleet: Fleet, path: str = SUMMARY, *, node: str = "node-00000", token: str | None = TOKEN, method: str = "GET"
) -> httpx.Response:
    async with client_of(fleet, token=token) as client:
        return await client.request(method, url_of(fleet, path, node))


class RawConnection:
    """A TLS connection on which a test writes HTTP by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def to(cls, fleet: Fleet, name: str = "node-00000") -> RawConnection:
        address, port = address_of(fleet, name)
        return cls(*await asyncio.open_connection(address, port, ssl=trusting(fleet), server_hostname=address))

    def request(self, path: str = SUMMARY, *, version: str = "1.1", headers: str = "") -> None:
        self.writer.write(
            f"GET {path} HTTP/{version}\r\nHost: kubelet\r\nAuthorization: Bearer {TOKEN}\r\n{headers}\r\n".encode()
        )

    async def head(self) -> str:
        return (await self.reader.readuntil(b"\r\n\r\n")).decode()

    async def chunk(self) -> bytes:
        size = int(await self.reader.readline(), 16)
        return (await self.reader.readexactly(size + 2))[:-2]

    async def close(self) -> None:
        self.writer.close()
        with suppress(ConnectionError, ssl.SSLError):  # the other side may be faster
            await self.writer.wait_closed()


async def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    """Let the event loop run until something has come over a socket."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        await asyncio.sleep(0.001)
