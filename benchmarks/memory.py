"""What the server keeps in memory: as a whole at several sizes of cluster, what imports take, and what a pod takes.

The whole is the resident size of a real ``metrics-api serve`` against simulated kubelets in another process: when all
is served, and again after everything has been read as JSON. Imports are measured one after the other in a fresh
process, a pod by tracemalloc in a store by itself, also under churn. Run ``python -m benchmarks.memory [--quick]``.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib
import json
import os
import random
import subprocess
import sys
import tempfile
import tracemalloc
from pathlib import Path
from typing import Any

from benchmarks import programs, served, usage
from benchmarks.record import AheadClock, measure, node_info, pod_info, scrape
from benchmarks.report import Figures, print_report
from metrics_api.store.store import Store

_IMPORTS = (
    "asyncio",
    "ssl",
    "uvloop",
    "metrics_api.settings.parse",
    "cryptography.x509",
    "fastapi",
    "uvicorn",
    "prometheus_client",
    "metrics_api.app.program",
    "aiohttp",
    "metrics_api.kube.client",
    "kubernetes.aio.client",
    "metrics_api.kubelet.client",
)
"""In the order in which ``serve`` comes to need them."""
_SETTLING = 5.0
_GENERATIONS = 10


async def _whole(nodes: int, options: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="metrics-api-memory-") as directory:
        async with (
            programs.cluster(Path(directory), nodes=nodes, pods=options.pods, seed=options.seed) as cluster,
            programs.server(cluster, programs.ours(resolution=options.resolution)) as server,
            served.reader(cluster.facts, server.url) as client,
        ):
            await asyncio.sleep(2 * options.resolution)
            unread = server.resident_mib()
            await served.until_served(cluster, server)
            await served.items(client, "pods")
            await asyncio.sleep(_SETTLING)
            read, peak = server.resident_mib(), server.peak_mib()
    return {
        "nodes": nodes,
        "pods": nodes * options.pods,
        "served MiB": unread,
        "read MiB": read,
        "peak MiB": peak,
    }


def _imports() -> dict[str, float]:
    """Return MiB of resident size that each import adds, in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.memory", "--imports-here"]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return found


def _imports_here() -> dict[str, float]:
    before, found = usage.resident_mib(os.getpid()), {}
    found["python, this benchmark and the store"] = before
    for name in _IMPORTS:
        importlib.import_module(name)
        gc.collect()
        after = usage.resident_mib(os.getpid())
        found[name], before = after - before, after
    found["in all"] = before
    return {name: round(size, 1) for name, size in found.items()}


def _churn(nodes: int, pods: int) -> list[int]:
    """Return the bytes that a store keeps after each generation of pods, every one of which is new."""
    rng, clock = random.Random(1), AheadClock()
    store, now = Store(clock, resolution=15.0, max_age=90.0), clock.now()
    infos = [node_info(number) for number in range(nodes)]
    tracemalloc.start()
    kept = []
    for generation in range(_GENERATIONS):
        for number, node in enumerate(infos):
            store.set_node(node)
            of_node = [pod_info(number, generation * pods + pod) for pod in range(pods)]
            for pod in of_node:
                store.set_pod(pod)
            clock.ahead += 15.0 / nodes
            store.record(node, scrape(of_node, generation, now, rng))
            for pod in of_node if generation < _GENERATIONS - 1 else ():
                store.remove_pod(pod.key)
        gc.collect()
        kept.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    return kept[:-1]


def _tables(options: argparse.Namespace) -> dict[str, list[Figures]]:
    pod = measure(min(max(options.nodes), 500), options.pods, 1)
    costs = {
        "a pod in the store, unread": pod.own_bytes,
        "with what is known of it from the API server": pod.whole_bytes,
        "its item, kept while it is read": pod.item_bytes,
    }
    churn = enumerate(_churn(20, options.pods), 1)
    return {
        "imports": [{"import": name, "MiB": size} for name, size in _imports().items()],
        "pod": [{"of a pod": name, "bytes": round(size)} for name, size in costs.items()],
        "churn": [{"generation of pods": number, "kept kB": kept // 1000} for number, kept in churn],
        "whole": [asyncio.run(_whole(nodes, options)) for nodes in options.nodes],
    }


def main() -> None:
    """Measure all of it; print tables, or JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--nodes", type=int, nargs="+", default=[100, 1000, 5000])
    parser.add_argument("--pods", type=int, default=30, help="on each node")
    parser.add_argument("--resolution", type=float, default=15)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="a small cluster")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--imports-here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.imports_here:
        print(json.dumps(_imports_here()))
        return
    if options.quick:
        options.nodes, options.resolution = [20, 100], 10
    print_report(
        "memory", _tables(options), as_json=options.json, pods_per_node=options.pods, resolution=options.resolution
    )


if __name__ == "__main__":
    main()
