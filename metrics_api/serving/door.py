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

CLOSING_TIMEOUT = 1.0
"""Seconds that an idle client is given to take its leave of TLS when we close; most never do."""

_LIMITS = Limits()
_log = logging.getLogger(__name__)
_ACCEPTED_AT_ONCE = 64
_PAUSE = 1.0  # seconds until another try when there are no file descriptors left
_NO_RESOURCES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Door:
    """One listening socket, in the form that uvicorn expects of a server.

    Args:
        listener: Listening, not blocking.
        context: TLS for everybody.
        protocol: Makes the protocol of one connection.
        refused: Finds out about client certificates that are refused; ``None`` when nobody is asked for one.
        limits: How many may be in handshake at once, and for how long.
    """

    def __init__(
        self,
        listener: socket.socket,
        context: ssl.SSLContext,
        protocol: Callable[[], asyncio.Protocol],
        *,
        refused: RefusedCertificates | None = None,
        limits: Limits = _LIMITS,
    ) -> None:
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
        """Wait a while: without a pause the loop would do nothing but fail to accept."""
        if error.errno not in _NO_RESOURCES:
            raise error
        _log.error("Cannot accept connections for a moment", extra={"fields": {"error": str(error)}})
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._listener.fileno())
        loop.call_later(_PAUSE, lambda: self.open() if self._is_open else None)

    def _let_in(self, connection: socket.socket, host: str) -> None:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if len(self._in_handshake) >= self._limits.in_handshake:
            longest = next(iter(self._in_handshake))
            del self._in_handshake[longest]
            longest.cancel()
        task = asyncio.ensure_future(self._shake_hands(connection, host))
        self._in_handshake[task] = None
        self._tasks.add(task)

        def ended(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            self._in_handshake.pop(task, None)
            if task.cancelled() or task.exception() is not None:
                connection.close()

        task.add_done_callback(ended)

    async def _shake_hands(self, connection: socket.socket, host: str) -> None:
        examination = self._refused.examine(host) if self._refused is not None else None
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                self._protocol,
                connection,
                ssl=self._context if examination is None else examination.context,
                ssl_handshake_timeout=self._limits.handshake,
                ssl_shutdown_timeout=CLOSING_TIMEOUT,
            )
        except ssl.SSLCertVerificationError as error:
            self._tell(host, error, examination)
            connection.close()
        except OSError as error:  # TLS errors, hang-ups and time-outs among them
            _log.debug("TLS handshake failed", extra={"fields": {"client": host, "error": str(error)}})
            connection.close()

    def _tell(self, host: str, error: ssl.SSLCertVerificationError, examination: Examination | None) -> None:
        if self._refused is not None:
            self._refused.note(host, error.verify_message or str(error), examination)
