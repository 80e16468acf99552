"""What lives as long as the process is kept out of the garbage collector's sight.

A full collection looks at every object that could be part of a cycle: 85,000 after the imports alone, and more for each
node. It runs when the heap has grown by a quarter, and nothing else runs meanwhile. Scraping itself makes no garbage
that the collector would be needed for: what it drops is freed at once, and the values kept of pods are not looked at
(``gc=False``). So the collector is left on, for what libraries drop in cycles, and given little to look at.
"""

from __future__ import annotations

import gc
from collections.abc import Callable

from metrics_api.clock import Clock

_LOOK_PERIOD = 1.0


async def set_heap_aside(
    clock: Clock, is_filled: Callable[[], bool], *, settling: float, freeze: Callable[[], None] = gc.freeze
) -> None:
    """Freeze the heap when the process has become what it will be: twice, and never again.

    Whatever is frozen and becomes garbage in a cycle stays for good. Twice bounds that; every few minutes would not.

    Args:
        clock: Time.
        is_filled: Whether the cluster's objects have been listed.
        settling: Seconds from then until each node has its task, its connection and its rows.
        freeze: Moves all objects out of the collector's sight.
    """
    while not is_filled():
        await clock.sleep(_LOOK_PERIOD)
    freeze()
    await clock.sleep(settling)
    freeze()
