"""Watches in the terms of ``serving``: they are not counted, not timed, can be cut off, and are somebody's."""

from __future__ import annotations

import asyncio

from metrics_api.auth.gate import user_of
from metrics_api.auth.identity import MASTERS
from metrics_api.serving.asgi import ABORT, Scope
from metrics_api.serving.deadlines import Deadlines
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

    def user(self, scope: Scope) -> str | None:
        """Return who asks, as the gate has found; ``None`` for administrators, who must get in when others fill it."""
        user = user_of(scope)
        return None if user is None or MASTERS in user.groups else user.name

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
