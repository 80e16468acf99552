"""What a watch begins with: all that exists, or what has changed since a version.

Rows go on changing while they are written. What is written here has no version above the one at which the watch began
to follow: whatever changes meanwhile comes again as an event, with its true version, and a client that is interrupted
at any place has missed nothing that lies before the last version it saw.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence

from metrics_api.api.watch.channel import versioned
from metrics_api.api.watch.events import EventType
from metrics_api.model import Change, Row

_SLICE = 1000
"""Rows looked at in one turn of the event loop."""
_WRITTEN = 100
"""Rows given out to be written in one turn."""

Selects = Callable[[Row], bool]
Happened = tuple[EventType, Row]


async def all_rows(rows: Sequence[Row], selects: Selects, version: int) -> AsyncIterator[Sequence[Happened]]:
    """Yield every row that is selected as ADDED, some at a time."""
    for start in range(0, len(rows), _WRITTEN):
        yield [("ADDED", _as_of(row, version)) for row in rows[start : start + _WRITTEN] if selects(row)]
        await asyncio.sleep(0)


async def changed_rows(
    rows: Sequence[Row], selects: Selects, changes: Sequence[Change], since: int, version: int
) -> AsyncIterator[Sequence[Happened]]:
    """Yield what has happened after ``since``, in the order of versions, some at a time.

    What happened several times to one row is one event.

    Args:
        rows: That exist.
        selects: Which of them are meant.
        changes: What came, went and got other labels after ``since``.
        since: A version.
        version: At which the watch follows what is to come.
    """
    came = {id(change.after) for change in changes if change.before is None}
    entered = came | {id(change.after) for change in changes if change.before and not selects(change.before)}
    happened = list(_deletions(changes, selects, came))
    for start in range(0, len(rows), _SLICE):
        happened += [
            ("ADDED" if id(row) in entered else "MODIFIED", _as_of(row, version))
            for row in rows[start : start + _SLICE]
            if row.version > since and selects(row)
        ]
        await asyncio.sleep(0)
    happened.sort(key=lambda each: each[1].version)
    for start in range(0, len(happened), _WRITTEN):
        yield happened[start : start + _WRITTEN]
        await asyncio.sleep(0)


def _deletions(changes: Iterable[Change], selects: Selects, came: set[int]) -> Iterable[Happened]:
    """Yield what is not in the selection any more and was at first: it has gone, or has other labels."""
    for change in changes:
        before, after = change.before, change.after
        if before is None or not selects(before):
            continue
        if (after is None and id(before) not in came) or (after is not None and not selects(after)):
            yield "DELETED", versioned(before, change.version)


def _as_of(row: Row, version: int) -> Row:
    return row if row.version <= version else versioned(row, version)
