"""How complete and how fresh what is served is: counted node by node, so that counting never holds up a read."""

from __future__ import annotations

from collections.abc import Iterable

from metrics_api.store.nodes import Node
from metrics_api.store.pods import Pod
from metrics_api.store.steady import SteadyUsage
from metrics_api.store.view import due

_OLDEST = 600


class RowTally:
    """The rows of one resource, counted so far.

    Args:
        stale_age: Seconds of age from which a row is stale.
    """

    __slots__ = ("_ages", "_stale_age", "expected", "points", "served", "stale")

    def __init__(self, stale_age: float) -> None:
        self._stale_age = stale_age
        self._ages = [0] * (_OLDEST + 1)
        self.expected = 0
        """Objects that should be served."""
        self.served = 0
        """Objects that are."""
        self.stale = 0
        """Those of them whose usage is old."""
        self.points = 0
        """Containers in them; a node has one."""

    def count(self, entry: Node | Pod, *, age: float) -> None:
        """Count one object; ``age`` says nothing when it has no row."""
        self.expected += 1
        if entry.row is not None:
            self.served += 1
            kept = entry.row.kept
            self.points += len(kept.shape.names if isinstance(kept, SteadyUsage) else entry.row.usage.containers)
            self.stale += age > self._stale_age
            self._ages[min(max(int(age), 0), _OLDEST)] += 1

    def age(self, part: float) -> float:
        """Return the age in whole seconds that this part of the rows does not exceed; 0 when there are none."""
        wanted, seen = part * self.served, 0
        for seconds, count in enumerate(self._ages):
            seen += count
            if count and seen >= wanted:
                return float(seconds + 1)
        return 0.0


class Tally:
    """Nodes and pods, counted so far.

    Args:
        stale_age: Seconds of age from which a row is stale.
    """

    __slots__ = ("nodes", "pods")

    def __init__(self, stale_age: float) -> None:
        self.nodes = RowTally(stale_age)
        self.pods = RowTally(stale_age)

    def count(self, node: Node, pods: Iterable[Pod], *, monotonic: float, max_age: float) -> None:
        """Count a node and the pods bound to it."""
        oldest = monotonic + max_age
        self.nodes.count(node, age=oldest - due(node))
        for pod in {id(pod): pod for pod in pods}.values():  # a static pod is bound by several uids
            self.pods.count(pod, age=oldest - due(pod))
