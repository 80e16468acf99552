"""What rows become in terms of JSON: the objects themselves, their metadata, or the lines of a Table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec
import orjson

from metrics_api.api.formats.format import META_GROUP, PARTIAL, PARTIAL_LIST, TABLE, Format
from metrics_api.api.formats.items import item_of, items_of
from metrics_api.api.group import GROUP, Resource
from metrics_api.model import Row
from metrics_api.quantity import format_cpu, format_memory
from metrics_api.timetext import format_duration


class Shape(NamedTuple):
    """A form of JSON document that holds rows."""

    document: dict[str, Any]
    """A list as a whole, without the rows."""
    key: str
    """Under which the rows stand, last in the document."""
    pieces: Callable[[Sequence[Row]], list[bytes]]
    """Returns each row as compact JSON."""
    one: Callable[[Row], bytes] | None
    """Returns the document of a row that stands alone, without a newline; ``None``: like a list that holds one."""
    is_cheap: bool = False
    """Whether the pieces exist already, or will when they have been asked for once."""


class _Object(msgspec.Struct):
    """What is read of an item."""

    metadata: msgspec.Raw


_decode = msgspec.json.Decoder(_Object).decode


def shape_of(resource: Resource, version: str, wanted: Format) -> Shape:
    """Return the form that a format asks for.

    Args:
        resource: What the rows are.
        version: Of our group.
        wanted: Whose media type does not matter here.
    """
    if wanted.kind == TABLE:
        return _table(resource, version, wanted)
    if wanted.kind:
        return _partial(wanted.version)
    return _objects(resource, version)


def _objects(resource: Resource, version: str) -> Shape:
    document = _typed(f"{resource.kind}List", f"{GROUP}/{version}")
    return Shape(document, "items", items_of, _object_writer(resource, version), is_cheap=True)


def _object_writer(resource: Resource, version: str) -> Callable[[Row], bytes]:
    head = _head(resource.kind, f"{GROUP}/{version}") + b","
    return lambda row: head + item_of(row)[1:]


def _partial(version: str) -> Shape:
    write = _partial_writer(version)
    return Shape(_typed(PARTIAL_LIST, f"{META_GROUP}/{version}"), "items", _each(write), write)


def _partial_writer(version: str) -> Callable[[Row], bytes]:
    head = _head(PARTIAL, f"{META_GROUP}/{version}") + b',"metadata":'
    return lambda row: b"%b%b}" % (head, _decode(item_of(row)).metadata)


def _table(resource: Resource, version: str, wanted: Format) -> Shape:
    write_object: Callable[[Row], bytes]
    if wanted.include_object == "Object":
        write_object = _object_writer(resource, version)
    elif wanted.include_object == "None":
        write_object = _nothing
    else:
        write_object = _partial_writer(wanted.version)

    def write(row: Row) -> bytes:
        return b'{"cells":%b,"object":%b}' % (orjson.dumps(_cells(row)), write_object(row))

    document = _typed(TABLE, f"{META_GROUP}/{wanted.version}") | {"columnDefinitions": COLUMNS}
    return Shape(document, "rows", _each(write), None)


def _column(name: str, kind: str, description: str = "") -> dict[str, Any]:
    return {"name": name, "type": "string", "format": kind, "description": description, "priority": 0}


COLUMNS = (
    _column("Name", "name", "Name of the resource"),
    _column("cpu", "quantity"),
    _column("memory", "quantity"),
    _column("Window", "duration"),
)
"""As metrics-server names them. They are the same for every list, also an empty one."""


def _cells(row: Row) -> tuple[str, ...]:
    """Return a row's cells; those of a pod are the sums over its containers."""
    usage = row.usage
    cpu = sum([one.cpu for one in usage.containers])
    memory = sum([one.memory for one in usage.containers])
    return (row.name, format_cpu(cpu), format_memory(memory), format_duration(usage.window))


def _nothing(_: Row) -> bytes:
    return b"null"


def _each(write: Callable[[Row], bytes]) -> Callable[[Sequence[Row]], list[bytes]]:
    return lambda rows: [write(row) for row in rows]


def _typed(kind: str, api_version: str) -> dict[str, Any]:
    return {"kind": kind, "apiVersion": api_version, "metadata": {}}


def _head(kind: str, api_version: str) -> bytes:
    return orjson.dumps({"kind": kind, "apiVersion": api_version})[:-1]
