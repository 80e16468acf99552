"""What requests cost, and how old what they were given was."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from metrics_api.clock import Clock
from metrics_api.model import Row
from metrics_api.telemetry.distribution import Distribution, exponential_bounds

_LATENCIES = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_FRESHNESS = exponential_bounds(1.0, 1.364, 20)  # metrics-server's
_MOST_LOOKED_AT = 16
_ROUTES = {"apis": "discovery", "healthz": "probe", "livez": "probe", "readyz": "probe", "metrics": "metrics"}


class Reads:
    """Is told of every request that was answered.

    Args:
        clock: Time, for the age of what was served.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.latencies: dict[str, Distribution] = {}
        """Route -> seconds from a request to the end of its answer. Routes: ``get pods`` and the like, and for other
        paths ``discovery``, ``probe``, ``metrics``, ``other``."""
        self.freshness = Distribution(_FRESHNESS)
        """Ages in seconds of the objects that were answered."""
        self.errors: Counter[int] = Counter()
        """HTTP status -> answers that were errors."""

    def answered(self, verb: str, resource: str, rows: Sequence[Row], took: float) -> None:
        """Take note of objects that were served.

        Of a long list some are looked at, evenly spread, and stand for the others: the list's cost stays its own.
        """
        self._observe(f"{verb} {resource}", took)
        count = len(rows)
        step = -(-count // _MOST_LOOKED_AT)
        now = self._clock.now()
        for index in range(0, count, step or 1):
            self.freshness.observe(max(now - rows[index].time, 0.0), min(step, count - index))

    def passed(self, path: str, took: float) -> None:
        """Take note of an answer on another path."""
        self._observe(_ROUTES.get(path.lstrip("/").partition("/")[0], "other"), took)

    def failed(self, code: int) -> None:
        """Take note of an answer that is an error."""
        self.errors[code] += 1

    def _observe(self, route: str, took: float) -> None:
        latencies = self.latencies.get(route)
        if latencies is None:
            latencies = self.latencies[route] = Distribution(_LATENCIES)
        latencies.observe(took)
