"""Long answers, each made once for all who ask for it within a second.

A snapshot is at most a second old when it is given to somebody new. It is begun when it is asked for; whoever asks
while it is being made waits for the same. After its second it is let go, asked for again or not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass

from metrics_api.api.body import Body
from metrics_api.clock import Clock

_LONGEST_AGE = 1.0
_MOST_BYTES = 128 << 20
"""In all that are kept. Beyond it the oldest goes: it is made again when it is asked for."""


@dataclass(eq=False, slots=True)
class _Snapshot:
    """One answer, perhaps still being made."""

    begun: float
    body: asyncio.Future[Body]
    task: asyncio.Task[None] | None = None
    """Makes it, then keeps it as long as it is good."""

    @property
    def length(self) -> int:
        """Bytes; 0 while it is being made."""
        return self.body.result().length if self.body.done() else 0


class Snapshots:
    """The long answers of the last second.

    Args:
        clock: Time.
        most_bytes: How much is kept at most, apart from what is on its way to clients.
    """

    def __init__(self, clock: Clock, *, most_bytes: int = _MOST_BYTES) -> None:
        self._clock = clock
        self._most_bytes = most_bytes
        self._kept: dict[Hashable, _Snapshot] = {}

    def __len__(self) -> int:
        return len(self._kept)

    async def get(self, key: Hashable, make: Callable[[], Awaitable[Body]]) -> Body:
        """Return the answer of that name.

        Args:
            key: What is asked for, in which format.
            make: Makes the answer, with chunks that can be sent more than once. What it raises goes to all who wait,
                and is not kept.
        """
        now = self._clock.monotonic()
        snapshot = self._kept.get(key)
        if snapshot is not None and snapshot.body.done() and now - snapshot.begun >= _LONGEST_AGE:
            self._drop(key, snapshot)  # its time has come, only its task has not had its turn yet
            snapshot = None
        if snapshot is None:
            snapshot = self._kept[key] = _Snapshot(now, asyncio.get_running_loop().create_future())
            snapshot.task = asyncio.create_task(self._live(key, snapshot, make))
        # A client that leaves must not take the answer from the others.
        return await asyncio.shield(snapshot.body)

    async def _live(self, key: Hashable, snapshot: _Snapshot, make: Callable[[], Awaitable[Body]]) -> None:
        """Make a snapshot, keep it as long as it is good, let it go."""
        try:
            snapshot.body.set_result(await make())
            self._make_room()
            await self._clock.sleep(snapshot.begun + _LONGEST_AGE - self._clock.monotonic())
        except Exception as error:
            snapshot.body.set_exception(error)
        finally:
            snapshot.body.cancel()  # of no effect unless this task was cancelled while it was making it
            if self._kept.get(key) is snapshot:
                del self._kept[key]

    def _make_room(self) -> None:
        made = [(key, snapshot) for key, snapshot in self._kept.items() if snapshot.body.done()]
        too_many = sum(snapshot.length for _, snapshot in made) - self._most_bytes
        for key, snapshot in sorted(made, key=lambda pair: pair[1].begun):
            if too_many <= 0:
                break
            too_many -= snapshot.length
            self._drop(key, snapshot)

    def _drop(self, key: Hashable, snapshot: _Snapshot) -> None:
        """Let a snapshot go before its time."""
        del self._kept[key]
        if snapshot.task is not None:
            snapshot.task.cancel()
