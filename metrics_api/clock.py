"""Time as a thing that is passed in, so that no test sleeps and no module asks the system behind our back."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Wall time for ages and timestamps, monotonic time for durations, and a way to wait."""

    def now(self) -> float:
        """Return seconds since the Unix epoch."""
        ...

    def monotonic(self) -> float:
        """Return seconds from an arbitrary start that never step back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait; a time that is not positive only yields to the event loop."""
        ...


class SystemClock:
    """The machine's clock and asyncio's sleep."""

    def now(self) -> float:
        """Return ``time.time()``."""
        return time.time()

    def monotonic(self) -> float:
        """Return ``time.monotonic()``."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait on the event loop."""
        await asyncio.sleep(max(seconds, 0))
