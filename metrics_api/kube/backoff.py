"""How long to wait before asking again."""

from __future__ import annotations

import random


class Backoff:
    """Exponential back-off with full jitter: a random time up to a bound that doubles.

    Replicas that lost the same API server at the same moment do not come back at the same moment.

    Args:
        rng: Where the jitter comes from.
        first: The first bound in seconds.
        most: The bound that is not passed.
    """

    def __init__(self, rng: random.Random, *, first: float = 0.8, most: float = 30.0) -> None:
        self._rng = rng
        self._first = first
        self._most = most
        self._bound = first

    def reset(self) -> None:
        """Begin with the first bound again."""
        self._bound = self._first

    def next(self) -> float:
        """Return the seconds to wait, and double the bound."""
        seconds = self._rng.uniform(0, self._bound)
        self._bound = min(2 * self._bound, self._most)
        return seconds
