"""How many watches there may be, and of how many selections: in all, and of one user.

A change is matched against every selection that is watched, so their number is what a scrape costs; another watch of
the same selection costs little.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

from metrics_api.errors import TooManyRequestsError

MOST_SELECTIONS = 128
"""Distinct ones at once."""
_RETRY_AFTER = 5
"""Seconds."""


class Places:
    """Counts those that are taken. One user may have half of the watches and half of the selections.

    Args:
        watches: How many there may be.
        selections: How many distinct ones.
    """

    def __init__(self, watches: int, selections: int = MOST_SELECTIONS) -> None:
        self._all = _Share(watches, selections, "in all")
        self._users: dict[str, _Share] = {}
        self._half = -(-watches // 2), -(-selections // 2)

    @contextmanager
    def take(self, user: str | None, selection: Hashable | None) -> Iterator[None]:
        """Hold a place.

        Args:
            user: Of whose share it is; ``None`` for one who may have all.
            selection: What is selected; ``None`` where nothing has to be matched.

        Raises:
            TooManyRequestsError: there is none.
        """
        shares = [self._all]
        if user is not None:
            shares.append(self._users.get(user) or _Share(*self._half, "for one user"))
        for share in shares:
            share.require(selection)
        for share in shares:
            share.add(selection)
        if user is not None:
            self._users[user] = shares[-1]
        try:
            yield
        finally:
            for share in shares:
                share.remove(selection)
            if user is not None and not self._users[user].taken:
                del self._users[user]


class _Share:
    def __init__(self, watches: int, selections: int, whose: str) -> None:
        self._watches = watches
        self._most_selections = selections
        self._whose = whose
        self.taken = 0
        self._selections: Counter[Hashable] = Counter()

    def require(self, selection: Hashable | None) -> None:
        if self.taken >= self._watches:
            raise self._refusal(f"{self._watches} watches")
        is_new = selection is not None and selection not in self._selections
        if is_new and len(self._selections) >= self._most_selections:
            raise self._refusal(f"watches of {self._most_selections} different label or field selectors")

    def add(self, selection: Hashable | None) -> None:
        self.taken += 1
        if selection is not None:
            self._selections[selection] += 1

    def remove(self, selection: Hashable | None) -> None:
        self.taken -= 1
        if selection is not None:
            self._selections[selection] -= 1
            if not self._selections[selection]:
                del self._selections[selection]

    def _refusal(self, what: str) -> TooManyRequestsError:
        return TooManyRequestsError(
            f"Too many requests, please try again later: there are {what} already, the most {self._whose}.",
            retry_after=_RETRY_AFTER,
        )
