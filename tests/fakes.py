"""Stand-ins for what the program is given from outside. They implement our Protocols; nothing is patched."""

from __future__ import annotations

import asyncio
import heapq
import itertools


class FakeClock:
    """A clock that moves only when told to; sleepers wake in order as it passes them."""

    def __init__(self, now: float = 1_767_225_600.0) -> None:
        self._now = now
        self._monotonic = 1000.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self.sleeps: list[float] = []
        """Every sleep that was asked for, in order."""

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._monotonic + seconds, next(self._order), future))
        await future

    async def advance(self, seconds: float) -> None:
        """Let time pass, waking each sleeper at its moment and letting what it does settle."""
        end = self._monotonic + seconds
        await settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            due, _, future = heapq.heappop(self._sleepers)
            self.move_to(max(due, self._monotonic))
            if not future.done():
                future.set_result(None)
                await settle()
        self.move_to(end)
        await settle()

    def forget_cancelled(self) -> None:
        """Let go of sleepers that were cancelled."""
        self._sleepers = [sleeper for sleeper in self._sleepers if not sleeper[2].done()]
        heapq.heapify(self._sleepers)

    def step_wall(self, seconds: float) -> None:
        """Step the wall clock alone, as an administrator or NTP would."""
        self._now += seconds

    @property
    def sleeping(self) -> int:
        """How many still wait."""
        return sum(not future.done() for _, _, future in self._sleepers)

    def move_to(self, monotonic: float) -> None:
        """Set the time without waking anybody."""
        self._now += monotonic - self._monotonic
        self._monotonic = monotonic


async def settle(turns: int = 20) -> None:
    """Let everything that can run on the event loop run."""
    for _ in range(turns):
        await asyncio.sleep(0)
