"""An ASGI application on a real socket, without uvicorn's signal handlers and its poll for the end."""

from __future__ import annotations

import asyncio
import itertools
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from metrics_api.localcluster.seams import Receive, Scope, Send

App = Callable[[Scope, Receive, Send], Awaitable[None]]
_numbers = itertools.count()  # of connections; the id of one that is gone may come back


class ConnectionProtocol(HttpToolsProtocol):
    """Tells the application whose certificate it is (``peer``), and which connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        certificate: dict[str, Any] = transport.get_extra_info("peercert") or {}
        subject = dict(pair[0] for pair in certificate.get("subject", ()))
        self.app_state = {"peer": subject.get("commonName"), "connection": next(_numbers)}

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.on_lost()

    on_lost: Callable[[], None] = staticmethod(lambda: None)


class Listening:
    """A listening socket and its connections."""

    def __init__(self, server: asyncio.Server, state: ServerState, lost: asyncio.Event) -> None:
        self._server = server
        self._state = state
        self.port: int = server.sockets[0].getsockname()[1]
        self.lost = lost

    async def until_connections(self, count: int) -> None:
        """Wait until no more than that many connections are open."""
        while len(self._state.connections) > count:
            self.lost.clear()
            await self.lost.wait()

    async def drop_connections(self) -> None:
        for task in list(self._state.tasks):
            task.cancel()
        for connection in list(self._state.connections):
            connection.transport.abort()
        while self._state.connections or self._state.tasks:  # noqa: ASYNC110 - uvicorn has nothing to wait for
            await asyncio.sleep(0)

    async def aclose(self) -> None:
        self._server.close()
        await self.drop_connections()
        await self._server.wait_closed()


@asynccontextmanager
async def listening(
    app: App, *, host: str = "127.0.0.1", port: int = 0, context: ssl.SSLContext | None = None
) -> AsyncIterator[Listening]:
    """Serve an application, on loopback unless told otherwise."""
    config = uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=120,
    )
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    lost = asyncio.Event()

    def protocol() -> ConnectionProtocol:
        new = ConnectionProtocol(config, state, {})
        new.on_lost = lost.set
        return new

    server = await loop.create_server(protocol, host, port, ssl=context)
    found = Listening(server, state, lost)
    try:
        yield found
    finally:
        await found.aclose()
