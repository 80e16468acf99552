"""JSON as Go writes it: compact with a newline behind it, or indented without one; some characters always escaped."""

from __future__ import annotations

from typing import Any

import orjson

_ESCAPED = (
    (b"&", b"\\u0026"),
    (b"<", b"\\u003c"),
    (b">", b"\\u003e"),
    ("\u2028".encode(), b"\\u2028"),
    ("\u2029".encode(), b"\\u2029"),
)
"""They stand only inside strings, so that the encoded text can be searched for them."""


def compact(value: Any) -> bytes:
    """Return a value without spaces and with a newline at the end."""
    return _escape(orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE))


def indented(value: Any) -> bytes:
    """Return a value indented by two spaces, without a newline at the end."""
    return _escape(orjson.dumps(value, option=orjson.OPT_INDENT_2))


def _escape(text: bytes) -> bytes:
    for character, escaped in _ESCAPED:
        if character in text:
            text = text.replace(character, escaped)
    return text
