"""How much memory unusually large answers may take together.

The bound on one answer leaves room for the largest node there is. Many nodes that use it to the full at one time would
take gigabytes: so what lies beyond the size of an ordinary answer is shared.
"""

from __future__ import annotations

_MOST = 64 * 1024 * 1024


class Budget:
    """Bytes that may be held at one time.

    Args:
        size: How many.
    """

    __slots__ = ("_left",)

    def __init__(self, size: int = _MOST) -> None:
        self._left = size

    def reserve(self, size: int) -> bool:
        """Take bytes, all or none; tell whether they were there."""
        if size > self._left:
            return False
        self._left -= size
        return True

    def release(self, size: int) -> None:
        """Give bytes back."""
        self._left += size
