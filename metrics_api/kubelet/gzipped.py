"""The one content encoding that is asked for: gzip, one layer, and never more than it may become."""

from __future__ import annotations

import zlib

from metrics_api.errors import DecodeError, ScrapeError

_GZIP_WINDOW = 31
_GREATEST_RATIO = 100  # a kubelet's text shrinks seven- to tenfold


def gunzip(data: bytes, max_size: int) -> bytes:
    """Return what ``data`` holds.

    Args:
        data: One gzip member.
        max_size: Bytes that may come out; a hundred times ``data`` is the limit where that is less.

    Raises:
        DecodeError: it is damaged, cut off, or something follows it.
        ScrapeError: ``too_large``.
    """
    limit = min(max_size, _GREATEST_RATIO * len(data))
    stream = zlib.decompressobj(_GZIP_WINDOW)
    try:
        text = stream.decompress(data, limit + 1)
    except zlib.error as error:
        raise DecodeError(f"the answer's gzip is damaged: {error}") from error
    if len(text) > limit:
        raise ScrapeError(
            "too_large", f"the answer's {len(data)} bytes of gzip hold more than {limit} bytes; the rest is not read"
        )
    if not stream.eof:
        raise DecodeError("the answer's gzip is cut off")
    if stream.unused_data:
        raise DecodeError("something follows the answer's gzip")
    return text
