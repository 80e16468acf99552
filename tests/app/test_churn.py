"""Nodes that come and go leave nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import tracemalloc

from metrics_api.model import NodeInfo, NodeSamples
from metrics_api.scraper.scraper import Scraper
from metrics_api.store.store import Store
from metrics_api.telemetry.kubelet_requests import KubeletRequests
from tests.fakes import FakeClock, settle
from tests.store.builders import HandClock, node_info, pod_info, sample, scrape, web

_AT_ONCE = 20
_MOST_LEFT = 64 * 1024


class _Kubelets:
    """Answers for every node with one pod of its own, as long as the node is there."""

    def __init__(self) -> None:
        self.known: set[str] = set()

    async def scrape(self, node: NodeInfo, *, deadline: float) -> NodeSamples:
        self.known.add(node.uid)
        clock = HandClock()
        return scrape(clock, web(clock, f"web-{node.name}"), node=sample(clock.now() - 5, rate=7))

    def forget(self, node_uid: str) -> None:
        self.known.discard(node_uid)


class _Day:
    """A cluster whose nodes are replaced all the time."""

    def __init__(self) -> None:
        self.clock, self.kubelets = FakeClock(HandClock().now()), _Kubelets()
        self.requests = KubeletRequests(self.clock, period=15.0)
        self.store = Store(self.clock, resolution=15.0, max_age=90.0)
        self.scraper = Scraper(self.kubelets, self.store, self.clock, period=15.0, timeout=10.0, observer=self.requests)

    async def replace(self, first: int) -> int:
        """Let some nodes come, be scraped and served, and go; return how many pods were served meanwhile."""
        names = [f"n{first + index}" for index in range(_AT_ONCE)]
        for name in names:
            node = node_info(name)
            self.store.set_node(node)
            self.store.set_pod(pod_info(f"web-{name}", node_name=name))
            self.scraper.set_node(node)
        await settle()
        served = self.store.served_pods
        for name in names:
            self.scraper.remove_node(name)
            self.store.remove_node(name)
            self.store.remove_pod(pod_info(f"web-{name}").key)
        await settle(3)
        return served


async def test_after_thousands_of_nodes_came_and_went_memory_is_where_it_was() -> None:
    day = _Day()
    running = asyncio.create_task(day.scraper.run())
    await settle()
    await day.replace(0)  # what is made once is made now
    tracemalloc.start()
    try:
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        served = [await day.replace(first) for first in range(_AT_ONCE, 2_000, _AT_ONCE)]
        day.clock.sleeps.clear()  # the fake clock remembers every sleep
        day.clock.forget_cancelled()
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running

    assert set(served) == {_AT_ONCE}
    assert after - before < _MOST_LEFT
    assert (day.store.served_nodes, day.store.served_pods) == (0, 0)
    assert not day.kubelets.known
    assert not day.requests.nodes
    assert not any(counts.nodes for counts in day.scraper.standings().values())
