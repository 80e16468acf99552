"""The request target as the extension server sees it: parsed and written anew, as Go's ``net/url`` does.

What a client sends percent-encoded in its own way arrives in one way only, so no extension server can be reached with
an encoding that the API server's authorizer read differently.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from urllib.parse import quote_from_bytes, unquote_to_bytes

_PATH_SAFE = "/$&+,:;=@-_.~"  # what Go leaves alone in a path
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")


def encode_path(raw_path: bytes) -> bytes:
    """Return the path with its percent-encoding normalised from the decoded path."""
    return quote_from_bytes(unquote_to_bytes(raw_path), safe=_PATH_SAFE).encode()


def encode_query(raw_query: bytes) -> bytes:
    """Return the query parsed, sorted by key (values of one key keep their order) and encoded again.

    Parameters with a semicolon or a broken percent-escape are dropped; a space becomes ``+``; ``a`` becomes ``a=``.
    """
    parameters = sorted(parse_query(raw_query), key=lambda pair: pair[0])
    return b"&".join(_escape(key) + b"=" + _escape(value) for key, value in parameters)


def parse_query(raw_query: bytes) -> Iterable[tuple[bytes, bytes]]:
    """Return the decoded parameters in the order given."""
    for part in raw_query.split(b"&"):
        if not part or b";" in part or _BAD_ESCAPE.search(part):
            continue
        key, _, value = part.partition(b"=")
        yield unquote_to_bytes(key.replace(b"+", b" ")), unquote_to_bytes(value.replace(b"+", b" "))


def forwarded_uri(path: bytes) -> bytes:
    """Return an encoded path as ``X-Forwarded-Uri`` has it: cleaned of ``//``, ``.`` and ``..``."""
    cleaned = posixpath.normpath(b"/" + path.lstrip(b"/"))
    return cleaned + b"/" if path.endswith(b"/") else cleaned


def is_discovery(path: str) -> bool:
    """Whether a decoded path is exactly ``/apis/<group>/<version>``, which gets a deadline of its own."""
    return len(path.strip("/").split("/")) == 3


def _escape(value: bytes) -> bytes:
    return quote_from_bytes(value, safe=" ").replace(" ", "+").encode()
