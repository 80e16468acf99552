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

    Until ``begin`` is called the client is sent what was before. That may take long, so then a queue that gets too long
    is dropped, and what was missed is looked up again; later the client is cut off.
    """

    __slots__ = (
        "_backlog",
        "_chunks",
        "_cut_off",
        "_waiting",
        "behind",
        "due",
        "has_begun",
        "has_missed",
        "is_ended",
        "is_gone",
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
        self.has_begun = False
        self.has_missed = False
        """Whether something was dropped that was to be sent."""
        self.is_ended = False
        self.is_gone = False
        """Whether nobody listens any more."""

    def put(self, chunk: bytes) -> None:
        """Add what is to be sent."""
        if not (self.is_ended or self.has_missed):
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
        self.is_gone = True
        self._chunks.clear()
        self._forget(self.behind)
        self.end()

    def begin(self) -> None:
        """Note that the client has been sent what was before."""
        self.has_begun = True

    def relieve(self) -> bool:
        """Drop the queue of a client that does not keep up; return whether its connection had to be ended for it.

        If so, the client can go on where it was, by the last version it saw.
        """
        if self.has_begun:
            self.leave()
            self._cut_off()
        else:
            self.has_missed = True
            self._chunks.clear()
            self._forget(self.behind)
        return self.has_begun

    def _forget(self, length: int) -> None:
        self.behind -= length
        self._backlog.bytes -= length

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)
