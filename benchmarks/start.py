"""From exec to service: when probes answer, when every node is served, and how that goes at a tenth of a core.

The tenth of a core is a duty cycle of signals: 10 ms of running, 90 ms of standing still, which is what a CPU limit of
100m amounts to.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import tempfile
import time
from asyncio.subprocess import Process
from pathlib import Path

import httpx

from benchmarks import programs, served
from benchmarks.programs import Cluster, Server
from benchmarks.report import print_report

_ON, _OFF = 0.010, 0.090
_LOOK_EVERY = 0.01


async def _run(options: argparse.Namespace) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="metrics-api-start-") as folder:
        async with programs.cluster(Path(folder), nodes=options.nodes, pods=options.pods) as cluster:
            return {**await _whole_core(cluster), **await _tenth_of_a_core(cluster, options.seconds)}


async def _whole_core(cluster: Cluster) -> dict[str, float]:
    command = programs.ours()
    async with programs.server(cluster, command) as server, served.reader(cluster.facts, server.url) as client:
        live = await _live(client, server)
        nodes = await served.until_served(cluster, server, pods=False)
    return {"until livez": live, "until every node is served": nodes}


async def _tenth_of_a_core(cluster: Cluster, seconds: float) -> dict[str, float]:
    command = programs.ours()
    async with programs.server(cluster, command) as server, served.reader(cluster.facts, server.url) as client:
        throttling = asyncio.create_task(_throttle(server.process))
        live = await _live(client, server)
        slowest, end = 0.0, time.monotonic() + seconds
        while time.monotonic() < end:
            asked = time.monotonic()
            await client.get("/livez")
            slowest = max(slowest, time.monotonic() - asked)
            await asyncio.sleep(0.1)
        throttling.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await throttling
        server.process.send_signal(signal.SIGCONT)
    return {"at 0.1 core: until livez": live, "at 0.1 core: slowest livez after that": slowest}


async def _live(client: httpx.AsyncClient, server: Server) -> float:
    while True:
        with contextlib.suppress(httpx.TransportError):
            if (await client.get("/livez")).status_code == httpx.codes.OK:
                return time.monotonic() - server.began
        await asyncio.sleep(_LOOK_EVERY)


async def _throttle(process: Process) -> None:
    while process.returncode is None:
        process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(_OFF)
        process.send_signal(signal.SIGCONT)
        await asyncio.sleep(_ON)


def main() -> None:
    """Measure both; print a table, or JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--nodes", type=int, default=100)
    parser.add_argument("--pods", type=int, default=30, help="pods on each node")
    parser.add_argument("--seconds", type=float, default=20, help="how long probes are watched at a tenth of a core")
    parser.add_argument("--quick", action="store_true", help="20 nodes, five seconds")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.quick:
        options.nodes, options.seconds = 20, 5
    rows = [{"figure": name, "seconds": value} for name, value in asyncio.run(_run(options)).items()]
    print_report("start", rows, as_json=options.json, nodes=options.nodes, pods_per_node=options.pods)


if __name__ == "__main__":
    main()
