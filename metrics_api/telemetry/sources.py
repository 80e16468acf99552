"""Where exposition finds the numbers: the Protocol that the composition root fulfils."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol


class NodesStanding(NamedTuple):
    """The nodes whose scraping stands alike."""

    nodes: int
    most_deadline: float
    """The longest deadline among them, in seconds."""
    most_wait: float
    """The longest wait for the next scrape among them, in seconds."""


class WatchCounts(NamedTuple):
    """One watched resource."""

    known: int
    """Objects as last heard of."""
    restarts: int
    """Watches that ended, so far."""
    relists: int
    """Lists made again, so far."""
    skipped: int
    """Objects that could not be understood, so far."""


class WatcherCounts(NamedTuple):
    """Clients that watch what we serve."""

    open: int
    cut_off: int
    """Those that did not keep up, so far."""


class CacheCounts(NamedTuple):
    """Remembered reviews."""

    size: int
    hits: int
    """Answers given from memory, so far."""
    misses: int
    """Questions put to kube-apiserver, so far."""


class WarmStartCounts(NamedTuple):
    """What other replicas gave when this process started."""

    result: str
    """``whole``: of every node; ``part``: of some; ``cold``: of none."""
    nodes: int
    """Nodes that were given; what was not believed of them is among these."""
    pods: int
    """Pods on them."""
    seconds: float
    """What it took, from when nodes and pods were listed."""


class RowCounts(NamedTuple):
    """The served objects of one resource, counted at one time."""

    expected: int
    """Objects that should be served."""
    served: int
    stale: int
    """Served, but older than a scrape that went well would have left them."""
    ages: Mapping[float, float]
    """Part of the rows (0.5, 0.99, 1) -> seconds that these are old at most."""
    points: int
    """Containers in them; for nodes the nodes themselves."""


class Sources(Protocol):
    """All of it, now. Every method returns at once and gives values of its own: they are read in another thread."""

    def scrape_results(self) -> Mapping[str, int]:
        """Return ``ok`` or the reason of failure -> scrapes."""
        ...

    def dropped_points(self) -> Mapping[str, int]:
        """Return reason -> points of kubelets' documents that were not used."""
        ...

    def nodes_standing(self) -> Mapping[str, NodesStanding]:
        """Return how the scraping stands -> the nodes of which that is so."""
        ...

    def body_bytes(self) -> Mapping[str, int]:
        """Return document -> bytes of kubelets' answers."""
        ...

    def watches(self) -> Mapping[str, WatchCounts]:
        """Return resource -> counts."""
        ...

    def watchers(self) -> WatcherCounts:
        """Return counts of those who watch us."""
        ...

    def review_caches(self) -> Mapping[str, CacheCounts]:
        """Return which -> counts."""
        ...

    def rows(self) -> Mapping[str, RowCounts]:
        """Return resource -> counts, as of the last time they were made."""
        ...

    def skewed_nodes(self) -> int:
        """Return the nodes whose clock is far from ours, as of the last time that rows were counted."""
        ...

    def warm_start(self) -> WarmStartCounts | None:
        """Return how the warm start went; ``None`` before its end, and where it is off."""
        ...

    def certificate_expiries(self) -> Mapping[str, float]:
        """Return which certificate, or bundle of them -> Unix seconds at which the first in it expires."""
        ...
