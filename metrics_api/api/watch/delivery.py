"""Hands the same bytes to many clients, some in each turn of the event loop, so that other requests have theirs."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection, Sequence

from metrics_api.api.watch.watcher import MOST_BEHIND, MOST_BEHIND_TOGETHER, Backlog, Watcher

_AT_ONCE = 50
"""Watchers in one turn: each then takes some 20 µs to send."""


class Delivery:
    """What is to be handed out, in order.

    Args:
        watchers: All there are.
        backlog: Where they count what waits for them.
    """

    def __init__(self, watchers: Collection[Watcher], backlog: Backlog) -> None:
        self._watchers = watchers
        self._backlog = backlog
        self._waiting: deque[tuple[bytes | None, Sequence[Watcher]]] = deque()
        self._place = 0
        self.cut_off = 0
        """Watchers that did not keep up, so far."""

    def hand_out(self, chunk: bytes | None, watchers: Sequence[Watcher]) -> None:
        """Give a chunk, or with ``None`` the end, to these watchers, after all that was given before."""
        if not watchers:
            return
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._turn)
        self._waiting.append((chunk, watchers))

    def _turn(self) -> None:
        room = _AT_ONCE
        while room > 0 and self._waiting:
            chunk, watchers = self._waiting[0]
            part = watchers[self._place : self._place + room]
            for watcher in part:
                self._give(chunk, watcher)
            room -= len(part)
            self._place += len(part)
            if self._place == len(watchers):
                self._waiting.popleft()
                self._place = 0
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._turn)

    def _give(self, chunk: bytes | None, watcher: Watcher) -> None:
        if chunk is None:
            watcher.end()
            return
        watcher.put(chunk)
        if watcher.behind > MOST_BEHIND:
            self.cut_off += watcher.relieve()
        elif self._backlog.bytes > MOST_BEHIND_TOGETHER:
            self.cut_off += max(self._watchers, key=lambda each: each.behind).relieve()
