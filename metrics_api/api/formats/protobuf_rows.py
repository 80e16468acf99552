"""Rows as protobuf. A row is encoded when somebody first asks for it and remembers the bytes until it changes.

They are made as an element of a list: field 2, a length, the message. The envelope's ``raw`` is field 2 as well, so the
same bytes are also a single object with its envelope cut away. Messages: ``k8s.io/metrics`` and apimachinery's
``ObjectMeta``; the numbers are the same in every API version.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from metrics_api.api.formats.wire import delimited, number_field, text_field
from metrics_api.model import ContainerUsage, Row
from metrics_api.quantity import format_cpu, format_memory

_OF_CONTAINER, _OF_NODE = 2, 4
"""The number of the usage map in ``ContainerMetrics`` and ``NodeMetrics``."""
_CONTAINERS = 4
_NAMESPACE, _VERSION, _GENERATION, _CREATED = 3, 6, 7, 8
_LABELS, _ANNOTATIONS = 11, 12
_MOST_DIGITS = 40
"""More than any quantity has characters."""


def _quantity_head(number: int, key: str, length: int) -> str:
    """Return all that stands before the text of a quantity in the entry of a usage map, for a text of that length."""
    quantity = chr(1 << 3 | 2) + chr(length)  # its one field
    entry = f"{text_field(1, key).decode()}{chr(2 << 3 | 2)}{chr(length + 2)}{quantity}"
    return f"{chr(number << 3 | 2)}{chr(len(entry) + length)}{entry}"


_HEADS = {
    number: tuple(
        tuple(_quantity_head(number, key, length) for length in range(_MOST_DIGITS)) for key in ("cpu", "memory")
    )
    for number in (_OF_CONTAINER, _OF_NODE)
}


def encoded(rows: Sequence[Row]) -> list[bytes]:
    """Return each row as an element of a list, encoding those that have changed since they were last asked for."""
    found = [row.protobuf for row in rows]
    if None in found:
        return [encoded_row(row) for row in rows]
    return found  # type: ignore[return-value]  # there is no None in it


def encoded_row(row: Row) -> bytes:
    """Return a row as an element of a list."""
    if row.protobuf is None:
        row.protobuf = _encode(row)
    return row.protobuf


def encoded_metadata(row: Row) -> bytes:
    """Return the ``PartialObjectMetadata`` of a row as an element of a list."""
    return delimited(2, delimited(1, _metadata(row)))


def encoded_bookmark(version: int, annotations: Mapping[str, str], *, is_partial: bool) -> bytes:
    """Return an object that has nothing but a version and annotations, as an element of a list.

    Args:
        version: Its ``resourceVersion``.
        annotations: Few.
        is_partial: Whether it is a ``PartialObjectMetadata``; otherwise a NodeMetrics or PodMetrics.
    """
    entries = [delimited(_ANNOTATIONS, text_field(1, key) + text_field(2, value)) for key, value in annotations.items()]
    created = delimited(_CREATED, b"")  # a Time without fields is none
    metadata = delimited(1, b"".join((text_field(1, ""), _after_name("", version), created, *entries)))
    measured = b"" if is_partial else delimited(2, b"") + _window(0.0)
    return delimited(2, metadata + measured)


def _encode(row: Row) -> bytes:
    usage = row.usage
    if row.namespace:
        parts = [delimited(_CONTAINERS, _name(one.name) + _usage(one, _OF_CONTAINER)) for one in usage.containers]
    else:
        parts = [_usage(usage.containers[0], _OF_NODE)]
    metadata = delimited(1, _metadata(row))
    return delimited(2, b"".join((metadata, _time(2, int(usage.time // 1)), _window(usage.window), *parts)))


def _metadata(row: Row) -> bytes:
    labels = row.labels
    entries = [_label(key, labels[key]) for key in sorted(labels)]
    created = _time(_CREATED, int(row.created // 1))
    after_name = _after_name(row.namespace, row.version) if row.version else _unversioned_after_name(row.namespace)
    return b"".join((text_field(1, row.name), after_name, created, *entries))


def _after_name(namespace: str, version: int = 0) -> bytes:
    """Return fields 2 to 7, of which only the namespace and the resourceVersion are ever filled."""
    filled = {_NAMESPACE: namespace, _VERSION: str(version or "")}
    return b"".join((*(text_field(n, filled.get(n, "")) for n in range(2, 7)), number_field(_GENERATION, 0)))


_unversioned_after_name = lru_cache(4096)(_after_name)


@lru_cache(4096)
def _time(number: int, second: int) -> bytes:
    """Return a field that holds a ``Time``: its nanoseconds are always 0."""
    return delimited(number, number_field(1, second) + number_field(2, 0))


@lru_cache(4096)
def _window(seconds: float) -> bytes:
    """Return a field that holds a ``Duration``, to the millisecond, as its text in JSON has it."""
    return delimited(3, number_field(1, round(seconds * 1000) * 1_000_000))


@lru_cache(4096)
def _name(container: str) -> bytes:
    return text_field(1, container)


@lru_cache(16384)
def _label(key: str, value: str) -> bytes:
    return delimited(_LABELS, text_field(1, key) + text_field(2, value))


def _usage(usage: ContainerUsage, number: int) -> bytes:
    """Return the two entries of a usage map that is field ``number``."""
    cpu, memory = format_cpu(usage.cpu), format_memory(usage.memory)
    of_cpu, of_memory = _HEADS[number]
    return f"{of_cpu[len(cpu)]}{cpu}{of_memory[len(memory)]}{memory}".encode()
