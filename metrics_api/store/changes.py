"""Every change of a row, numbered, for those who watch.

The number is the row's ``resourceVersion``. It counts on from a random place, the epoch, which every process draws for
itself: a number of another replica, or of a process before a restart, is none of ours and is told from ours by its
size alone. What has changed since a number need not be kept, for every row knows the number of its latest change; only
rows that came, went or got other labels are remembered, and of these the last ones.
"""

from __future__ import annotations

import secrets
from collections import deque
from typing import Protocol

from metrics_api.model import Change, Row

_SEQUENCE_BITS = 32
"""A cluster of 150,000 pods takes five days for as many changes; then it simply counts on into the next epoch."""
_FIRST_EPOCH, _EPOCHS = 10**18 // 2**_SEQUENCE_BITS + 1, 1_900_000_000
"""A resourceVersion always has 19 digits and fits into 63 bits; two processes share an epoch once in two billion."""
_KEPT = 10_000
"""Comings and goings: those of some minutes in a large cluster. Each that went holds on to one or two kilobytes."""

Scope = str | None
"""Whose rows: a namespace's, the nodes' (empty), or those of all namespaces (``None``)."""


class Follower(Protocol):
    """Is told of changes."""

    def changed(self, change: Change) -> None:
        """Take note, at once: the row is changed again by the next sample."""
        ...


class Changes:
    """Numbers the changes of nodes and pods, and tells those who follow.

    A change that nobody follows costs a count and a look-up.

    Args:
        first: Where to begin to count; a random epoch when ``None``.
        kept: How many comings and goings to remember.
    """

    def __init__(self, first: int | None = None, *, kept: int = _KEPT) -> None:
        epoch = _FIRST_EPOCH + secrets.randbelow(_EPOCHS)
        self.version = epoch << _SEQUENCE_BITS if first is None else first
        """The number of the latest change."""
        self._forgotten = self.version
        self._kept: deque[Change] = deque()
        self._most_kept = kept
        self._followers: dict[Scope, list[Follower]] = {}

    def came(self, row: Row) -> None:
        """Take note of a row that is served from now on."""
        self._move(row, None, row)

    def went(self, row: Row) -> None:
        """Take note of a row that is not served any more."""
        row.protobuf = None
        self._move(row, row, None)

    def relabelled(self, before: Row, row: Row) -> None:
        """Take note of a row with new labels; ``before`` is a copy with the old ones."""
        self._move(row, before, row)

    def updated(self, row: Row) -> None:
        """Take note of a row with new usage."""
        self.version = row.version = self.version + 1
        followers = self._followers
        if followers and (row.namespace in followers or (None in followers and row.namespace)):
            self._tell(row.namespace, Change(row.version, row, row))

    def follow(self, scope: Scope, follower: Follower) -> None:
        """Tell ``follower`` of every change from now on."""
        self._followers.setdefault(scope, []).append(follower)

    def unfollow(self, scope: Scope, follower: Follower) -> None:
        """Tell it no more."""
        followers = self._followers[scope]
        followers.remove(follower)
        if not followers:
            del self._followers[scope]

    def since(self, version: int, scope: Scope) -> list[Change] | None:
        """Return what came, went or got other labels after a change, in order.

        Returns:
            ``None`` when that is not known: the number is too old, or none of ours.
        """
        if not self._forgotten <= version <= self.version:
            return None
        return [change for change in self._kept if change.version > version and _is_within(change, scope)]

    def _move(self, row: Row, before: Row | None, after: Row | None) -> None:
        self.version = row.version = self.version + 1
        change = Change(row.version, before, after)
        self._kept.append(change)
        if len(self._kept) > self._most_kept:
            self._forgotten = self._kept.popleft().version
        if self._followers:
            self._tell(row.namespace, change)

    def _tell(self, namespace: str, change: Change) -> None:
        for scope in (namespace, None) if namespace else (namespace,):
            for follower in self._followers.get(scope, ()):
                follower.changed(change)


def _is_within(change: Change, scope: Scope) -> bool:
    row = change.after or change.before
    if row is None:
        return False
    return row.namespace == scope if scope is not None else row.namespace != ""
