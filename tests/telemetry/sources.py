"""Made-up counts, and the text they give."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client.registry import CollectorRegistry

from metrics_api.telemetry.exposition import expose, register
from metrics_api.telemetry.kubelet_requests import KubeletRequests
from metrics_api.telemetry.lag import LoopLag
from metrics_api.telemetry.reads import Reads
from metrics_api.telemetry.sources import (
    CacheCounts,
    NodesStanding,
    RowCounts,
    WarmStartCounts,
    WatchCounts,
    WatcherCounts,
)
from tests.fakes import FakeClock


class FakeSources:
    def scrape_results(self) -> Mapping[str, int]:
        return {"ok": 90, "timeout": 7, "refused": 3}

    def dropped_points(self) -> Mapping[str, int]:
        return {"bad_number": 2}

    def nodes_standing(self) -> Mapping[str, NodesStanding]:
        return {"ok": NodesStanding(9, 10.0, 15.0), "backing_off": NodesStanding(1, 30.0, 60.0)}

    def body_bytes(self) -> Mapping[str, int]:
        return {"summary": 96_000}

    def watches(self) -> Mapping[str, WatchCounts]:
        return {"pods": WatchCounts(300, 2, 1, 0)}

    def watchers(self) -> WatcherCounts:
        return WatcherCounts(12, 3)

    def review_caches(self) -> Mapping[str, CacheCounts]:
        return {"access": CacheCounts(3, 40, 5)}

    def skewed_nodes(self) -> int:
        return 2

    def warm_start(self) -> WarmStartCounts | None:
        return WarmStartCounts("part", 9, 270, 0.8)

    def certificate_expiries(self) -> Mapping[str, float]:
        return {"serving": 2_000_000_000.0}

    def rows(self) -> Mapping[str, RowCounts]:
        return {
            "nodes": RowCounts(10, 9, 0, {0.5: 8.0}, 9),
            "pods": RowCounts(300, 270, 4, {0.5: 8.0, 0.99: 70.0}, 450),
        }


class Exposed:
    """The text of everything, with counts that a test may move before."""

    def __init__(self, *, per_node: bool = True, period: float = 15.0) -> None:
        self.clock = FakeClock()
        self.requests = KubeletRequests(self.clock, period=period, per_node=per_node)
        self.reads = Reads(self.clock)
        self.lag = LoopLag(self.clock)
        self._registry = CollectorRegistry()
        register(self._registry, self.requests, self.reads, self.lag, FakeSources())

    def lines(self, prefix: str = "metrics_") -> list[str]:
        text = expose(self._registry).decode()
        return [
            line
            for line in text.splitlines()
            if line.removeprefix("# HELP ").removeprefix("# TYPE ").startswith(prefix)
        ]
