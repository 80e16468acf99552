"""When a kubelet looked at its cgroups: the moments its answers are about, which are not the moments it was asked.

A kubelet samples each cgroup on a timer of its own, 10 to 20 s apart and up to 30 s when it idles
(cAdvisor's housekeeping with jitter). Here the moments lie on a grid whose points are shifted by a fixed table,
entered at a place of each cgroup's own, so the two latest before any time are computed from the time alone.
"""

from __future__ import annotations

from random import Random
from typing import NamedTuple, Protocol

_ON_DEMAND_WINDOW = 10.0


def _draw_spreads(count: int) -> list[float]:
    rng = Random(count)  # noqa: S311 -- jitter, not a secret
    return [rng.uniform(-1, 1) for _ in range(count)]


_SPREADS = _draw_spreads(1 << 14)
_SPREADS_MASK = len(_SPREADS) - 1


class Cadence(NamedTuple):
    """How often one kind of cgroup is sampled."""

    spacing: float
    """Mean seconds between samples."""
    shift: float
    """How far a sample may lie from its grid point, in seconds; under half the spacing."""


WORKING = Cadence(15.0, 2.5)
"""10 to 20 s."""
IDLE = Cadence(22.5, 3.75)
"""15 to 30 s."""
NODE = Cadence(10.0, 0.1)
"""About 10 s: the eviction manager has the root cgroup refreshed."""


class Instants(NamedTuple):
    """The latest sample and the one before."""

    latest: float
    previous: float | None
    """``None`` when the latest is the first one of this cgroup."""


class Sampling(Protocol):
    """Says which samples of a cgroup a kubelet has."""

    def __call__(self, anchor: float, salt: int, cadence: Cadence, now: float) -> Instants:
        """Return the two latest samples at ``now`` of a cgroup made at ``anchor``; ``salt`` tells cgroups apart."""
        ...


def kubelet_instants(anchor: float, salt: int, cadence: Cadence, now: float) -> Instants:
    """Sample as a kubelet does: at once when the cgroup appears, then by the cadence."""
    spacing, shift = cadence
    index = int((now - anchor + shift) / spacing)
    if index <= 0:
        return Instants(anchor, None)
    latest = anchor + spacing * index + shift * _SPREADS[(salt + index) & _SPREADS_MASK]
    if latest > now:
        index -= 1
        if index == 0:
            return Instants(anchor, None)
        latest = anchor + spacing * index + shift * _SPREADS[(salt + index) & _SPREADS_MASK]
    if index == 1:
        return Instants(latest, anchor)
    return Instants(latest, anchor + spacing * (index - 1) + shift * _SPREADS[(salt + index - 1) & _SPREADS_MASK])


def on_demand_instants(anchor: float, salt: int, cadence: Cadence, now: float) -> Instants:
    """Sample when asked: the values of this moment, and a rate over the last 10 s."""
    del salt, cadence
    previous = max(now - _ON_DEMAND_WINDOW, anchor)
    return Instants(now, previous if previous < now else None)
