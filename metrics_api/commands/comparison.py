"""Two metrics servers' values of the same objects, held against each other.

They ask the kubelets at different moments, so a value of one is compared with that of the other whose timestamp is
nearest, and CPU, which each averages over a window of its own, is judged by its sum.
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median

from metrics_api.commands.columns import columns
from metrics_api.commands.usage import Measured
from metrics_api.doctor.rendering import plain

_MEMORY_TOLERANCE = 0.03
_CPU_TOLERANCE = 0.10
_LEAST_CPU = 100_000_000
"""Nanocores at a look: below a tenth of a core in all, the sums say nothing."""
_KEPT = 8
"""Values of ours that are remembered of each object, to find the one nearest in time."""
_SMALLEST_MEMORY, _SMALLEST_CPU = 1 << 20, 10_000_000
"""Bytes and nanocores: the difference of smaller values is told as a part of these."""
_NAMED = 5
"""How many objects of a kind of trouble are named."""


Values = dict[str, Measured]
"""Object -> its usage."""


def _numbers() -> array[float]:
    return array("f")  # 30,000 pods at twenty looks are no more than a few megabytes


@dataclass(slots=True)
class Sums:
    """Values compared, of CPU or of memory, all together."""

    least: int
    """Differences are parts of their value, but of no less than this."""
    ours: int = 0
    theirs: int = 0
    differences: array[float] = field(default_factory=_numbers)

    def add(self, ours: int, theirs: int) -> None:
        """Take in a pair."""
        self.ours += ours
        self.theirs += theirs
        self.differences.append(abs(ours - theirs) / max(theirs, self.least))

    @property
    def ratio(self) -> float | None:
        """Return the sum of ours over that of theirs; ``None`` when theirs is 0."""
        return self.ours / self.theirs if self.theirs else None


@dataclass(slots=True)
class Comparison:
    """What has been seen of one resource so far.

    Args:
        resource: ``nodes`` or ``pods``.
        reach: Seconds between two timestamps that are still compared.
    """

    resource: str
    reach: float
    looks: int = 0
    ours: dict[str, deque[Measured]] = field(default_factory=lambda: defaultdict(lambda: deque(maxlen=_KEPT)))
    theirs: dict[str, float] = field(default_factory=dict)
    """Object -> the timestamp of theirs that was compared last."""
    only_ours: Counter[str] = field(default_factory=Counter)
    """Object -> looks at which they lacked it."""
    only_theirs: Counter[str] = field(default_factory=Counter)
    """Object -> looks at which we lacked it."""
    lacking: set[str] = field(default_factory=set)
    """What we lacked at the last look."""
    our_ages: array[float] = field(default_factory=_numbers)
    their_ages: array[float] = field(default_factory=_numbers)
    cpu: Sums = field(default_factory=lambda: Sums(_SMALLEST_CPU))
    memory: Sums = field(default_factory=lambda: Sums(_SMALLEST_MEMORY))

    def look(self, now: float, ours: Values, theirs: Values) -> None:
        """Take in what both say at one moment."""
        self.looks += 1
        self.only_ours.update(ours.keys() - theirs.keys())
        self.lacking = theirs.keys() - ours.keys()
        self.only_theirs.update(self.lacking)
        self.our_ages.extend(now - value.time for value in ours.values())
        self.their_ages.extend(now - value.time for value in theirs.values())
        for name, value in ours.items():
            kept = self.ours[name]
            if not kept or kept[-1].time != value.time:
                kept.append(value)
        for name, value in theirs.items():
            if self.theirs.get(name) != value.time and self._pair(name, value):
                self.theirs[name] = value.time

    def _pair(self, name: str, value: Measured) -> bool:
        """Compare a value of theirs with the nearest of ours; ``False`` when there may be a nearer one yet."""
        kept = self.ours.get(name)
        if not kept or kept[-1].time < value.time:
            return False
        nearest = min(kept, key=lambda each: abs(each.time - value.time))
        if abs(nearest.time - value.time) <= self.reach:
            self.cpu.add(nearest.cpu, value.cpu)
            self.memory.add(nearest.memory, value.memory)
        return True

    def faults(self) -> list[str]:
        """Return, a sentence each, what speaks against replacing their server by ours."""
        found = []
        compared = len(self.memory.differences)
        if not compared:
            return [f"no value of {self.resource} could be compared"]
        lacking = [name for name in self.lacking if self.only_theirs[name] > max(self.looks // 10, 1)]
        if lacking:
            found.append(f"{len(lacking)} {self.resource} are served there and not here: {_some(lacking)}")
        memory, cpu = self.memory.ratio, self.cpu.ratio
        if memory is not None and abs(memory - 1) > _MEMORY_TOLERANCE:
            found.append(f"memory of {self.resource} is {memory:.2f} of theirs in all")
        if cpu is not None and abs(cpu - 1) > _CPU_TOLERANCE and self.cpu.theirs >= _LEAST_CPU * self.looks:
            found.append(f"CPU of {self.resource} is {cpu:.2f} of theirs in all")
        return found


def render(comparisons: Sequence[Comparison]) -> str:
    """Return the table of what was seen, and the objects that one server alone has."""
    rows: list[tuple[str, ...]] = [
        ("values compared", *(str(len(each.memory.differences)) for each in comparisons)),
        ("served here alone", *(str(len(each.only_ours)) for each in comparisons)),
        ("served there alone", *(str(len(each.only_theirs)) for each in comparisons)),
        ("age here, median", *(_seconds(each.our_ages) for each in comparisons)),
        ("age there, median", *(_seconds(each.their_ages) for each in comparisons)),
    ]
    for name, sums in (
        ("memory", [each.memory for each in comparisons]),
        ("CPU", [each.cpu for each in comparisons]),
    ):
        rows.append((f"{name}: sum here / there", *(_ratio(each.ratio) for each in sums)))
        rows.append((f"{name}: median difference", *(_part(each.differences) for each in sums)))
    lines = [columns(("", *(each.resource.upper() for each in comparisons)), rows)]
    for each in comparisons:
        for names, where in ((each.only_ours, "here"), (each.only_theirs, "there")):
            if names:
                lines.append(f"{each.resource} served {where} alone, at some look: {_some(names)}")
    return "\n".join(lines)


def _some(names: Iterable[str]) -> str:
    ordered = sorted(names)
    rest = len(ordered) - _NAMED
    return ", ".join(map(plain, ordered[:_NAMED])) + (f" and {rest} more" if rest > 0 else "")


def _seconds(ages: Sequence[float]) -> str:
    return f"{median(ages):.1f} s" if ages else "-"


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _part(differences: Sequence[float]) -> str:
    return f"{median(differences):.1%}" if differences else "-"
