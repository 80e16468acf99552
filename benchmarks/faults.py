"""What bad nodes do to the others: rows missing, age, memory and CPU, beside healthy runs in the same invocation.

5 % of all answers are a 500, three nodes hang, one drips, one floods. The stand-in cluster is a process of its own, and
so is the server, a fresh one for each run; this process only reads. Healthy and faulty runs alternate, and what is
compared is the median of each. Ends with 1 when a bound is passed. On a quiet machine:
``python -m benchmarks.faults --nodes 1000 --rounds 3``.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from benchmarks import programs, served
from benchmarks.fault_bounds import compared, median_of, passed_bounds
from benchmarks.programs import Cluster, Inventory
from benchmarks.report import print_report, quantile
from metrics_api.timetext import parse_rfc3339

_SETTLING = 3  # periods: a phase of every node, and a failure's first retries
_LOOK = 1.0
_LOOKS_PER_POD_LIST = 10


@dataclass(slots=True)
class Run:
    """What one run gave."""

    name: str
    looks: int = 0
    missing_nodes: int = 0
    """Rows of good nodes that were missing, summed over all looks."""
    pod_looks: int = 0
    missing_pods: int = 0
    missing_failed: int = 0
    """Rows missing of good nodes that answered 500 shortly before the look: a part of ``missing_nodes``."""
    failed: int = 0
    """Rows of such nodes looked for."""
    ages: list[float] = field(default_factory=list)
    """Of good nodes' rows, at every look."""
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0
    resident_mib: float = 0.0
    peak_mib: float = 0.0
    read_ms: list[float] = field(default_factory=list)
    scrapes: dict[str, float] = field(default_factory=dict)

    def summary(self) -> dict[str, Any]:
        """Return the figures."""
        return {
            "run": self.name,
            "looks": self.looks,
            "node_rows_missing": self.missing_nodes,
            "pod_looks": self.pod_looks,
            "pod_rows_missing": self.missing_pods,
            "failed_node_rows": self.failed,
            "failed_node_rows_missing": self.missing_failed,
            "age_p50_s": round(quantile(self.ages, 0.5), 2),
            "age_p99_s": round(quantile(self.ages, 0.99), 2),
            "age_max_s": round(max(self.ages), 2),
            "cpu_of_one_core": round(self.cpu_seconds / self.wall_seconds, 4),
            "resident_mib": round(self.resident_mib, 1),
            "resident_peak_mib": round(self.peak_mib, 1),
            "node_list_p50_ms": round(quantile(self.read_ms, 0.5), 2),
            "scrapes": self.scrapes,
        }


async def _measure(name: str, cluster: Cluster, inventory: Inventory, options: argparse.Namespace) -> Run:
    run = Run(name)
    await cluster.make("well")
    async with (
        programs.server(cluster, programs.ours(resolution=options.resolution)) as server,
        served.reader(cluster.facts, server.url) as client,
    ):
        await served.until_served(cluster, server)
        await cluster.make(name)
        await asyncio.sleep(_SETTLING * options.resolution)
        cpu, began = server.cpu_seconds(), time.monotonic()
        while time.monotonic() < began + options.seconds:
            await _look(run, client, inventory.good_nodes, await cluster.failed_lately())
            if run.looks % _LOOKS_PER_POD_LIST == 0:
                rows = await served.items(client, "pods")
                there = {(row["metadata"]["namespace"], row["metadata"]["name"]) for row in rows}
                run.pod_looks += 1
                run.missing_pods += len(inventory.good_pods - there)
            await asyncio.sleep(_LOOK)
        run.cpu_seconds, run.wall_seconds = server.cpu_seconds() - cpu, time.monotonic() - began
        run.resident_mib, run.peak_mib = server.resident_mib(), server.peak_mib()
        run.scrapes = await served.scrapes(client)
    return run


async def _look(run: Run, client: httpx.AsyncClient, good_nodes: frozenset[str], failed: frozenset[str]) -> None:
    began = time.perf_counter()
    rows = {row["metadata"]["name"]: row["timestamp"] for row in await served.items(client, "nodes")}
    run.read_ms.append((time.perf_counter() - began) * 1000)
    now = time.time()
    run.looks += 1
    run.missing_nodes += len(good_nodes - rows.keys())
    run.failed += len(failed & good_nodes)
    run.missing_failed += len(failed & good_nodes - rows.keys())
    run.ages += [now - parse_rfc3339(rows[name]) for name in good_nodes & rows.keys()]


async def _runs(options: argparse.Namespace) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="metrics-api-faults-") as directory:
        async with programs.cluster(
            Path(directory), nodes=options.nodes, pods=options.pods, seed=options.seed
        ) as cluster:
            inventory = await cluster.inventory()
            return [
                (await _measure(name, cluster, inventory, options)).summary()
                for _ in range(options.rounds)
                for name in ("well", "ill")
            ]


def main() -> int:
    """Measure both; print a table, or JSON with every run; return 1 when a bound is passed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=200)
    parser.add_argument("--pods", type=int, default=30, help="on each node")
    parser.add_argument("--seconds", type=float, default=90, help="of looking, for each run")
    parser.add_argument("--rounds", type=int, default=1, help="healthy and faulty runs, alternating")
    parser.add_argument("--resolution", type=float, default=15)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="50 nodes, 20 s: too short for any bound but missing rows")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.quick:
        options.nodes, options.pods, options.seconds, options.resolution = 50, 10, 20, 10
    runs = asyncio.run(_runs(options))
    healthy, ill = (median_of([run for run in runs if run["run"] == name]) for name in ("well", "ill"))
    rows = compared(healthy, ill)
    print_report(
        "faults",
        {"runs": runs, "compared": rows} if options.json else rows,
        as_json=options.json,
        nodes=options.nodes,
        pods_per_node=options.pods,
        seconds=options.seconds,
        resolution=options.resolution,
    )
    worse = passed_bounds(healthy, ill, only_missing=options.quick)
    well = "no row is missing; too short a run for the other bounds" if options.quick else "all within bounds"
    said = f"worse than it may be: {', '.join(worse)}" if worse else well
    print(said, file=sys.stderr if options.json else sys.stdout)
    return int(bool(worse))


if __name__ == "__main__":
    sys.exit(main())
