"""What nodes suffer from in ``benchmarks.faults``: some hang, drip or flood, and all others fail now and then."""

from __future__ import annotations

from random import Random

from metrics_api.clock import SystemClock
from metrics_api.localcluster.fleet.behaviour import Behaviour, Hang
from metrics_api.localcluster.fleet.hostile import Drip, Flaky, Flood
from metrics_api.localcluster.fleet.kubelet import Counts
from metrics_api.localcluster.fleet.server import Fleet

_HUNG = 3
_FAILING_SHARE = 0.05
_FEWEST_NODES = 2 * (_HUNG + 2)
"""So that half of them are well."""


class Illness:
    """The nodes of a fleet, which fall ill and recover when told."""

    def __init__(self, fleet: Fleet, seed: int) -> None:
        self._fleet = fleet
        self._seed = seed
        self._rng = Random(seed)
        self._failed: dict[str, int] = {}

    def incurable(self) -> dict[str, Behaviour]:
        """Return the nodes that never answer well while there is illness, and how they behave.

        Raises:
            ValueError: the cluster is too small.
        """
        names = self._fleet.node_names
        if len(names) < _FEWEST_NODES:
            raise ValueError(f"{len(names)} nodes are too few: at least {_FEWEST_NODES}")
        chosen = Random(self._seed).sample(names, _HUNG + 2)
        hung: dict[str, Behaviour] = {name: Hang() for name in chosen[:_HUNG]}
        return {**hung, chosen[_HUNG]: Drip(SystemClock()), chosen[_HUNG + 1]: Flood()}

    def spread(self) -> None:
        """Make all ill."""
        incurable = self.incurable()
        for name in self._fleet.node_names:
            self._fleet.behave(name, incurable.get(name) or Flaky(_FAILING_SHARE, self._rng))

    def end(self) -> None:
        """Make all well."""
        for name in self._fleet.node_names:
            self._fleet.behave(name, None)

    def failed_lately(self) -> list[str]:
        """Return the nodes that have answered with an error since this was last asked."""
        before, self._failed = self._failed, {name: _errors(each) for name, each in self._fleet.counts.items()}
        return [name for name, errors in self._failed.items() if errors > before.get(name, 0)]


def _errors(counts: Counts) -> int:
    return sum(count for (_, status), count in counts.answered.items() if status >= 500)
