"""uvicorn, set as an extension API server needs it.

kube-apiserver keeps idle connections for 90 s: ours are kept longer, or a request meets a connection that is just
closing. Redirects, proxy headers, web sockets and server headers are off: the aggregation layer forbids the first,
the second would let anybody rewrite who is calling, and nothing uses the rest.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any

import uvicorn

from metrics_api.serving.protocol import ServingProtocol

HANDSHAKE_TIMEOUT = 10.0
"""Seconds; kube-apiserver gives up after as many."""
CLOSING_TIMEOUT = 1.0
"""Seconds that an idle client is given to take its leave of TLS when we close; most never do."""

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Application = Callable[[Scope, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]

KEEP_ALIVE = 130
"""Seconds an idle connection is kept; kube-apiserver's side gives up at 90."""


class HttpsServer:
    """One listening socket, one application.

    Args:
        application: The ASGI application.
        listener: A listening socket; closed when serving ends.
        context: TLS.
        drain: Seconds that requests under way are given once stopping has begun.
    """

    def __init__(
        self, application: Application, listener: socket.socket, context: ssl.SSLContext, *, drain: float
    ) -> None:
        self._listener = listener
        config = uvicorn.Config(
            application,
            http=ServingProtocol,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE,
            timeout_graceful_shutdown=max(int(drain), 1),
            ssl_context_factory=lambda _config, _default: context,
        )
        self._server = _QuietServer(config)

    @property
    def port(self) -> int:
        """Return the port listened on."""
        port: int = self._listener.getsockname()[1]
        return port

    async def run(self) -> None:
        """Serve until ``stop`` is called, then drain; being cancelled stops without draining."""
        try:
            await self._server.serve(sockets=[self._listener])
        except asyncio.CancelledError:
            self._server.force_exit = True
            raise
        finally:
            self._listener.close()

    def stop(self) -> None:
        """Accept no more connections, let requests under way end, then let ``run`` return."""
        self._server.should_exit = True


class _QuietServer(uvicorn.Server):
    """uvicorn's server with time limits on TLS, and without its signal handlers: signals are the command's business."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen on the given sockets."""
        await self.lifespan.startup()
        loop = asyncio.get_running_loop()
        self.servers = [
            await loop.create_server(
                self._protocol,
                sock=listener,
                ssl=self.config.ssl,
                backlog=self.config.backlog,
                ssl_handshake_timeout=HANDSHAKE_TIMEOUT,
                ssl_shutdown_timeout=CLOSING_TIMEOUT,
            )
            for listener in sockets or []
        ]
        self.started = True

    def _protocol(self) -> ServingProtocol:
        return ServingProtocol(self.config, self.server_state, self.lifespan.state)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield
