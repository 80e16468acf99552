"""What the stand-in cluster costs at a thousand nodes: time to start, time to list, memory.

Run ``python -m benchmarks.localcluster``. The cluster runs in a process of its own; the client here asks over TLS, as
kubectl would, and times whole answers. A list's time is the best and the median of several; its CPU time is the
cluster's own, the mean of them.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import resource
import ssl
import statistics
import subprocess
import sys
import time
from pathlib import Path

import httpx
import msgspec
import yaml

from metrics_api.localcluster.cluster import LocalCluster

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


def main() -> None:
    """Start a cluster, ask it, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.localcluster", description=__doc__)
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--pods", type=int, default=30, help="on each node")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(_serve(options.nodes, options.pods))
        return
    python = f"{platform.python_implementation()} {platform.python_version()}"
    print(f"{options.nodes} nodes x {options.pods} pods, {python}, {os.cpu_count()} cores, {platform.machine()}")
    _measure(options.nodes, options.pods)


async def _serve(nodes: int, pods: int) -> None:
    """Be the cluster: print how long it took to start, memory, and a kubeconfig with a token; end with the input."""
    began = time.monotonic()
    async with LocalCluster(nodes=nodes, pods_per_node=pods, shared_certificates=True) as cluster:
        started, cpu = time.monotonic() - began, time.process_time()
        resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        document = {"started": started, "cpu": cpu, "resident_mib": resident, "url": cluster.api.url}
        document["ca"] = cluster.authorities.cluster.certificate.decode()
        kubeconfig = yaml.safe_load(cluster.server_kubeconfig())
        document["token"] = kubeconfig["users"][0]["user"]["token"]
        print(yaml.safe_dump(document), "---", sep="", flush=True)
        await asyncio.to_thread(sys.stdin.read)


def _measure(nodes: int, pods: int) -> None:
    began = time.monotonic()
    command = [sys.executable, "-m", "benchmarks.localcluster", "--serve", f"--nodes={nodes}", f"--pods={pods}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        if process.stdout is None or process.stdin is None:
            raise RuntimeError("the cluster's process has no pipes")
        lines = iter(process.stdout.readline, "---\n")
        said = yaml.safe_load("".join(line for line in lines if line or process.poll() is None))
        ready = time.monotonic() - began
        print(
            f"start: {said['started']:.2f} s ({ready:.2f} s with Python's own),"
            f" {said['cpu']:.2f} s of CPU, {said['resident_mib']:.0f} MiB"
        )
        context = ssl.create_default_context(cadata=said["ca"])
        headers = {"Authorization": f"Bearer {said['token']}"}
        with httpx.Client(base_url=said["url"], verify=context, headers=headers, trust_env=False, timeout=60) as client:
            print(f"{'list':<28}{'items':>8}{'MB':>8}{'best s':>9}{'median s':>10}{'server CPU s':>14}")
            for name, path in _LISTS.items():
                before = _cpu_seconds(process.pid)
                _time_list(client, name, path, _METADATA if "metadata" in name else "application/json")
                print(f"{(_cpu_seconds(process.pid) - before) / _ROUNDS:>14.2f}")
        process.stdin.close()


def _time_list(client: httpx.Client, name: str, path: str, accept: str) -> None:
    times, size, items = [], 0, 0
    for _ in range(_ROUNDS):
        size = items = 0
        taken, token = 0.0, ""
        while True:
            began = time.perf_counter()
            # Uncompressed: gzip's time would hide the server's.
            response = client.get(
                path + (f"&continue={token}" if token else ""),
                headers={"Accept": accept, "Accept-Encoding": "identity"},
            )
            response.raise_for_status()
            taken += time.perf_counter() - began
            size += len(response.content)
            page = msgspec.json.decode(response.content, type=_Page)
            items += len(page.items)
            token = page.metadata.token
            if not token:
                break
        times.append(taken)
    print(f"{name:<28}{items:>8}{size / 1e6:>8.1f}{min(times):>9.3f}{statistics.median(times):>10.3f}", end="")


def _cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process so far, which load by others hardly changes; Linux only."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
