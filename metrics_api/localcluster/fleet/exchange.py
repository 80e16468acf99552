"""One request to a simulated kubelet and its answer, as values and as the bytes of HTTP/1.1."""

from __future__ import annotations

from collections.abc import Sequence
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import NamedTuple, Protocol

TEXT = "text/plain; charset=utf-8"


class Request(NamedTuple):
    """What a kubelet looks at in a request."""

    method: str
    path: str
    query: str
    accept: str | None
    accept_encoding: str
    token: str | None
    """The bearer token."""
    keep_alive: bool
    chunks: bool
    """Whether the client understands chunked transfer, which is HTTP/1.1."""

    @property
    def subresource(self) -> str:
        """Return what of ``nodes`` the path is authorized as."""
        for name in ("stats", "metrics"):
            if self.path == f"/{name}" or self.path.startswith(f"/{name}/"):
                return name
        return "proxy"


class Answer(NamedTuple):
    """A complete response."""

    status: int
    body: bytes
    content_type: str = TEXT
    headers: Sequence[tuple[str, str]] = ()
    streamed: bool = False
    """Sent in chunks and without a length, as Go sends whatever is longer than its buffer."""

    def encode(self, request: Request, now: float) -> bytes:
        """Return the bytes to send; ``now`` goes into the ``Date`` header."""
        lines = [
            f"HTTP/1.1 {self.status} {_phrase(self.status)}",
            f"Content-Type: {self.content_type}",
            f"Date: {_http_date(int(now))}",
            *(f"{name}: {value}" for name, value in self.headers),
        ]
        if not request.keep_alive:
            lines.append("Connection: close")
        if self.streamed and request.chunks:
            lines.append("Transfer-Encoding: chunked\r\n\r\n")
            body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(self.body), self.body)
        else:
            lines.append(f"Content-Length: {len(self.body)}\r\n\r\n")
            body = self.body
        head = "\r\n".join(lines).encode("latin-1")
        return head if request.method == "HEAD" else head + body


class Exchange(Protocol):
    """A request that waits for its answer; what a ``Behaviour`` works with."""

    @property
    def request(self) -> Request:
        """Return what was asked."""
        ...

    async def answer(self) -> Answer:
        """Return what a healthy kubelet answers, refusals included."""
        ...

    async def send(self, answer: Answer) -> None:
        """Send a whole answer and count it."""
        ...

    async def write(self, data: bytes) -> None:
        """Send bytes as they are, for answers that are no HTTP or come in drops."""
        ...

    def abort(self) -> None:
        """Drop the connection."""
        ...


@lru_cache(maxsize=64)
def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase


@lru_cache(maxsize=64)
def _http_date(second: int) -> str:
    return formatdate(second, usegmt=True)
