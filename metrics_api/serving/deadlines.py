"""How long requests may take. What is overdue is cancelled, wherever it waits.

The fixed limit costs the hot path a dictionary entry: a sweep once a second finds what is overdue. Only a request that
asks for less by ``?timeout=`` gets a timer. Rules: apiserver ``pkg/endpoints/filters/request_deadline.go``.
"""

from __future__ import annotations

import asyncio
import re
from urllib.parse import unquote_plus

from metrics_api.clock import Clock
from metrics_api.timetext import parse_duration

_TIMEOUT = re.compile(rb"(?:^|&)timeout=((?:[^&;%]|%[0-9A-Fa-f]{2})*)(?![^&])")
"""The parameter, unless it has a semicolon or a broken escape, which Go leaves out."""


class Deadlines:
    """Requests under way, and when each must have ended.

    Args:
        clock: Time.
        limit: Seconds that a request may take (``--request-timeout``); 0 for any time.
    """

    def __init__(self, clock: Clock, limit: float) -> None:
        self._clock = clock
        self._limit = limit or float("inf")
        self._due: dict[asyncio.Task[object], float] = {}
        self._timers: dict[asyncio.Task[object], asyncio.TimerHandle] = {}
        self._overdue: set[asyncio.Task[object]] = set()
        self._all_ended: asyncio.Event | None = None

    @property
    def open(self) -> int:
        """Return how many requests are under way."""
        return len(self._due)

    def begin(self, task: asyncio.Task[object], query_string: bytes) -> None:
        """Watch over the task that answers a request."""
        self._due[task] = self._clock.monotonic() + self._limit
        if b"timeout=" in query_string:
            wanted = _asked_for(query_string)
            if wanted is not None and wanted < self._limit:
                self._timers[task] = asyncio.get_running_loop().call_later(wanted, self._cancel, task)

    def release(self, task: asyncio.Task[object]) -> None:
        """Let the request take as long as it likes; whoever waits for all to end does not wait for it."""
        self.end(task)

    def end(self, task: asyncio.Task[object]) -> None:
        """Watch no more; of no effect the second time."""
        self._due.pop(task, None)
        if self._timers and (timer := self._timers.pop(task, None)) is not None:
            timer.cancel()
        if self._overdue:
            self._overdue.discard(task)  # it ended by itself just before the cancellation reached it
        if self._all_ended is not None and not self._due:
            self._all_ended.set()

    def was_overdue(self, task: asyncio.Task[object]) -> bool:
        """Return whether the cancellation that the task has met came from here; it then counts as taken care of."""
        if task not in self._overdue:
            return False
        self._overdue.remove(task)
        return task.uncancel() == 0

    def sweep(self) -> None:
        """Cancel what is overdue. Call it about once a second."""
        now = self._clock.monotonic()
        for task in [task for task, due in self._due.items() if due <= now]:
            self._cancel(task)

    async def wait_all_ended(self) -> None:
        """Return when no request is under way."""
        if self._due:
            self._all_ended = asyncio.Event()
            await self._all_ended.wait()

    def _cancel(self, task: asyncio.Task[object]) -> None:
        if task not in self._overdue and not task.done():
            self._overdue.add(task)
            task.cancel()


def _asked_for(query_string: bytes) -> float | None:
    """Return the seconds that the client wants to wait at most, ``None`` when it does not say or says nonsense.

    Nonsense is refused where the other parameters are checked. A time that is not positive is no limit.
    """
    found = _TIMEOUT.search(query_string)
    if found is None:
        return None
    try:
        seconds = parse_duration(unquote_plus(found[1].decode("latin-1")))
    except ValueError:
        return None
    return seconds if seconds > 0 else None
