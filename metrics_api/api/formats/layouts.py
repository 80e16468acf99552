"""How a document with rows is put together in each format: what stands before, between and behind them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import orjson

from metrics_api.api.formats import json_text, protobuf_rows, wire, yaml_text
from metrics_api.api.formats.format import META_GROUP, PARTIAL, PARTIAL_LIST, PROTOBUF, YAML, Format
from metrics_api.api.formats.listmeta import ListMeta
from metrics_api.api.formats.shapes import Shape, shape_of
from metrics_api.api.group import GROUP, Resource
from metrics_api.model import Row

_CHEAP_STEP, _PROTOBUF_STEP, _DEAR_STEP = 250, 100, 50


class Layout(NamedTuple):
    """One resource in one format."""

    content_type: bytes
    one: Callable[[Row], bytes]
    """Returns the whole document of an object that stands alone."""
    pieces: Callable[[Sequence[Row]], list[bytes]]
    """Returns each row as it stands in a list."""
    head: bytes
    """Stands before the first piece."""
    separator: bytes
    tail: bytes
    empty: bytes
    """The document of a list without rows."""
    step: int
    """How many rows are made into pieces within a millisecond, also when none of them was read for a while."""
    sized_head: Callable[[int], bytes] | None = None
    """Instead of ``head`` where the format wants lengths first: takes the bytes of all pieces together."""

    def of(self, rows: Sequence[Row]) -> bytes:
        """Return the document of a list, made at once."""
        if not rows:
            return self.empty
        return self.join(self.pieces(rows))

    def join(self, pieces: list[bytes]) -> bytes:
        """Return the document of a list of at least one piece; ``pieces`` is used up."""
        head = self.head if self.sized_head is None else self.sized_head(sum(map(len, pieces)))
        # Head and tail go into the one join: adding them to its result would copy it again.
        pieces[0] = head + pieces[0]
        pieces[-1] += self.tail
        return self.separator.join(pieces)


@lru_cache(512)
def layout_of(resource: Resource, version: str, wanted: Format) -> Layout:
    """Return the layout of a resource, of a version of our group, in a format."""
    return page_layout(resource, version, wanted, None)


def page_layout(resource: Resource, version: str, wanted: Format, meta: ListMeta | None) -> Layout:
    """Return the layout of a list with metadata of its own, as a page has; it is not remembered."""
    if wanted.media_type == PROTOBUF:
        return _protobuf(resource, version, wanted, meta)
    shape = shape_of(resource, version, wanted)
    if meta is not None:
        shape = shape._replace(document=shape.document | {"metadata": meta.document()})
    if wanted.media_type == YAML:
        return _yaml(shape)
    return _indented(shape) if wanted.pretty else _compact(shape)


def _compact(shape: Shape) -> Layout:
    head = orjson.dumps(shape.document)[:-1] + b',"%b":[' % shape.key.encode()
    tail = b"]}\n"
    write = shape.one

    def alone(row: Row) -> bytes:
        return b"".join((head, *shape.pieces((row,)), tail))

    one = alone if write is None else lambda row: write(row) + b"\n"
    step = _CHEAP_STEP if shape.is_cheap else _DEAR_STEP
    return Layout(b"application/json", one, shape.pieces, head, b",", tail, head + tail, step)


def _indented(shape: Shape) -> Layout:
    opened = orjson.dumps(shape.document, option=orjson.OPT_INDENT_2).removesuffix(b"\n}")
    key = b',\n  "%b": ' % shape.key.encode()
    head = opened + key + b"[\n    "
    tail = b"\n  ]\n}"

    def pieces(rows: Sequence[Row]) -> list[bytes]:
        return [_indent(piece).replace(b"\n", b"\n    ") for piece in shape.pieces(rows)]

    def one(row: Row) -> bytes:
        return _indent(shape.one(row)) if shape.one else b"".join((head, *pieces((row,)), tail))

    empty = opened + key + b"[]\n}"
    return Layout(b"application/json", one, pieces, head, b",\n    ", tail, empty, _DEAR_STEP)


def _indent(piece: bytes) -> bytes:
    return json_text.indented(orjson.loads(piece))


def _yaml(shape: Shape) -> Layout:
    before = {key: value for key, value in shape.document.items() if key < shape.key}
    after = {key: value for key, value in shape.document.items() if key > shape.key}
    key = shape.key.encode()
    opened = yaml_text.document(before)
    head = opened + key + b":\n"
    tail = yaml_text.document(after) if after else b""

    def pieces(rows: Sequence[Row]) -> list[bytes]:
        return [yaml_text.item(orjson.loads(piece)) for piece in shape.pieces(rows)]

    def one(row: Row) -> bytes:
        if shape.one:
            return yaml_text.document(orjson.loads(shape.one(row)))
        return b"".join((head, *pieces((row,)), tail))

    empty = opened + key + b": []\n" + tail
    return Layout(b"application/yaml", one, pieces, head, b"", tail, empty, _DEAR_STEP)


def _protobuf(resource: Resource, version: str, wanted: Format, page: ListMeta | None) -> Layout:
    if wanted.kind:
        api_version, kind, list_kind = f"{META_GROUP}/{wanted.version}", PARTIAL, PARTIAL_LIST
        piece, pieces = protobuf_rows.encoded_metadata, _partial_pieces
    else:
        api_version, kind, list_kind = f"{GROUP}/{version}", resource.kind, f"{resource.kind}List"
        piece, pieces = protobuf_rows.encoded_row, protobuf_rows.encoded
    object_head = wire.envelope_head(api_version, kind)
    list_head = wire.envelope_head(api_version, list_kind) + wire.RAW_TAG
    meta = wire.EMPTY_LIST_META if page is None else _list_meta(page)
    tail = wire.ENVELOPE_TAIL

    def head(size: int) -> bytes:
        return list_head + wire.varint(len(meta) + size) + meta

    def one(row: Row) -> bytes:
        # An element of a list and the envelope's raw are both field 2.
        return b"".join((object_head, piece(row), tail))

    content_type = b"application/vnd.kubernetes.protobuf"
    return Layout(content_type, one, pieces, b"", b"", tail, head(0) + tail, _PROTOBUF_STEP, head)


def _list_meta(page: ListMeta) -> bytes:
    return wire.list_meta(str(page.version or ""), page.continue_token, page.remaining)


def _partial_pieces(rows: Sequence[Row]) -> list[bytes]:
    return [protobuf_rows.encoded_metadata(row) for row in rows]
