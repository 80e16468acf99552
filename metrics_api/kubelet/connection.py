"""One connection to one kubelet, carrying one request at a time.

It reads from the (TLS) socket itself instead of through asyncio's or uvloop's TLS transport. Those keep buffers for
each connection that grow to the size of the largest document and stay: more than 200 kB a node at 30 pods. OpenSSL on
a socket keeps what one TLS record takes, and all connections share one buffer to read into: 45 kB for any document.
"""

from __future__ import annotations

import asyncio
import socket
import ssl

from metrics_api.errors import ScrapeError
from metrics_api.kubelet.budget import Budget
from metrics_api.kubelet.http1 import Response, ResponseReader, WireLimits
from metrics_api.kubelet.tls_errors import tls_error

READ_SIZE = 128 * 1024
"""Bytes that are gathered before they are looked at: the document of an ordinary node, so that it is parsed at once."""
_RECORD = 16 * 1024  # the most that one read of TLS gives
_READS_AT_ONCE = 16  # then other connections have their turn
_NOT_NOW = (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError, InterruptedError)


class StaleConnectionError(Exception):
    """A kept connection ended before a byte of the answer came: the request may be sent again on a new one."""


class Connection:
    """A connected socket, after the TLS handshake.

    A request costs one future and one timer. The timer stands for two limits: it first goes off when the first byte is
    due, and again at the deadline; neither is put off by bytes that trickle in.

    Args:
        loop: The running loop.
        sock: A non-blocking socket, which is this object's from now on.
        host: The address dialled, for messages.
        limits: Bounds on the answer.
        buffer: To read into; it is only used within a callback, so all connections of a loop may share it.
        budget: For large answers, shared by all connections.
    """

    __slots__ = (
        "_buffer",
        "_deadline_at",
        "_host",
        "_loop",
        "_reader",
        "_requests",
        "_sock",
        "_timer",
        "_unsent",
        "_waiter",
        "_writing",
        "idle_since",
        "usable",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        host: str,
        limits: WireLimits,
        buffer: memoryview,
        budget: Budget | None = None,
    ) -> None:
        self._loop = loop
        self._sock = sock
        self._host = host
        self._reader = ResponseReader(limits, budget)
        self._buffer = buffer
        self._waiter: asyncio.Future[Response] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._deadline_at = 0.0
        self._unsent = memoryview(b"")
        self._writing = False
        self._requests = 0
        self.idle_since = loop.time()
        """The loop's time of the last answer."""
        self.usable = True
        """Whether a request may be sent; ``False`` once it is closed."""
        loop.add_reader(sock, self._on_readable)

    @property
    def busy(self) -> bool:
        """Tell whether a request is in flight."""
        return self._waiter is not None

    async def exchange(self, request: bytes, max_body: int, *, first_byte_at: float, deadline_at: float) -> Response:
        """Send a request and return the answer.

        Args:
            request: The whole request.
            max_body: Bytes of the answer's body.
            first_byte_at: The loop's time by which the first byte must have come.
            deadline_at: The loop's time by which all must have come.

        Raises:
            StaleConnectionError: it had carried requests before and ended without a byte of this one's answer.
            ScrapeError: any other failure; the connection is closed then.
        """
        if self._waiter is not None:
            raise RuntimeError("a second request on a connection that waits for an answer")
        if not self.usable:
            raise StaleConnectionError
        self._reader.begin(max_body)
        self._requests += 1
        self._deadline_at = deadline_at
        waiter = self._waiter = self._loop.create_future()
        self._timer = self._loop.call_at(min(first_byte_at, deadline_at), self._on_timer)
        try:
            self._unsent = memoryview(request)
            self._send()
            response: Response = await waiter
            return response
        finally:
            self._timer.cancel()
            self._timer = self._waiter = None
            self._reader.discard()
            if waiter.cancelled():
                self._close()

    def abort(self) -> None:
        """Close at once; a request in flight fails."""
        self._fail(ScrapeError("reset", "the connection was closed on our side"))

    def _send(self) -> None:
        try:
            while self._unsent:
                self._unsent = self._unsent[self._sock.send(self._unsent) :]
        except _NOT_NOW:
            if not self._writing:
                self._writing = True
                self._loop.add_writer(self._sock, self._send)
            return
        except OSError as error:
            self._lost(error)
            return
        if self._writing:
            self._writing = False
            self._loop.remove_writer(self._sock)

    def _on_readable(self) -> None:
        """Read what is there, and look at it when a record is not full: that is where kubelets end an answer."""
        buffer, filled, ended, fault = self._buffer, 0, False, None
        for _ in range(_READS_AT_ONCE):
            try:
                count = self._sock.recv_into(buffer[filled:])
            except _NOT_NOW:
                break
            except OSError as error:
                ended, fault = True, error
                break
            if not count:
                ended = True
                break
            filled += count
            if count != _RECORD or filled > len(buffer) - _RECORD:
                if not self._take_in(buffer[:filled]):
                    return
                filled = 0
        if filled and not self._take_in(buffer[:filled]):
            return
        if ended:
            self._lost(fault)

    def _take_in(self, data: memoryview) -> bool:
        """Look at what was read; tell whether there is more to wait for."""
        waiter = self._waiter
        if waiter is None or waiter.done():
            self._close()  # bytes that nobody asked for
            return False
        try:
            self._reader.feed(data)
        except ScrapeError as error:
            self._fail(error)
            return False
        if self._reader.complete:
            self._finish(waiter)
            return False
        return True

    def _finish(self, waiter: asyncio.Future[Response]) -> None:
        waiter.set_result(self._reader.take())
        self.idle_since = self._loop.time()
        if not self._reader.reusable:
            self._close()

    def _lost(self, error: OSError | None) -> None:
        """End what waits, after the connection has ended by itself."""
        self._close()
        waiter, reader = self._waiter, self._reader
        if waiter is None or waiter.done():
            return
        if error is None:
            reader.end_of_stream()
        if reader.complete:
            waiter.set_result(reader.take())
        elif not reader.started and self._requests > 1:
            waiter.set_exception(StaleConnectionError())
        elif isinstance(error, ssl.SSLError):
            waiter.set_exception(tls_error(error, self._host))
        else:
            waiter.set_exception(_broken_off(reader, error))

    def _fail(self, error: ScrapeError) -> None:
        self._close()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error)

    def _close(self) -> None:
        if self.usable:
            self.usable = False
            self._loop.remove_reader(self._sock)
            if self._writing:
                self._loop.remove_writer(self._sock)
            self._sock.close()

    def _on_timer(self) -> None:
        if not self._reader.started:
            self._fail(ScrapeError("timeout", "connected, but no byte of an answer came in time; it may be stuck"))
        elif self._loop.time() < self._deadline_at:
            self._timer = self._loop.call_at(self._deadline_at, self._on_timer)
        else:
            self._fail(ScrapeError("timeout", "the answer had begun but was not whole at the deadline"))


def _broken_off(reader: ResponseReader, error: OSError | None) -> ScrapeError:
    how = f"was reset ({error})" if error is not None else "ended"
    when = "within the answer" if reader.started else "before an answer came"
    return ScrapeError("reset", f"the connection {how} {when}; nothing of it is used")
