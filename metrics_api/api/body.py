"""The bytes of an answer, made in pieces so that the event loop never waits long for one."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor

import msgspec

from metrics_api.api.formats.layouts import Layout
from metrics_api.model import Row

GZIP_ABOVE_BYTES = 128 * 1024
"""Shorter bodies are never compressed. Rule: apiserver ``responsewriters``."""

_GZIP_LEVEL = 1
_GZIP_FORMAT = 16 + zlib.MAX_WBITS
_JOINED = 1000
"""Pieces in one chunk: a third of a megabyte of ordinary pods, a third of a millisecond to join."""


class Body(msgspec.Struct, frozen=True):
    """What is sent behind the headers."""

    content_type: bytes
    length: int
    """Bytes."""
    content: bytes | Iterable[bytes]
    """Whole, or in chunks; an iterator of chunks, which makes them on the way, can be gone through once."""
    is_gzipped: bool = False


async def list_body(rows: Sequence[Row], layout: Layout) -> Body:
    """Return the document of a list as it is now, giving way to the event loop in between when it is long.

    What is kept of a long one are the pieces, which in JSON and protobuf are the rows' own bytes: it is never whole in
    memory for each who asks.
    """
    if len(rows) <= layout.step:
        document = layout.of(rows)
        return Body(layout.content_type, len(document), document)
    pieces: list[bytes] = []
    size = 0
    for start in range(0, len(rows), layout.step):
        made = layout.pieces(rows[start : start + layout.step])
        size += sum(map(len, made))
        pieces += made
        await asyncio.sleep(0)
    head = layout.head if layout.sized_head is None else layout.sized_head(size)
    length = len(head) + size + len(layout.separator) * (len(pieces) - 1) + len(layout.tail)
    return Body(layout.content_type, length, _chunks(pieces, head, layout))


def _chunks(pieces: list[bytes], head: bytes, layout: Layout) -> Iterator[bytes]:
    for start in range(0, len(pieces), _JOINED):
        part = pieces[start : start + _JOINED]
        part[0] = (layout.separator if start else head) + part[0]
        if start + _JOINED >= len(pieces):
            part[-1] += layout.tail
        yield layout.separator.join(part)


async def materialized(body: Body) -> Body:
    """Return a body that can be sent more than once."""
    if not isinstance(body.content, Iterator):
        return body
    chunks = []
    for chunk in body.content:
        chunks.append(chunk)
        await asyncio.sleep(0)
    return Body(body.content_type, body.length, chunks)


async def gzipped(body: Body, executor: Executor) -> Body:
    """Return a body compressed in a thread of ``executor``: nine megabytes take a tenth of a second."""
    content = (await materialized(body)).content
    chunks = (content,) if isinstance(content, bytes) else content
    compressed = await asyncio.get_running_loop().run_in_executor(executor, _compress, chunks)
    return Body(body.content_type, sum(map(len, compressed)), compressed, is_gzipped=True)


def _compress(chunks: Iterable[bytes]) -> list[bytes]:
    compressor = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_FORMAT)
    return [*filter(None, map(compressor.compress, chunks)), compressor.flush()]
