"""The OpenAPI documents as they are served: made once, at the start, and looked up ever after.

They are there before anything else is: a 404 of ``/openapi/v3`` at its first look makes kube-apiserver convert version
2 for as long as it runs. And it routes to us every path that the index names, so the index names what is ours alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from email.utils import formatdate
from typing import Any

import orjson

from metrics_api.api.accept import parse_accept
from metrics_api.api.discovery import Document
from metrics_api.api.group import GROUP, VERSIONS
from metrics_api.api.openapi_protobuf import encode_document
from metrics_api.api.openapi_v2 import v2_document
from metrics_api.api.openapi_v3 import v3_document
from metrics_api.api.status import not_acceptable
from metrics_api.clock import Clock

V2_PATH = "/openapi/v2"
V3_PATH = "/openapi/v3"
_TITLE = "metrics-api"
_JSON = "application/json"
_PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
_PROTOBUF_NAMES = (_PROTOBUF, "application/com.github.proto-openapi.spec.v2@v1.0+protobuf")
"""The second is the older one, which kubectl asks for; the answer is of the first, as kube-apiserver's is."""
_YEAR = 365 * 24 * 3600.0


class OpenAPI:
    """All documents.

    Args:
        version: Ours, such as ``0.1.0``.
        clock: For when a document expires.
        has_watches: Whether watches are answered.
    """

    def __init__(self, version: str, clock: Clock, *, has_watches: bool = False) -> None:
        self._clock = clock
        shown = f"v{version}"
        v2 = v2_document(_TITLE, shown, has_watches=has_watches)
        protobuf = _document(_PROTOBUF, encode_document(v2))
        self._v2 = {_JSON: _json(v2)} | dict.fromkeys(_PROTOBUF_NAMES, protobuf)
        self._v3 = {
            f"{V3_PATH}/apis/{GROUP}/{each}": _json(v3_document(_TITLE, shown, each, has_watches=has_watches))
            for each in VERSIONS
        }
        self._index = _json(
            {
                "paths": {
                    path.removeprefix(f"{V3_PATH}/"): {"serverRelativeURL": f"{path}?hash={_hash(document.body)}"}
                    for path, document in self._v3.items()
                }
            }
        )

    @property
    def v3_paths(self) -> Sequence[str]:
        """The paths that ``v3`` knows."""
        return tuple(self._v3)

    def v2(self, accept: str) -> Document:
        """Return the Swagger 2.0 document of all API versions in the form the client likes best.

        Raises:
            StatusError: 406 when it accepts neither JSON nor protobuf.
        """
        return _preferred(accept, self._v2)

    def index(self) -> Document:
        """Return which OpenAPI 3.0 documents there are. There is one form of it, as kube-apiserver's own."""
        return self._index

    def v3(self, path: str, accept: str) -> Document:
        """Return the OpenAPI 3.0 document at one of ``v3_paths``.

        Raises:
            StatusError: 406 when the client does not accept JSON.
        """
        return _preferred(accept, {_JSON: self._v3[path]})

    def caching(self, document: Document, wanted_hash: str) -> Mapping[str, str]:
        """Return what the answer to a request for a certain hash says of keeping it.

        A document that was asked for by its hash never changes under that address. With another hash, as one of a
        former release, or none, it is the current one, to be kept by nobody; never a redirect, which kube-apiserver
        would turn into a 502.

        Args:
            document: The answer.
            wanted_hash: The parameter ``hash``, empty when there is none.
        """
        if document.etag != f'"{wanted_hash}"':
            return {}
        expires = formatdate(self._clock.now() + _YEAR, usegmt=True)
        return {"Cache-Control": "public, immutable", "Expires": expires}


def _preferred(accept: str, forms: Mapping[str, Document]) -> Document:
    for wanted in parse_accept(accept):
        for media_type, document in forms.items():
            if wanted.includes(media_type):
                return document
    raise not_acceptable(list(forms))


def _json(value: dict[str, Any]) -> Document:
    return _document(_JSON, orjson.dumps(value))


def _document(content_type: str, body: bytes) -> Document:
    return Document(content_type, body, f'"{_hash(body)}"')


def _hash(body: bytes) -> str:
    return hashlib.sha512(body).hexdigest().upper()
