"""What several clients watch alike: the same rows in the same format. Each event is written once for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from copy import copy
from typing import NamedTuple

from metrics_api.api.formats.format import Format
from metrics_api.api.group import Resource
from metrics_api.api.watch.delivery import Delivery
from metrics_api.api.watch.events import Events, EventType, events_of
from metrics_api.api.watch.watcher import Watcher
from metrics_api.model import Change, Row
from metrics_api.selectors import FieldSelector, LabelSelector


class Subject(NamedTuple):
    """What is watched."""

    resource: Resource
    version: str
    """Of our group."""
    scope: str | None
    """A namespace; empty for the nodes; ``None`` for all namespaces."""
    labels: LabelSelector
    fields: FieldSelector
    wanted: Format

    @property
    def selection(self) -> Subject | None:
        """What each changed row is matched against and then written as, wherever it is; ``None`` for all rows."""
        return None if self.labels.is_empty and self.fields.is_empty else self._replace(scope=None)

    def selects(self, row: Row) -> bool:
        """Tell whether a row of the scope is meant."""
        if not self.labels.matches(row.labels):
            return False
        if self.fields.is_empty:
            return True
        return self.fields.matches({"metadata.name": row.name, "metadata.namespace": row.namespace})

    def events(self) -> Events:
        """Return how its events are written."""
        return events_of(self.resource, self.version, self.wanted)


class Channel:
    """The watchers of one subject. It follows the changes while there are any.

    Args:
        subject: What is watched.
        delivery: Hands out what there is to send.
    """

    def __init__(self, subject: Subject, delivery: Delivery) -> None:
        self.subject = subject
        self._delivery = delivery
        self._events = subject.events()
        self._unsent: list[bytes] = []
        self.watchers: dict[Watcher, None] = {}
        """In the order they came."""

    def changed(self, change: Change) -> None:
        """Write the event that a change is to these watchers; it goes out when the event loop has its next turn.

        What one scrape changes goes out together.
        """
        found = event_of(change, self.subject.selects)
        if found is not None:
            if not self._unsent:
                asyncio.get_running_loop().call_soon(self.flush)
            self._unsent.append(self._events.event(*found))

    def flush(self) -> None:
        """Hand out what has been written until now."""
        if self._unsent:
            chunk = b"".join(self._unsent)
            self._unsent.clear()
            self._delivery.hand_out(chunk, list(self.watchers))

    def bookmark(self, version: int, watchers: list[Watcher]) -> None:
        """Tell these watchers that they have come as far as this version, the latest one."""
        self.flush()
        self._delivery.hand_out(self._events.bookmark(version, False), watchers)


def event_of(change: Change, selects: Callable[[Row], bool]) -> tuple[EventType, Row] | None:
    """Return the event that a change is to those who watch a selection; ``None`` when it is none.

    A row that leaves the selection by its labels is deleted for them: they get it as it was, with the new version.
    """
    before, after = change.before, change.after
    is_in = after is not None and selects(after)
    was_in = is_in if before is after else before is not None and selects(before)
    if is_in and after is not None:
        return ("MODIFIED" if was_in else "ADDED"), after
    if was_in and before is not None:
        return "DELETED", versioned(before, change.version)
    return None


def versioned(row: Row, version: int) -> Row:
    """Return a row with that version: itself when it has it."""
    if row.version == version:
        return row
    other = copy(row)
    other.version, other.protobuf = version, None
    return other
