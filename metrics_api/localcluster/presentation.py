"""Stored objects as the answer's bytes: whole, as metadata only, or as rows of a Table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import orjson

from metrics_api.errors import StatusError
from metrics_api.localcluster import statuses
from metrics_api.localcluster.negotiation import Format, Shape
from metrics_api.localcluster.resources import Resource
from metrics_api.localcluster.stored import JsonObject, Stored
from metrics_api.localcluster.tables import layout_of

_ITEMS_A_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Presenter:
    """Makes the bytes of one answer.

    Args:
        resource: What is shown.
        form: What was negotiated.
        include: Of a Table's rows: ``Metadata``, ``Object`` or ``None``.
        now: For ages, Unix seconds.
    """

    resource: Resource
    form: Format
    include: str
    now: float

    def one(self, stored: Stored) -> bytes:
        """Return a single object."""
        if self.form.shape is Shape.TABLE:
            return self._head({"resourceVersion": str(stored.version)}) + self._row(stored) + b"]}"
        return self._object(stored)

    def many(self, objects: Sequence[Stored], metadata: JsonObject) -> Iterator[bytes]:
        """Yield a list's JSON in pieces; ``metadata`` is the list's own."""
        match self.form.shape:
            case Shape.TABLE:
                yield self._head(metadata)
                yield from _joined(self._row(stored) for stored in objects)
            case Shape.METADATA:
                yield _list_head("PartialObjectMetadataList", f"meta.k8s.io/{self.form.version}", metadata)
                yield from _joined(self._object(stored) for stored in objects)
            case Shape.OBJECT:
                yield _list_head(f"{self.resource.kind}List", self.resource.group_version, metadata)
                yield from _joined(stored.item for stored in objects)
        yield b"]}"

    def event(self, kind: str, stored: Stored, *, first: bool) -> bytes:
        """Return one line of a watch; only the ``first`` Table names its columns."""
        if self.form.shape is Shape.TABLE:
            head = self._head({"resourceVersion": str(stored.version)}, columns=first)
            return _event(kind, head + self._row(stored) + b"]}")
        return _event(kind, self._object(stored))

    def bookmark(self, version: int, *, initial_end: bool) -> bytes:
        """Return the line that says how far the watch has come, and whether that ends the initial objects."""
        metadata: JsonObject = {"resourceVersion": str(version)}
        if initial_end:
            metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
        if self.form.shape is Shape.TABLE:
            return _event("BOOKMARK", self._head(metadata, columns=False) + b"]}")
        empty = {"kind": self.resource.kind, "apiVersion": self.resource.group_version, "metadata": metadata}
        if self.form.shape is Shape.METADATA:
            empty |= {"kind": "PartialObjectMetadata", "apiVersion": f"meta.k8s.io/{self.form.version}"}
        return _event("BOOKMARK", orjson.dumps(empty))

    @staticmethod
    def error(error: StatusError) -> bytes:
        """Return the line that ends a watch with a ``Status``."""
        return _event("ERROR", orjson.dumps(statuses.status_document(error)))

    def _object(self, stored: Stored) -> bytes:
        if self.form.shape is Shape.OBJECT:
            return stored.json
        return self._partial(stored)

    def _partial(self, stored: Stored) -> bytes:
        head = f'{{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/{self.form.version}","metadata":'
        return head.encode() + stored.metadata + b"}"

    def _head(self, metadata: JsonObject, *, columns: bool = True) -> bytes:
        definitions = [column.definition() for column in layout_of(self.resource).columns] if columns else None
        table = {
            "kind": "Table",
            "apiVersion": f"meta.k8s.io/{self.form.version}",
            "metadata": metadata,
            "columnDefinitions": definitions,
        }
        return orjson.dumps(table)[:-1] + b',"rows":['

    def _row(self, stored: Stored) -> bytes:
        cells = orjson.dumps(layout_of(self.resource).cells(stored.object(), self.now))
        shown = {"None": b"null", "Object": stored.json}.get(self.include) or self._partial(stored)
        return b'{"cells":' + cells + b',"object":' + shown + b"}"


def check_include(include: str, shape: Shape) -> str:
    """Return the ``includeObject`` to use.

    Raises:
        StatusError: 400, it is none of the allowed words and a Table was asked for.
    """
    if shape is Shape.TABLE and include not in ("", "Metadata", "Object", "None"):
        why = f"includeObject: Invalid value: \"{include}\": must be 'Metadata', 'Object', 'None', or empty"
        raise statuses.bad_request(f"Unable to convert to Table as requested: {why}")
    return include or "Metadata"


def _list_head(kind: str, version: str, metadata: JsonObject) -> bytes:
    return orjson.dumps({"kind": kind, "apiVersion": version, "metadata": metadata})[:-1] + b',"items":['


def _joined(items: Iterable[bytes]) -> Iterator[bytes]:
    remaining = iter(items)
    batch = list(islice(remaining, _ITEMS_A_CHUNK))
    while batch:
        yield b",".join(batch)
        batch = list(islice(remaining, _ITEMS_A_CHUNK))
        if batch:
            batch.insert(0, b"")  # the comma between two pieces, without copying one for it


def _event(kind: str, obj: bytes) -> bytes:
    return b'{"type":"' + kind.encode() + b'","object":' + obj + b"}\n"
