"""The request headers that decide how an answer looks, read once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

RequestHeaders = Mapping[bytes, bytes]
"""Name in lower case -> value. Of a header that came several times it is the first, as in Go's ``Header.Get``."""


def read_headers(headers: Sequence[tuple[bytes, bytes]]) -> RequestHeaders:
    """Return the headers of an ASGI scope."""
    return dict(reversed(headers))
