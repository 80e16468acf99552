"""GET from kubelets over kept connections: the one place where bytes leave for a node.

HTTP/1.1 with one connection a node is all that a scrape can use. A client of our own costs a fraction of a general one,
and lets every limit be a hard one. It never follows a redirect and knows no proxies.

Connections belong to a node's uid, IP and port: an address that passes to another node takes no connection along.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from dataclasses import dataclass
from typing import Protocol

import msgspec

from metrics_api.errors import ScrapeError
from metrics_api.kubelet.budget import Budget
from metrics_api.kubelet.connection import READ_SIZE, Connection, StaleConnectionError
from metrics_api.kubelet.dialing import connect
from metrics_api.kubelet.http1 import Response, WireLimits
from metrics_api.kubelet.identity import Peer
from metrics_api.kubelet.routes import Route
from metrics_api.kubelet.tls import ContextSource


class Target(msgspec.Struct, frozen=True, gc=False):
    """What to ask of whom; made once and used for many requests."""

    node_uid: str
    route: Route
    head: bytes
    """The request line and the headers, without the Authorization header and the empty line."""
    max_body: int
    """Bytes that the answer's body may have."""
    tls: bool = True
    """Whether TLS is spoken; else plain HTTP."""
    node_name: str = ""
    """Who must answer, where that is verified."""


class Transport(Protocol):
    """Gets documents from kubelets. At most one request is in flight to a node."""

    async def get(self, target: Target, *, deadline: float, authorization: bytes = b"") -> Response:
        """Return the answer, whatever its status.

        Args:
            target: What to ask.
            deadline: Seconds for all of it, connecting included, however the bytes trickle.
            authorization: A header line with its CRLF, or nothing.

        Raises:
            ConnectError: no connection came about.
            ScrapeError: any other failure.
        """
        ...

    def close(self, node_uid: str) -> None:
        """Close what is kept for a node."""
        ...

    def forget(self, node_uid: str) -> None:
        """Close it, and let go of how the node was recognized."""
        ...

    async def aclose(self) -> None:
        """Close everything."""
        ...


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the parts of an exchange may take; its deadline bounds them all."""

    connect: float = 3.0
    """Seconds to a TCP connection."""
    first_byte: float = 8.0
    """Seconds from the start until an answer begins; a TLS handshake may take as long."""
    first_byte_share: float = 0.8
    """Part of the deadline that the first byte may take where that is more: a kubelet works first and writes then."""
    idle: float = 80.0
    """Seconds after which a kept connection is not used again; a kubelet closes it after 90."""


_PATIENCE = Patience()
_LIMITS = WireLimits()


class _Line:
    """What is kept of a node: its connection, and how it was made.

    No TLS session to resume: taking one out of a connection costs half a handshake, a resumed handshake costs us as
    much as a whole one, and reading ``SSLSocket.session`` leaks 6 kB each time (python/cpython#116810).
    """

    __slots__ = ("busy", "connection", "context", "route")

    def __init__(self, route: Route, context: ssl.SSLContext | None) -> None:
        self.route = route
        self.context = context
        self.connection: Connection | None = None
        self.busy = False


class KubeletTransport:
    """The ``Transport`` on the event loop.

    Args:
        contexts: Gives the TLS context; ``None`` when only plain HTTP is spoken.
        patience: Time limits.
        limits: Size limits.
    """

    def __init__(
        self, contexts: ContextSource | None, *, patience: Patience = _PATIENCE, limits: WireLimits = _LIMITS
    ) -> None:
        self._contexts = contexts
        self._patience = patience
        self._limits = limits
        self._budget = Budget()
        self._lines: dict[str, _Line] = {}
        self._buffer = memoryview(bytearray(READ_SIZE))

    async def get(self, target: Target, *, deadline: float, authorization: bytes = b"") -> Response:
        """Return the answer; see ``Transport``."""
        now = asyncio.get_running_loop().time()
        line = self._line(target)
        line.busy = True
        try:
            return await self._exchange(
                line,
                target,
                target.head + authorization + b"\r\n",
                first_byte_at=now + max(self._patience.first_byte, self._patience.first_byte_share * deadline),
                deadline_at=now + deadline,
            )
        finally:
            line.busy = False

    def close(self, node_uid: str) -> None:
        """Close a node's connection; a request on it fails. Nothing happens when there is none."""
        line = self._lines.pop(node_uid, None)
        if line is not None and line.connection is not None:
            line.connection.abort()

    def forget(self, node_uid: str) -> None:
        """Close a node's connection, and forget the key by which it is known."""
        self.close(node_uid)
        if self._contexts is not None:
            self._contexts.verifier.forget(node_uid)

    async def aclose(self) -> None:
        """Close all connections."""
        for uid in list(self._lines):
            self.close(uid)

    def _line(self, target: Target) -> _Line:
        """Return the node's line, a new one when the node has none or is reached in another way now."""
        context = self._context(target)
        line = self._lines.get(target.node_uid)
        if line is not None:
            if line.busy:
                raise RuntimeError("a node is asked a second time while it is being asked")
            if line.context is context and line.route == target.route:
                return line
            self.close(target.node_uid)
        line = self._lines[target.node_uid] = _Line(target.route, context)
        return line

    def _context(self, target: Target) -> ssl.SSLContext | None:
        if not target.tls:
            return None
        if self._contexts is None:
            raise RuntimeError("a target wants TLS of a transport that has none")
        return self._contexts.current()

    async def _exchange(
        self, line: _Line, target: Target, request: bytes, *, first_byte_at: float, deadline_at: float
    ) -> Response:
        """Send on the kept connection, or on a new one when there is none or it turns out to be dead."""
        connection = line.connection
        if connection is not None:
            if asyncio.get_running_loop().time() - connection.idle_since < self._patience.idle:
                with contextlib.suppress(StaleConnectionError):
                    return await connection.exchange(
                        request, target.max_body, first_byte_at=first_byte_at, deadline_at=deadline_at
                    )
            connection.abort()
            line.connection = None
        connection = await self._connect(line, target, deadline_at)
        if self._lines.get(target.node_uid) is not line:
            connection.abort()
            raise ScrapeError("reset", "the node was let go of while it was dialled")
        line.connection = connection
        try:
            return await connection.exchange(
                request, target.max_body, first_byte_at=first_byte_at, deadline_at=deadline_at
            )
        except StaleConnectionError as error:
            raise ScrapeError("reset", "the connection was closed as soon as it was made") from error

    async def _connect(self, line: _Line, target: Target, deadline_at: float) -> Connection:
        loop = asyncio.get_running_loop()
        sock = await connect(line.route, min(loop.time() + self._patience.connect, deadline_at))
        if line.context is not None and self._contexts is not None:
            at = min(loop.time() + self._patience.first_byte, deadline_at)
            peer = Peer(target.node_uid, target.node_name, line.route)
            sock = await self._contexts.verifier.open(sock, peer, line.context, at)
        return Connection(loop, sock, line.route.host, self._limits, self._buffer, self._budget)
