"""All the way of a number: simulated kubelets on real sockets, the client that asks them, the store that serves it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from metrics_api.kube.decode import node_decoder, pod_decoder
from metrics_api.kubelet.options import EndpointMode
from metrics_api.localcluster.fleet.hostile import Alter
from metrics_api.model import PodKey, Usage
from metrics_api.store.store import Store
from tests.fakes import FakeClock
from tests.faults.harness import BAD, GOOD, Harness, harness
from tests.store.builders import START

PERIOD, MAX_AGE = 15.0, 90.0
Document = dict[str, Any]


class Pipeline:
    """Both nodes and their pods are known from the API server; the first pod of the bad one is the victim."""

    def __init__(self, bench: Harness, ours: FakeClock, theirs: FakeClock) -> None:
        self.fleet, self.client = bench.fleet, bench.client
        self.ours, self.theirs = ours, theirs
        nodes = node_decoder().page(_list(self.fleet.node_objects())).items
        pods = pod_decoder().page(_list(self.fleet.pod_objects())).items
        self.nodes = {node.name: node for node in nodes}
        self.pods = {pod.key: pod for pod in pods}
        self.store = Store(ours, resolution=PERIOD, max_age=MAX_AGE)
        for node in self.nodes.values():
            self.store.set_node(node)
        for pod in self.pods.values():
            self.store.set_pod(pod)
        self.victim = self.pods_of(BAD)[0]
        self.dropped: dict[str, int] = {}
        """By the decoder, in the last scrape of the bad node."""

    def pods_of(self, node_name: str) -> list[PodKey]:
        return [key for key, pod in self.pods.items() if pod.node_name == node_name]

    def pass_time(self, seconds: float) -> None:
        for clock in (self.ours, self.theirs):
            clock.move_to(clock.monotonic() + seconds)
        self.store.expire()

    async def scrape(self, *names: str) -> None:
        """Scrape these nodes, or both, and store what they say."""
        for name in names or (BAD, GOOD):
            samples = await self.client.scrape(self.nodes[name], deadline=5)
            self.store.record(self.nodes[name], samples)
            if name == BAD:
                self.dropped = samples.dropped

    async def scrape_healthily(self, times: int) -> None:
        for _ in range(times):
            await self.scrape()
            self.pass_time(PERIOD)

    def alter(self, change: Callable[[Document], None]) -> None:
        """Let the bad node change something in its Summary."""

        def changed(body: bytes) -> bytes:
            document = json.loads(body)
            change(document)
            return json.dumps(document).encode()

        self.fleet.behave(BAD, Alter(changed))

    def alter_bytes(self, change: Callable[[bytes], bytes]) -> None:
        """Let it change either document."""
        self.fleet.behave(BAD, Alter(change))

    def usage(self, key: PodKey) -> Usage | None:
        row = self.store.pod(*key)
        return None if row is None else row.usage

    def node_usage(self, name: str) -> Usage | None:
        row = self.store.node(name)
        return None if row is None else row.usage

    def served_pods(self) -> dict[PodKey, Usage]:
        return {PodKey(row.namespace, row.name): row.usage for row in self.store.pods(None)}

    def lacks(self) -> dict[str, int]:
        """Return what the store did not use, by reason."""
        return {reason: count for reason, count in self.store.dropped.items() if count}

    def check_sanity(self) -> None:
        """Assert that what is served could be true, whatever a node says."""
        for name in self.nodes:
            usage = self.node_usage(name)
            if usage is not None:
                self._check(name, usage)
        for key, usage in self.served_pods().items():
            self._check(self.pods[key].node_name, usage)
            assert {each.name for each in usage.containers} == set(self.pods[key].required)

    def _check(self, node_name: str, usage: Usage) -> None:
        node = self.nodes[node_name]
        assert node.cpu_cores is not None
        assert node.memory_capacity is not None
        for each in usage.containers:
            assert 0 <= each.cpu <= 1.1e9 * node.cpu_cores
            assert 0 <= each.memory <= 2 * node.memory_capacity
        assert usage.window > 0


def containers_of(document: Document, key: PodKey) -> list[Document]:
    """Return a pod's containers in a Summary."""
    found: list[Document] = pod_in(document, key)["containers"]
    return found


def pod_in(document: Document, key: PodKey) -> Document:
    """Return a pod in a Summary."""
    found: list[Document] = document["pods"]
    return next(
        pod for pod in found if (pod["podRef"]["namespace"], pod["podRef"]["name"]) == (key.namespace, key.name)
    )


def _list(items: Any) -> bytes:
    return json.dumps({"metadata": {}, "items": list(items)}).encode()


@asynccontextmanager
async def pipeline(endpoint: EndpointMode = "summary") -> AsyncIterator[Pipeline]:
    ours, theirs = FakeClock(START), FakeClock(START)
    async with harness(endpoint, clock=ours, fleet_clock=theirs) as bench:
        yield Pipeline(bench, ours, theirs)
