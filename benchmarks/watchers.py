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
import ssl
import subprocess
import sys
import tempfile
import time
from typing import IO

import msgspec

from benchmarks.report import print_report
from benchmarks.watched import NAMESPACE, PODS, Cluster, Spent
from metrics_api.store.changes import Changes

_ELSEWHERE = "team-1"
_PATH = f"/apis/metrics.k8s.io/v1/namespaces/{NAMESPACE}/pods"
_EVENT = b'{"type":'
_AT_ONCE = 50
"""Connections opened at the same time."""


class _Server:
    """The server's process."""

    def __init__(self, directory: str, watchers: int) -> None:
        command = [sys.executable, "-m", "benchmarks.watched", directory, str(watchers)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self._out.readline())

    @property
    def _out(self) -> IO[str]:
        if self._process.stdout is None:
            raise RuntimeError("the server has no standard output")
        return self._process.stdout

    async def order(self, what: str) -> Spent:
        """Have it do something, and return what it has used by then."""
        if self._process.stdin is None:
            raise RuntimeError("the server has no standard input")
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()
        line = await asyncio.to_thread(self._out.readline)
        return msgspec.json.decode(line, type=Spent)

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
            await asyncio.gather(*(client.more(PODS) for client in clients))
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
                    await asyncio.gather(*(client.more(PODS) for client in clients))
                after = await server.order("nothing")
                results[f"event_us_{way}"] = (after.cpu - before.cpu) / (rounds * PODS * watchers) * 1e6
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
        "without watches": Cluster(None),
        "with watches": Cluster(Changes()),
        "watched elsewhere": Cluster(elsewhere),
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
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    watchers, rounds = (100, 3) if options.quick else (options.watchers, options.rounds)
    scraping = [{"a scrape of 30 pods": name, "µs": us} for name, us in _unwatched(rounds).items()]
    results = asyncio.run(_measure(watchers, rounds))
    kib = {key: results[key] / 1024 for key in ("idle_connection_bytes", "watch_bytes", "watch_bytes_in_use")}
    tables = {
        "scrape": scraping,
        "memory": [
            {"of a watcher": "idle connection", "KiB": kib["idle_connection_bytes"]},
            {"of a watcher": "watch on top of it", "KiB": kib["watch_bytes"]},
            {"of a watcher": "the same, in use", "KiB": kib["watch_bytes_in_use"]},
        ],
        "CPU": [
            {"of a watcher": "beginning a watch", "µs": results["beginning_us"]},
            {"of a watcher": "an event, 30 in a piece", "µs": results["event_us_together"]},
            {"of a watcher": "an event by itself", "µs": results["event_us_apart"]},
        ],
    }
    print_report("watchers", tables, as_json=options.json, watchers=watchers, pods=PODS)


if __name__ == "__main__":
    main()
