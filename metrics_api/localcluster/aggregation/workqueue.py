"""Names that need work: each is worked on by one task at a time, again after a while, and later after failures.

The shape of Kubernetes' controllers (client-go ``util/workqueue``), on one event loop and an injected clock.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from metrics_api.clock import Clock
from metrics_api.errors import MetricsApiError

_log = logging.getLogger(__name__)


class RetryError(MetricsApiError):
    """Work on a name failed; it is tried again with back-off."""


class WorkQueue:
    """Runs ``work`` for the names it is given.

    Args:
        work: Does it; returns the seconds after which to do it again, ``None`` for not until it is asked for.
            Raises RetryError when it failed.
        clock: For the delays.
        first_delay: Back-off after the first failure; it doubles with each further one.
        longest_delay: Its limit.
    """

    def __init__(
        self,
        work: Callable[[str], Awaitable[float | None]],
        clock: Clock,
        *,
        first_delay: float,
        longest_delay: float,
    ) -> None:
        self._work = work
        self._clock = clock
        self._first_delay = first_delay
        self._longest_delay = longest_delay
        self._due: asyncio.Queue[str] = asyncio.Queue()
        self._queued: set[str] = set()
        self._working: set[str] = set()
        self._again: set[str] = set()
        self._timers: dict[str, tuple[float, asyncio.Task[None]]] = {}
        self._failures: dict[str, int] = {}
        self._said: dict[str, str] = {}
        self._rested = asyncio.Event()
        self._group: asyncio.TaskGroup | None = None

    def add(self, name: str) -> None:
        """Have it worked on now, or once more when it is being worked on."""
        if name in self._working:
            self._again.add(name)
        elif name not in self._queued:
            self._queued.add(name)
            self._due.put_nowait(name)

    def add_after(self, name: str, seconds: float) -> None:
        """Have it worked on after a while; of several such wishes for a name the earliest counts."""
        if self._group is None:
            return self.add(name)
        at = self._clock.monotonic() + seconds
        waiting = self._timers.get(name)
        if waiting is not None:
            if waiting[0] <= at:
                return None
            waiting[1].cancel()
        self._timers[name] = (at, self._group.create_task(self._wait(name, seconds)))
        return None

    def forget(self, name: str) -> None:
        """Count its failures from zero again."""
        self._failures.pop(name, None)

    async def idle(self) -> None:
        """Return once nothing is worked on and nothing is due; what waits for its time does not count."""
        while self._queued or self._working:
            self._rested.clear()
            await self._rested.wait()

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                while True:
                    name = await self._due.get()
                    self._queued.discard(name)
                    self._working.add(name)
                    group.create_task(self._process(name))
        finally:
            self._group = None

    async def _wait(self, name: str, seconds: float) -> None:
        await self._clock.sleep(seconds)
        del self._timers[name]
        self.add(name)

    async def _process(self, name: str) -> None:
        try:
            after = await self._work(name)
        except RetryError as error:
            self._say(name, str(error))
            after = self._backoff(name)
        except Exception:  # one object that nobody thought of must not stop the work on all others
            _log.exception("a bug in the stand-in's aggregation layer: %s", name)
            after = self._backoff(name)
        else:
            self.forget(name)
            self._said.pop(name, None)
        self._working.discard(name)
        if name in self._again:
            self._again.discard(name)
            self.add(name)
        if after is not None:
            self.add_after(name, after)
        self._rested.set()

    def _backoff(self, name: str) -> float:
        failures = self._failures.get(name, 0)
        self._failures[name] = failures + 1
        return float(min(self._first_delay * 2 ** min(failures, 40), self._longest_delay))

    def _say(self, name: str, failure: str) -> None:
        """Log a failure; the same one again and again is for those who look closely."""
        level = logging.DEBUG if self._said.get(name) == failure else logging.WARNING
        self._said[name] = failure
        _log.log(level, "%s failed with: %s", name, failure)
