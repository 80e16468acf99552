"""What a watch begins with: all that exists, or what has changed since a version.

Rows go on changing while they are written. What is written here has no version above the one at which the watch began
to follow: whatever changes meanwhile comes again as an event, with its true version. After a version the versions never
go back either: a client that is interrupted anywhere, and goes on from the last version it saw, has missed nothing.
All that exists comes in the store's order, as from Kubernetes; who is interrupted in that begins anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import NamedTuple

from metrics_api.api.watch.channel import versioned
from metrics_api.api.watch.events import EventType
from metrics_api.model import Change, Row

_SLICE = 1000
"""Rows looked at in one turn of the event loop."""
_WRITTEN = 100
"""Rows given out to be written in one turn."""

Selects = Callable[[Row], bool]
Happened = tuple[EventType, Row]


class _Dated(NamedTuple):
    """An event that is still to be written, with its place: the row may have a higher version by then."""

    version: int
    kind: EventType
    row: Row


async def all_rows(rows: Sequence[Row], selects: Selects, version: int) -> AsyncIterator[Sequence[Happened]]:
    """Yield every row that is selected as ADDED, some at a time, to be written at once."""
    for start in range(0, len(rows), _WRITTEN):
        some = [row for row in rows[start : start + _WRITTEN] if selects(row)]
        yield [("ADDED", versioned(row, min(row.version, version))) for row in some]
        await asyncio.sleep(0)


def changed_rows(
    rows: Sequence[Row], selects: Selects, changes: Sequence[Change], since: int, version: int
) -> AsyncIterator[Sequence[Happened]]:
    """Return what has happened after ``since``, in the order of versions, some at a time, to be written at once.

    What happened several times to one row is one event.

    Args:
        rows: That exist.
        selects: Which of them are meant.
        changes: What came, went and got other labels after ``since``.
        since: A version.
        version: At which the watch follows what is to come: the latest one.
    """
    # Now, while the labels are those of the version.
    came = {id(change.after) for change in changes if change.before is None}
    entered = {
        id(change.after): change.version
        for change in changes
        if change.after and selects(change.after) and (change.before is None or not selects(change.before))
    }
    return _in_order(list(_deletions(changes, selects, came)), rows, selects, entered, range(since + 1, version + 1))


async def _in_order(
    happened: list[_Dated], rows: Sequence[Row], selects: Selects, entered: dict[int, int], versions: range
) -> AsyncIterator[Sequence[Happened]]:
    """Yield these deletions and what became of the rows.

    A row that has changed beyond the versions comes again, as an event: only one that the client does not know yet has
    to be sent before, with the version at which it entered the selection.
    """
    for start in range(0, len(rows), _SLICE):
        for row in rows[start : start + _SLICE]:
            if row.version in versions:
                if selects(row):
                    happened.append(_Dated(row.version, "ADDED" if id(row) in entered else "MODIFIED", row))
            elif id(row) in entered:
                happened.append(_Dated(entered[id(row)], "ADDED", row))
        await asyncio.sleep(0)
    happened.sort(key=lambda each: each.version)
    for start in range(0, len(happened), _WRITTEN):
        yield [(kind, versioned(row, number)) for number, kind, row in happened[start : start + _WRITTEN]]
        await asyncio.sleep(0)


def _deletions(changes: Iterable[Change], selects: Selects, came: set[int]) -> Iterable[_Dated]:
    """Yield what is not in the selection any more and may have been at first: it has gone, or has other labels."""
    for change in changes:
        before, after = change.before, change.after
        if before is None or id(after or before) in came or not selects(before):
            continue
        if after is None or not selects(after):
            yield _Dated(change.version, "DELETED", versioned(before, change.version))
