"""Kubelets that do harm, or a proxy before them does; ``behaviour`` has those that are merely unwell."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from http import HTTPStatus
from random import Random

from metrics_api.clock import Clock
from metrics_api.localcluster.fleet.behaviour import Fail
from metrics_api.localcluster.fleet.exchange import Answer, Exchange

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
_PIECE = 64 * 1024


@dataclass(frozen=True, slots=True)
class Flaky:
    """Answers a part of all requests with a 500, drawn from a generator that several nodes may share."""

    share: float
    rng: Random = field(default_factory=lambda: Random(1), repr=False)  # noqa: S311 - a model of failures, not a secret

    async def serve(self, exchange: Exchange) -> None:
        """Fail, or answer well."""
        if self.rng.random() < self.share:
            await Fail().serve(exchange)
        else:
            await exchange.send(await exchange.answer())


@dataclass(frozen=True, slots=True)
class Drip:
    """Begins to answer at once and goes on for ever, a byte at a time."""

    clock: Clock
    gap: float = 1.0
    """Seconds from byte to byte."""

    async def serve(self, exchange: Exchange) -> None:
        """Drip until the client goes away."""
        await exchange.write(_HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        while True:
            await exchange.write(b"1\r\n \r\n")
            await self.clock.sleep(self.gap)


@dataclass(frozen=True, slots=True)
class Flood:
    """Answers with more than anybody wants to read, as fast as it is taken."""

    size: int = 1 << 30
    """Bytes of the body."""
    announced: bool = False
    """Whether ``Content-Length`` says so; else it comes in chunks."""

    async def serve(self, exchange: Exchange) -> None:
        """Send it; ends when the client goes away."""
        head = b"Content-Length: %d\r\n\r\n" % self.size if self.announced else b"Transfer-Encoding: chunked\r\n\r\n"
        await exchange.write(_HEAD + head)
        piece = b" " * _PIECE if self.announced else b"%x\r\n%b\r\n" % (_PIECE, b" " * _PIECE)
        for _ in range(self.size // _PIECE):
            await exchange.write(piece)
            await asyncio.sleep(0)  # so that it can be cancelled even if nothing makes it wait
        if not self.announced:
            await exchange.write(b"0\r\n\r\n")


@dataclass(frozen=True, slots=True)
class FloodHeaders:
    """Answers with headers, or with interim responses, that do not end."""

    interim: bool = False

    async def serve(self, exchange: Exchange) -> None:
        """Send 16 MiB of them."""
        await exchange.write(b"" if self.interim else b"HTTP/1.1 200 OK\r\n")
        line = b"HTTP/1.1 102 Processing\r\n\r\n" if self.interim else b"X-Filler: " + b"a" * 54 + b"\r\n"
        for _ in range(256):
            await exchange.write(line * (_PIECE // len(line)))
            await asyncio.sleep(0)
        exchange.abort()


@dataclass(frozen=True, slots=True)
class Say:
    """Answers everything with the same words: another service's page, a redirect, garbage."""

    body: bytes = b""
    status: int = 200
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()

    async def serve(self, exchange: Exchange) -> None:
        """Say it."""
        await exchange.send(Answer(self.status, self.body, self.content_type, self.headers))


@dataclass(frozen=True, slots=True)
class Alter:
    """Answers well, but for what is changed in the document."""

    change: Callable[[bytes], bytes]
    """From the good document, not compressed, to the one that is sent."""

    async def serve(self, exchange: Exchange) -> None:
        """Send the changed document; refusals stay as they are."""
        answer = await exchange.answer()
        if answer.status == HTTPStatus.OK:
            packed = ("Content-Encoding", "gzip") in answer.headers
            headers = [header for header in answer.headers if header[0] != "Content-Encoding"]
            body = self.change(gzip.decompress(answer.body) if packed else answer.body)
            answer = answer._replace(body=body, headers=headers)
        await exchange.send(answer)


@dataclass(frozen=True, slots=True)
class SendRaw:
    """Sends bytes as they are, then ends the connection."""

    data: bytes

    async def serve(self, exchange: Exchange) -> None:
        """Send them."""
        await exchange.write(self.data)
        await asyncio.sleep(0)
        exchange.abort()


@dataclass(frozen=True, slots=True)
class Truncate:
    """Dies in the middle of a good answer."""

    share: float = 0.5
    """The part of the bytes that is sent."""

    async def serve(self, exchange: Exchange) -> None:
        """Send the part, and drop the connection once it is on its way."""
        whole = (await exchange.answer()).encode(exchange.request, 0.0)
        await exchange.write(whole[: int(len(whole) * self.share)])
        await asyncio.sleep(0.01)
        exchange.abort()


@dataclass(frozen=True, slots=True)
class GzipBomb:
    """Answers with few bytes that unpack to many."""

    size: int = 1 << 28
    """Bytes when unpacked."""
    layers: int = 1

    async def serve(self, exchange: Exchange) -> None:
        """Send it."""
        encoding = ("Content-Encoding", ", ".join(["gzip"] * self.layers))
        await exchange.send(Answer(200, self.packed(), "text/plain; version=0.0.4", (encoding,)))

    def packed(self) -> bytes:
        """Return the body, made once."""
        return _packed(self.size, self.layers)


@lru_cache(maxsize=4)
def _packed(size: int, layers: int) -> bytes:
    body = bytes(size)
    for _ in range(layers):
        body = gzip.compress(body, 9, mtime=0)
    return body
