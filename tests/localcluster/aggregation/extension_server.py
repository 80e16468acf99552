"""An extension API server of the tests' own: over TLS on a real socket, and it remembers what it was sent."""

from __future__ import annotations

import asyncio
import json
import ssl
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from metrics_api.localcluster.seams import Receive, Scope, Send
from metrics_api.pki import Authority, KeyPair
from tests.localcluster.aggregation.listening import Listening, listening

SERVER_NAME = "ms.kube-system.svc"

Headers = Sequence[tuple[str, str]]
Route = Callable[[Scope, Receive, Send], Awaitable[None]]


@cache
def authority(name: str) -> Authority:
    """Return the authority of that name, the same one in every test."""
    return Authority.create(name)


@cache
def serving_pair(*names: str) -> KeyPair:
    """Return a serving certificate of the authority ``serving-ca``, with its key."""
    return authority("serving-ca").issue("extension server", dns_names=names, server=True)


@cache
def front_proxy_pair() -> KeyPair:
    """Return the front proxy's certificate."""
    return authority("front-proxy-ca").issue("front-proxy-client", client=True)


@dataclass
class Received:
    """One request as it arrived."""

    method: str
    target: str
    """Path and query as they stood on the wire."""
    headers: list[tuple[str, str]]
    body: bytes
    peer: str | None
    """Common name of a client certificate that the front proxy's authority issued."""
    connection: int
    """A number that requests on one connection share."""

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def user(self) -> str:
        return ",".join(self.values("x-remote-user"))


def answer(status: int = 200, body: bytes | Any = b"", headers: Headers = ()) -> Route:
    """Return a route with a fixed answer; a body that is not bytes is sent as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    typed = [] if isinstance(body, bytes) else [("content-type", "application/json")]
    # What a test says itself goes before what is added here.
    given = {name for name, _ in headers}
    lines = [*headers, *((name, value) for name, value in typed if name not in given)]

    async def route(_: Scope, __: Receive, send: Send) -> None:
        encoded = [(name.encode(), value.encode()) for name, value in lines]
        if status not in (204, 304):
            encoded.append((b"content-length", str(len(content)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": encoded})
        await send({"type": "http.response.body", "body": content if status not in (204, 304) else b""})

    return route


async def hang(_: Scope, receive: Receive, __: Send) -> None:
    """Answer nothing until the client goes."""
    while (await receive())["type"] != "http.disconnect":
        pass


@dataclass
class ExtensionServer:
    """Serves inside ``async with``; routes may be changed at any time.

    Args:
        pair: Serving certificate and key.
    """

    pair: KeyPair = field(default_factory=lambda: serving_pair(SERVER_NAME))
    routes: dict[str, Route] = field(default_factory=dict)
    """Path -> who answers; everything else is answered 404."""
    received: list[Received] = field(default_factory=list)
    sni: list[str | None] = field(default_factory=list)
    front_proxy: Authority = field(default_factory=lambda: authority("front-proxy-ca"))
    """Whose client certificates are believed."""
    maximum_tls: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED
    host: str = "127.0.0.1"
    port: int = 0

    def __post_init__(self) -> None:
        self._arrival = asyncio.Event()
        self._stack = AsyncExitStack()
        self.socket: Listening | None = None

    async def __aenter__(self) -> Self:
        entered = listening(self._serve, host=self.host, port=self.port, context=self._context())
        self.socket = await self._stack.enter_async_context(entered)
        self.port = self.socket.port
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def until_connections(self, count: int) -> None:
        assert self.socket is not None
        await self.socket.until_connections(count)

    def arrivals(self, path: str) -> list[Received]:
        """Return what was received for a path so far."""
        return [each for each in self.received if each.path == path]

    async def arrived(self, count: int, path: str | None = None) -> list[Received]:
        """Return the requests (for a path) once there are that many; fails after some seconds."""
        async with asyncio.timeout(10):
            while len(found := [each for each in self.received if path in (None, each.path)]) < count:
                self._arrival.clear()
                await self._arrival.wait()
        return found

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = b""
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
        query = scope["query_string"].decode("latin-1")
        self.received.append(
            Received(
                scope["method"],
                scope["raw_path"].decode("latin-1") + (f"?{query}" if query else ""),
                [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]],
                body,
                scope["state"]["peer"],
                scope["state"]["connection"],
            )
        )
        self._arrival.set()
        route = self.routes.get(scope["path"], answer(404, b"404 page not found\n"))
        await route(scope, receive, send)

    def _context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.maximum_version = self.maximum_tls
        if self.maximum_tls < ssl.TLSVersion.TLSv1_2:
            context.minimum_version = self.maximum_tls
            context.set_ciphers("ALL:@SECLEVEL=0")
        context.verify_mode = ssl.CERT_OPTIONAL
        context.load_verify_locations(cadata=self.front_proxy.certificate.decode())

        def note(sock: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
            self.sni.append(name)

        context.sni_callback = note
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "pair.pem"
            path.write_bytes(self.pair.certificate + self.pair.key)
            context.load_cert_chain(path)
        return context
