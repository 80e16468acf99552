"""What it costs to be watched: CPU for each event and client, memory for each client, and a scrape nobody watches.

``python -m benchmarks.watchers [--watchers 1000] [--rounds 20] [--quick]``. A server in a process of its own, TLS and
all, is watched by so many clients, each the same namespace of 30 pods. They are first connected and idle, then watch;
the pods are measured anew by one scrape (30 events in a piece), and by 30 (each event by itself). CPU and memory are
the server's. Before that: a scrape of 30 pods without watches, with them, and with watchers elsewhere.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, NamedTuple

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

_PODS = 30
_NAMESPACE, _ELSEWHERE = "team-0", "team-1"
_PATH = f"/apis/metrics.k8s.io/v1/namespaces/{_NAMESPACE}/pods"
_EVENT = b'{"type":'
_PERIOD = 15.0
_AT_ONCE = 50
"""Connections opened at the same time."""


class _Cluster:
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
                _NAMESPACE,
                f"web-7c65d6cfc9-{number:05}",
                f"uid-{number}",
                {"app": "web", "pod-template-hash": "7c65d6cfc9", "tier": "front"},
                "node",
                required=("app", "sidecar"),
            )
            for number in range(_PODS)
        ]
        for pod in self._pods:
            self.store.set_pod(pod)

    def scrape(self, first: int = 0, last: int = _PODS) -> None:
        """Measure some of the pods anew."""
        self.clock.ahead += _PERIOD
        now = self.clock.now()
        one = Sample(float(int(now) - 3), 10**13 + int(now) * 10**8, 123_456_789, 181_190 << 10, 1e9)
        samples = [
            PodSample(pod.namespace, pod.name, pod.uid, {"app": one, "sidecar": one}) for pod in self._pods[first:last]
        ]
        self.store.record(self._node, NodeSamples(None, samples, Endpoint.SUMMARY, 1.0, now, now, server_time=now // 1))


class _Spent(NamedTuple):
    """What the server has used until now."""

    cpu: float
    """Seconds."""
    memory: int
    """Bytes, resident."""


def _spent() -> _Spent:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return _Spent(time.process_time(), pages * os.sysconf("SC_PAGE_SIZE"))


async def _serve(directory: str, watchers: int) -> None:
    """Be the server: do what stdin says, line by line, and say each time on stdout what has been used."""
    changes = Changes()
    cluster = _Cluster(changes)
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
            for number in range(_PODS):
                cluster.scrape(number, number + 1)
                await asyncio.sleep(0)
        print(msgspec.json.encode(_spent()).decode(), flush=True)
    watches.end_all()
    server.stop()
    await serving


class _Server:
    """The server's process."""

    def __init__(self, directory: str, watchers: int) -> None:
        command = [sys.executable, "-m", "benchmarks.watchers", "--serve", directory, "--watchers", str(watchers)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self._out.readline())

    @property
    def _out(self) -> IO[str]:
        if self._process.stdout is None:
            raise RuntimeError("the server has no standard output")
        return self._process.stdout

    async def order(self, what: str) -> _Spent:
        """Have it do something, and return what it has used by then."""
        if self._process.stdin is None:
            raise RuntimeError("the server has no standard input")
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()
        line = await asyncio.to_thread(self._out.readline)
        return msgspec.json.decode(line, type=_Spent)

    def end(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(30)


class _Client(asyncio.Protocol):
    """One connection that counts the events it gets."""

    def __init__(self) -> None:
        self._wanted = 0
        self._seen = 0
        self._rest = b""
        self._enough: asyncio.Future[None] | None = None
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self.transport = transport

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        self._seen += data.count(self._word)
        self._rest = data[len(data) - len(self._word) + 1 :]
        if self._enough is not None and self._seen >= self._wanted and not self._enough.done():
            self._enough.set_result(None)

    _word = b"HTTP/1.1 200"

    def ask(self, path: str) -> None:
        if self.transport is None:
            raise RuntimeError("there is no connection")
        self.transport.write(f"GET {path} HTTP/1.1\r\nhost: x\r\naccept: application/json\r\n\r\n".encode())

    def count(self, word: bytes) -> None:
        """Count these from now on."""
        self._word, self._seen, self._wanted, self._rest = word, 0, 0, b""

    async def more(self, count: int) -> None:
        """Return when so many more have come."""
        self._wanted += count
        if self._seen < self._wanted:
            self._enough = asyncio.get_running_loop().create_future()
            await self._enough


async def _connect(port: int, count: int) -> list[_Client]:
    trust = ssl.create_default_context()
    trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    loop = asyncio.get_running_loop()
    clients: list[_Client] = []
    while len(clients) < count:
        room = min(_AT_ONCE, count - len(clients))
        opened = await asyncio.gather(
            *(loop.create_connection(_Client, "127.0.0.1", port, ssl=trust) for _ in range(room))
        )
        clients += [client for _, client in opened]
    return clients


async def _measure(watchers: int, rounds: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as directory:
        server = _Server(directory, watchers)
        with contextlib.closing(_Ending(server)):
            await server.order("together")
            alone = await server.order("nothing")
            clients = await _connect(server.port, watchers)
            for client in clients:
                client.ask("/livez")
            await asyncio.gather(*(client.more(1) for client in clients))
            idle = await server.order("nothing")
            for client in clients:
                client.count(_EVENT)
                client.ask(f"{_PATH}?watch=true")
            await asyncio.gather(*(client.more(_PODS) for client in clients))
            watching = await server.order("nothing")
            results = {
                "idle_connection_bytes": (idle.memory - alone.memory) / watchers,
                "watch_bytes": (watching.memory - idle.memory) / watchers,
                "beginning_us": (watching.cpu - idle.cpu) / watchers * 1e6,
            }
            after = watching
            for way in ("together", "apart"):
                before = after
                for _ in range(rounds):
                    await server.order(way)
                    await asyncio.gather(*(client.more(_PODS) for client in clients))
                after = await server.order("nothing")
                results[f"event_us_{way}"] = (after.cpu - before.cpu) / (rounds * _PODS * watchers) * 1e6
            results["watch_bytes_in_use"] = (after.memory - idle.memory) / watchers
            return results


class _Ending:
    def __init__(self, server: _Server) -> None:
        self._server = server

    def close(self) -> None:
        self._server.end()


class _Follower:
    """Stands for watchers elsewhere."""

    def changed(self, change: object) -> None:
        raise AssertionError(f"{change} is none of its own")


def _unwatched(rounds: int) -> dict[str, float]:
    """Return the microseconds of CPU of a scrape of 30 pods; the best of several, in turns."""
    elsewhere = Changes()
    elsewhere.follow(_ELSEWHERE, _Follower())
    clusters = {
        "without watches": _Cluster(None),
        "with watches": _Cluster(Changes()),
        "watched elsewhere": _Cluster(elsewhere),
    }
    best = dict.fromkeys(clusters, float("inf"))
    for _ in range(50 * rounds):
        for name, cluster in clusters.items():
            start = time.process_time()
            cluster.scrape()
            best[name] = min(best[name], time.process_time() - start)
    return {name: seconds * 1e6 for name, seconds in best.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--watchers", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--quick", action="store_true", help="100 watchers and 3 rounds")
    parser.add_argument("--serve", metavar="DIRECTORY", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        uvloop.run(_serve(options.serve, options.watchers))
        return
    watchers, rounds = (100, 3) if options.quick else (options.watchers, options.rounds)
    print(f"a scrape of {_PODS} pods, in-process:")
    for name, us in _unwatched(rounds).items():
        print(f"  {name:<20}{us:8.1f} µs")
    results = asyncio.run(_measure(watchers, rounds))
    kib = {key: results[key] / 1024 for key in ("idle_connection_bytes", "watch_bytes", "watch_bytes_in_use")}
    print(f"{watchers} watchers of {_PODS} pods, over TLS:")
    print(f"  idle connection     {kib['idle_connection_bytes']:8.1f} KiB")
    print(f"  watch on top of it  {kib['watch_bytes']:8.1f} KiB; in use {kib['watch_bytes_in_use']:.1f}")
    print(f"  beginning a watch   {results['beginning_us']:8.1f} µs")
    print(f"  event and watcher   {results['event_us_together']:8.2f} µs of 30 in a piece")
    print(f"                      {results['event_us_apart']:8.2f} µs by itself")


if __name__ == "__main__":
    main()
