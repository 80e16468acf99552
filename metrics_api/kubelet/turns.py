"""One after the other: what took a while to come is worked on by one task in each round of the event loop.

Nodes are asked in groups, so answers come together. Decoding and storing one takes up to a millisecond; a reader whose
request comes in between waits for one of them, and not for the group.
"""

from __future__ import annotations

import asyncio
from collections import deque


class Turns:
    """Lets one task go on in each round of the event loop, in the order in which they came."""

    __slots__ = ("_taken", "_waiting")

    def __init__(self) -> None:
        self._taken = False
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def take(self) -> None:
        """Return when it is the caller's turn: at once, unless somebody had one in this round."""
        loop = asyncio.get_running_loop()
        if not self._taken:
            self._taken = True
            loop.call_soon(self._pass_on)
            return
        mine = loop.create_future()
        self._waiting.append(mine)
        await mine

    def _pass_on(self) -> None:
        while self._waiting:
            following = self._waiting.popleft()
            if not following.done():  # else it was given up
                following.set_result(None)
                asyncio.get_running_loop().call_soon(self._pass_on)
                return
        self._taken = False
