"""What the store costs: CPU for taking in a scrape, memory for keeping and serving it.

Run ``python -m benchmarks.record``. The samples are made as a decoder would make them, with strings of their own for
every scrape, and taken in at once. The time is what nine of ten nodes take more than, because the machine has other
work too; nobody reads it, or (the second figure) everything was read before.
"""

from __future__ import annotations

import argparse
import gc
import random
import sys
import time
import tracemalloc
from functools import cache
from typing import NamedTuple

from benchmarks.report import print_report
from metrics_api.clock import SystemClock
from metrics_api.model import Endpoint, NodeInfo, NodeSamples, PodInfo, PodSample, Sample
from metrics_api.store.store import Store

_CONTAINERS = ("app", "sidecar")
_GIB = 1 << 30


def node_info(number: int) -> NodeInfo:
    """Return a node of 64 cores."""
    name = f"node-{number}"
    return NodeInfo(name, f"uid-{name}", {"kubernetes.io/hostname": name}, cpu_cores=64.0, memory_capacity=256 * _GIB)


def pod_info(node: int, number: int) -> PodInfo:
    """Return a pod of a Deployment with two containers; what equals others' is shared with them, as decoding does."""
    app = f"web-{number % 20}"
    namespace = f"team-{node % 50}"
    return PodInfo(
        namespace=sys.intern(namespace),
        name=f"{app}-7c65d6cfc9-{node:04d}{number:02d}",
        uid=f"0b1f4c1e-6f55-4a3e-{node:04d}-2a1d5c8e{number:04d}",
        labels=_labels(namespace, app),
        node_name=sys.intern(f"node-{node}"),
        required=_CONTAINERS,
    )


@cache
def _labels(namespace: str, app: str) -> dict[str, str]:
    """Return the labels of a Deployment's pods; each Deployment has a mapping of its own."""
    return {"app": app, "pod-template-hash": "7c65d6cfc9", "team": namespace}


def scrape(infos: list[PodInfo], turn: int, now: float, random_: random.Random) -> NodeSamples:
    """Return what a kubelet says of these pods in its n-th scrape, 15 s apart."""
    received = now + 15.0 * turn

    def sample() -> Sample:
        rate = random_.randrange(1_000_000, 400_000_000)
        return Sample(
            time=float(int(received) - random_.randrange(10)),
            cpu_total=10**13 + 15 * turn * 200_000_000 + random_.randrange(200_000_000),
            cpu_rate=rate,
            working_set=4096 * random_.randrange(1000, 400_000),
            start_time=float(int(now) - 86_400),
        )

    pods = [
        PodSample(info.namespace, info.name, "".join(list(info.uid)), {"".join(list(c)): sample() for c in _CONTAINERS})
        for info in infos
    ]
    return NodeSamples(sample(), pods, Endpoint.SUMMARY, 1.0, received, received - 0.05, server_time=received // 1)


class AheadClock(SystemClock):
    """A clock as far ahead as the scrapes are."""

    ahead = 0.0
    """Seconds."""

    def now(self) -> float:
        """Return Unix time."""
        return super().now() + self.ahead

    def monotonic(self) -> float:
        """Return monotonic time."""
        return super().monotonic() + self.ahead


class Costs(NamedTuple):
    """What a pod costs."""

    unread_us: float
    """For a scrape, when nobody reads."""
    read_us: float
    """For a scrape, when everything was read not long ago."""
    own_bytes: float
    """Kept by the store, when nobody reads."""
    whole_bytes: float
    """With what is known of it from the API server."""
    item_bytes: float
    """Kept too, while it is read."""


def measure(nodes: int, pods: int, rounds: int) -> Costs:
    """Return what a pod costs in a store."""
    random_, clock = random.Random(1), AheadClock()
    store = Store(clock, resolution=15.0, max_age=90.0)
    tracemalloc.start()
    node_infos = [node_info(number) for number in range(nodes)]
    infos = [[pod_info(node, number) for number in range(pods)] for node in range(nodes)]
    known = {info.key: info for of_node in infos for info in of_node}  # as whoever watches them keeps them
    of_infos = tracemalloc.get_traced_memory()[0]
    now = clock.now()
    for node, of_node in zip(node_infos, infos, strict=True):
        store.set_node(node)
        for info in of_node:
            store.set_pod(info)
    for turn in range(2):
        clock.ahead = 15.0 * turn
        for node, of_node in zip(node_infos, infos, strict=True):
            store.record(node, scrape(of_node, turn, now, random_))
    rows = store.pods(None)
    gc.collect()
    total = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    if len(rows) != len(known):
        raise RuntimeError(f"{len(rows)} pods are served instead of {len(known)}")

    def take_in(turn: int) -> list[float]:
        taken = []
        clock.ahead = 15.0 * turn
        for node, of_node in zip(node_infos, infos, strict=True):
            samples = scrape(of_node, turn, now, random_)
            start = time.perf_counter()
            store.record(node, samples)
            taken.append((time.perf_counter() - start) / pods * 1e6)
        return taken

    unread = _tenth([each for turn in range(2, 2 + rounds) for each in take_in(turn)])
    item = sum(len(row.item) for row in rows) / len(rows)
    read: list[float] = []
    for turn in range(2 + rounds, 2 + 2 * rounds):
        _ = [row.item for row in rows]
        read += take_in(turn)
    return Costs(unread, _tenth(read), (total - of_infos) / len(rows), total / len(rows), item)


def _tenth(values: list[float]) -> float:
    """Return what nine of ten exceed."""
    return sorted(values)[len(values) // 10]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--pods", type=int, default=30, help="pods on each node, of two containers each")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    costs = measure(options.nodes, options.pods, options.rounds)
    rows = [
        {"a pod": "that nobody reads", "µs to record": costs.unread_us, "bytes kept": round(costs.own_bytes)},
        {
            "a pod": "that is read",
            "µs to record": costs.read_us,
            "bytes kept": round(costs.own_bytes + costs.item_bytes),
        },
        {"a pod": "unread, and what the API server says of it", "bytes kept": round(costs.whole_bytes)},
    ]
    print_report(
        "record",
        rows,
        as_json=options.json,
        nodes=options.nodes,
        pods_per_node=options.pods,
        containers_per_pod=len(_CONTAINERS),
    )


if __name__ == "__main__":
    main()
