"""One HTTP/1.1 response, read from bytes as they come, with bounds on everything a hostile server could make large.

httptools parses; what it does not bound is bounded here: header bytes, header count, interim (1xx) responses, the body
and what surrounds it on the wire (chunk extensions, trailers).
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

import httptools
import msgspec

from metrics_api.errors import ScrapeError
from metrics_api.kubelet.budget import Budget

_KEPT_OF_ERROR_BODY = 4096
_MOST_OF_ERROR_BODY = 64 * 1024
_MOST_DIGITS = 18
_ORDINARY = 512 * 1024
"""Bytes of body that no budget is asked for; a node of 110 pods sends 350 kB."""
_STEP = 1024 * 1024
"""Bytes that are reserved at once beyond that."""


class Response(msgspec.Struct, frozen=True, gc=False):
    """An answer, with the few headers that matter here."""

    status: int
    body: bytes
    """Whole for status 200; at most the first 4 KiB otherwise."""
    content_type: bytes = b""
    content_encoding: bytes = b""
    date: bytes = b""
    retry_after: bytes = b""


@dataclass(frozen=True, slots=True)
class WireLimits:
    """What a response may use at most."""

    head_bytes: int = 64 * 1024
    headers: int = 128
    """Trailers included."""
    interim_responses: int = 8


class ResponseReader:
    """Reads the responses of one connection, one after the other.

    After an error the connection is of no more use.

    Args:
        limits: Bounds on one response.
        budget: Shared by all who read; ``None`` for a reader by itself.
    """

    __slots__ = (
        "_body",
        "_budget",
        "_chunked",
        "_head_done",
        "_headers",
        "_interim",
        "_kept",
        "_length",
        "_limits",
        "_max_body",
        "_parser",
        "_reserved",
        "_room",
        "_wire",
        "complete",
        "reusable",
        "started",
        "status",
    )

    def __init__(self, limits: WireLimits, budget: Budget | None = None) -> None:
        self._limits = limits
        self._budget = budget or Budget()
        self._reserved = 0
        self._parser = httptools.HttpResponseParser(self)
        self.begin(0)

    def begin(self, max_body: int) -> None:
        """Expect a response whose body has at most ``max_body`` bytes."""
        self._max_body = max_body
        self._room = min(max_body, _ORDINARY)
        self._body: bytes | bytearray = b""
        self._kept: dict[bytes, bytes] = {}
        self._headers = self._interim = self._wire = 0
        self._length: int | None = None
        self._chunked = self._head_done = False
        self.status = 0
        self.started = False
        """Whether any byte has come."""
        self.complete = False
        self.reusable = False
        """Whether the connection may carry another request; known when complete."""

    def feed(self, data: bytes | memoryview) -> None:
        """Take bytes from the wire.

        Raises:
            ScrapeError: ``protocol`` or ``too_large``.
        """
        self.started = True
        if self.complete:
            self.reusable = False
            return
        self._wire += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as error:
            raise ScrapeError("protocol", "the kubelet switched protocols, which was not asked for") from error
        except httptools.HttpParserError as error:
            if not self.complete:
                raise _parse_error(error) from error
            self.reusable = False  # something follows a complete answer that nobody asked for
        if not self.complete:
            self._check_wire()

    def _check_wire(self) -> None:
        head = self._limits.head_bytes
        if not self._head_done and self._wire > head:
            raise ScrapeError("too_large", f"the answer's head has more than {head} bytes")
        if self._wire > 2 * self._max_body + 2 * head:
            if self.status == HTTPStatus.OK:
                raise ScrapeError(
                    "too_large", f"the answer and its framing take more than twice {self._max_body} bytes"
                )
            self.complete = True  # an error, of which enough has been read

    def end_of_stream(self) -> None:
        """Take note that no more bytes come; completes an error answer that has no other end.

        An HTTP/1.0 style answer ends with its connection. That is accepted of errors (so Go answers plain HTTP on a TLS
        port) but not of documents, where a cut would not be noticed.
        """
        framed = self._chunked or self._length is not None
        if self._head_done and not framed and self.status != HTTPStatus.OK:
            self.complete = True

    def take(self) -> Response:
        """Return the complete response, and keep nothing of it."""
        kept, body = self._kept, bytes(self._body)
        self.discard()
        return Response(
            self.status,
            body,
            kept.get(b"content-type", b""),
            kept.get(b"content-encoding", b""),
            kept.get(b"date", b""),
            kept.get(b"retry-after", b""),
        )

    def discard(self) -> None:
        """Let go of what was read of a body."""
        if isinstance(self._body, bytearray):
            self._body.clear()  # in place: the traceback of an error refers to it, as long as anybody keeps the error
        self._body = b""
        if self._reserved:
            self._budget.release(self._reserved)
            self._reserved = 0

    def on_message_begin(self) -> None:
        """Refuse a second answer to one request; called by httptools."""
        if self.complete:
            raise ScrapeError("protocol", "two answers to one request")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header that matters; called by httptools, for trailers too."""
        self._headers += 1
        if self._headers > self._limits.headers:
            raise ScrapeError("too_large", f"the answer has more than {self._limits.headers} headers")
        if self._head_done:
            return
        name = name.lower()
        if name in _WANTED_HEADERS:
            # A header that is there twice becomes a list, which no rule here accepts.
            self._kept[name] = value if name not in self._kept else self._kept[name] + b", " + value
        elif name == b"content-length":
            self._length = int(value) if value.isdigit() and len(value) <= _MOST_DIGITS else self._max_body + 1
        elif name == b"transfer-encoding":
            if value.strip().lower() != b"chunked":
                raise ScrapeError("protocol", f"transfer encoding {value[:40]!r} was not asked for")
            self._chunked = True

    def on_headers_complete(self) -> None:
        """Judge the head; called by httptools."""
        self.status = self._parser.get_status_code()
        if self.status < HTTPStatus.OK:
            return
        self._head_done = True
        if self.status != HTTPStatus.OK:
            self._max_body = _MOST_OF_ERROR_BODY
        elif self._length is not None and self._length > self._max_body:
            raise ScrapeError("too_large", f"the answer has {self._length} bytes; at most {self._max_body} are read")
        elif self._length is None and not self._chunked:
            raise ScrapeError("protocol", "the answer does not say where it ends, so a cut could not be noticed")

    def on_body(self, data: bytes) -> None:
        """Collect a part of the body; called by httptools. One that is the whole is not copied."""
        body = self._body
        if self.status != HTTPStatus.OK:
            if len(body) < _KEPT_OF_ERROR_BODY:
                self._body = bytes(body) + data[: _KEPT_OF_ERROR_BODY - len(body)]
            return
        if not body:
            self._body = body = data
        else:
            if isinstance(body, bytes):
                self._body = body = bytearray(body)
            body += data
        if len(body) > self._room:
            self._make_room(len(body))

    def _make_room(self, size: int) -> None:
        if size > self._max_body:
            raise ScrapeError("too_large", f"the answer has more than {self._max_body} bytes")
        while size > self._room:
            if not self._budget.reserve(_STEP):
                raise ScrapeError(
                    "too_large", f"the answer has more than {self._room} bytes, while others are as unusually large"
                )
            self._reserved += _STEP
            self._room = min(self._room + _STEP, self._max_body)

    def on_message_complete(self) -> None:
        """Finish, or go on after an interim response; called by httptools."""
        if self.status < HTTPStatus.OK:
            self._interim += 1
            if self._interim > self._limits.interim_responses:
                raise ScrapeError("protocol", "the kubelet sends one interim response after the other")
            self._kept.clear()
            self._length, self._chunked = None, False
        else:
            self.complete = True
            self.reusable = self._parser.should_keep_alive()


_WANTED_HEADERS = frozenset((b"content-type", b"content-encoding", b"date", b"retry-after"))


def _parse_error(error: httptools.HttpParserError) -> ScrapeError:
    # httptools wraps what a callback raised; our own findings are among them.
    cause = error.__context__
    if isinstance(cause, ScrapeError):
        return cause
    return ScrapeError("protocol", f"the answer is not HTTP/1.1: {str(error)[:100]}")
