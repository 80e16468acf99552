"""Accepting connections and shaking hands. Whoever only knocks is sent away when too many do.

Before the handshake has ended nobody can be told from anybody else, kube-apiserver included: so none is refused at the
door. Instead the one that has been at it longest must go. A handshake takes milliseconds; those that have stood there
for long are not going to finish.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import Callable

from metrics_api.serving.limits import Limits
from metrics_api.serving.refused import Examination, RefusedCertificates

_CLOSING_TIMEOUT = 30.0
"""Seconds that a client is given to take the rest of its last answer, and its leave of TLS."""

_LIMITS = Limits()
_log = logging.getLogger(__name__)
_ACCEPTED_AT_ONCE = 64
_SENT_AWAY_AT_ONCE = 16
_PAUSE = 1.0  # seconds until another try when there are no file descriptors left
_SHORT_PAUSE = 0.01  # seconds in which connections that are ended are closed
_COMPLAINT = 60.0  # seconds between two lines in the log
_NO_RESOURCES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Door:
    """One listening socket, in the form that uvicorn expects of a server.

    Args:
        listener: Listening, not blocking.
        context: TLS for everybody.
        protocol: Makes the protocol of one connection.
        refused: Finds out about client certificates that are refused; ``None`` when nobody is asked for one.
        limits: How many may be in handshake at once, and for how long.
        make_room: Ends the connection that is missed least; returns whether there was one. ``None`` for never.
    """

    def __init__(
        self,
        listener: socket.socket,
        context: ssl.SSLContext,
        protocol: Callable[[], asyncio.Protocol],
        *,
        refused: RefusedCertificates | None = None,
        limits: Limits = _LIMITS,
        make_room: Callable[[], bool] | None = None,
    ) -> None:
        self._make_room = make_room
        self._complained = -_COMPLAINT
        self._listener = listener
        self._context = context
        self._protocol = protocol
        self._refused = refused
        self._limits = limits
        self._tasks: set[asyncio.Task[None]] = set()
        self._in_handshake: dict[asyncio.Task[None], None] = {}
        self._is_open = False

    @property
    def in_handshake(self) -> int:
        """Return how many connections have not yet finished their handshake."""
        return len(self._in_handshake)

    def open(self) -> None:
        """Begin to accept."""
        self._is_open = True
        asyncio.get_running_loop().add_reader(self._listener.fileno(), self._accept)

    def close(self) -> None:
        """Accept no more, and send away who has not come in yet."""
        if self._is_open:
            self._is_open = False
            asyncio.get_running_loop().remove_reader(self._listener.fileno())
        for task in self._tasks:
            task.cancel()

    async def wait_closed(self) -> None:
        """Return when the last one has gone."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _accept(self) -> None:
        for _ in range(_ACCEPTED_AT_ONCE):
            try:
                connection, address = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._pause(error)
                return
            self._let_in(connection, str(address[0]))

    def _pause(self, error: OSError) -> None:
        """Send some away, and wait until they have gone; without a wait the loop would only fail to accept."""
        if error.errno not in _NO_RESOURCES:
            raise error
        loop = asyncio.get_running_loop()
        if loop.time() - self._complained >= _COMPLAINT:
            self._complained = loop.time()
            _log.error("Cannot accept connections for a moment", extra={"fields": {"error": str(error)}})
        made_room = [self._send_one_away() for _ in range(_SENT_AWAY_AT_ONCE)]
        loop.remove_reader(self._listener.fileno())
        loop.call_later(_SHORT_PAUSE if any(made_room) else _PAUSE, lambda: self.open() if self._is_open else None)

    def _send_one_away(self) -> bool:
        """End the longest handshake, or else a connection that has been let in."""
        if self._in_handshake:
            self._end_longest_handshake()
            return True
        return self._make_room is not None and self._make_room()

    def _end_longest_handshake(self) -> None:
        longest = next(iter(self._in_handshake))
        del self._in_handshake[longest]
        longest.cancel()

    def _let_in(self, connection: socket.socket, host: str) -> None:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if len(self._in_handshake) >= self._limits.in_handshake:
            self._end_longest_handshake()
        is_taken_over = False

        def taking_over() -> asyncio.Protocol:
            nonlocal is_taken_over
            is_taken_over = True
            return self._protocol()

        task = asyncio.ensure_future(self._shake_hands(connection, host, taking_over))
        self._in_handshake[task] = None
        self._tasks.add(task)

        def ended(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            self._in_handshake.pop(task, None)
            if not is_taken_over:  # else the transport closes it: it may still wait for events of this descriptor
                connection.close()

        task.add_done_callback(ended)

    async def _shake_hands(
        self, connection: socket.socket, host: str, taking_over: Callable[[], asyncio.Protocol]
    ) -> None:
        examination = self._refused.examine(host) if self._refused is not None else None
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                taking_over,
                connection,
                ssl=self._context if examination is None else examination.context,
                ssl_handshake_timeout=self._limits.handshake,
                ssl_shutdown_timeout=_CLOSING_TIMEOUT,
            )
        except ssl.SSLCertVerificationError as error:
            error.__traceback__ = None
            self._tell(host, error, examination)
        except OSError as error:  # TLS errors, hang-ups and time-outs among them
            error.__traceback__ = None  # it refers to the transport, whose buffer is large, and that to the error
            _log.debug("TLS handshake failed", extra={"fields": {"client": host, "error": str(error)}})

    def _tell(self, host: str, error: ssl.SSLCertVerificationError, examination: Examination | None) -> None:
        if self._refused is not None:
            self._refused.note(host, error.verify_message or str(error), examination)
