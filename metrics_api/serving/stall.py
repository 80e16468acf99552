"""A client that takes its answer slowly, or not at all."""

from __future__ import annotations

import asyncio

from metrics_api.serving.limits import Limits


class Backlog:
    """What is written and not yet taken, once it is more than the transport likes.

    A client that takes nothing of it for a while, or not all of it in a longer one, is cut off.

    Args:
        transport: Where it waits.
        limits: How long that may be.
    """

    __slots__ = ("_gone", "_limits", "_loop", "_timer", "_transport")

    def __init__(self, transport: asyncio.Transport, limits: Limits) -> None:
        self._transport = transport
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._gone = self._loop.create_future()
        self._timer = self._watch(transport.get_write_buffer_size(), self._loop.time() + limits.answer)

    async def wait(self) -> None:
        """Return when it has become small, or the connection has ended."""
        await asyncio.shield(self._gone)

    def over(self) -> None:
        """Take note of that."""
        self._timer.cancel()
        if not self._gone.done():
            self._gone.set_result(None)

    def _watch(self, waiting: int, given_up: float) -> asyncio.TimerHandle:
        return self._loop.call_later(self._limits.stall, self._look, waiting, given_up)

    def _look(self, waited: int, given_up: float) -> None:
        waiting = self._transport.get_write_buffer_size()
        if waiting >= waited or self._loop.time() >= given_up:
            self._transport.abort()
        else:
            self._timer = self._watch(waiting, given_up)
