"""Requests, as they come in over one connection: the parser, and the limits on what it is given.

With a client certificate the limits on a request's head are Go's, 1 MiB, and one more on its lines. Without one they
are such that as many guests as there may be hold little together. Nothing here keeps a request's body: a small one is
forgotten, of a large one the owner is told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import unquote

import httptools

from metrics_api.serving.asgi import Scope

LARGEST_HEAD = 1 << 20
"""Bytes of request line and headers."""
LONGEST_TARGET = 1 << 15
"""Bytes of a request target. All that reads it, most of it before anybody is authenticated, costs time with its length.

Names in a path have 253 bytes at most; the rest is room for selectors.
"""
LARGEST_BODY = 1 << 16
"""Bytes of a body that is let in, so that the connection can be used again."""
_MOST_FRAMING = 1 << 14  # bytes of what is not the body itself: sizes and extensions of chunks, trailers


@dataclass(frozen=True, slots=True)
class HeadLimits:
    """What a request's head may have."""

    size: int
    """Bytes."""
    lines: int
    """Headers. Each costs some 150 bytes beside its own, so that bytes alone bound nothing."""


OF_PROVEN = HeadLimits(LARGEST_HEAD, 2000)
"""kube-apiserver sends a line for each of a user's groups."""
OF_GUESTS = HeadLimits(1 << 16, 128)
"""Theirs need no more than a token; browsers and proxies send some 40 lines."""
_BAD = b"400 Bad Request"
_TOO_LARGE = b"431 Request Header Fields Too Large"
_TOO_LONG = b"414 URI Too Long"


class RefusedError(Exception):
    """What has come is no request, or too much of one."""

    def __init__(self, status: bytes) -> None:
        super().__init__(status.decode())
        self.status = status
        """Code and phrase of the refusal."""


class Owner(Protocol):
    """Who wants to have the requests."""

    def begun(self) -> None:
        """Take note that a request has begun.

        Raises:
            RefusedError: it is one too many.
        """
        ...

    def asked(self, scope: Scope, *, may_stay: bool) -> None:
        """Take a request whose head is complete.

        Args:
            scope: As ASGI has it.
            may_stay: Whether the client will use the connection again.
        """
        ...

    def arrived(self) -> None:
        """Take note that all of a request has come, its body too."""
        ...

    def end_with_answer(self) -> None:
        """End the connection with the answer to the request that came last: nobody reads what follows."""
        ...

    def overrun(self) -> None:
        """Take no more: a body has turned out to be large."""
        ...


class Reader:
    """Makes requests of bytes.

    Args:
        owner: Gets them.
        limits: On their heads.
        common: What the scopes of this connection's requests have in common.
        state: What their ``state`` begins with.
    """

    def __init__(self, owner: Owner, limits: HeadLimits, common: Mapping[str, Any], state: Mapping[str, Any]) -> None:
        self._owner = owner
        self._limits = limits
        self._common = common
        self._state = state
        self._parser: Any = httptools.HttpRequestParser(self)
        self.is_incomplete = False
        """Whether a request has begun of which something is still to come."""
        self._in_head = False
        self._head_bytes = 0
        """Of a head that is not complete, received in earlier pieces."""
        self._piece_bytes = 0
        self._body_bytes = 0
        self._later_bytes = 0
        """Received in pieces after the one that completed the head: a body, what frames it, trailers."""
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []

    def feed(self, data: bytes) -> None:
        """Take bytes.

        Raises:
            RefusedError: they are no HTTP, or more than there may be.
        """
        self._piece_bytes = len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._owner.end_with_answer()  # the wish for another protocol is ignored, but what follows may speak it
        except httptools.HttpParserCallbackError as error:
            raise error.__context__ if isinstance(error.__context__, RefusedError) else RefusedError(_BAD) from None
        except httptools.HttpParserError:
            raise RefusedError(_BAD) from None
        if self.is_incomplete:
            self._look_ahead()

    def close(self) -> None:
        """Let go of whom this refers to and who refers to this, so that a connection that is lost is freed at once."""
        del self._parser, self._owner

    # What the parser calls from within ``feed_data``. An error that is raised here stops it.

    def on_message_begin(self) -> None:
        """Begin to read a request."""
        self._owner.begun()
        self._target = b""
        self._headers = []
        self._body_bytes = 0
        self._in_head = self.is_incomplete = True

    def on_url(self, url: bytes) -> None:
        """Take a piece of the target."""
        self._target += url
        if len(self._target) > LONGEST_TARGET:
            raise RefusedError(_TOO_LONG)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header. What looks like one behind a body is none: whoever wrote the head has not let it through."""
        if not self._in_head:
            return
        headers = self._headers
        headers.append((name.lower(), value))
        if len(headers) > self._limits.lines:
            raise RefusedError(_TOO_LARGE)

    def on_headers_complete(self) -> None:
        """Pass the request on."""
        most = self._limits.size
        if self._head_bytes + self._piece_bytes > most and _size(self._headers) > most:
            raise RefusedError(_TOO_LARGE)
        self._in_head = False
        self._head_bytes = 0
        self._later_bytes = -self._piece_bytes
        parser, target = self._parser, httptools.parse_url(self._target)
        raw_path: bytes = target.path
        path = raw_path.decode("ascii")
        version: str = parser.get_http_version()
        scope = {
            **self._common,
            "http_version": version,
            "method": parser.get_method().decode("ascii"),
            "path": unquote(path) if "%" in path else path,
            "raw_path": raw_path,
            "query_string": target.query or b"",
            "headers": self._headers,
            "state": {**self._state},
        }
        self._owner.asked(scope, may_stay=version != "1.0" and parser.should_keep_alive())

    def on_body(self, body: bytes) -> None:
        """Forget a body, as far as it is small."""
        self._body_bytes += len(body)
        if self._body_bytes > LARGEST_BODY:
            self._owner.overrun()

    def on_message_complete(self) -> None:
        """Wait no more until the next request."""
        self.is_incomplete = False
        self._owner.arrived()

    def _look_ahead(self) -> None:
        """Judge what has not come yet by what has."""
        if not self._in_head:
            self._later_bytes += self._piece_bytes
            if _announces_large_body(self._headers):
                self._owner.end_with_answer()
            if self._later_bytes > LARGEST_BODY + _MOST_FRAMING:
                self._owner.overrun()
            return
        self._head_bytes += self._piece_bytes  # of a head that began within this piece: at most all of it
        if self._head_bytes > self._limits.size:
            raise RefusedError(_TOO_LARGE)


def _size(headers: Sequence[tuple[bytes, bytes]]) -> int:
    return sum(len(name) + len(value) for name, value in headers)


def _announces_large_body(headers: Sequence[tuple[bytes, bytes]]) -> bool:
    """Whether a body that has not come yet may be large, or will not come unless the client is told to send it."""
    for name, value in headers:
        if name == b"content-length":  # the parser has seen that it is a number
            if len(value) > len(str(LARGEST_BODY)) or int(value) > LARGEST_BODY:
                return True
        elif name == b"transfer-encoding" or (name == b"expect" and value.lower() == b"100-continue"):
            return True
    return False
