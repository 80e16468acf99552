"""Our server and a metrics-server binary on the same cluster, in turns within one run: what ratios are quoted from.

``METRICS_SERVER_BIN=/path/to/metrics-server python -m benchmarks.compare``. Build the binary from the sources of
kubernetes-sigs/metrics-server v0.9 (``make metrics-server``), or take it out of that release's image. Without it our
server runs alone, and no ratio is printed.

Each turn starts the server anew and measures: time until every node is served, CPU per node and scrape without reads,
resident memory before and after the reads, the age of what is served, and the hot requests.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import programs, served
from benchmarks.load import load, tool
from benchmarks.programs import Cluster, Server
from benchmarks.report import print_report, quantile
from benchmarks.requests import hot_requests

VARIABLE = "METRICS_SERVER_BIN"
_OURS, _THEIRS = "metrics-api", "metrics-server"


async def _turn(cluster: Cluster, server: Server, options: argparse.Namespace) -> dict[str, float]:
    """Return every figure of one server, by name."""
    facts = cluster.facts
    figures = {"start until every node is served, s": await served.until_served(cluster, server, pods=False)}
    await asyncio.sleep(2 * options.resolution)  # pods that the incumbent leaves out are not waited for
    figures["resident, fresh, MiB"] = server.resident_mib()
    spent, began = server.cpu_seconds(), time.monotonic()
    await asyncio.sleep(options.seconds)
    scrapes = facts.nodes * (time.monotonic() - began) / options.resolution
    figures["CPU per node and scrape, ms"] = (server.cpu_seconds() - spent) * 1000 / scrapes
    async with served.reader(facts, server.url) as client:
        ages = await served.node_ages(client, options.seconds)
    figures["age p50, s"], figures["age p99, s"] = quantile(ages, 0.5), quantile(ages, 0.99)
    for request in hot_requests(facts):
        for connections in options.connections:
            headers = {"Authorization": f"Bearer {facts.token}", **request.headers}
            url = f"{server.url}{request.path}"
            result = await load(url, connections=connections, seconds=options.read_seconds, headers=headers)
            name = f"{request.name}, {connections} conn., "
            figures[f"{name}p50 ms"], figures[f"{name}p99 ms"] = result.p50_ms, result.p99_ms
            figures[f"{name}s per 1,000"] = 1000 / max(result.per_second, 1e-9)
    figures["resident, in use, MiB"] = server.resident_mib()
    return figures


async def _run(options: argparse.Namespace, theirs: str | None) -> dict[str, list[dict[str, float]]]:
    commands = {_OURS: programs.ours(resolution=options.resolution)}
    if theirs is not None:
        commands[_THEIRS] = programs.incumbent(theirs, resolution=options.resolution)
    turns: dict[str, list[dict[str, float]]] = {name: [] for name in commands}
    with tempfile.TemporaryDirectory(prefix="metrics-api-compare-") as folder:
        async with programs.cluster(Path(folder), nodes=options.nodes, pods=options.pods) as cluster:
            for _ in range(options.rounds):
                for name, command in commands.items():
                    async with programs.server(cluster, command, name=name) as server:
                        turns[name].append(await _turn(cluster, server, options))
    return turns


def _rows(turns: dict[str, list[dict[str, float]]]) -> list[dict[str, Any]]:
    """Return medians over the turns, and ours as a share of theirs: below 1 is better throughout."""
    rows = []
    for figure in turns[_OURS][0]:
        row: dict[str, Any] = {"figure": figure}
        for name, figures in turns.items():
            row[name] = median(each[figure] for each in figures)
        if _THEIRS in row:
            row["ratio"] = row[_OURS] / row[_THEIRS] if row[_THEIRS] else None
        rows.append(row)
    return rows


def main() -> None:
    """Measure and print a table, or JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--pods", type=int, default=30, help="on each node")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each server")
    parser.add_argument("--resolution", type=float, default=15)
    parser.add_argument(
        "--seconds", type=float, default=60, help="of scraping without reads, and again of looks at ages"
    )
    parser.add_argument("--read-seconds", type=float, default=3, help="for each request and number of connections")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--quick", action="store_true", help="50 nodes, one round")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.quick:
        options.nodes, options.rounds, options.seconds, options.read_seconds = 50, 1, 15, 1
    theirs = os.environ.get(VARIABLE)
    if theirs is None:
        print(f"{VARIABLE} names no metrics-server; ours runs alone. How to get one: --help", file=sys.stderr)
    elif shutil.which(theirs) is None:
        sys.exit(f"{VARIABLE}={theirs!r} is no program")
    turns = asyncio.run(_run(options, theirs))
    print_report(
        "compare", _rows(turns), as_json=options.json, load_tool=tool(), nodes=options.nodes, pods=options.pods
    )


if __name__ == "__main__":
    main()
