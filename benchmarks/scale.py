"""How CPU and memory grow with the cluster, without reads; ``--plot FILE.png`` draws it (needs matplotlib)."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import programs, served
from benchmarks.report import Figures, print_report

_ROUNDS = 4
"""Scrapes of every node that are measured, after one that is not."""


async def _measure(nodes: int, options: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="metrics-api-scale-") as folder:
        async with (
            programs.cluster(Path(folder), nodes=nodes, pods=options.pods) as cluster,
            programs.server(cluster, programs.ours(resolution=options.resolution)) as server,
        ):
            start = await served.until_served(cluster, server)
            start_cpu = server.cpu_seconds()
            await asyncio.sleep(options.resolution)
            spent, began = server.cpu_seconds(), time.monotonic()
            await asyncio.sleep(_ROUNDS * options.resolution)
            took = time.monotonic() - began
            spent = server.cpu_seconds() - spent
            resident, peak = server.resident_mib(), server.peak_mib()
    return {
        "nodes": nodes,
        "pods": nodes * options.pods,
        "nodes served after s": start,
        "CPU of start s": start_cpu,
        "share of a core": spent / took,
        "CPU ms/node and scrape": spent * 1000 / (nodes * took / options.resolution),
        "resident MiB": resident,
        "peak MiB": peak,
    }


def _plot(rows: Sequence[Figures], path: str) -> None:
    from matplotlib.figure import Figure  # of the benchmarks' own dependencies

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    cpu, memory = figure.subplots(1, 2)
    nodes = [row["nodes"] for row in rows]
    for axes, column, label in (
        (cpu, "share of a core", "share of a core"),
        (memory, "resident MiB", "resident memory, MiB"),
    ):
        axes.plot(nodes, [row[column] for row in rows], marker="o")
        axes.set(xlabel="nodes, with 30 pods each", ylabel=label, xlim=(0, None), ylim=(0, None))
        axes.grid(visible=True, alpha=0.3)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Measure, print a table, or JSON, and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, nargs="+", default=[100, 300, 1000, 2000, 5000])
    parser.add_argument("--pods", type=int, default=30, help="on each node")
    parser.add_argument("--resolution", type=float, default=15)
    parser.add_argument("--plot", metavar="FILE.png")
    parser.add_argument("--quick", action="store_true", help="20 and 100 nodes")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.quick:
        options.nodes = [20, 100]
    rows = [asyncio.run(_measure(nodes, options)) for nodes in options.nodes]
    print_report("scale", rows, as_json=options.json, resolution=options.resolution)
    if options.plot:
        _plot(rows, options.plot)


if __name__ == "__main__":
    main()
