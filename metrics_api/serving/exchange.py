"""One request and its answer: an ASGI scope, and how the messages of an application become HTTP/1.1.

An answer leaves in as few pieces as it can: the head waits for its body when it announces the length of it, for then
the body is at hand. Apart they are two TLS records, two system calls, and a client that is woken twice, of which the
first helps nobody. The head of a stream leaves at once; its first piece may take long to come.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Sequence
from http import HTTPStatus
from typing import Protocol

from metrics_api.serving.asgi import Application, Message, Scope

FAULTS = logging.getLogger("metrics_api.serving.faults")
FAULTS.setLevel(logging.ERROR)  # what strangers send must not fill the log; what goes wrong here belongs there
_STATUS_LINES = {each.value: f"HTTP/1.1 {each.value} {each.phrase}\r\n".encode() for each in HTTPStatus}
_BODILESS = (204, 304)
_FAULT = b"Internal Server Error"
_FAULT_HEADERS = [
    (b"content-type", b"text/plain; charset=utf-8"),
    (b"content-length", b"%d" % len(_FAULT)),
    (b"connection", b"close"),
]


class Connection(Protocol):
    """Where an answer goes."""

    transport: asyncio.Transport
    is_lost: bool

    @property
    def common_lines(self) -> bytes:
        """Header lines that every answer has."""
        ...

    def until_writable(self) -> Awaitable[object] | None:
        """Return what to wait for before more is written, ``None`` for nothing."""
        ...

    def answered(self, exchange: Exchange) -> None:
        """Take note that an answer is complete."""
        ...


class Exchange:
    """One of a connection's requests, and the answer to it.

    Args:
        connection: It came from there.
        scope: The request, as ASGI has it.
        is_kept: Whether the connection may be used again afterwards.
    """

    __slots__ = (
        "_chunked",
        "_connection",
        "_has_begun",
        "_has_body",
        "_head",
        "_left",
        "_over",
        "_was_read",
        "is_complete",
        "is_kept",
        "scope",
    )

    def __init__(self, connection: Connection, scope: Scope, *, is_kept: bool) -> None:
        self.scope = scope
        self.is_kept = is_kept
        self.is_complete = False
        """Whether all of the answer has been written."""
        self._connection = connection
        self._has_begun = False
        self._head = b""
        """Not yet written."""
        self._has_body = True
        self._chunked = False
        self._left: int | None = None
        """Bytes of the body that was announced and has not come yet; ``None`` when its length is not known."""
        self._was_read = False
        self._over: asyncio.Future[None] | None = None

    async def run(self, application: Application) -> None:
        """Have the request answered. An application that fails gets a 500, or its connection ends."""
        try:
            await application(self.scope, self.receive, self.send)
            if not self.is_complete and not self._connection.is_lost:
                raise RuntimeError("the application has returned without a whole answer")
        except asyncio.CancelledError:
            self._connection.transport.abort()
            raise
        except Exception:
            FAULTS.exception("Exception in the application")
            if self._has_begun:
                self._connection.transport.abort()
            else:
                await self.send({"type": "http.response.start", "status": 500, "headers": _FAULT_HEADERS})
                await self.send({"type": "http.response.body", "body": _FAULT})

    async def receive(self) -> Message:
        """Return an empty body, for bodies are not read; later, when client or answer have gone, say so."""
        if not self._was_read:
            self._was_read = True
            return {"type": "http.request", "body": b"", "more_body": False}
        if not self.is_complete and not self._connection.is_lost:
            if self._over is None:
                self._over = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._over)
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Write a part of the answer, when the client has taken enough of what came before.

        Raises:
            RuntimeError: the application does not keep to ASGI, or to what it has announced.
        """
        waiting = self._connection.until_writable()
        if waiting is not None:
            await waiting
        if self._connection.is_lost:
            return
        if self._has_begun:
            self._continue(message["body"], is_last=not message.get("more_body", False))
        else:
            self._begin(message["status"], message["headers"])

    def over(self) -> None:
        """Wake who waits for the end: the client has gone, or has its answer."""
        if self._over is not None and not self._over.done():
            self._over.set_result(None)

    def _begin(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """Make the head. Names of headers are in lower case, as ASGI has them."""
        common = self._connection.common_lines
        parts = [_STATUS_LINES[status], common]
        length, says_close = None, False
        for name, value in headers:
            parts += name, b": ", value, b"\r\n"
            if name == b"content-length":
                length = int(value)
            elif name == b"connection":
                says_close = value == b"close"
        lines = len(headers) + 2
        if says_close:
            self.is_kept = False
        elif not self.is_kept:
            parts.append(b"connection: close\r\n")
            lines += 1
        self._has_body = self.scope["method"] != "HEAD" and status not in _BODILESS
        is_stream = self._has_body and length is None
        if is_stream and self.scope["http_version"] != "1.0":  # where a body ends with the connection
            self._chunked = True
            parts.append(b"transfer-encoding: chunked\r\n")
            lines += 1
        self._left = length
        parts.append(b"\r\n")
        head = b"".join(parts)
        if head.count(b"\n") != lines + common.count(b"\n") or head.count(b"\r") != head.count(b"\n"):
            raise RuntimeError("a header of the answer has a line break in it")
        self._has_begun = True
        if is_stream:
            self._connection.transport.write(head)
        else:
            self._head = head

    def _continue(self, body: bytes | memoryview, *, is_last: bool) -> None:
        if self.is_complete:
            raise RuntimeError("there is more of an answer that was complete")
        transport = self._connection.transport
        if self._chunked:
            chunk = b"".join((b"%x\r\n" % len(body), body, b"\r\n")) if body else b""
            transport.write(chunk + b"0\r\n\r\n" if is_last else chunk)
        else:
            if not self._has_body:
                body = b""
            elif self._left is not None:
                self._left -= len(body)
                if self._left < 0 or (is_last and self._left):
                    raise RuntimeError("the body of the answer has not the length that was announced")
            if self._head:
                body, self._head = self._head + body, b""
            transport.write(body)
        if is_last:
            self.is_complete = True
            self.over()
            self._connection.answered(self)
