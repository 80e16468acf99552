"""Rows as JSON. Another format is another module with a function of the same shape as ``encode_json``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from metrics_api.api.group import GROUP, RESOURCES, VERSIONS
from metrics_api.api.resources import Found
from metrics_api.model import Row

_SLICE = 1000
"""Items in one chunk of a body: a third of a megabyte of ordinary pods, a third of a millisecond to join."""

_OBJECT_HEADS = {
    (resource, version): f'{{"kind":"{resource.kind}","apiVersion":"{GROUP}/{version}",'.encode()
    for resource in RESOURCES.values()
    for version in VERSIONS
}
_LIST_HEADS = {
    (
        resource,
        version,
    ): f'{{"kind":"{resource.kind}List","apiVersion":"{GROUP}/{version}","metadata":{{}},"items":['.encode()
    for resource in RESOURCES.values()
    for version in VERSIONS
}
_LIST_TAIL = b"]}\n"


def encode_json(found: Found) -> Sequence[bytes] | Iterator[bytes]:
    """Return the chunks of a body, in order: a sequence of one for what is short, else an iterator.

    Each takes well below a millisecond to make, so that the caller can give way to others in between; and a long body
    is never whole in memory: 150,000 pods are 45 MB, for each who asks.
    """
    if not found.is_list:
        return (_OBJECT_HEADS[found.resource, found.version] + found.rows[0].item[1:] + b"\n",)
    head = _LIST_HEADS[found.resource, found.version]
    if len(found.rows) <= _SLICE:
        return (_join(head, found.rows, _LIST_TAIL),)
    return _long_list(head, found.rows)


def _long_list(head: bytes, rows: Sequence[Row]) -> Iterator[bytes]:
    for start in range(0, len(rows), _SLICE):
        is_last = start + _SLICE >= len(rows)
        yield _join(b"," if start else head, rows[start : start + _SLICE], _LIST_TAIL if is_last else b"")


def _join(head: bytes, rows: Sequence[Row], tail: bytes) -> bytes:
    if not rows:
        return head + tail
    items = [row.item for row in rows]
    # Head and tail go into the one join: adding them to its result would copy it again.
    items[0] = head + items[0]
    items[-1] += tail
    return b",".join(items)
