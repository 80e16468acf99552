"""A row's JSON as clients get it: with its ``resourceVersion`` where changes are numbered.

The store makes items without one. It is put in when they are read, so that a sample that nobody reads costs no more
with watches than without.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter

from metrics_api.model import Row

_CREATED = b'"creationTimestamp":"'
_item = attrgetter("item")


def item_of(row: Row) -> bytes:
    """Return a row as an item of a list."""
    if not row.version:
        return row.item
    # A quotation mark inside a name has a backslash before it, so the first place is the right one.
    before, mark, after = row.item.partition(_CREATED)
    return b'%b"resourceVersion":"%d",%b%b' % (before, row.version, mark, after)


def items_of(rows: Sequence[Row]) -> list[bytes]:
    """Return each row as an item of a list."""
    if rows and rows[0].version:
        return list(map(item_of, rows))
    return list(map(_item, rows))
