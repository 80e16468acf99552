"""Protobuf's wire format, as much of it as Kubernetes' messages need, and the envelope around them.

Go's generated code writes a field that is no pointer even when it is empty; so does what is built on this module, to
be the same to the byte.
"""

from __future__ import annotations

_MAGIC = b"k8s\x00"
_UNSIGNED = (1 << 64) - 1


def _multibyte(value: int) -> bytes:
    value &= _UNSIGNED
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


_VARINTS = tuple(map(_multibyte, range(4096)))
"""Nearly all are lengths."""
_TAGS = tuple(_multibyte(number << 3 | 2) for number in range(16))


def varint(value: int) -> bytes:
    """Return a number; a negative one takes ten bytes, as an ``int64`` does."""
    return _VARINTS[value] if 0 <= value < 4096 else _multibyte(value)


def delimited(number: int, content: bytes) -> bytes:
    """Return a field that holds text, bytes or a message.

    Args:
        number: Of the field, at most 15.
        content: Encoded.
    """
    return _TAGS[number] + varint(len(content)) + content


def number_field(number: int, value: int) -> bytes:
    """Return a field that holds a number or a boolean; ``number`` is at most 15."""
    return b"%c%b" % (number << 3, varint(value))


def text_field(number: int, text: str) -> bytes:
    """Return a field that holds a text; what is no Unicode becomes a question mark."""
    return delimited(number, text.encode(errors="replace"))


def list_meta(version: str, continue_token: str, remaining: int | None) -> bytes:
    """Return a ``ListMeta`` in field 1: selfLink, resourceVersion, continue, and remainingItemCount if it is known."""
    counted = b"" if remaining is None else number_field(4, remaining)
    return delimited(1, text_field(1, "") + text_field(2, version) + text_field(3, continue_token) + counted)


EMPTY_LIST_META = list_meta("", "", None)

RAW_TAG = _TAGS[2]
"""What the envelope's ``raw`` begins with; its length and content follow, then ``ENVELOPE_TAIL``."""
ENVELOPE_TAIL = text_field(3, "") + text_field(4, "")
"""``contentEncoding`` and ``contentType``, always empty."""


def envelope_head(api_version: str, kind: str) -> bytes:
    """Return what stands before ``raw``, the second field of ``runtime.Unknown``: the magic bytes and the type."""
    return _MAGIC + delimited(1, text_field(1, api_version) + text_field(2, kind))
