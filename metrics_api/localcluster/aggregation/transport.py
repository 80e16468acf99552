"""Requests to backends: which connections they may share, when one is sent again, what its response is.

httpcore's pool is used below any client: nothing there adds headers, keeps cookies, follows redirects or decodes.
"""

from __future__ import annotations

import asyncio
import ssl
import zlib
from collections.abc import AsyncIterator, Callable, Set
from dataclasses import dataclass

import httpcore

from metrics_api.clock import Clock
from metrics_api.localcluster.aggregation.dialing import ConnectionPool
from metrics_api.localcluster.aggregation.failures import UnreachableError, explain
from metrics_api.localcluster.aggregation.headers import Headers, first
from metrics_api.localcluster.aggregation.resolve import Address
from metrics_api.localcluster.aggregation.timing import Timing
from metrics_api.localcluster.aggregation.tls import HTTP1, HTTP1_AND_2, Trust, build_context

_READS = ("GET", "HEAD", "OPTIONS", "TRACE")
_TRIES_OF_THE_UNPROCESSED = 7
_FAILURES = (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, ssl.SSLError, OSError)
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
    names_client: bool = False
    """Whether Go's own ``User-Agent`` is added, which names the version of HTTP."""
    upgrades: bool = False
    """Whether it asks for another protocol, which only HTTP/1.1 can."""


@dataclass(frozen=True, slots=True)
class BackendResponse:
    """A response whose body is still to come."""

    status: int
    headers: Headers
    decoded: bool
    """Whether :meth:`chunks` undoes a compression that the client did not ask for."""
    _response: httpcore.Response
    _pool: _Pool

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body.

        Raises:
            UnreachableError: it broke off.
        """
        raw = self._response.aiter_stream()
        try:
            async for chunk in _inflated(raw) if self.decoded else raw:
                yield chunk
        except (*_FAILURES, zlib.error) as error:
            raise UnreachableError(f"unexpected EOF: {error}") from error

    async def aclose(self) -> None:
        """End the exchange; a connection whose body was not read to the end is closed."""
        try:
            await self._response.aclose()
        finally:
            self._pool.leave()


class _Pool:
    """One pool of connections and how many exchanges use it."""

    def __init__(self, connections: ConnectionPool, unused: Callable[[_Pool], None]) -> None:
        self.connections = connections
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
        timing: The limits of a dial, and how long connections are kept.
        clock: For the pauses before a request is sent again.
    """

    def __init__(self, timing: Timing, clock: Clock) -> None:
        self._timing = timing
        self._clock = clock
        self._pools: dict[tuple[Trust, bool], _Pool] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def prepare(self, trust: Trust, *, upgrades: bool = False) -> None:
        """Build what ``trust`` needs, if that is not there yet.

        Raises:
            TransportBuildError: it cannot be built.
        """
        if (trust, upgrades) not in self._pools:
            context = build_context(trust, HTTP1 if upgrades else HTTP1_AND_2)
            connections = ConnectionPool(context, trust.server_name, self._timing)
            self._pools[trust, upgrades] = _Pool(connections, self._close)

    async def send(self, trust: Trust, address: Address, request: BackendRequest) -> BackendResponse:
        """Send a request and return its response once the headers are there; close it in the end.

        As Go does, a read without a body is sent again when a reused connection died before any byte of a response,
        and whatever has no body when the backend said that it did not look at it.

        Raises:
            TransportBuildError: no connection can be tried.
            UnreachableError: there is no response.
        """
        self.prepare(trust, upgrades=request.upgrades)
        pool = self._pools[trust, request.upgrades]
        pool.enter()
        try:
            for tries in range(1, _TRIES_OF_THE_UNPROCESSED + 1):
                attempt = _Attempt()
                try:
                    return await attempt.run(pool, trust, address, request)
                except UnreachableError as error:
                    if tries == _TRIES_OF_THE_UNPROCESSED or not _may_send_again(request, attempt, error):
                        raise
                    if error.unprocessed and tries > 1:
                        await self._clock.sleep(2.0 ** (tries - 2))
            raise AssertionError("the last try returns or raises")
        except BaseException:
            pool.leave()
            raise

    def keep_only(self, wanted: Set[Trust]) -> None:
        """Close the pools of every other trust, each as soon as nothing uses it any more."""
        for key in [each for each in self._pools if each[0] not in wanted]:
            self._pools.pop(key).retire()

    async def aclose(self) -> None:
        """Close everything, whether it is used or not."""
        pools, self._pools = self._pools, {}
        for pool in pools.values():
            self._close(pool)
        if self._closing:
            await asyncio.wait(self._closing)

    def _close(self, pool: _Pool) -> None:
        # A task of its own: a close that is cancelled half-way would leave sockets open.
        task = asyncio.create_task(pool.connections.aclose())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


@dataclass(slots=True)
class _Attempt:
    """One try of one request."""

    dialled: bool = False
    """Whether the try opened a connection of its own; set by whoever opens it."""

    async def run(self, pool: _Pool, trust: Trust, address: Address, request: BackendRequest) -> BackendResponse:
        outgoing, gzipped = _outgoing(address, request)
        outgoing.extensions["attempt"] = self
        try:
            response = await pool.connections.handle_async_request(outgoing)
        except _FAILURES as error:
            raise explain(error, str(address), trust.server_name) from error
        decoded = gzipped and (first(response.headers, b"content-encoding") or b"").lower() == b"gzip"
        return BackendResponse(response.status, response.headers, decoded, response, pool)


def _may_send_again(request: BackendRequest, attempt: _Attempt, error: UnreachableError) -> bool:
    if request.body is not None:
        return False
    return error.unprocessed or (error.unanswered and not attempt.dialled and request.method in _READS)


def _outgoing(address: Address, request: BackendRequest) -> tuple[httpcore.Request, bool]:
    """Return the request in httpcore's form, and whether it asks for gzip on the proxy's own account, as Go does."""
    headers = [(b"Host", str(address).encode()), *request.headers]
    plain = first(headers, b"accept-encoding") is None and first(headers, b"range") is None
    gzip = plain and request.method != "HEAD"
    if gzip:
        headers.append((b"Accept-Encoding", b"gzip"))
    if request.body is not None and first(headers, b"content-length") is None:
        headers.append((b"Transfer-Encoding", b"chunked"))
    outgoing = httpcore.Request(
        request.method,
        httpcore.URL(scheme=b"https", host=address.host.encode(), port=address.port, target=request.target),
        headers=headers,
        content=request.body,
        extensions={"names_client": request.names_client, "body": request.body},
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
