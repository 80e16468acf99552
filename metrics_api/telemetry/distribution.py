"""Counts by bucket, for what is observed often: an observation costs a bisection and two additions, and no lock."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate

DEFAULT_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds in seconds that Prometheus clients take where nothing else is said."""


class Distribution:
    """How many observations lie below each bound, and their sum.

    Args:
        bounds: Upper bounds, rising; values above the last are counted as well.
    """

    __slots__ = ("_bounds", "_counts", "total")

    def __init__(self, bounds: Sequence[float] = DEFAULT_BOUNDS) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self.total = 0.0
        """Sum of all values."""

    @property
    def count(self) -> int:
        """How many values were observed."""
        return sum(self._counts)

    def observe(self, value: float, times: int = 1) -> None:
        """Count a value, or many that are equal."""
        self._counts[bisect_left(self._bounds, value)] += times
        self.total += value * times

    def buckets(self) -> list[tuple[str, float]]:
        """Return (upper bound as Go writes it, how many values are not above it), the last for ``+Inf``."""
        counts = accumulate(list(self._counts))
        return list(zip([*map(go_float, self._bounds), "+Inf"], map(float, counts), strict=True))

    def quantile(self, part: float) -> float:
        """Return the bound below which that part of the values lies; 0 when there are none, the last bound at most."""
        wanted = math.ceil(self.count * part)
        seen = 0
        for bound, count in zip(self._bounds, self._counts, strict=False):
            seen += count
            if seen >= wanted:
                return bound if wanted else 0.0
        return self._bounds[-1]


def exponential_bounds(start: float, factor: float, count: int) -> tuple[float, ...]:
    """Return bounds that each are the one before times ``factor``, multiplied step by step as in Go."""
    bounds = [start]
    while len(bounds) < count:
        bounds.append(bounds[-1] * factor)
    return tuple(bounds)


def go_float(value: float) -> str:
    """Return a bound as Go's shortest form has it: ``15``, not ``15.0``."""
    return repr(value).removesuffix(".0")
