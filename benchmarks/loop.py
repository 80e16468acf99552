"""The event loop's lag, and the garbage collector's pauses, of a large cluster: while starting, scraping, and read.

The server is ours with instruments in it. The last phase asks without a pause for one pod, and every two seconds for
all pods, whose answer is the longest work there is.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import programs, served
from benchmarks.load import load
from benchmarks.programs import Cluster, Server
from benchmarks.report import print_report, quantile
from benchmarks.served import GROUP

_LIST_EVERY = 2.0


async def _phases(cluster: Cluster, server: Server, options: argparse.Namespace) -> dict[str, tuple[float, float]]:
    """Go through the phases; return when each began and ended, in seconds since the server's start."""

    def now() -> float:
        return time.monotonic() - server.began

    await served.until_served(cluster, server)
    ends = {"start": (0.0, now())}
    await asyncio.sleep(2 * options.resolution)
    began = now()
    await asyncio.sleep(options.seconds)
    ends["scraping"] = (began, now())
    began = now()
    async with asyncio.TaskGroup() as group:
        group.create_task(_ask_for_all(cluster, server, options.seconds))
        path, token = f"{GROUP}/namespaces/{cluster.facts.namespace}/pods/{cluster.facts.pod}", cluster.facts.token
        headers = {"Authorization": f"Bearer {token}"}
        reads = group.create_task(load(f"{server.url}{path}", connections=1, seconds=options.seconds, headers=headers))
    ends["scraping and read"] = (began, now())
    print(f"one pod, meanwhile: p50 {reads.result().p50_ms:.3f} ms, p99 {reads.result().p99_ms:.3f} ms")
    return ends


async def _ask_for_all(cluster: Cluster, server: Server, seconds: float) -> None:
    end = time.monotonic() + seconds
    async with served.reader(cluster.facts, server.url) as client:
        while time.monotonic() < end:
            await client.get(f"{GROUP}/pods")
            await asyncio.sleep(_LIST_EVERY)


async def _run(options: argparse.Namespace) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="metrics-api-loop-") as folder:
        seen = Path(folder) / "seen.json"
        command = programs.ours(resolution=options.resolution, program=("-m", "benchmarks.instrumented", str(seen)))
        async with programs.cluster(Path(folder), nodes=options.nodes, pods=options.pods) as cluster:
            async with programs.server(cluster, command) as server:
                phases = await _phases(cluster, server, options)
            said = json.loads(seen.read_text())
    return [_row(name, *phase, said) for name, phase in phases.items()]


def _row(name: str, began: float, ended: float, said: dict[str, Any]) -> dict[str, Any]:
    lags = [lag for when, lag in said["lags"] if began <= when < ended] or [0.0]
    pauses = [pause for when, _, pause in said["pauses"] if began <= when < ended] or [0.0]
    full = [pause for when, generation, pause in said["pauses"] if began <= when < ended and generation == 2]
    return {
        "phase": name,
        "seconds": ended - began,
        "lag p50 ms": quantile(lags, 0.5),
        "lag p99 ms": quantile(lags, 0.99),
        "lag p99.9 ms": quantile(lags, 0.999),
        "lag worst ms": max(lags),
        "GC pauses": len(pauses),
        "GC worst ms": max(pauses),
        "full GCs": len(full),
        "GC share %": sum(pauses) / (ended - began) / 10,
    }


def main() -> None:
    """Measure and print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=5000)
    parser.add_argument("--pods", type=int, default=30, help="on each node")
    parser.add_argument("--resolution", type=float, default=15)
    parser.add_argument("--seconds", type=float, default=60, help="for each phase")
    parser.add_argument("--quick", action="store_true", help="100 nodes, 15 s each")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.quick:
        options.nodes, options.seconds = 100, 15
    print_report("loop", asyncio.run(_run(options)), as_json=options.json, nodes=options.nodes, pods=options.pods)


if __name__ == "__main__":
    main()
