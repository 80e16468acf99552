"""What the parameter ``continue`` holds: where the last page ended. Clients pass it back unread.

Unpadded base64url of JSON, as with kube-apiserver. It stands for a place and no right: whatever somebody writes into
it, the rows come from the list that the request's path and selectors name and that the gate has let through.
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Annotated

import msgspec

from metrics_api.api.status import bad_request
from metrics_api.errors import StatusError
from metrics_api.gotext import quote

VERSION = "metrics.k8s.io/1"
_LONGEST = 1024
"""Characters. The longest names that Kubernetes allows make 530."""
_LONGEST_SHOWN = 64
_ALPHABET = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


class ContinueToken(msgspec.Struct, frozen=True):
    """Where a page ended."""

    view: str
    """Names the rows that the page was cut from, for the replica that did; any other text says nothing."""
    issued: Annotated[int, msgspec.Meta(ge=0, le=2**53)]
    """Unix seconds."""
    namespace: str
    """Of the last object on the page; empty for a node."""
    name: str
    version: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] = 0
    """``resourceVersion`` of the first page, which all have: what changed since then may be on a page already read. 0
    for a list that goes on in its newest state, or has no version."""
    v: str = VERSION


class _Versioned(msgspec.Struct):
    v: str


_decode_version = msgspec.json.Decoder(_Versioned).decode
_decode = msgspec.json.Decoder(ContinueToken).decode


def encode_token(token: ContinueToken) -> str:
    """Return the text for a client."""
    return urlsafe_b64encode(msgspec.json.encode(token)).rstrip(b"=").decode()


def decode_token(text: str) -> ContinueToken:
    """Return what a client brought back.

    Raises:
        StatusError: 400, in the words of apiserver ``storage.DecodeContinue``, when it is none of ours.
    """
    encoded = text.encode(errors="replace")
    if len(encoded) > _LONGEST or not _ALPHABET.issuperset(encoded):
        raise _invalid()
    try:
        content = urlsafe_b64decode(encoded + b"=" * (-len(encoded) % 4))
        version = _decode_version(content).v
        if version != VERSION:
            shown = quote(version[:_LONGEST_SHOWN])
            raise _invalid(f": server does not recognize this encoded version {shown}")
        return _decode(content)
    except (binascii.Error, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _invalid() from error


def _invalid(why: str = "") -> StatusError:
    return bad_request(f"invalid continue token: continue key is not valid{why}")
