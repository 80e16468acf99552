"""A response on its way out, with the headers that every response of an API server carries."""

from __future__ import annotations

import asyncio
import os
import re
import uuid
from collections.abc import Iterable, Sequence

from starlette.types import Message, Scope, Send

from metrics_api.api.body import Body
from metrics_api.api.errordocument import encode_error
from metrics_api.api.requestheaders import RequestHeaders, read_headers
from metrics_api.errors import StatusError

TEXT = b"text/plain; charset=utf-8"
NOSNIFF = (b"x-content-type-options", b"nosniff")
_NO_CACHE = (b"cache-control", b"no-cache, private")
_GZIPPED = ((b"content-encoding", b"gzip"), (b"vary", b"Accept-Encoding"))
_AUDIT_ID = re.compile(rb"[!-~]{1,64}")

Header = tuple[bytes, bytes]


class Reply:
    """The response to one request.

    Args:
        scope: The request.
        send: Where messages go.
    """

    __slots__ = ("_audit_id", "_query_string", "_send", "request_headers", "started")

    def __init__(self, scope: Scope, send: Send) -> None:
        self._send = send
        self._query_string: bytes = scope["query_string"]
        self.request_headers: RequestHeaders = read_headers(scope["headers"])
        self._audit_id = _audit_id(self.request_headers)
        self.started = False
        """Whether the client has been sent a status."""

    @property
    def audit_id(self) -> str:
        """What names this request in the logs of everyone it passed through."""
        return self._audit_id.decode()

    async def body(self, code: int, content_type: bytes, body: bytes, headers: Sequence[Header] = ()) -> None:
        """Send a whole response."""
        length = (b"content-length", b"%d" % len(body))
        await self._start(code, content_type, (length, *headers))
        await self._send({"type": "http.response.body", "body": body})

    async def document(self, body: Body) -> None:
        """Send a 200, waiting for the client and giving way to other requests between the chunks of a long body."""
        length = (b"content-length", b"%d" % body.length)
        await self._start(200, body.content_type, (length, *_GZIPPED) if body.is_gzipped else (length,))
        if isinstance(body.content, bytes):
            await self._send({"type": "http.response.body", "body": body.content})
            return
        for chunk in body.content:
            await self._send({"type": "http.response.body", "body": chunk, "more_body": True})
            await asyncio.sleep(0)
        await self._send({"type": "http.response.body", "body": b""})

    async def begin_stream(self, content_type: bytes) -> None:
        """Begin a 200 of which nobody knows how long it will be."""
        await self._start(200, content_type, ())

    async def piece(self, content: bytes) -> None:
        """Send the next piece of a stream, waiting for the client."""
        await self._send({"type": "http.response.body", "body": content, "more_body": True})

    async def end_stream(self) -> None:
        """Say that nothing more comes."""
        await self._send({"type": "http.response.body", "body": b""})

    async def error(self, error: StatusError) -> None:
        """Send a ``Status``."""
        headers: list[Header] = []
        if error.code == 403:
            headers.append(NOSNIFF)
        if error.retry_after is not None:
            headers.append((b"retry-after", b"%d" % error.retry_after))
        media_type, body = encode_error(error, self.request_headers, self._query_string)
        await self.body(error.code, media_type.encode(), body, headers)

    async def forward(self, message: Message) -> None:
        """Pass on a message of an application that knows nothing of this class, adding what is common to all."""
        if message["type"] == "http.response.start":
            self.started = True
            headers = list(message.get("headers", ()))
            common: Iterable[Header] = ((b"audit-id", self._audit_id), _NO_CACHE)
            given = {name.lower() for name, _ in headers}
            message = {**message, "headers": headers + [header for header in common if header[0] not in given]}
        await self._send(message)

    async def _start(self, code: int, content_type: bytes, headers: Sequence[Header]) -> None:
        self.started = True
        common = ((b"audit-id", self._audit_id), _NO_CACHE, (b"content-type", content_type))
        await self._send({"type": "http.response.start", "status": code, "headers": [*common, *headers]})


def _audit_id(headers: RequestHeaders) -> bytes:
    """Return the request's Audit-Id, or a new one when it has none that can be echoed."""
    given = headers.get(b"audit-id")
    if given is not None and _AUDIT_ID.fullmatch(given):
        return given
    return str(uuid.UUID(bytes=os.urandom(16), version=4)).encode()
