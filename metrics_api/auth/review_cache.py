"""Remembered answers of kube-apiserver, each for a while, and one question at a time for each key."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from metrics_api.clock import Clock

Key = TypeVar("Key", bound=Hashable)
Answer = TypeVar("Answer")


class ReviewCache(Generic[Key, Answer]):
    """Answers by key, bounded in number and age.

    Concurrent questions with the same key are asked once; all who wait get the same answer or the same error. Errors
    are not remembered: the next request asks again.

    Args:
        clock: Time.
        size: How many answers are kept; the least recently used go first.
        lifetime: Answer -> the seconds it may be used; 0 keeps it for nobody but those who wait.
    """

    def __init__(self, clock: Clock, *, size: int, lifetime: Callable[[Answer], float]) -> None:
        self._clock = clock
        self._size = size
        self._lifetime = lifetime
        self._answers: OrderedDict[Key, tuple[float, Answer]] = OrderedDict()
        self._asking: dict[Key, asyncio.Task[Answer]] = {}
        self.hits = 0
        """Answers given from memory."""
        self.misses = 0
        """Questions asked."""

    def __len__(self) -> int:
        return len(self._answers)

    def peek(self, key: Key) -> Answer | None:
        """Return the remembered answer, ``None`` when there is none or it is too old."""
        found = self._answers.get(key)
        if found is None:
            return None
        if found[0] <= self._clock.monotonic():
            del self._answers[key]
            return None
        self._answers.move_to_end(key)
        self.hits += 1
        return found[1]

    async def get(self, key: Key, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """Return the remembered answer, or ask.

        One waiter that goes away (its client hung up) does not take the question from the others.
        """
        remembered = self.peek(key)
        if remembered is not None:
            return remembered
        asking = self._asking.get(key)
        if asking is None:
            asking = asyncio.ensure_future(self._ask(key, ask))
            self._asking[key] = asking
            asking.add_done_callback(lambda task: self._settle(key, task))
        return await asyncio.shield(asking)

    async def _ask(self, key: Key, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        self.misses += 1
        answer = await ask()
        seconds = self._lifetime(answer)
        if seconds > 0:
            self._answers[key] = (self._clock.monotonic() + seconds, answer)
            if len(self._answers) > self._size:
                self._answers.popitem(last=False)
        return answer

    def _settle(self, key: Key, task: asyncio.Task[Answer]) -> None:
        self._asking.pop(key, None)
        if not task.cancelled():
            task.exception()  # marks it as seen: all who waited may have gone
