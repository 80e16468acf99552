"""A kube-apiserver that answers what the test wrote down, over a real socket."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from metrics_api.kube.access import KubeAccess, Places, Server
from metrics_api.kube.client import KubeClient
from tests.fakes import FakeClock


class HurriedClock(FakeClock):
    """A clock on which every sleep is over at once, its time having passed."""

    def __init__(self) -> None:
        super().__init__()
        self._another = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self._another.set()
        self.move_to(self.monotonic() + max(seconds, 0.0))
        await asyncio.sleep(0)

    async def slept(self, times: int) -> None:
        """Return once ``sleeps`` is this long."""
        async with asyncio.timeout(10):
            while len(self.sleeps) < times:
                self._another.clear()
                await self._another.wait()


@dataclass
class Request:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    certificate: dict[str, Any] | None


Step = Callable[[Request, asyncio.StreamWriter], Awaitable[None]]
"""Answers one request. Raising ``ConnectionError`` cuts the connection."""


def answer(status: int, body: bytes | dict[str, Any], **headers: str) -> Step:
    """Answer with one body."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def step(_: Request, writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status} X", f"content-length: {len(content)}", "content-type: application/json"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + content)
        await writer.drain()

    return step


def status(code: int, reason: str, message: str) -> Step:
    """Answer with a ``Status``."""
    body = {"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message}
    return answer(code, body)


async def cut(_: Request, __: asyncio.StreamWriter) -> None:
    """Close the connection without an answer."""
    raise ConnectionResetError


class Stream:
    """A chunked answer that the test writes as it goes."""

    def __init__(self) -> None:
        self.request: asyncio.Future[Request] = asyncio.get_running_loop().create_future()
        self._chunks: asyncio.Queue[bytes | type[ConnectionError] | None] = asyncio.Queue()

    def send(self, chunk: bytes) -> None:
        """Send one chunk; it need not hold whole lines."""
        self._chunks.put_nowait(chunk)

    def send_event(self, kind: str, document: dict[str, Any]) -> None:
        self.send(json.dumps({"type": kind, "object": document}).encode() + b"\n")

    def end(self) -> None:
        """End the answer as HTTP wants it."""
        self._chunks.put_nowait(None)

    def drop(self) -> None:
        """Cut the connection in the middle of the answer."""
        self._chunks.put_nowait(ConnectionError)

    async def __call__(self, request: Request, writer: asyncio.StreamWriter) -> None:
        self.request.set_result(request)
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-type: application/json\r\n\r\n")
        while True:
            chunk = await self._chunks.get()
            if isinstance(chunk, type):
                raise chunk
            writer.write(b"%x\r\n%s\r\n" % (len(chunk or b""), chunk or b""))
            await writer.drain()
            if chunk is None:
                return


@dataclass
class ApiServer:
    """Answers requests with the steps in their order; after the last one it stays silent."""

    steps: list[Step] = field(default_factory=list)
    tls: ssl.SSLContext | None = None
    requests: list[Request] = field(default_factory=list)
    port: int = 0
    silent: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once a request came for which there was no step."""

    def __post_init__(self) -> None:
        self._listener: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    async def start(self) -> None:
        self._listener = await asyncio.start_server(self._connected, "127.0.0.1", self.port, ssl=self.tls)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._listener is not None:
            self._listener.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            while True:
                await self._serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            writer.transport.abort()
        with contextlib.suppress(Exception):
            await writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, target, _ = head[0].split(" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:]) if name}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        url = urlsplit(target)
        certificate = writer.get_extra_info("peercert")
        request = Request(method, url.path, dict(parse_qsl(url.query)), headers, body, certificate)
        self.requests.append(request)
        if self.steps:
            await self.steps.pop(0)(request, writer)
        else:
            self.silent.set()
            await asyncio.Event().wait()


@asynccontextmanager
async def serving(*steps: Step, tls: ssl.SSLContext | None = None) -> AsyncIterator[ApiServer]:
    """Run a server with these steps."""
    server = ApiServer(list(steps), tls)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@asynccontextmanager
async def client_of(server: ApiServer, **bounds: int) -> AsyncIterator[KubeClient]:
    """A client without credentials."""
    client = KubeClient(KubeAccess(Server(server.url), Places(), clock=HurriedClock()), **bounds)
    try:
        yield client
    finally:
        await client.close()
