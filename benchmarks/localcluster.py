"""What the stand-in cluster costs at a thousand nodes: time to start, time to list, memory.

The cluster runs in a process of its own; the client here asks over TLS, as kubectl would, and times whole answers. A
list's time is the best and the median of several; its CPU time is the cluster's own, the mean of them.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import msgspec

from benchmarks import programs, served, usage
from benchmarks.report import Figures, print_report

_LISTS = {
    "nodes": "/api/v1/nodes",
    "pods, whole": "/api/v1/pods",
    "pods, whole, pages of 500": "/api/v1/pods?limit=500",
    "pods, metadata only": "/api/v1/pods",
    "pods of one node": "/api/v1/pods?fieldSelector=spec.nodeName%3Dnode-00000",
}
_METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_ROUNDS = 5


class _Metadata(msgspec.Struct):
    token: str = msgspec.field(default="", name="continue")


class _Page(msgspec.Struct):
    """What is looked at of a list."""

    metadata: _Metadata
    items: list[msgspec.Raw]


async def _run(nodes: int, pods: int) -> dict[str, list[Figures]]:
    with tempfile.TemporaryDirectory(prefix="metrics-api-localcluster-") as folder:
        began = time.monotonic()
        async with programs.cluster(Path(folder), nodes=nodes, pods=pods, sampling="kubelet") as cluster:
            pid = cluster.process.pid
            start: Figures = {
                "start s": cluster.facts.started,
                "with Python's own s": time.monotonic() - began,
                "CPU s": usage.cpu_seconds(pid),
                "peak MiB": usage.peak_mib(pid),
            }
            async with served.reader(cluster.facts, cluster.facts.api_server) as client:
                lists: list[Figures] = [await _list(client, pid, name, path) for name, path in _LISTS.items()]
    return {"start": [start], "lists": lists}


async def _list(client: httpx.AsyncClient, pid: int, name: str, path: str) -> dict[str, Any]:
    accept = _METADATA if "metadata" in name else "application/json"
    before = usage.cpu_seconds(pid)
    rounds = [await _whole_list(client, path, accept) for _ in range(_ROUNDS)]
    spent = usage.cpu_seconds(pid) - before
    items, size, _ = rounds[-1]
    times = [seconds for _, _, seconds in rounds]
    return {
        "list": name,
        "items": items,
        "MB": size / 1e6,
        "best s": min(times),
        "median s": statistics.median(times),
        "cluster's CPU s": spent / _ROUNDS,
    }


async def _whole_list(client: httpx.AsyncClient, path: str, accept: str) -> tuple[int, int, float]:
    """Read all pages of a list; return its items, its bytes and the seconds that it took."""
    size = items = 0
    taken, token = 0.0, ""
    # Uncompressed: gzip's time would hide the server's.
    headers = {"Accept": accept, "Accept-Encoding": "identity"}
    while True:
        began = time.perf_counter()
        response = await client.get(path + (f"&continue={token}" if token else ""), headers=headers)
        response.raise_for_status()
        taken += time.perf_counter() - began
        size += len(response.content)
        page = msgspec.json.decode(response.content, type=_Page)
        items += len(page.items)
        token = page.metadata.token
        if not token:
            return items, size, taken


def main() -> None:
    """Start a cluster, ask it, and print tables, or JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--pods", type=int, default=30, help="on each node")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    tables = asyncio.run(_run(options.nodes, options.pods))
    print_report("localcluster", tables, as_json=options.json, nodes=options.nodes, pods_per_node=options.pods)


if __name__ == "__main__":
    main()
