"""Answers to a client of the API server: in pieces, as the aggregator's own errors, or as its deadline's ``Status``."""

from __future__ import annotations

from metrics_api.localcluster.aggregation.headers import Headers
from metrics_api.localcluster.responses import TIMED_OUT
from metrics_api.localcluster.seams import Message, Send

_TEXT = (b"content-type", b"text/plain; charset=utf-8")
_NOSNIFF = (b"x-content-type-options", b"nosniff")


class Reply:
    """One response over ASGI; itself a ``send``, so that whoever is below may be given it."""

    def __init__(self, send: Send, added: Headers | None = None) -> None:
        self._send = send
        self._added = added or []
        self.begun = False
        """Whether the status is on its way: nothing else can be answered then."""

    async def __call__(self, message: Message) -> None:
        """Send an ASGI message, with the headers this server adds to every response."""
        if message["type"] == "http.response.start":
            self.begun = True
            if self._added:
                message = {**message, "headers": [*self._added, *message["headers"]]}
        await self._send(message)

    async def start(self, status: int, headers: Headers) -> None:
        """Send status and headers."""
        await self({"type": "http.response.start", "status": status, "headers": headers})

    async def part(self, chunk: bytes) -> None:
        """Send a piece of the body at once."""
        await self({"type": "http.response.body", "body": chunk, "more_body": True})

    async def end(self) -> None:
        """Send that the body is complete."""
        await self({"type": "http.response.body", "body": b""})

    async def whole(self, status: int, headers: Headers, body: bytes) -> None:
        """Send a response of known length."""
        await self.start(status, [*headers, (b"content-length", str(len(body)).encode())])
        await self({"type": "http.response.body", "body": body})


async def send_error(send: Send, status: int, text: str) -> None:
    """Send an error as Go's ``http.Error`` does: plain text with a newline, whatever the client accepts."""
    await Reply(send).whole(status, [_TEXT, _NOSNIFF], text.encode() + b"\n")


async def send_timeout(send: Send) -> None:
    """Send kube-apiserver's 504: a ``Status`` without ``kind`` and ``apiVersion``, under a header of plain text."""
    await Reply(send).whole(504, [_TEXT], TIMED_OUT)
