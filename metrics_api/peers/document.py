"""The document that a replica gives: one frame for each node, its length in four bytes and then msgpack.

Not compressed: gzip at its fastest takes longer than the bytes saved do on a cluster's network (``benchmarks.peers``).
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec

from metrics_api.errors import PeerError
from metrics_api.handover import NodeHandover

PATH = "/peer/samples"
MEDIA_TYPE = "application/vnd.metrics-api.samples.v1"
"""Names the version. A replica ignores a document of any other: after an upgrade, or its rollback, it starts cold."""
LARGEST_FRAME = 8 << 20
"""Bytes; a node of 500 pods takes some 150 kB."""
LARGEST_DOCUMENT = 1 << 30
"""Bytes; 5,000 nodes of 30 pods take some 30 MB."""
_LENGTH = 4

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(NodeHandover)


def encode(node: NodeHandover) -> bytes:
    """Return a node's frame; empty when it would be too large."""
    body = _encoder.encode(node)
    return len(body).to_bytes(_LENGTH, "big") + body if len(body) <= LARGEST_FRAME else b""


async def decode(chunks: AsyncIterator[bytes]) -> AsyncIterator[NodeHandover]:
    """Yield the nodes of a document as they arrive.

    Raises:
        PeerError: it is not such a document, ends within a frame, or is too large.
    """
    buffer, total = bytearray(), 0
    async for chunk in chunks:
        buffer += chunk
        total += len(chunk)
        if total > LARGEST_DOCUMENT:
            raise PeerError(f"the peer's samples are larger than {LARGEST_DOCUMENT >> 20} MiB")
        start = 0
        while (end := _end_of_frame(buffer, start)) is not None:
            try:
                node = _decoder.decode(memoryview(buffer)[start + _LENGTH : end])
            except (msgspec.MsgspecError, RecursionError) as error:  # the latter: nested beyond reason
                raise PeerError(f"the peer's samples cannot be understood: {error}") from error
            yield node
            start = end
        del buffer[:start]
    if buffer:
        raise PeerError("the peer's samples end too early")


def _end_of_frame(buffer: bytearray, start: int) -> int | None:
    """Return where the frame that begins at ``start`` ends, ``None`` while it is not complete."""
    if len(buffer) < start + _LENGTH:
        return None
    length = int.from_bytes(buffer[start : start + _LENGTH], "big")
    if length > LARGEST_FRAME:
        raise PeerError(f"the peer's samples have a frame of {length} bytes")
    end = start + _LENGTH + length
    return end if len(buffer) >= end else None
