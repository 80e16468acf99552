"""How long a node may take: as long as the operator says, and longer where its own history shows that it needs it.

A loaded node answers late exactly when its pods' usage matters most. It gets the time, up to two periods, and nobody
else waits for it; a node that does not answer at all does not keep a slot that long for ever.
"""

from __future__ import annotations

_MARGIN = 2.0
"""The deadline is this many times the slowest recent answer."""
_FORGETTING = 0.2
"""How far the slowest recent answer moves towards a quicker one."""
_USED_UP = 0.75
"""A scrape that timed out sooner than this part of its deadline failed to connect: more time would not have helped."""


class Deadline:
    """One node's deadline.

    Args:
        floor: Seconds every node is given (``--kubelet-request-timeout``).
        ceiling: Seconds no node is given more of; the floor where that is higher.
    """

    __slots__ = ("_ceiling", "_floor", "_slowest", "seconds")

    def __init__(self, floor: float, ceiling: float) -> None:
        self._floor = floor
        self._ceiling = max(ceiling, floor)
        self._slowest = 0.0
        self.seconds = floor
        """What the next scrape is given."""

    def answered(self, took: float) -> None:
        """Take note of an answer that took so many seconds."""
        slower = took >= self._slowest
        self._slowest = took if slower else self._slowest + (took - self._slowest) * _FORGETTING
        self.seconds = min(max(self._slowest * _MARGIN, self._floor), self._ceiling)

    def timed_out(self, took: float) -> None:
        """Take note that the time was over after so many seconds.

        The next scrape gets twice the time; after one that had the most there is, it begins again with the least. A
        node that needs the most is found by that, and one that hangs takes less of others' slots.
        """
        if took < self.seconds * _USED_UP:
            return
        self.seconds = self._floor if self.seconds >= self._ceiling else min(self.seconds * 2, self._ceiling)
