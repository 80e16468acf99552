"""Many loads at once: what a pod's or a node's cgroup counts, without a call for each container."""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, sin

from metrics_api.localcluster.fleet.load import PAGE_MASK, ContainerLoad, burst_integral


class LoadSum:
    """The sum of loads as they are now; make a new one when one of them restarts or the set changes.

    Containers that have started once are summed in one loop over plain numbers. Before the latest of their starts,
    and for the few that restart, each is asked by itself.

    Args:
        loads: All of one fleet, so that they share the epoch.
    """

    __slots__ = (
        "_bursts",
        "_epoch",
        "_mean",
        "_memory",
        "_middle",
        "_newest",
        "_offset",
        "_others",
        "_steady",
        "_waves",
    )

    def __init__(self, loads: Sequence[ContainerLoad]) -> None:
        self._steady = tuple(load for load in loads if load.has_one_life)
        self._others = tuple(load for load in loads if not load.has_one_life)
        self._epoch = loads[0].epoch if loads else 0.0
        self._newest = max((load.created for load in self._steady), default=0.0)
        self._offset = sum(load.offset for load in self._steady)
        self._mean = sum(load.cpu.mean for load in self._steady)
        self._waves = tuple(load.cpu.waves for load in self._steady if not load.idle)
        self._bursts = tuple(load.cpu.burst for load in self._steady if load.cpu.burst is not None)
        self._middle = sum(load.memory.middle for load in self._steady)
        self._memory = tuple(load.memory.wave for load in self._steady)

    def cpu(self, time: float) -> float:
        """Return core-nanoseconds used by ``time`` in all lives of all of them."""
        used = sum([load.total(time) for load in self._others]) if self._others else 0.0
        if time < self._newest:
            return used + sum([load.total(time) for load in self._steady])
        time -= self._epoch
        used += self._offset + self._mean * time
        for scale1, speed1, phase1, scale2, speed2, phase2 in self._waves:
            used -= scale1 * cos(speed1 * time + phase1) + scale2 * cos(speed2 * time + phase2)
        for burst in self._bursts:
            used += burst_integral(burst, time)
        return used

    def memory(self, time: float) -> int:
        """Return their working sets at ``time`` in bytes, a multiple of the page size."""
        others = sum([load.working_set(time) for load in self._others]) if self._others else 0
        if time < self._newest:
            return others + sum([load.working_set(time) for load in self._steady])
        time -= self._epoch
        held = self._middle
        for swing, speed, phase in self._memory:
            held += swing * sin(speed * time + phase)
        return others + (int(held) & PAGE_MASK)
