"""How late the event loop is: what nobody else can notice, for whoever is late is late with everything."""

from __future__ import annotations

from metrics_api.clock import Clock
from metrics_api.telemetry.distribution import Distribution

_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_PERIOD = 0.5


class LoopLag:
    """Sleeps, and measures by how much it overslept.

    Args:
        clock: Time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.lags = Distribution(_BOUNDS)
        """Seconds."""

    async def run(self) -> None:
        """Measure twice a second until cancelled."""
        while True:
            due = self._clock.monotonic() + _PERIOD
            await self._clock.sleep(_PERIOD)
            self.lags.observe(max(self._clock.monotonic() - due, 0.0))
