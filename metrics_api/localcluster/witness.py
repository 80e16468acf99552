"""A record of who asked for what, so that a test can say what a program did not ask for."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

_REMEMBERED = 10_000


class Seen(NamedTuple):
    """One answered request."""

    user: str
    verb: str
    """``get``, ``list``, ``watch``, …; for a path that is no resource, the HTTP method in lower case."""
    path: str
    resource: str
    """``pods``, ``deployments.apps``, ``nodes/status``; empty for a path that is no resource."""
    namespace: str
    name: str
    status: int


class Witness:
    """The last ten thousand requests."""

    def __init__(self) -> None:
        self._seen: deque[Seen] = deque(maxlen=_REMEMBERED)

    def record(self, seen: Seen) -> None:
        """Add one."""
        self._seen.append(seen)

    def forget(self) -> None:
        """Start anew."""
        self._seen.clear()

    def requests(
        self, *, user: str | None = None, verb: str | None = None, resource: str | None = None
    ) -> Sequence[Seen]:
        """Return the requests in the order answered; each argument narrows it."""
        return [
            seen
            for seen in self._seen
            if user in (None, seen.user) and verb in (None, seen.verb) and resource in (None, seen.resource)
        ]

    def used(self, user: str) -> set[tuple[str, str]]:
        """Return each (verb, resource or path) that a user has asked for: what a role for it must grant."""
        return {(seen.verb, seen.resource or seen.path) for seen in self._seen if seen.user == user}
