"""HTTP/1.1 over one connection to a simulated kubelet."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import cast

import httptools

from metrics_api.localcluster.fleet.authorization import Subject
from metrics_api.localcluster.fleet.exchange import Answer, Request
from metrics_api.localcluster.fleet.kubelet import Kubelet

_REQUEST_LIMIT = 64 << 10  # bytes of a request with headers and body; kubelets are sent neither bodies nor cookies
_QUEUE_LIMIT = 16  # pipelined requests
_BAD_REQUEST = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n400 Bad Request"
)


class KubeletConnection(asyncio.Protocol):
    """Reads requests and has the kubelet answer them, one after the other.

    Args:
        kubelet: Who answers.
        open_connections: Where this connection is kept while it is open.
    """

    def __init__(self, kubelet: Kubelet, open_connections: set[KubeletConnection]) -> None:
        self._kubelet = kubelet
        self._open = open_connections
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._subject: Subject | None = None
        self._requests: deque[Request] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._drained = asyncio.Event()
        self._drained.set()
        self._received = 0
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self.last_active = kubelet.clock.monotonic()
        """When the last request came or its answer left."""

    # -- asyncio.Protocol --

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection; TLS is done, so the client's certificate is known."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it
        self._subject = _subject(transport.get_extra_info("peercert"))
        self._kubelet.counts.connections += 1
        self._open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection and whatever it was still to be answered."""
        self._open.discard(self)
        self._transport = None
        self._drained.set()
        if self._worker is not None:
            self._worker.cancel()

    def data_received(self, data: bytes) -> None:
        """Feed the parser; what is no HTTP or too long gets 400 and ends the connection."""
        self._received += len(data)
        if self._received > _REQUEST_LIMIT:
            self._refuse()
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade, UnicodeDecodeError):
            self._refuse()

    def pause_writing(self) -> None:
        """Wait with the next bytes."""
        self._drained.clear()

    def resume_writing(self) -> None:
        """Go on."""
        self._drained.set()

    # -- httptools' callbacks --

    def on_message_begin(self) -> None:
        """Start a request."""
        self._url = b""
        self._headers = {}

    def on_url(self, url: bytes) -> None:
        """Take the target, which may come in pieces."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take one header."""
        self._headers[name.lower()] = value

    def on_message_complete(self) -> None:
        """Queue the request and see that somebody works on it."""
        self._received = 0
        if len(self._requests) >= _QUEUE_LIMIT:
            self._refuse()
            return
        self.last_active = self._kubelet.clock.monotonic()
        self._requests.append(self._take_request())
        if self._worker is None or self._worker.done():
            self._worker = asyncio.get_running_loop().create_task(self._answer_queued())

    # -- answering --

    @property
    def idle(self) -> bool:
        """Whether no request waits for its answer."""
        return self._worker is None or self._worker.done()

    @property
    def worker(self) -> asyncio.Task[None] | None:
        """Return the task that answers, for whoever waits for its end; ``None`` before the first request."""
        return self._worker

    def close(self) -> None:
        """Close the connection once everything is sent."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Drop the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def _take_request(self) -> Request:
        url = httptools.parse_url(self._url)
        headers = self._headers
        accept = headers.get(b"accept")
        scheme, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        return Request(
            method=self._parser.get_method().decode("ascii"),
            path=url.path.decode("latin-1") if url.path else "/",
            query=url.query.decode("latin-1") if url.query else "",
            accept=None if accept is None else accept.decode("latin-1"),
            accept_encoding=headers.get(b"accept-encoding", b"").decode("latin-1"),
            token=token.strip() if scheme.lower() == "bearer" and token.strip() else None,
            keep_alive=self._parser.should_keep_alive(),
            chunks=self._parser.get_http_version() == "1.1",
        )

    async def _answer_queued(self) -> None:
        try:
            while self._requests and self._transport is not None:
                request = self._requests.popleft()
                await self._kubelet.serve(_Exchange(self, self._kubelet, request, self._subject))
                self.last_active = self._kubelet.clock.monotonic()
                if not request.keep_alive:
                    self.close()
                    return
        except Exception:
            self.abort()
            raise

    async def write(self, data: bytes) -> None:
        """Send bytes, once the client has taken most of those before."""
        await self._drained.wait()
        if self._transport is not None:
            self._transport.write(data)

    def _refuse(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(_BAD_REQUEST)
            self._transport.close()


class _Exchange:
    """One request on one connection."""

    def __init__(
        self, connection: KubeletConnection, kubelet: Kubelet, request: Request, certificate_subject: Subject | None
    ) -> None:
        self._connection = connection
        self._kubelet = kubelet
        self._subject = certificate_subject
        self.request = request

    async def answer(self) -> Answer:
        return await self._kubelet.answer(self.request, self._subject)

    async def send(self, answer: Answer) -> None:
        await self._connection.write(answer.encode(self.request, self._kubelet.clock.now()))
        self._kubelet.counts.answered[self.request.path, answer.status] += 1

    async def write(self, data: bytes) -> None:
        await self._connection.write(data)

    def abort(self) -> None:
        self._connection.abort()


def _subject(certificate: dict[str, object] | None) -> Subject | None:
    """Return the subject of a verified certificate as ``ssl`` describes it; ``None`` when it names nobody."""
    subject = certificate.get("subject") if certificate else None
    parts = [pair for part in subject for pair in part] if isinstance(subject, tuple) else []
    names = [str(value) for key, value in parts if key == "commonName"]
    organizations = tuple(str(value) for key, value in parts if key == "organizationName")
    return Subject(names[0], organizations) if names else None
