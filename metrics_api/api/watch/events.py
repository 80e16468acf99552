"""Events on the wire: a line of JSON each, or in protobuf a message behind its length.

Rules: apiserver ``pkg/endpoints/handlers`` (``watch.go``, ``response.go``). Every object has its kind; only the first
Table of a watch names its columns.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import orjson

from metrics_api.api.formats import json_text, messages, wire
from metrics_api.api.formats.format import META_GROUP, PROTOBUF, TABLE, Format
from metrics_api.api.formats.layouts import layout_of
from metrics_api.api.formats.protobuf_rows import encoded_bookmark
from metrics_api.api.formats.shapes import COLUMNS, shape_of
from metrics_api.api.group import GROUP, Resource
from metrics_api.api.status import status_document
from metrics_api.errors import StatusError
from metrics_api.model import Row

EventType = Literal["ADDED", "MODIFIED", "DELETED"]

_INITIAL_END = {"k8s.io/initial-events-end": "true"}
_NO_COLUMNS = b'"columnDefinitions":null'
_COLUMNS = b'"columnDefinitions":' + orjson.dumps(COLUMNS)


class Events(NamedTuple):
    """How the events of a resource are written in one format."""

    content_type: bytes
    event: Callable[[EventType, Row], bytes]
    """Returns what became of a row, with the row's version."""
    bookmark: Callable[[int, bool], bytes]
    """Returns how far the watch has come, a version, and whether that ends what existed at its beginning."""
    error: Callable[[StatusError], bytes]
    """Returns why the watch ends."""
    opening: Callable[[bytes], bytes]
    """Returns what a watch begins with, made from the events it would begin with were they not the first."""


@lru_cache(64)
def events_of(resource: Resource, version: str, wanted: Format) -> Events:
    """Return how events are written.

    Args:
        resource: What the rows are.
        version: Of our group.
        wanted: JSON or protobuf; whether it is to be indented does not matter.
    """
    if wanted.media_type == PROTOBUF:
        return _protobuf(resource, version, wanted)
    if wanted.kind == TABLE:
        return _tables(resource, version, wanted)
    write = shape_of(resource, version, wanted).one
    if write is None:
        raise ValueError("only a Table has no form of its own for a row that stands alone")
    group_version = f"{META_GROUP}/{wanted.version}" if wanted.kind else f"{GROUP}/{version}"

    def event(kind: EventType, row: Row) -> bytes:
        return _line(kind, write(row))

    def bookmark(number: int, ends_initial: bool) -> bytes:
        metadata: dict[str, Any] = {"resourceVersion": str(number)}
        if ends_initial:
            metadata["annotations"] = _INITIAL_END
        empty = {} if wanted.kind else _empty_fields(resource)
        kind = wanted.kind or resource.kind
        return _line(
            "BOOKMARK", orjson.dumps({"kind": kind, "apiVersion": group_version, "metadata": metadata, **empty})
        )

    return Events(b"application/json", event, bookmark, _json_error, _unchanged)


def _tables(resource: Resource, version: str, wanted: Format) -> Events:
    shape = shape_of(resource, version, wanted)

    def table(kind: str, number: int, rows: bytes) -> bytes:
        head = orjson.dumps(shape.document | {"metadata": {"resourceVersion": str(number)}, "columnDefinitions": None})
        return _line(kind, b'%b,"rows":[%b]}' % (head[:-1], rows))

    def event(kind: EventType, row: Row) -> bytes:
        return table(kind, row.version, shape.pieces((row,))[0])

    def bookmark(number: int, _: bool) -> bytes:
        return table("BOOKMARK", number, b"")

    def opening(events: bytes) -> bytes:
        return events.replace(_NO_COLUMNS, _COLUMNS, 1)  # its own stand before any text that somebody chose

    return Events(b"application/json", event, bookmark, _json_error, opening)


def _protobuf(resource: Resource, version: str, wanted: Format) -> Events:
    write = layout_of(resource, version, wanted._replace(pretty=False)).one
    group_version = f"{META_GROUP}/{wanted.version}" if wanted.kind else f"{GROUP}/{version}"
    head = wire.envelope_head(group_version, wanted.kind or resource.kind)

    def event(kind: EventType, row: Row) -> bytes:
        return _frame(kind, write(row))

    def bookmark(number: int, ends_initial: bool) -> bytes:
        annotations = _INITIAL_END if ends_initial else {}
        raw = encoded_bookmark(number, annotations, is_partial=bool(wanted.kind))
        return _frame("BOOKMARK", head + raw + wire.ENVELOPE_TAIL)

    def error(why: StatusError) -> bytes:
        return _frame("ERROR", messages.encode(status_document(why)))

    return Events(b"application/vnd.kubernetes.protobuf;stream=watch", event, bookmark, error, _unchanged)


def _frame(kind: str, document: bytes) -> bytes:
    """Return a ``WatchEvent`` (type, and the object as a ``RawExtension``) behind its length in four bytes."""
    message = wire.text_field(1, kind) + wire.delimited(2, wire.delimited(1, document))
    return len(message).to_bytes(4, "big") + message


def _line(kind: str, document: bytes) -> bytes:
    return b'{"type":"%b","object":%b}\n' % (kind.encode(), document)


def _json_error(why: StatusError) -> bytes:
    return _line("ERROR", json_text.compact(status_document(why)).rstrip())


def _unchanged(events: bytes) -> bytes:
    return events


def _empty_fields(resource: Resource) -> dict[str, Any]:
    """Return the fields besides the metadata, as Go writes them when nothing is in them."""
    measured = {"containers": None} if resource.namespaced else {"usage": None}
    return {"timestamp": None, "window": "0s", **measured}
