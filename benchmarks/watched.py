"""The server of ``benchmarks.watchers``, a process of its own: ``python -m benchmarks.watched DIRECTORY WATCHERS``."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import NamedTuple

import msgspec
import uvloop

from benchmarks.record import AheadClock
from metrics_api.api.app import build_api
from metrics_api.api.overload import answer_shutting_down, answer_timeout
from metrics_api.api.probes import PING, Probes
from metrics_api.api.watch.watches import Watches
from metrics_api.app.long_requests import LongRequests
from metrics_api.model import Endpoint, NodeInfo, NodeSamples, PodInfo, PodSample, Sample
from metrics_api.serving.certificates import find_pair
from metrics_api.serving.deadlines import Deadlines
from metrics_api.serving.front import Answers, Front
from metrics_api.serving.inflight import InFlight
from metrics_api.serving.keeper import TlsKeeper
from metrics_api.serving.limits import Limits
from metrics_api.serving.listen import open_listener
from metrics_api.serving.server import HttpsServer
from metrics_api.store.changes import Changes
from metrics_api.store.store import Store

PODS = 30
NAMESPACE = "team-0"
_PERIOD = 15.0


class Cluster:
    """A store with a node, and on it 30 pods of one namespace.

    Args:
        changes: ``None`` for a store without watches.
    """

    def __init__(self, changes: Changes | None) -> None:
        self.clock = AheadClock()
        self.store = Store(self.clock, resolution=_PERIOD, max_age=90.0, changes=changes)
        self._node = NodeInfo("node", "uid", {}, cpu_cores=64.0, memory_capacity=256 << 30)
        self.store.set_node(self._node)
        self._pods = [
            PodInfo(
                NAMESPACE,
                f"web-7c65d6cfc9-{number:05}",
                f"uid-{number}",
                {"app": "web", "pod-template-hash": "7c65d6cfc9", "tier": "front"},
                "node",
                required=("app", "sidecar"),
            )
            for number in range(PODS)
        ]
        for pod in self._pods:
            self.store.set_pod(pod)

    def scrape(self, first: int = 0, last: int = PODS) -> None:
        """Measure some of the pods anew."""
        self.clock.ahead += _PERIOD
        now = self.clock.now()
        one = Sample(float(int(now) - 3), 10**13 + int(now) * 10**8, 123_456_789, 181_190 << 10, 1e9)
        samples = [
            PodSample(pod.namespace, pod.name, pod.uid, {"app": one, "sidecar": one}) for pod in self._pods[first:last]
        ]
        self.store.record(self._node, NodeSamples(None, samples, Endpoint.SUMMARY, 1.0, now, now, server_time=now // 1))


class Spent(NamedTuple):
    """What the server has used until now."""

    cpu: float
    """Seconds."""
    memory: int
    """Bytes, resident."""


def _spent() -> Spent:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return Spent(time.process_time(), pages * os.sysconf("SC_PAGE_SIZE"))


async def _serve(directory: str, watchers: int) -> None:
    """Be the server: do what stdin says, line by line, and say each time on stdout what has been used."""
    changes = Changes()
    cluster = Cluster(changes)
    deadlines, in_flight = Deadlines(cluster.clock, 60.0), InFlight(400)
    long = LongRequests(deadlines, in_flight)
    watches = Watches(changes, cluster.store.rows, cluster.clock, most=watchers, requests=long)
    api = build_api(
        cluster.store, Probes((PING,), (PING,), (PING,)), version="0.0.0", clock=cluster.clock, watches=watches
    )
    front = Front(api, Answers(answer_timeout, answer_shutting_down), deadlines=deadlines, in_flight=in_flight)
    keeper = TlsKeeper(find_pair("", "", directory, "127.0.0.1"))
    limits = Limits(guests=watchers + 10)
    server = HttpsServer(front, open_listener("127.0.0.1", 0), keeper.context, drain=60, limits=limits)
    serving = asyncio.create_task(server.run())
    print(server.port, flush=True)
    loop = asyncio.get_running_loop()
    while order := (await loop.run_in_executor(None, sys.stdin.readline)).strip():
        if order == "together":
            cluster.scrape()
        elif order == "apart":
            for number in range(PODS):
                cluster.scrape(number, number + 1)
                await asyncio.sleep(0)
        print(msgspec.json.encode(_spent()).decode(), flush=True)
    watches.end_all()
    server.stop()
    await serving


if __name__ == "__main__":
    uvloop.run(_serve(sys.argv[1], int(sys.argv[2])))
