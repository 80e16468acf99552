"""New connections to a backend: TCP, TLS, and HTTP/2 where the backend chooses it; each step within its own limit."""

from __future__ import annotations

import ssl
from typing import Any

import httpcore

from metrics_api.localcluster.aggregation.failures import UnreachableError
from metrics_api.localcluster.aggregation.http2 import Http2Connection
from metrics_api.localcluster.aggregation.timing import Timing

_MOST_IDLE = 25
NETWORK = httpcore.AnyIOBackend()


class ConnectionPool(httpcore.AsyncConnectionPool):
    """Connections that share one way of trusting a backend.

    Args:
        context: Of TLS, with the protocols that are offered.
        server_name: Sent as SNI and verified.
        timing: The limits of a dial, and how long a connection is kept.
    """

    def __init__(self, context: ssl.SSLContext, server_name: str, timing: Timing) -> None:
        super().__init__(max_connections=None, max_keepalive_connections=_MOST_IDLE, keepalive_expiry=timing.keep_idle)
        self.context = context
        self.server_name = server_name
        self.timing = timing

    def create_connection(self, origin: httpcore.Origin) -> httpcore.AsyncConnectionInterface:
        """Return a connection that is dialled by its first request."""
        return _Dialled(self, origin)

    def has_http2(self, origin: httpcore.Origin) -> bool:
        """Whether a connection that can be shared is there already."""
        return any(
            isinstance(each, _Dialled) and each.is_http2 and each.can_handle_request(origin) and each.is_available()
            for each in self.connections
        )


class _Dialled(httpcore.AsyncConnectionInterface):
    """A connection that learns by dialling which protocol it speaks.

    Until then no other request waits for it: each dials for itself, as Go's do, and what turns out to be one HTTP/2
    connection too many is closed again.
    """

    def __init__(self, pool: ConnectionPool, origin: httpcore.Origin) -> None:
        self._pool = pool
        self._origin = origin
        self._inner: httpcore.AsyncConnectionInterface | None = None
        self._dialling = False
        self._failed = False

    async def handle_async_request(self, request: httpcore.Request) -> httpcore.Response:
        if self._inner is None:
            if self._dialling:
                raise httpcore.ConnectionNotAvailable
            self._dialling = True
            try:
                self._inner = await self._dial(request)
            except BaseException:
                self._failed = True
                raise
        if request.extensions["names_client"]:
            request = _naming_client(request, b"2.0" if self.is_http2 else b"1.1")
        return await self._inner.handle_async_request(request)

    @property
    def is_http2(self) -> bool:
        return isinstance(self._inner, Http2Connection)

    async def _dial(self, request: httpcore.Request) -> httpcore.AsyncConnectionInterface:
        timing = self._pool.timing
        host, port = self._origin.host.decode("ascii"), self._origin.port
        stream = await NETWORK.connect_tcp(host, port, timeout=timing.dial_timeout)
        try:
            stream = await self._secured(stream)
            protocol = stream.get_extra_info("ssl_object").selected_alpn_protocol()
            if protocol == "h2" and self._pool.has_http2(self._origin):
                raise httpcore.ConnectionNotAvailable
        except BaseException:
            await stream.aclose()
            raise
        attempt: Any = request.extensions["attempt"]
        attempt.dialled = True
        if protocol == "h2":
            return Http2Connection(stream, self._origin, timing)
        return httpcore.AsyncHTTP11Connection(self._origin, stream, keepalive_expiry=timing.keep_idle)

    async def _secured(self, stream: httpcore.AsyncNetworkStream) -> httpcore.AsyncNetworkStream:
        limit = self._pool.timing.handshake_timeout
        try:
            return await stream.start_tls(self._pool.context, self._pool.server_name, limit)
        except httpcore.ConnectTimeout as error:
            raise UnreachableError("net/http: TLS handshake timeout") from error

    def can_handle_request(self, origin: httpcore.Origin) -> bool:
        return origin == self._origin

    def is_available(self) -> bool:
        return self._inner.is_available() if self._inner is not None else not self._dialling

    def has_expired(self) -> bool:
        return self._inner.has_expired() if self._inner is not None else self._failed

    def is_idle(self) -> bool:
        return self._inner.is_idle() if self._inner is not None else self._failed

    def is_closed(self) -> bool:
        return self._inner.is_closed() if self._inner is not None else self._failed

    def info(self) -> str:
        return self._inner.info() if self._inner is not None else f"{self._origin!r}, not connected"

    async def aclose(self) -> None:
        if self._inner is not None:
            await self._inner.aclose()


def _naming_client(request: httpcore.Request, version: bytes) -> httpcore.Request:
    headers = [*request.headers, (b"User-Agent", b"Go-http-client/" + version)]
    return httpcore.Request(
        request.method, request.url, headers=headers, content=request.stream, extensions=request.extensions
    )
