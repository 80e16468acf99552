"""Connections to backends: pools of httpx, one for each way of trusting a backend, and one request on them.

httpx's transport is used below its client: nothing there adds headers, keeps cookies, follows redirects or decodes.
HTTP/1.1 only, for the package that speaks HTTP/2 is not among our dependencies; kube-apiserver offers both.
"""

from __future__ import annotations

import asyncio
import ssl
import zlib
from collections.abc import AsyncIterator, Callable, Set
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx

from metrics_api.localcluster.aggregation.failures import UnreachableError, explain
from metrics_api.localcluster.aggregation.headers import Headers, first
from metrics_api.localcluster.aggregation.resolve import Address
from metrics_api.localcluster.aggregation.tls import Trust, build_context

_POOL = httpx.Limits(max_connections=None, max_keepalive_connections=25, keepalive_expiry=90.0)
_INFLATED_CHUNK_BYTES = 1 << 18


@dataclass(frozen=True, slots=True)
class BackendRequest:
    """A request as it goes out."""

    method: str
    target: bytes
    """Path and query, encoded."""
    headers: Headers
    body: AsyncIterator[bytes] | None = None
    """``None``: there is none."""


@dataclass(frozen=True, slots=True)
class BackendResponse:
    """A response whose body is still to come."""

    status: int
    headers: Headers
    decoded: bool
    """Whether :meth:`chunks` undoes a compression that the client did not ask for."""
    _response: httpx.Response
    _pool: _Pool

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body.

        Raises:
            UnreachableError: it broke off.
        """
        raw = self._response.aiter_raw()
        try:
            async for chunk in _inflated(raw) if self.decoded else raw:
                yield chunk
        except (httpx.HTTPError, ssl.SSLError, zlib.error) as error:
            raise UnreachableError(f"unexpected EOF: {error}") from error

    async def aclose(self) -> None:
        """End the exchange; a connection whose body was not read to the end is closed."""
        try:
            await self._response.aclose()
        finally:
            self._pool.leave()


class _Pool:
    """One httpx transport and how many exchanges use it."""

    def __init__(self, context: ssl.SSLContext, unused: Callable[[_Pool], None]) -> None:
        self.transport = httpx.AsyncHTTPTransport(verify=context, limits=_POOL, trust_env=False)
        self._unused = unused
        self._users = 0
        self._retired = False

    def enter(self) -> None:
        self._users += 1

    def leave(self) -> None:
        self._users -= 1
        self._tell()

    def retire(self) -> None:
        """Tell as soon as nothing uses it any more."""
        self._retired = True
        self._tell()

    def _tell(self) -> None:
        if self._retired and not self._users:
            self._unused(self)


class Transports:
    """Sends requests to backends and keeps their connections.

    Args:
        dial_timeout: Seconds for a TCP connection.
        handshake_timeout: Seconds for TLS on top of it.
    """

    def __init__(self, dial_timeout: float, handshake_timeout: float) -> None:
        self._dial_timeout = dial_timeout
        self._handshake_timeout = handshake_timeout
        self._pools: dict[Trust, _Pool] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def prepare(self, trust: Trust) -> None:
        """Build what ``trust`` needs, if that is not there yet.

        Raises:
            TransportBuildError: it cannot be built.
        """
        if trust not in self._pools:
            self._pools[trust] = _Pool(build_context(trust), self._close)

    async def send(self, trust: Trust, address: Address, request: BackendRequest) -> BackendResponse:
        """Send a request and return its response once the headers are there; close it in the end.

        A GET on a reused connection that died before any byte of a response is sent once more, as Go does.

        Raises:
            TransportBuildError: no connection can be tried.
            UnreachableError: there is no response.
        """
        self.prepare(trust)
        pool = self._pools[trust]
        pool.enter()
        try:
            attempt = self._attempt()
            try:
                return await attempt.run(pool, trust, address, request)
            except UnreachableError as error:
                if request.method != "GET" or attempt.dialled or not error.unanswered:
                    raise
            return await self._attempt().run(pool, trust, address, request)
        except BaseException:
            pool.leave()
            raise

    def keep_only(self, wanted: Set[Trust]) -> None:
        """Close the pools of every other trust, each as soon as nothing uses it any more."""
        for trust in self._pools.keys() - wanted:
            self._pools.pop(trust).retire()

    async def aclose(self) -> None:
        """Close everything, whether it is used or not."""
        pools, self._pools = self._pools, {}
        for pool in pools.values():
            self._close(pool)
        if self._closing:
            await asyncio.wait(self._closing)

    def _attempt(self) -> _Attempt:
        return _Attempt(self._dial_timeout, self._handshake_timeout)

    def _close(self, pool: _Pool) -> None:
        # A task of its own: a close that is cancelled half-way would leave sockets open.
        task = asyncio.create_task(pool.transport.aclose())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


@dataclass(slots=True)
class _Attempt:
    """One try of one request; httpcore's trace says how far it came."""

    dial_timeout: float
    handshake_timeout: float
    dialled: bool = False
    """Whether the try opened a connection of its own."""
    _handshake: asyncio.Timeout = field(default_factory=lambda: asyncio.timeout(None))
    _raw: Any = None
    """The TCP stream while TLS is not yet agreed on; httpcore forgets it when it is cancelled then."""

    async def run(self, pool: _Pool, trust: Trust, address: Address, request: BackendRequest) -> BackendResponse:
        outgoing, gzipped = _outgoing(trust, address, request)
        outgoing.extensions |= {"trace": self._trace, "timeout": {"connect": self.dial_timeout}}
        try:
            async with self._handshake:
                response = await pool.transport.handle_async_request(outgoing)
        except TimeoutError as error:
            if not self._handshake.expired():
                raise
            raise UnreachableError("net/http: TLS handshake timeout") from error
        except (httpx.HTTPError, ssl.SSLError, OSError) as error:
            raise explain(error, str(address), trust.server_name) from error
        finally:
            if self._raw is not None:
                with suppress(Exception):  # it is being given up
                    await self._raw.aclose()
        headers = response.headers.raw
        decoded = gzipped and (first(headers, b"content-encoding") or b"").lower() == b"gzip"
        return BackendResponse(response.status_code, headers, decoded, response, pool)

    async def _trace(self, event: str, info: dict[str, Any]) -> None:
        match event:
            case "connection.connect_tcp.started":
                self.dialled = True
            case "connection.connect_tcp.complete":
                self._raw = info["return_value"]
            case "connection.start_tls.started":
                self._handshake.reschedule(asyncio.get_running_loop().time() + self.handshake_timeout)
            case "connection.start_tls.complete":
                self._raw = None
                self._handshake.reschedule(None)


def _outgoing(trust: Trust, address: Address, request: BackendRequest) -> tuple[httpx.Request, bool]:
    """Return the request in httpx's form, and whether it asks for gzip on the proxy's own account, as Go does."""
    headers = [(b"Host", str(address).encode()), *request.headers]
    plain = first(headers, b"accept-encoding") is None and first(headers, b"range") is None
    gzip = plain and request.method != "HEAD"
    if gzip:
        headers.append((b"Accept-Encoding", b"gzip"))
    outgoing = httpx.Request(
        request.method,
        f"https://{address}/",
        headers=headers,
        content=request.body,
        extensions={"target": request.target, "sni_hostname": trust.server_name},
    )
    return outgoing, gzip


async def _inflated(raw: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    inflater = zlib.decompressobj(wbits=31)
    begun = False
    async for chunk in raw:
        begun = True
        rest = chunk
        while rest and not inflater.eof:
            yield inflater.decompress(rest, _INFLATED_CHUNK_BYTES)
            rest = inflater.unconsumed_tail
    if begun and not inflater.eof:
        raise zlib.error("the compressed body is cut short")
