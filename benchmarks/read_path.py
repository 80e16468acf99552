"""Latency and rate of every hot request, over TLS with keep-alive and a token, idle and while scraping.

The cluster, the server and the load are processes of their own, fresh ones for each size and mode. "Idle" is a server
that has scraped everything once and rests; "scraping" is one at ``--resolution``, whose simulated kubelets then share
the other core with the load. ``--through`` asks through the stand-in's aggregation layer instead, which bounds the
rate: what counts there is that nothing fails, and what a request costs the server when connections come and go.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import programs, served
from benchmarks.load import load, tool
from benchmarks.programs import Cluster, Server
from benchmarks.report import print_report
from benchmarks.requests import Request, hot_requests

_RESTING = 24 * 3600.0
"""Seconds between scrapes of a server that is to be idle."""
_FEW = 16
"""Whole-cluster lists are asked for on at most so many connections at the largest sizes."""


async def _measure(
    cluster: Cluster, server: Server, request: Request, options: argparse.Namespace, connections: int, mode: str
) -> dict[str, Any]:
    facts = cluster.facts
    headers = {"Authorization": f"Bearer {facts.token}", **request.headers}
    base = facts.api_server if options.through else server.url
    began = server.cpu_seconds()
    result = await load(f"{base}{request.path}", connections=connections, seconds=options.seconds, headers=headers)
    spent = server.cpu_seconds() - began
    return {
        "request": request.name,
        "nodes": facts.nodes,
        "mode": mode,
        "connections": connections,
        "p50 ms": result.p50_ms,
        "p90 ms": result.p90_ms,
        "p99 ms": result.p99_ms,
        "p99.9 ms": result.p999_ms,
        "req/s": round(result.per_second),
        "MB/s": round(result.bytes / result.seconds / 1e6, 1),
        "CPU ms/req": spent * 1000 / max(result.requests, 1),
        "errors": result.errors,
    }


async def _run(options: argparse.Namespace) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for nodes in options.nodes:
        for mode in options.modes:
            resolution = _RESTING if mode == "idle" else options.resolution
            with tempfile.TemporaryDirectory(prefix="metrics-api-reads-") as folder:
                async with (
                    programs.cluster(Path(folder), nodes=nodes, pods=options.pods) as cluster,
                    programs.server(cluster, programs.ours(resolution=resolution)) as server,
                ):
                    # A pod that used nothing yet has no rate before a second scrape, and an idle server makes none.
                    await served.until_served(cluster, server, pods=mode != "idle")
                    if options.through:
                        await cluster.register(server)
                    for request in hot_requests(cluster.facts):
                        for connections in options.connections:
                            if request.is_long and connections > _FEW and nodes > 1000:
                                continue
                            rows.append(await _measure(cluster, server, request, options, connections, mode))
    return rows


def main() -> None:
    """Measure and print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, nargs="+", default=[100, 1000, 5000])
    parser.add_argument("--pods", type=int, default=30, help="on each node")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--modes", choices=("idle", "scraping"), nargs="+", default=["idle", "scraping"])
    parser.add_argument("--seconds", type=float, default=3, help="for each request, number of connections and mode")
    parser.add_argument("--resolution", type=float, default=15)
    parser.add_argument("--through", action="store_true", help="through the aggregation layer")
    parser.add_argument("--quick", action="store_true", help="100 nodes, one second each")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.quick:
        options.nodes, options.connections, options.seconds, options.modes = [100], [1, 16], 1, ["scraping"]
    print_report(
        "read_path", asyncio.run(_run(options)), as_json=options.json, load_tool=tool(), through=options.through
    )


if __name__ == "__main__":
    main()
