"""A server over real TLS sockets, and clients that behave as badly as they like."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import ssl
from collections.abc import AsyncIterator, Iterator, MutableMapping
from pathlib import Path
from typing import Any

from metrics_api.clock import Clock
from metrics_api.pki import Authority
from metrics_api.serving.asgi import Application, Send
from metrics_api.serving.certificates import ServingPair, find_pair
from metrics_api.serving.context import server_context
from metrics_api.serving.deadlines import Deadlines
from metrics_api.serving.front import Answers, Front
from metrics_api.serving.inflight import InFlight
from metrics_api.serving.limits import Limits
from metrics_api.serving.listen import open_listener
from metrics_api.serving.server import HttpsServer

Scope = MutableMapping[str, Any]
GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
LIMITS = Limits()
CLIENTS = Authority.create("clients")


@contextlib.asynccontextmanager
async def serving(directory: Path, application: Application, limits: Limits = LIMITS) -> AsyncIterator[HttpsServer]:
    """Serve, and verify the certificates that ``CLIENTS`` has signed."""
    context = server_context(find_pair("", "", str(directory), "127.0.0.1"))
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_verify_locations(cadata=CLIENTS.certificate.decode())
    server = HttpsServer(application, open_listener("127.0.0.1", 0), context, drain=1, limits=limits)
    task = asyncio.create_task(server.run())
    try:
        yield server
    finally:
        server.stop()
        await asyncio.wait_for(task, 10)


@contextlib.contextmanager
def without_collector() -> Iterator[None]:
    """Free only what nothing refers to."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def present(kind: type) -> int:
    """Return how many objects of a type there are."""
    return sum(isinstance(each, kind) for each in gc.get_objects())


async def until_present(kind: type, most: int) -> None:
    """Return once there are no more objects of a type than that."""
    async with asyncio.timeout(5):
        while present(kind) > most:  # noqa: ASYNC110 - the collector's view has no event
            await asyncio.sleep(0.01)


class Client:
    """One TLS connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self, request: bytes = GET) -> tuple[int, dict[str, str], bytes]:
        """Send a request; return status, headers and body of the answer, which must say its length."""
        self.writer.write(request)
        return await self.answer()

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        async with asyncio.timeout(10):
            lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines[1:] if line)}
            body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return int(lines[0].split()[1]), headers, body

    async def ended(self) -> bool:
        """Return whether the server closes the connection, having read what else it sends."""
        try:
            async with asyncio.timeout(10):
                await self.reader.read()
        except TimeoutError:
            return False
        except OSError:
            pass
        return True


@contextlib.asynccontextmanager
async def connected(port: int, pair: ServingPair | None = None, **options: Any) -> AsyncIterator[Client]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if pair is not None:
        context.load_cert_chain(pair.certificate_file, pair.key_file)
    client = Client(*await asyncio.open_connection("127.0.0.1", port, ssl=context, **options))
    try:
        yield client
    finally:
        client.writer.close()
        with contextlib.suppress(OSError):
            await client.writer.wait_closed()


def client_pair(directory: Path, authority: Authority = CLIENTS, name: str = "alice") -> ServingPair:
    issued = authority.issue(name, client=True)
    pair = ServingPair(directory / f"{name}.crt", directory / f"{name}.key")
    pair.certificate_file.write_bytes(issued.certificate)
    pair.key_file.write_bytes(issued.key)
    return pair


async def send_text(send: Send, code: int, body: bytes) -> None:
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": code, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Replies:
    """An application that answers with a body, when it is let to."""

    def __init__(self, body: bytes = b"ok") -> None:
        self.body = body
        self.asked = 0
        self.arrived = asyncio.Event()
        self.release = asyncio.Event()
        self.release.set()

    async def __call__(self, scope: Scope, receive: object, send: Send) -> None:
        self.asked += 1
        self.arrived.set()
        await self.release.wait()
        await send_text(send, 200, self.body)


async def _timeout(scope: Scope, send: Send) -> None:
    await send_text(send, 504, b"timeout")


async def _shutting_down(scope: Scope, send: Send) -> None:
    await send_text(send, 429, b"shutting down")


def behind_a_front(application: Application, clock: Clock, *, limit: int = 0, seconds: float = 60) -> Front:
    return Front(application, ANSWERS, deadlines=Deadlines(clock, seconds), in_flight=InFlight(limit))


ANSWERS = Answers(_timeout, _shutting_down)
