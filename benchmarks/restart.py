"""What a replica that starts serves once it is ready: alone, and beside one that runs (a warm start).

Run ``python -m benchmarks.restart``. The cluster, the replica that runs and the one that starts are processes of their
own. The one that starts is asked for its readiness every 20 ms, and from then on for all nodes and pods, until none is
lacking.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import httpx

from benchmarks import programs, served
from benchmarks.programs import Cluster, Server
from benchmarks.report import by_figure, print_report

_LOOK_EVERY = 0.02


async def _run(options: argparse.Namespace) -> dict[str, dict[str, float]]:
    with tempfile.TemporaryDirectory(prefix="metrics-api-restart-") as name:
        folder = Path(name)
        key = folder / "peers.key"
        key.write_text("k" * 64)
        async with programs.cluster(folder, nodes=options.nodes, pods=options.pods) as cluster:
            command = [*programs.ours(), f"--peer-key-file={key}"]
            async with programs.server(cluster, command, name="running") as running:
                await served.until_served(cluster, running)
                warm = await _start(cluster, [*command, f"--peer-service=127.0.0.1:{running.port}"], "warm")
            return {"alone": await _start(cluster, programs.ours(), "alone"), "beside another": warm}


async def _start(cluster: Cluster, command: Sequence[str], name: str) -> dict[str, float]:
    async with (
        programs.server(cluster, command, name=name) as server,
        served.reader(cluster.facts, server.url) as client,
    ):
        await _until_ready(client, server)
        ready, cpu = time.monotonic(), server.cpu_seconds()
        rows = first = await _rows(client)
        seen = time.monotonic()
        expected = cluster.facts.nodes + cluster.facts.pods
        while rows < expected:
            await asyncio.sleep(_LOOK_EVERY)
            rows, seen = await _rows(client), time.monotonic()
        return {
            "until ready, seconds": ready - server.began,
            "CPU until ready, seconds": cpu,
            "rows of the first lists, %": 100 * first / expected,
            "from ready until every row was read, seconds": seen - ready,
        }


async def _rows(client: httpx.AsyncClient) -> int:
    return sum([await served.count(client, resource) for resource in ("nodes", "pods")])


async def _until_ready(client: httpx.AsyncClient, server: Server) -> None:
    while server.process.returncode is None:
        with contextlib.suppress(httpx.TransportError):
            if (await client.get("/readyz")).status_code == httpx.codes.OK:
                return
        await asyncio.sleep(_LOOK_EVERY)
    raise RuntimeError(f"{server.name} has ended")


def main() -> None:
    """Measure both; print a table, or JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--pods", type=int, default=30, help="pods on each node")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = by_figure(asyncio.run(_run(options)))
    print_report("restart", rows, as_json=options.json, nodes=options.nodes, pods_per_node=options.pods)


if __name__ == "__main__":
    main()
