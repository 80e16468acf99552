"""Nodes that come and go leave nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import tracemalloc
from pathlib import Path

import msgspec
import pytest

from metrics_api.errors import ScrapeError
from metrics_api.kubelet.client import KubeletClient
from metrics_api.kubelet.http1 import Response
from metrics_api.kubelet.options import KubeletOptions
from metrics_api.kubelet.transport import Target
from metrics_api.scraper.scraper import Scraper
from metrics_api.store.store import Store
from metrics_api.telemetry.kubelet_requests import KubeletRequests
from metrics_api.timetext import format_rfc3339
from tests.fakes import FakeClock, settle
from tests.kubelet.fakes import Tokens
from tests.store.builders import MAX_AGE, PERIOD, START, node_info, pod_info

_AT_ONCE = 20
_BY_RESOURCE = 2  # of those at once, whose names end in 7
_GOOD_AT_ONCE = _AT_ONCE - 4  # without those whose names end in 3 and 5
_MOST_LEFT = 64 * 1024
_CACHES = 1 << 20  # texts of windows, of which a few thousand are remembered; 100 bytes for each of the nodes


class _Wire:
    """Stands for the network: each node's kubelet answers with one pod of its own, or as the end of its name says."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.open: set[str] = set()
        """Uids of nodes that have a connection."""

    async def get(self, target: Target, *, deadline: float, authorization: bytes = b"") -> Response:
        name = target.node_name
        self.open.add(target.node_uid)
        if name.endswith("3"):
            raise ScrapeError("timeout", f"nothing came from {name}")
        if name.endswith("5"):
            return Response(500, f"no stats of {name}".encode())
        if b"/metrics/resource" in target.head:
            return Response(200, resource_document(name, self._clock.now()))
        if name.endswith("7"):
            return Response(404, b"404 page not found")
        return Response(200, summary_document(name, self._clock.now()))

    def close(self, node_uid: str) -> None:
        self.open.discard(node_uid)

    def forget(self, node_uid: str) -> None:
        self.close(node_uid)

    async def aclose(self) -> None:
        self.open.clear()


def summary_document(name: str, now: float) -> bytes:
    cpu = {"time": format_rfc3339(now), "usageNanoCores": 7, "usageCoreNanoSeconds": int(now * 1e6)}
    reading = {"cpu": cpu, "memory": {"time": cpu["time"], "workingSetBytes": 4096}}
    pod = {
        "podRef": {"namespace": "shop", "name": f"web-{name}", "uid": f"uid-of-web-{name}"},
        "containers": [{"name": "app", **reading}],
    }
    return msgspec.json.encode({"node": {"nodeName": name, **reading}, "pods": [pod]})


def resource_document(name: str, now: float) -> bytes:
    labels = f'{{container="app",namespace="shop",pod="web-{name}"}}'
    lines = [
        f"container_cpu_usage_seconds_total{labels} {now / 1000}",
        f"container_memory_working_set_bytes{labels} 4096",
    ]
    return "".join(f"{line} {now * 1000:.0f}\n" for line in lines).encode() + b"resource_scrape_error 0\n"


class _Day:
    """A cluster whose nodes are replaced all the time."""

    def __init__(self) -> None:
        self.clock = FakeClock(START)
        self.wire = _Wire(self.clock)
        options = KubeletOptions(address_types=("InternalIP",))
        self.kubelets = KubeletClient(options, Tokens("token"), self.wire, self.clock)
        self.requests = KubeletRequests(self.clock, period=PERIOD)
        self.store = Store(self.clock, resolution=PERIOD, max_age=MAX_AGE)
        self.scraper = Scraper(
            self.kubelets, self.store, self.clock, period=PERIOD, timeout=10.0, observer=self.requests
        )

    async def replace(self, first: int, seconds: float) -> int:
        """Let some nodes come, be scraped and served, and go; return how many pods were served meanwhile."""
        names = [f"n{first + index}" for index in range(_AT_ONCE)]
        for index, name in enumerate(names):
            node = node_info(name, addresses=(("InternalIP", f"10.0.0.{index + 1}"),))
            self.store.set_node(node)
            self.store.set_pod(pod_info(f"web-{name}", node_name=name))
            self.scraper.set_node(node)
        await self.clock.advance(seconds)
        self.store.expire()
        served = self.store.served_pods
        for name in names:
            self.scraper.remove_node(name)
            self.store.remove_node(name)
            self.store.remove_pod(pod_info(f"web-{name}").key)
        await settle(3)
        self.clock.step_wall(-seconds)  # else some caches, bounded, would fill with texts of ever new times
        self.clock.sleeps.clear()  # the fake clock remembers every sleep
        self.clock.forget_cancelled()
        return served

    async def go_by(self, nodes: int, seconds: float) -> tuple[set[int], int, int]:
        """Let so many nodes come and go, each batch within so many seconds.

        Returns:
            How many pods a batch had served; by how many bytes Python's memory grew, and by how many the process's.
        """
        running = asyncio.create_task(self.scraper.run())
        await settle()
        await self.replace(0, seconds)  # what is made once is made now
        await self.replace(_AT_ONCE, seconds)
        tracemalloc.start()
        try:
            gc.collect()
            before, resident = tracemalloc.get_traced_memory()[0], _resident()
            served = {await self.replace(first, seconds) for first in range(2 * _AT_ONCE, nodes, _AT_ONCE)}
            gc.collect()
            grown, resident_grown = tracemalloc.get_traced_memory()[0] - before, _resident() - resident
        finally:
            tracemalloc.stop()
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        return served, grown, resident_grown

    def check_nothing_is_left(self) -> None:
        assert (self.store.served_nodes, self.store.served_pods) == (0, 0)
        assert not self.wire.open
        assert self.kubelets.remembered == 0
        assert not self.requests.nodes
        assert not any(counts.nodes for counts in self.scraper.standings().values())


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Log nothing: pytest keeps every record."""
    caplog.set_level(logging.CRITICAL, logger="metrics_api")


async def test_after_thousands_of_nodes_came_and_went_memory_is_where_it_was() -> None:
    day = _Day()
    served, grown, _ = await day.go_by(1_000, seconds=0)

    assert served == {_GOOD_AT_ONCE - _BY_RESOURCE}
    assert grown < _MOST_LEFT
    day.check_nothing_is_left()


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc to see the process's memory")
async def test_after_a_day_in_which_ten_thousand_nodes_came_and_went_memory_is_where_it_was() -> None:
    """A day in an hour and a half: each node is there for 20 s, long enough for retries and a second scrape."""
    day = _Day()
    served, grown, resident_grown = await day.go_by(10_000, seconds=20)

    assert served == {_GOOD_AT_ONCE}
    assert grown < _CACHES, "a node that is not forgotten takes kilobytes"
    assert resident_grown < 8 << 20
    day.check_nothing_is_left()
