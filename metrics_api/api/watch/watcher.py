"""One client that watches: what it is still to be sent, and how much that may be."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

MOST_BEHIND = 4 << 20
"""Bytes that one client may be behind: more than half a second of a cluster of 150,000 pods."""
MOST_BEHIND_TOGETHER = 64 << 20
"""Bytes that all of them may be behind; then the one that is most is cut off."""


class Backlog:
    """How many bytes are waiting for all clients together; what several wait for counts for each."""

    def __init__(self) -> None:
        self.bytes = 0


class Watcher:
    """A queue with an end.

    Args:
        backlog: Where its bytes are counted too.
        due: The monotonic moment at which it ends.
        wants_bookmarks: Whether it is told now and then how far it has come.
        cut_off: Ends its connection at once.
    """

    __slots__ = (
        "_backlog",
        "_chunks",
        "_cut_off",
        "_waiting",
        "behind",
        "due",
        "is_ended",
        "next_bookmark",
        "wants_bookmarks",
    )

    def __init__(self, backlog: Backlog, *, due: float, wants_bookmarks: bool, cut_off: Callable[[], None]) -> None:
        self._backlog = backlog
        self._chunks: deque[bytes] = deque()
        self._cut_off = cut_off
        self._waiting: asyncio.Future[None] | None = None
        self.behind = 0
        """Bytes that wait."""
        self.due = due
        self.wants_bookmarks = wants_bookmarks
        self.next_bookmark = float("inf")
        """The monotonic moment of its next bookmark."""
        self.is_ended = False

    def put(self, chunk: bytes) -> None:
        """Add what is to be sent."""
        if not self.is_ended:
            self._chunks.append(chunk)
            self.behind += len(chunk)
            self._backlog.bytes += len(chunk)
            self._wake()

    async def next(self) -> bytes | None:
        """Return what is to be sent next, as soon as there is something; ``None`` at the end."""
        while not self._chunks:
            if self.is_ended:
                return None
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
        chunk = self._chunks.popleft()
        self._forget(len(chunk))
        return chunk

    def end(self) -> None:
        """Send what waits, then no more."""
        self.is_ended = True
        self._wake()

    def leave(self) -> None:
        """Send nothing more: the client is gone, or is to go."""
        self._chunks.clear()
        self._forget(self.behind)
        self.end()

    def cut(self) -> None:
        """End the connection of a client that does not keep up; it can go on where it was."""
        self.leave()
        self._cut_off()

    def _forget(self, length: int) -> None:
        self.behind -= length
        self._backlog.bytes -= length

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)
