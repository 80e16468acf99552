"""What bad nodes do to the others: rows missing, age, memory and CPU, beside a healthy run in the same invocation.

5 % of all answers are a 500, three nodes hang, one drips, one floods. The stand-in cluster is a process of its own, and
so is the server, a fresh one for each run; this process only reads. Run ``python -m benchmarks.faults --nodes 1000``.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import resource
import socket
import subprocess
import sys
import tempfile
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

_GROUP = "/apis/metrics.k8s.io/v1beta1"
_SETTLING = 45.0  # a phase of every node, and a failure's first retries
_LOOK = 1.0
_LOOKS_PER_POD_LIST = 10
_TICKS = os.sysconf("SC_CLK_TCK")
_MIB = 1024 * 1024


@dataclass(slots=True)
class Cluster:
    """The other process and what it said."""

    process: Process
    facts: dict[str, Any]

    async def make(self, state: str) -> None:
        """Make its nodes ``ill`` or ``well``."""
        if self.process.stdin is None or self.process.stdout is None:
            raise RuntimeError("the cluster has no pipes")
        self.process.stdin.write(f"{state}\n".encode())
        await self.process.stdout.readline()

    def good_nodes(self) -> set[str]:
        """Return the nodes that answer well, but for a 500 now and then."""
        return set(self.facts["nodes"]) - set(self.facts["ill"])

    def good_pods(self) -> set[tuple[str, str]]:
        """Return the pods on them."""
        good = self.good_nodes()
        return {(namespace, name) for namespace, name, node in self.facts["pods"] if node in good}


@dataclass(slots=True)
class Run:
    """What one run gave."""

    name: str
    looks: int = 0
    missing_nodes: int = 0
    """Rows of good nodes that were missing, summed over all looks."""
    pod_looks: int = 0
    missing_pods: int = 0
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
            "age_p50_s": round(_quantile(self.ages, 0.5), 2),
            "age_p99_s": round(_quantile(self.ages, 0.99), 2),
            "age_max_s": round(max(self.ages), 2),
            "cpu_of_one_core": round(self.cpu_seconds / self.wall_seconds, 4),
            "resident_mib": round(self.resident_mib, 1),
            "resident_peak_mib": round(self.peak_mib, 1),
            "node_list_p50_ms": round(_quantile(self.read_ms, 0.5), 2),
            "scrapes": self.scrapes,
        }


@contextlib.asynccontextmanager
async def _cluster(options: argparse.Namespace, directory: str) -> AsyncIterator[Cluster]:
    arguments = {"nodes": options.nodes, "pods": options.pods, "seed": options.seed, "directory": directory}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.faulty_cluster"),
        *(f"--{name}={value}" for name, value in arguments.items()),
        stdin=PIPE,
        stdout=PIPE,
        limit=256 * _MIB,
    )
    try:
        if process.stdout is None:
            raise RuntimeError("the cluster has no standard output")
        yield Cluster(process, json.loads(await process.stdout.readline()))
    finally:
        process.terminate()
        await process.wait()


@contextlib.asynccontextmanager
async def _server(cluster: Cluster, directory: str, resolution: float) -> AsyncIterator[tuple[int, httpx.AsyncClient]]:
    port = _free_port()
    with (Path(directory) / "serve.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "metrics_api", "serve", f"--secure-port={port}", "--bind-address=127.0.0.1"),
            *(f"--cert-dir={directory}", f"--kubeconfig={cluster.facts['kubeconfig']}", "--kubelet-denied-cidrs="),
            *("--kubelet-preferred-address-types=InternalIP", "--kubelet-use-node-status-port"),
            f"--metric-resolution={resolution:g}s",
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=log,
        )
    try:
        async with httpx.AsyncClient(
            base_url=f"https://127.0.0.1:{port}",
            headers={"authorization": f"Bearer {cluster.facts['token']}"},
            verify=False,  # noqa: S501 - a self-signed certificate on loopback
            trust_env=False,
            timeout=60,
        ) as client:
            yield process.pid, client
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _measure(name: str, cluster: Cluster, directory: str, options: argparse.Namespace) -> Run:
    run, good_nodes, good_pods = Run(name), cluster.good_nodes(), cluster.good_pods()
    await cluster.make("well")
    async with _server(cluster, directory, options.resolution) as (pid, client):
        await _until_complete(client, options.nodes, options.nodes * options.pods)
        await cluster.make(name)
        await asyncio.sleep(_SETTLING)
        cpu, began = _cpu_seconds(pid), time.monotonic()
        while time.monotonic() < began + options.seconds:
            await _look(run, client, good_nodes)
            if run.looks % _LOOKS_PER_POD_LIST == 0:
                served = {
                    (row["metadata"]["namespace"], row["metadata"]["name"]) for row in await _items(client, "pods")
                }
                run.pod_looks += 1
                run.missing_pods += len(good_pods - served)
            await asyncio.sleep(_LOOK)
        run.cpu_seconds, run.wall_seconds = _cpu_seconds(pid) - cpu, time.monotonic() - began
        run.resident_mib, run.peak_mib = _resident_mib(pid)
        run.scrapes = await _scrapes(client)
    return run


async def _look(run: Run, client: httpx.AsyncClient, good_nodes: set[str]) -> None:
    began = time.perf_counter()
    rows = {row["metadata"]["name"]: row["timestamp"] for row in await _items(client, "nodes")}
    run.read_ms.append((time.perf_counter() - began) * 1000)
    now = time.time()
    run.looks += 1
    run.missing_nodes += len(good_nodes - rows.keys())
    run.ages += [now - _unix(rows[name]) for name in good_nodes & rows.keys()]


async def _until_complete(client: httpx.AsyncClient, nodes: int, pods: int) -> None:
    async with asyncio.timeout(300):
        while True:
            with contextlib.suppress(httpx.TransportError, KeyError, json.JSONDecodeError):
                if len(await _items(client, "nodes")) == nodes and len(await _items(client, "pods")) == pods:
                    return
            await asyncio.sleep(1)


async def _items(client: httpx.AsyncClient, resource_name: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await client.get(f"{_GROUP}/{resource_name}")).json()["items"]
    return items


async def _scrapes(client: httpx.AsyncClient) -> dict[str, float]:
    prefix = "metrics_api_scrapes_total{"
    lines = [line for line in (await client.get("/metrics")).text.splitlines() if line.startswith(prefix)]
    return {(line.split('"')[1] or "ok"): float(line.rpartition(" ")[2]) for line in lines}


def _unix(text: str) -> float:
    from metrics_api.timetext import parse_rfc3339

    return parse_rfc3339(text) or 0.0


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _resident_mib(pid: int) -> tuple[float, float]:
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
    return int(lines["VmRSS"].split()[0]) / 1024, int(lines["VmHWM"].split()[0]) / 1024


def _quantile(values: list[float], part: float) -> float:
    return sorted(values)[min(int(len(values) * part), len(values) - 1)]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _commit() -> str:
    command = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def _table(healthy: dict[str, Any], ill: dict[str, Any]) -> str:
    lines = [f"{'':22}{'healthy':>12}{'faults':>12}{'ratio':>8}"]
    for key, value in healthy.items():
        if isinstance(value, int | float):
            ratio = f"{ill[key] / value:8.2f}" if value else ""
            lines.append(f"{key:22}{value:>12}{ill[key]:>12}{ratio}")
    return "\n".join(lines)


async def _compare(options: argparse.Namespace, commit: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="metrics-api-faults-") as directory:
        async with _cluster(options, directory) as cluster:
            runs = [(await _measure(name, cluster, directory, options)).summary() for name in ("well", "ill")]
    return {
        "nodes": options.nodes,
        "pods_per_node": options.pods,
        "seconds": options.seconds,
        "resolution": options.resolution,
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "commit": commit,
        "runs": runs,
    }


def main() -> None:
    """Measure both; print JSON, then a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=200)
    parser.add_argument("--pods", type=int, default=30, help="on each node")
    parser.add_argument("--seconds", type=float, default=90, help="of looking, for each run")
    parser.add_argument("--resolution", type=float, default=15)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 65_536)), hard))  # inherited by both processes
    result = asyncio.run(_compare(options, _commit()))
    print(json.dumps(result))
    print(f"\n{options.nodes} nodes x {options.pods} pods, {options.seconds:g} s each; commit {result['commit']}")
    print(_table(*result["runs"]))


if __name__ == "__main__":
    main()
