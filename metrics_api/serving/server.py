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
from collections.abc import Iterator

import uvicorn

from metrics_api.serving.asgi import Application
from metrics_api.serving.door import Door
from metrics_api.serving.guests import Guests
from metrics_api.serving.limits import Limits
from metrics_api.serving.protocol import ServingProtocol
from metrics_api.serving.refused import RefusedCertificates

_LIMITS = Limits()
KEEP_ALIVE = 130
"""Seconds an idle connection is kept; kube-apiserver's side gives up at 90."""


class HttpsServer:
    """One listening socket, one application.

    Args:
        application: The ASGI application.
        listener: A listening socket; closed when serving ends.
        context: TLS.
        drain: Seconds that requests under way are given once stopping has begun.
        refused: Finds out about client certificates that are refused.
        limits: Room and patience.
    """

    def __init__(
        self,
        application: Application,
        listener: socket.socket,
        context: ssl.SSLContext,
        *,
        drain: float,
        refused: RefusedCertificates | None = None,
        limits: Limits = _LIMITS,
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
        self._server = _QuietServer(config, refused, limits)

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
    """uvicorn's server behind our own door, and without its signal handlers: signals are the command's business."""

    def __init__(self, config: uvicorn.Config, refused: RefusedCertificates | None, limits: Limits) -> None:
        super().__init__(config)
        self._refused = refused
        self._limits = limits
        self._guests = Guests(limits.guests)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen on the given sockets."""
        await self.lifespan.startup()
        context = self.config.ssl
        if context is None:
            raise RuntimeError("the server is made with TLS")
        doors = [
            Door(
                listener,
                context,
                self._protocol,
                refused=self._refused,
                limits=self._limits,
                make_room=self._guests.dismiss_idlest,
            )
            for listener in sockets or []
        ]
        for door in doors:
            door.open()
        self.servers = doors  # type: ignore[assignment] # it only closes them and waits
        self.started = True

    def _protocol(self) -> ServingProtocol:
        return ServingProtocol(
            self.config.loaded_app,
            self.server_state,
            guests=self._guests,
            limits=self._limits,
            keep_alive=self.config.timeout_keep_alive,
        )

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield
