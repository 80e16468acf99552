"""Watches in the terms of ``serving``: they are not counted, not timed, and can be cut off."""

from __future__ import annotations

import asyncio

from metrics_api.serving.deadlines import Deadlines
from metrics_api.serving.front import ABORT, Scope
from metrics_api.serving.inflight import InFlight


class LongRequests:
    """Fulfils ``api.watch.feed.LongRequests``.

    Args:
        deadlines: What else would end them.
        in_flight: What they are counted by until they are admitted.
    """

    def __init__(self, deadlines: Deadlines, in_flight: InFlight) -> None:
        self._deadlines = deadlines
        self._in_flight = in_flight

    def release(self, scope: Scope) -> None:
        """Let the request that the current task answers last."""
        self._in_flight.leave(scope)
        task = asyncio.current_task()
        if task is not None:
            self._deadlines.release(task)

    def cut_off(self, scope: Scope) -> None:
        """End its connection at once."""
        abort = scope["state"].get(ABORT)
        if abort is not None:
            abort()
