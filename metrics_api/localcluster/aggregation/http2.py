"""HTTP/2 towards a backend: many requests on one connection, as Go's client makes them.

httpcore has an HTTP/2 connection too, but does not tell a backend that a response is no longer wanted: a watch that its
client has left would go on for ever, and what it sends would use up the window of everybody else's responses.

Source: Go's ``net/http`` (``h2_bundle``), RFC 9113.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterable, AsyncIterator
from typing import Any

import h2.errors
import h2.events
import h2.exceptions
import httpcore

from metrics_api.localcluster.aggregation.failures import UnreachableError
from metrics_api.localcluster.aggregation.http2_exchange import Body, Exchange
from metrics_api.localcluster.aggregation.http2_wire import Frames, GoAway, head_of, name_of, new_state
from metrics_api.localcluster.aggregation.timing import Timing

_READ_BYTES = 1 << 16
_STREAMS_BEFORE_SETTINGS = 100
_MOST_STREAMS = 1000
_LOST = "http2: client connection lost"
_SHUTDOWN = "http2: Transport received Server's graceful shutdown GOAWAY"


class Http2Connection(httpcore.AsyncConnectionInterface):
    """One connection on which HTTP/2 was agreed, for a pool of httpcore.

    Args:
        stream: The connection, TLS included; it is closed with this.
        origin: Where it leads.
        timing: How long it is kept, and when the backend is asked for a sign of life.
    """

    def __init__(self, stream: httpcore.AsyncNetworkStream, origin: httpcore.Origin, timing: Timing) -> None:
        self._stream = stream
        self._origin = origin
        self._timing = timing
        self._state = new_state()
        self._exchanges: dict[int, Exchange] = {}
        self._most = _STREAMS_BEFORE_SETTINGS
        self._going_away: GoAway | None = None
        self._failure: UnreachableError | None = None
        self._idle_since = time.monotonic()
        self._outgoing = asyncio.Event()
        self._outgoing.set()
        self._running = asyncio.create_task(self._run())

    async def handle_async_request(self, request: httpcore.Request) -> httpcore.Response:
        """Send a request and return its response, whose body is still to come.

        Raises:
            ConnectionNotAvailable: it takes no further request; the pool tries another.
            UnreachableError: there is no response.
        """
        if not self.is_available():
            raise httpcore.ConnectionNotAvailable
        body = request.extensions.get("body")
        identifier = self._state.get_next_available_stream_id()
        try:
            self._state.send_headers(identifier, head_of(request), end_stream=body is None)
        except h2.exceptions.ProtocolError as error:
            raise UnreachableError(f"http2: {error}") from error
        self._outgoing.set()
        exchange = self._exchanges[identifier] = Exchange()
        try:
            if body is not None:
                exchange.upload = asyncio.create_task(self._upload(identifier, exchange, body))
            await exchange.until(lambda: exchange.status)
        except BaseException:
            self._leave(identifier)
            raise
        content: Any = Body(self._parts(identifier, exchange), lambda: self._leave(identifier))
        return httpcore.Response(exchange.status, headers=exchange.headers, content=content)

    def can_handle_request(self, origin: httpcore.Origin) -> bool:
        """Whether requests to that origin may use it."""
        return origin == self._origin

    def is_available(self) -> bool:
        """Whether it takes another request now."""
        unspent = self._state.highest_outbound_stream_id + 2 <= self._state.HIGHEST_ALLOWED_STREAM_ID
        usable = self._failure is None and self._going_away is None and unspent
        return usable and len(self._exchanges) < self._most

    def has_expired(self) -> bool:
        """Whether it was idle for too long."""
        return self.is_idle() and time.monotonic() - self._idle_since > self._timing.keep_idle

    def is_idle(self) -> bool:
        """Whether no request is under way."""
        return not self._exchanges

    def is_closed(self) -> bool:
        """Whether it is of no more use, its socket closed."""
        return self._running.done()

    def info(self) -> str:
        """Return a line for logs."""
        return f"{self._origin!r}, HTTP/2, {len(self._exchanges)} requests"

    async def aclose(self) -> None:
        """Close it; requests under way fail."""
        self._end()
        await asyncio.wait((self._running,))

    async def _run(self) -> None:
        sides = [asyncio.create_task(self._read()), asyncio.create_task(self._write())]
        error: BaseException | None = None
        try:
            done, _ = await asyncio.wait(sides, return_when=asyncio.FIRST_COMPLETED)
            error = next(iter(done)).exception()
        finally:
            self._failure = self._explain(error)
            for exchange in self._exchanges.values():
                exchange.fail(self._failure)
            for side in sides:
                side.cancel()
            try:
                await asyncio.gather(*sides, return_exceptions=True)
            finally:
                await self._stream.aclose()

    async def _read(self) -> None:
        frames = Frames()
        while data := await self._next_bytes():
            try:
                for frame in frames.received(data):
                    if isinstance(frame, GoAway):
                        self._go_away(frame)
                        continue
                    for event in self._state.receive_data(frame):
                        self._handle(event)
            finally:
                self._outgoing.set()

    async def _next_bytes(self) -> bytes:
        """Return what the backend sends, empty at the end; one that is silent for long is asked whether it lives."""
        try:
            return await self._stream.read(_READ_BYTES, self._timing.http2_quiet)
        except httpcore.ReadTimeout:
            self._state.ping(bytes(8))
            self._outgoing.set()
        return await self._stream.read(_READ_BYTES, self._timing.http2_ping_timeout)

    async def _write(self) -> None:
        while True:
            await self._outgoing.wait()
            self._outgoing.clear()
            if data := self._state.data_to_send():
                await self._stream.write(data)

    def _handle(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.RemoteSettingsChanged():
                self._most = min(self._state.remote_settings.max_concurrent_streams, _MOST_STREAMS)
                self._wake_all()
            case h2.events.WindowUpdated():
                self._wake_all()
            case (
                h2.events.ResponseReceived()
                | h2.events.DataReceived()
                | h2.events.StreamEnded()
                | h2.events.StreamReset()
            ):
                if exchange := self._exchanges.get(event.stream_id or 0):
                    exchange.take(event)

    def _go_away(self, said: GoAway) -> None:
        self._going_away = said
        for identifier, exchange in self._exchanges.items():
            if identifier > said.last_stream:
                exchange.fail(UnreachableError(_SHUTDOWN, unprocessed=True))
        self._end_if_unused()

    def _explain(self, error: BaseException | None) -> UnreachableError:
        if isinstance(error, h2.exceptions.ProtocolError):
            return UnreachableError(f"connection error: {name_of(int(error.error_code or 0))}")
        if self._going_away is not None:
            return UnreachableError(f"http2: server sent GOAWAY and closed the connection; {self._going_away}")
        return UnreachableError(_LOST if isinstance(error, httpcore.ReadTimeout) else "unexpected EOF")

    def _wake_all(self) -> None:
        for exchange in self._exchanges.values():
            exchange.wake()

    async def _upload(self, identifier: int, exchange: Exchange, body: AsyncIterable[bytes]) -> None:
        try:
            async for chunk in body:
                rest = chunk
                while rest:
                    await exchange.until(lambda: self._room(identifier))
                    size = min(len(rest), self._room(identifier))
                    self._state.send_data(identifier, rest[:size])
                    self._outgoing.set()
                    rest = rest[size:]
            self._state.end_stream(identifier)
            self._outgoing.set()
        except Exception as error:  # whoever waits for the response is told
            exchange.fail(error)

    def _room(self, identifier: int) -> int:
        return min(self._state.local_flow_control_window(identifier), self._state.max_outbound_frame_size)

    async def _parts(self, identifier: int, exchange: Exchange) -> AsyncIterator[bytes]:
        while True:
            await exchange.until(lambda: exchange.parts or exchange.ended)
            if not exchange.parts:
                return
            data, window_bytes = exchange.parts.popleft()
            self._give_back(identifier, window_bytes)
            yield data

    def _give_back(self, identifier: int, window_bytes: int) -> None:
        if window_bytes and self._failure is None:
            self._state.acknowledge_received_data(window_bytes, identifier)
            self._outgoing.set()

    def _leave(self, identifier: int) -> None:
        """End an exchange; a backend that has not finished is told that nobody listens any more."""
        exchange = self._exchanges.pop(identifier, None)
        if exchange is None:
            return
        over = exchange.is_over
        if exchange.upload is not None:
            exchange.upload.cancel()
        self._give_back(identifier, sum(size for _, size in exchange.parts))
        if self._failure is None and not over:
            self._state.reset_stream(identifier, h2.errors.ErrorCodes.CANCEL)
            self._outgoing.set()
        self._idle_since = time.monotonic()
        self._end_if_unused()

    def _end_if_unused(self) -> None:
        if self._going_away is not None and not self._exchanges:
            self._end()

    def _end(self) -> None:
        if self._failure is None:  # else it is ending already, and must not be disturbed while it closes the socket
            self._running.cancel()
