"""Where changes come from, and who lets a watch last: what the watches need of the rest of the program."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from starlette.types import Scope

from metrics_api.model import Change


class Follower(Protocol):
    """Is told of changes."""

    def changed(self, change: Change) -> None:
        """Take note, at once: the row is changed again by the next sample."""
        ...


class Feed(Protocol):
    """Every change of a row, numbered.

    ``scope`` says whose rows: a namespace's, the nodes' (empty), or those of all namespaces (``None``).
    """

    @property
    def version(self) -> int:
        """The number of the latest change."""
        ...

    def follow(self, scope: str | None, follower: Follower) -> None:
        """Tell ``follower`` of every change from now on."""
        ...

    def unfollow(self, scope: str | None, follower: Follower) -> None:
        """Tell it no more."""
        ...

    def since(self, version: int, scope: str | None) -> Sequence[Change] | None:
        """Return what came, went or got other labels after a change, in order; ``None`` when it is not known.

        Rows with new usage are not in it: each says by its own version when it changed.
        """
        ...


class LongRequests(Protocol):
    """Lets requests last, and knows whose they are."""

    def user(self, scope: Scope) -> str | None:
        """Return of whose share a request's place is taken; ``None`` for one who may have all of them."""
        ...

    def release(self, scope: Scope) -> None:
        """Take a request out of the count of those in flight, and let it take as long as it likes."""
        ...

    def cut_off(self, scope: Scope) -> None:
        """End a request's connection at once, whatever is still to be sent."""
        ...
