"""How long kubelets took, as metrics-server counts it: by node, and a cycle over all of them."""

from __future__ import annotations

from metrics_api.clock import Clock
from metrics_api.model import NodeInfo
from metrics_api.telemetry.distribution import DEFAULT_BOUNDS, Distribution

_LONG_PERIOD = 10.0


class NodeRequests:
    """One node's requests."""

    __slots__ = ("durations", "last")

    def __init__(self) -> None:
        self.durations = Distribution()
        """Seconds."""
        self.last = 0.0
        """Unix time of the last one's end."""


class KubeletRequests:
    """Is told of every scrape.

    A cycle has no meaning where each node has a rhythm of its own. What stands for one is the longest scrape of each
    period, which is how long a collector that waits for all nodes would have taken.

    Args:
        clock: Time.
        period: Seconds between two scrapes of a node.
        per_node: Whether nodes are counted one by one.
    """

    def __init__(self, clock: Clock, *, period: float, per_node: bool = True) -> None:
        self._clock = clock
        self._period = period
        self._per_node = per_node
        self.nodes: dict[str, NodeRequests] = {}
        """By node name; empty when they are not counted one by one."""
        self.cycles = Distribution(cycle_bounds(period))
        """Durations of cycles in seconds."""
        self._cycle = -1
        self._longest = 0.0

    def scraped(self, node: NodeInfo, took: float, *, ended: float) -> None:
        """Take note of a scrape, good or not.

        Args:
            node: Which was asked.
            took: Seconds.
            ended: Our monotonic clock.
        """
        if self._per_node:
            requests = self.nodes.get(node.name)
            if requests is None:
                requests = self.nodes[node.name] = NodeRequests()
            requests.durations.observe(took)
            requests.last = self._clock.now()
        cycle = int(ended // self._period)
        if cycle != self._cycle:
            if self._cycle >= 0:
                self.cycles.observe(self._longest)
            self._cycle, self._longest = cycle, took
        elif took > self._longest:
            self._longest = took

    def forget(self, node_name: str) -> None:
        """Drop a node that is gone, so that churn leaves no series behind."""
        self.nodes.pop(node_name, None)


def cycle_bounds(period: float) -> tuple[float, ...]:
    """Return metrics-server's bounds for cycles: the usual ones, and four around a period that is longer than these."""
    if period <= _LONG_PERIOD:
        return DEFAULT_BOUNDS
    return (*DEFAULT_BOUNDS, 10 + (period - 10) / 2, period, period * 1.5, period * 2)
