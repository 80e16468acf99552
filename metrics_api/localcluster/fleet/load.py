"""What a container uses, as a function of time: smooth, seeded, and with an integral in closed form.

The cumulative counter at any moment is computed from the moment alone, exactly and at a fixed cost. So thousands of
containers need no background work, and a test can compare what was served with what was true.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from math import cos, floor, sin, tau
from random import Random

PAGE_MASK = ~4095
MIB = 1 << 20


class CpuCurve:
    """CPU usage in nanocores: a mean, two waves around it, and bursts of a fixed height at a fixed period.

    Args:
        mean: Nanocores without the bursts; 0 is a container that never runs.
        waves: Two of (amplitude as a part of the mean, period in seconds, phase in radians). The amplitudes together
            stay below 1, so usage is never negative.
        burst: (height in nanocores, length in seconds, period in seconds, offset in seconds); ``None`` for none.
    """

    __slots__ = ("burst", "mean", "waves")

    def __init__(
        self,
        mean: float,
        waves: tuple[tuple[float, float, float], tuple[float, float, float]],
        burst: tuple[float, float, float, float] | None,
    ) -> None:
        self.mean = mean
        (part1, period1, phase1), (part2, period2, phase2) = waves
        speed1, speed2 = tau / period1, tau / period2
        self.waves = (mean * part1 / speed1, speed1, phase1, mean * part2 / speed2, speed2, phase2)
        """(Scale of the integral, radians per second, phase) twice."""
        self.burst = burst

    def integral(self, time: float) -> float:
        """Return an antiderivative at ``time`` in core-nanoseconds; only differences of it mean anything."""
        scale1, speed1, phase1, scale2, speed2, phase2 = self.waves
        smooth = self.mean * time - scale1 * cos(speed1 * time + phase1) - scale2 * cos(speed2 * time + phase2)
        return smooth if self.burst is None else smooth + burst_integral(self.burst, time)

    @property
    def peak(self) -> float:
        """An upper bound of the usage in nanocores."""
        return 2 * self.mean + (self.burst[0] if self.burst else 0.0)


def burst_integral(burst: tuple[float, float, float, float], time: float) -> float:
    """Return an antiderivative of the bursts at ``time`` in core-nanoseconds."""
    height, length, every, offset = burst
    shifted = time + offset
    bursts = shifted // every
    into = shifted - bursts * every
    return height * (bursts * length + (into if into < length else length))


IDLE = CpuCurve(0.0, ((0.0, 60.0, 0.0), (0.0, 60.0, 0.0)), None)
"""Uses nothing after it has started: its counter stands exactly still."""


def draw_cpu_curve(rng: Random, mean: float) -> CpuCurve:
    """Return a curve around ``mean`` nanocores that moves within minutes; every third one has bursts."""
    draw = rng.random  # uniform() written out: it is called often, and costs three times as much
    waves = (
        (0.1 + 0.35 * draw(), 90 + 310 * draw(), tau * draw()),
        (0.05 + 0.3 * draw(), 25 + 65 * draw(), tau * draw()),
    )
    if draw() >= 1 / 3:
        return CpuCurve(mean, waves, None)
    every = 60 + 540 * draw()
    return CpuCurve(mean, waves, (mean * (1 + 3 * draw()), 3 + 22 * draw(), every, every * draw()))


class MemoryCurve:
    """A working set that swings slowly around a middle.

    Args:
        middle: Bytes.
        swing: The amplitude as a part of the middle, below 1.
        period: Seconds.
        phase: Radians.
    """

    __slots__ = ("middle", "wave")

    def __init__(self, middle: float, swing: float, period: float, phase: float) -> None:
        self.middle = middle
        self.wave = (middle * swing, tau / period, phase)
        """Amplitude in bytes, radians per second, phase."""

    def at(self, time: float) -> int:
        """Return bytes, a multiple of the page size."""
        swing, speed, phase = self.wave
        return int(self.middle + swing * sin(speed * time + phase)) & PAGE_MASK

    @property
    def peak(self) -> int:
        """An upper bound in bytes."""
        return int(self.middle + self.wave[0]) + 1


def draw_memory_curve(rng: Random, middle: float) -> MemoryCurve:
    """Return a curve around ``middle`` bytes."""
    draw = rng.random
    return MemoryCurve(middle, 0.02 + 0.18 * draw(), 600 + 4800 * draw(), tau * draw())


class ContainerLoad:
    """One container's usage over all its lives. A restart begins a new life, whose counter starts again.

    Times are seconds since the Unix epoch. The load goes on across a restart; only the counter does not.

    Args:
        cpu: Usage over time, measured from ``epoch``.
        memory: Working set over time, measured from ``epoch``.
        startup: Core-nanoseconds that every start costs at once. A real container's counter is never 0 either.
        started: When its first life began.
        epoch: Where the curves have their zero.
        restart_every: Seconds between restarts that come by themselves; ``None`` for none.
    """

    __slots__ = ("_before", "_every", "_life", "_starts", "_startup", "cpu", "epoch", "memory")

    def __init__(
        self,
        cpu: CpuCurve,
        memory: MemoryCurve,
        *,
        startup: int,
        started: float,
        epoch: float,
        restart_every: float | None = None,
    ) -> None:
        self.cpu = cpu
        self.memory = memory
        self._startup = startup
        self.epoch = epoch
        self._every = restart_every
        self._starts: Sequence[float] = (started,)
        self._before = cpu.integral(started - epoch)
        self._life = (started, self._before)  # the integral at the start of the life that was last asked about

    @property
    def idle(self) -> bool:
        """Whether it uses no CPU at all."""
        return self.cpu is IDLE

    @property
    def created(self) -> float:
        """When its first life began."""
        return self._starts[0]

    @property
    def has_one_life(self) -> bool:
        """Whether it has never restarted and will not by itself."""
        return self._every is None and len(self._starts) == 1

    @property
    def offset(self) -> float:
        """What ``total`` adds to the integral of ``cpu`` as long as there is one life."""
        return self._startup - self._before

    def restart(self, time: float) -> None:
        """Begin a new life at ``time``, which must not lie before an earlier start."""
        if time < self._starts[-1]:
            raise ValueError(f"a restart at {time} would lie before the start at {self._starts[-1]}")
        self._starts = (*self._starts, time)

    def life_start(self, time: float) -> float:
        """Return when the life that runs at ``time`` began."""
        starts = self._starts
        start = starts[-1] if time >= starts[-1] else starts[max(bisect_right(starts, time) - 1, 0)]
        if self._every is None or time < start:
            return start
        return start + (time - start) // self._every * self._every

    def lives(self, time: float) -> int:
        """Return how many lives had begun by ``time``."""
        starts = self._starts
        begun = bisect_right(starts, time)
        if self._every is None or not begun:
            return begun
        ends = (*starts[1:begun], time)
        return sum(1 + floor((end - start) / self._every) for start, end in zip(starts[:begun], ends, strict=True))

    def counter(self, time: float, life_start: float) -> float:
        """Return core-nanoseconds used by ``time`` in the life that began at ``life_start``."""
        known, before = self._life
        if known != life_start:
            before = self.cpu.integral(life_start - self.epoch)
            self._life = (life_start, before)
        return self._startup + (self.cpu.integral(time - self.epoch) - before)

    def total(self, time: float) -> float:
        """Return core-nanoseconds used by ``time`` in all lives together; 0 before the first one."""
        starts = self._starts
        if time < starts[0]:
            return 0.0
        begun = 1 if self.has_one_life else self.lives(time)
        return self._startup * begun + (self.cpu.integral(time - self.epoch) - self._before)

    def working_set(self, time: float) -> int:
        """Return bytes; 0 before the first life."""
        return self.memory.at(time - self.epoch) if time >= self._starts[0] else 0
