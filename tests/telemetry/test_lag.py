from __future__ import annotations

import asyncio
import contextlib

from metrics_api.telemetry.lag import LoopLag
from tests.fakes import FakeClock


class Late(FakeClock):
    """Wakes its sleepers too late."""

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds)
        self.move_to(self.monotonic() + 0.2)


async def test_an_event_loop_that_wakes_late_is_seen() -> None:
    clock = Late()
    lag = LoopLag(clock)
    task = asyncio.create_task(lag.run())
    await clock.advance(1.3)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task

    assert lag.lags.count == 2
    assert 0.39 < lag.lags.total < 0.41
