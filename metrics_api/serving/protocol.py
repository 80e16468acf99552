"""HTTP/1.1 on one connection, which also tells who is at the other end, and does not wait for ever.

uvicorn's own protocol is made for any application and any client; a request of ours spent half its time there. This
one stands between ``reading`` (the parser that uvicorn uses too) and ``exchange`` (the answers), and keeps the order.

What the TLS layer has verified goes into the state of every request: the chain of the client's certificate, from the
leaf to the authority we trust. A client that is slow to ask, or stops reading its answer, is cut off.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable
from typing import Any

from uvicorn.server import ServerState

from metrics_api.serving.asgi import ABORT, CHAIN, Application, Scope
from metrics_api.serving.chain import is_resumed, verified_chain
from metrics_api.serving.exchange import Exchange
from metrics_api.serving.guests import Guests
from metrics_api.serving.limits import Limits
from metrics_api.serving.reading import OF_GUESTS, OF_PROVEN, Reader, RefusedError
from metrics_api.serving.stall import Backlog

MOST_QUEUED = 4
"""Requests that may wait for the answer to the one before; each costs kilobytes, however short it is."""
_REFUSAL_HEADERS = b"\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"
_LEAVE = 1.0  # seconds; who has still to take an answer has those of the door
_MOST_UNSENT = 1 << 16  # bytes in the TLS layer, above which a sender must wait


class ServingProtocol(asyncio.Protocol):
    """One connection.

    Args:
        application: Answers requests.
        server: uvicorn's books of its connections and tasks, and the headers that all answers have.
        guests: Where a connection without a client certificate is counted.
        limits: How much patience there is.
        keep_alive: Seconds that the connection is kept when nothing is asked.
    """

    def __init__(
        self, application: Application, server: ServerState, *, guests: Guests, limits: Limits, keep_alive: float
    ) -> None:
        self._application = application
        self._server = server
        self._guests = guests
        self._limits = limits
        self._keep_alive = keep_alive
        self._loop = asyncio.get_running_loop()
        self.transport: asyncio.Transport
        self.is_lost = False
        self._reader: Reader
        self._is_guest = False
        self._common: tuple[object, bytes] = (None, b"")
        """The headers of all answers, as they were given and as they are written."""

        self._running: Exchange | None = None
        """Being answered, or answered last."""
        self._newest: Exchange | None = None
        """The one that was asked for last."""
        self._queue: deque[Exchange] = deque()
        self._reads = True
        self._backlog: Backlog | None = None
        self._request_timer: asyncio.TimerHandle | None = None
        self._idle_timer: asyncio.TimerHandle | None = None
        self._idle_since = 0.0

    # The connection.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # one that also writes
        """Note who is at the other end."""
        self.transport = transport
        self._server.connections.add(self)  # type: ignore[arg-type] # uvicorn names its own
        transport.set_write_buffer_limits(_MOST_UNSENT)
        tls = transport.get_extra_info("ssl_object")
        chain = verified_chain(tls)
        common = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "server": _address(transport.get_extra_info("sockname")),
            "client": _address(transport.get_extra_info("peername")),
            "scheme": "https",
            "root_path": "",
        }
        state = {CHAIN: chain, ABORT: transport.abort}
        self._reader = Reader(self, OF_PROVEN if chain else OF_GUESTS, common, state)
        self._await_request()
        if is_resumed(tls, chain):
            transport.abort()  # OpenSSL then forgets the session too, so the client's next try is a whole handshake
        elif not chain:
            self._is_guest = True
            self._guests.welcome(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of the timers, and tell who is still answering."""
        self.is_lost = True
        self._server.connections.discard(self)
        self.arrived()
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        if self._backlog is not None:
            self._backlog.over()
        if self._is_guest:
            self._guests.forget(self)
        if self._running is not None:
            self._running.over()
        self._running = self._newest = None  # each refers to the other, and nothing need wait for the collector
        self._queue.clear()
        self._reader.close()

    def shutdown(self) -> None:
        """End the connection with the answer that is under way, at once when there is none: uvicorn is stopping."""
        if self.is_idle:
            self._close_idle()
        else:
            self.end_with_answer()

    @property
    def is_idle(self) -> bool:
        """Whether no request is being answered."""
        return self._newest is None or self._newest.is_complete

    def dismiss(self) -> None:
        """End the connection at once."""
        self.transport.abort()

    # What comes in.

    def data_received(self, data: bytes) -> None:
        """Take bytes; what is no request, or too much of one, ends the connection."""
        if self.transport.is_closing():
            return  # what follows a refusal is of no interest
        try:
            self._reader.feed(data)
        except RefusedError as refusal:
            self._refuse(refusal.status)
            return
        if self._reader.is_incomplete and self._request_timer is None and not self.transport.is_closing():
            self._await_request()

    def begun(self) -> None:
        """See whether there is room for one more request; a refusal would be taken for the answer to another one."""
        if len(self._queue) >= MOST_QUEUED:
            self.transport.abort()
            raise RefusedError(b"")

    def asked(self, scope: Scope, *, may_stay: bool) -> None:
        """Have a request answered, when its turn comes."""
        exchange = Exchange(self, scope, is_kept=may_stay)
        is_free = self.is_idle
        self._newest = exchange
        if is_free:
            self._start(exchange)
        else:
            self._pause_reading()
            self._queue.append(exchange)

    def arrived(self) -> None:
        """Wait no more until the next request."""
        if self._request_timer is not None:
            self._request_timer.cancel()
            self._request_timer = None

    def end_with_answer(self) -> None:
        """End the connection with the answer to the request that came last."""
        if self._newest is not None:
            self._newest.is_kept = False

    def overrun(self) -> None:
        """Take no more of a large body."""
        if self.is_idle:
            self._close_idle()
        else:
            self.end_with_answer()
            self._pause_reading()

    def _await_request(self) -> None:
        self._request_timer = self._loop.call_later(self._limits.request, self._give_up_on_request)

    def _give_up_on_request(self) -> None:
        if self._reads:
            self.transport.abort()
        else:  # it may be complete, and it is we who do not look
            self._await_request()

    def _pause_reading(self) -> None:
        if self._reads:
            self._reads = False
            self.transport.pause_reading()

    def _go_on_reading(self) -> None:
        if not self._reads:
            self._reads = True
            self.transport.resume_reading()

    def _close(self) -> None:
        """Close the connection, and leave the client the time for an answer to take what is still on its way to it.

        While reading is paused asyncio keeps a hang-up to itself, and would not close.
        """
        self._go_on_reading()
        self.transport.close()

    def _close_idle(self) -> None:
        """Close the connection of a client that has its answer, and need only take its leave of TLS; most never do."""
        if self.transport.is_closing():
            return
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        self._idle_timer = self._loop.call_later(_LEAVE, self.transport.abort)
        self._close()

    def _refuse(self, status: bytes) -> None:
        """Answer as Go does before any handler is asked (``net/http`` ``server.go``), byte for byte.

        While an earlier request is being answered this would be taken for its answer: that one ends the connection.
        """
        if self.transport.is_closing():
            return
        if self.is_idle:
            self.transport.write(b"HTTP/1.1 %s%s%s" % (status, _REFUSAL_HEADERS, status))
            self._close_idle()
        else:
            self.end_with_answer()

    # What goes out.

    def _start(self, exchange: Exchange) -> None:
        self._running = exchange
        tasks = self._server.tasks
        task = self._loop.create_task(exchange.run(self._application))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    @property
    def common_lines(self) -> bytes:
        """Header lines that every answer has: uvicorn makes the date anew every second."""
        headers, lines = self._common
        given = self._server.default_headers
        if headers is not given:
            lines = b"".join(b"%b: %b\r\n" % each for each in given)
            self._common = given, lines
        return lines

    def answered(self, exchange: Exchange) -> None:
        """Go on to the next request, if it is there."""
        if not exchange.is_kept:
            self._close()
        if self._is_guest:
            self._guests.refresh(self)
        if self.transport.is_closing():
            return
        self._go_on_reading()
        if self._queue:
            self._start(self._queue.popleft())
            return
        self._idle_since = self._loop.time()
        if self._idle_timer is None:
            self._idle_timer = self._loop.call_later(self._keep_alive, self._end_if_idle)

    def _end_if_idle(self) -> None:
        """Close what has been idle for long. Looking once in a while costs less than a timer for each request."""
        left = self._idle_since + self._keep_alive - self._loop.time()
        if self._reader.is_incomplete or not self.is_idle:
            left = self._keep_alive
        elif left <= 0:
            self._close_idle()
            return
        self._idle_timer = self._loop.call_later(left, self._end_if_idle)

    def pause_writing(self) -> None:
        """Begin to watch a client that does not take its answer as fast as it comes."""
        if self._backlog is None:
            self._backlog = Backlog(self.transport, self._limits)

    def resume_writing(self) -> None:
        """Watch it no more."""
        if self._backlog is not None:
            self._backlog.over()
            self._backlog = None

    def until_writable(self) -> Awaitable[None] | None:
        """Return what to wait for before more is written, ``None`` for nothing."""
        return None if self._backlog is None else self._backlog.wait()


def _address(name: Any) -> tuple[str, int] | None:
    return (str(name[0]), int(name[1])) if isinstance(name, tuple) else None
