"""Equal values kept once: thousands of pods share their labels, namespace, node name and container names."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Interned(Generic[K, V]):
    """A bounded table that hands out one value per key.

    Two generations keep it bounded without a list of what was used when: when the young one is full it becomes the
    old one, and what was old and not asked for since is forgotten. What is forgotten stays valid where it is in use;
    only its next twin is a copy.

    Args:
        make: Builds the value of a key that is not in the table; what it raises is not kept.
        size: Entries in one generation; the table never holds more than twice as many.
    """

    def __init__(self, make: Callable[[K], V], *, size: int = 65_536) -> None:
        self._make = make
        self._size = size
        self._young: dict[K, V] = {}
        self._old: dict[K, V] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def __getitem__(self, key: K) -> V:
        value = self._young.get(key)
        if value is None:
            value = self._old.pop(key, None)
            if value is None:
                value = self._make(key)
            if len(self._young) >= self._size:
                self._old, self._young = self._young, {}
            self._young[key] = value
        return value
