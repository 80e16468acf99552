"""The objects of one resource as they are, the log of what became of them, and their states in the past."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from enum import StrEnum
from operator import attrgetter
from typing import NamedTuple

from metrics_api.localcluster import statuses
from metrics_api.localcluster.stored import Key, Stored

_SNAPSHOTS = 16


class ChangeType(StrEnum):
    """What happened to an object; the words of watch events."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"


class Change(NamedTuple):
    """One entry of the log."""

    type: ChangeType
    stored: Stored
    """The new state; for DELETED the last one, with the resourceVersion of the deletion."""
    previous: Stored | None
    """The state before; ``None`` for ADDED."""


Listener = Callable[[Change], None]


def within(objects: Sequence[Stored], namespace: str) -> Sequence[Stored]:
    """Return the part of an ordered list that lies in one namespace."""
    start = bisect_left(objects, namespace, key=attrgetter("namespace"))
    return objects[start : bisect_right(objects, namespace, start, key=attrgetter("namespace"))]


class History:
    """All that is kept for one resource.

    Args:
        log_length: How many changes can be gone back.
        compacted: The resourceVersion before which nothing is known.
    """

    __slots__ = ("_changed", "_compacted", "_log", "_log_length", "_ordered", "_snapshots", "by_key", "listeners")

    def __init__(self, log_length: int, compacted: int) -> None:
        self.by_key: dict[Key, Stored] = {}
        """The present."""
        self.listeners: list[Listener] = []
        """Who is told of each change, within the write."""
        self._log_length = log_length
        self._log: deque[Change] = deque(maxlen=log_length)
        self._compacted = compacted
        self._changed = 0
        self._ordered: tuple[Stored, ...] | None = ()
        self._snapshots: OrderedDict[int, Sequence[Stored]] = OrderedDict()

    def record(self, change: Change) -> None:
        """Make a change, and tell of it."""
        if change.type == "DELETED":
            del self.by_key[change.stored.key]
        else:
            self.by_key[change.stored.key] = change.stored
        self._ordered = None
        if len(self._log) == self._log_length:
            self._compacted = self._log[0].stored.version
        self._log.append(change)
        self._changed = change.stored.version
        for listener in tuple(self.listeners):
            listener(change)

    def ordered(self) -> Sequence[Stored]:
        """Return the state of all objects, by namespace and name."""
        if self._ordered is None:
            self._ordered = tuple(self.by_key[key] for key in sorted(self.by_key))
        return self._ordered

    def changes_after(self, version: int, now: int) -> Sequence[Change]:
        """Return the changes that came after a resourceVersion, oldest first; ``now`` is the latest there is.

        Raises:
            StatusError: 410, the log does not reach back that far.
        """
        self._check_is_known(version, now)
        return [change for change in self._log if change.stored.version > version]

    def ordered_at(self, version: int, now: int) -> Sequence[Stored]:
        """Return the state of all objects as it was at a resourceVersion; errors as :meth:`changes_after`."""
        self._check_is_known(version, now)
        if self._changed <= version:
            return self.ordered()
        snapshot = self._snapshots.get(version)
        if snapshot is None:
            undone = _undo(self.by_key, self.changes_after(version, now))
            snapshot = self._snapshots[version] = tuple(undone[key] for key in sorted(undone))
            if len(self._snapshots) > _SNAPSHOTS:
                self._snapshots.popitem(last=False)
        return snapshot

    def compact(self, version: int) -> None:
        """Forget what was before a resourceVersion."""
        self._snapshots.clear()
        self._log.clear()
        self._compacted = version

    def _check_is_known(self, version: int, now: int) -> None:
        if version < self._compacted:
            raise statuses.expired(f"too old resource version: {version} ({now})")


def _undo(objects: dict[Key, Stored], changes: Sequence[Change]) -> dict[Key, Stored]:
    undone = dict(objects)
    for change in reversed(changes):
        if change.previous is None:
            del undone[change.stored.key]
        else:
            undone[change.stored.key] = change.previous
    return undone
