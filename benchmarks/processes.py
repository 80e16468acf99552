"""The server and the stand-in cluster as processes of their own, and what the system says of them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import platform
import resource
import socket
import subprocess
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

GROUP = "/apis/metrics.k8s.io/v1beta1"
_TICKS = os.sysconf("SC_CLK_TCK")
_MIB = 1024 * 1024


@dataclass(slots=True)
class Cluster:
    """The other process and what it said."""

    process: Process
    facts: dict[str, Any]

    async def make(self, state: str) -> None:
        """Make its nodes ``ill`` or ``well``."""
        await self._command(state)

    async def failed_lately(self) -> set[str]:
        """Return the good nodes that have answered 500 since this was last asked."""
        return set((await self._command("failed"))["failed"]) - set(self.facts["ill"])

    async def _command(self, command: str) -> dict[str, Any]:
        if self.process.stdin is None or self.process.stdout is None:
            raise RuntimeError("the cluster has no pipes")
        self.process.stdin.write(f"{command}\n".encode())
        answer: dict[str, Any] = json.loads(await self.process.stdout.readline())
        return answer

    def good_nodes(self) -> set[str]:
        """Return the nodes that answer well, but for a 500 now and then."""
        return set(self.facts["nodes"]) - set(self.facts["ill"])

    def good_pods(self) -> set[tuple[str, str]]:
        """Return the pods on them."""
        good = self.good_nodes()
        return {(namespace, name) for namespace, name, node in self.facts["pods"] if node in good}


@dataclass(frozen=True, slots=True)
class Server:
    """A running ``serve``."""

    pid: int
    client: httpx.AsyncClient
    """Asks it, as somebody who may see everything."""


@contextlib.asynccontextmanager
async def running_cluster(
    directory: str, *, nodes: int, pods: int, seed: int, psi: bool = True
) -> AsyncIterator[Cluster]:
    """Start a cluster; it ends with the block."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.faulty_cluster", f"--nodes={nodes}", f"--pods={pods}", f"--seed={seed}"),
        *(f"--directory={directory}", "--psi" if psi else "--no-psi"),
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
async def running_server(
    cluster: Cluster, directory: str, resolution: float, flags: Sequence[str] = (), tree: Path | None = None
) -> AsyncIterator[Server]:
    """Start a server on a cluster; it ends with the block.

    Args:
        cluster: Whose nodes it scrapes.
        directory: For its certificate and its log.
        resolution: Seconds from scrape to scrape of a node.
        flags: More of its flags.
        tree: A checkout to run instead of this one.
    """
    port = free_port()
    with (Path(directory) / "serve.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "metrics_api", "serve", f"--secure-port={port}", "--bind-address=127.0.0.1"),
            *(f"--cert-dir={directory}", f"--kubeconfig={cluster.facts['kubeconfig']}", "--kubelet-denied-cidrs="),
            *("--kubelet-preferred-address-types=InternalIP", "--kubelet-use-node-status-port"),
            *(
                f"--metric-resolution={resolution:g}s",
                f"--kubelet-request-timeout={min(10, 0.8 * resolution):g}s",
                *flags,
            ),
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=log,
            cwd=tree,
        )
    try:
        async with httpx.AsyncClient(
            base_url=f"https://127.0.0.1:{port}",
            headers={"authorization": f"Bearer {cluster.facts['token']}"},
            verify=False,  # noqa: S501 - a self-signed certificate on loopback
            trust_env=False,
            timeout=60,
        ) as client:
            yield Server(process.pid, client)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def until_served(client: httpx.AsyncClient, nodes: int) -> None:
    """Wait until so many nodes are served."""
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(httpx.TransportError, KeyError, json.JSONDecodeError):
                if len(await items(client, "nodes")) == nodes:
                    return
            await asyncio.sleep(0.1)


async def until_complete(client: httpx.AsyncClient, nodes: int, pods: int) -> None:
    """Wait until so many nodes and pods are served."""
    async with asyncio.timeout(300):
        while True:
            with contextlib.suppress(httpx.TransportError, KeyError, json.JSONDecodeError):
                if len(await items(client, "nodes")) == nodes and len(await items(client, "pods")) == pods:
                    return
            await asyncio.sleep(1)


async def items(client: httpx.AsyncClient, resource_name: str) -> list[dict[str, Any]]:
    """Return the items of a list."""
    found: list[dict[str, Any]] = (await client.get(f"{GROUP}/{resource_name}")).json()["items"]
    return found


async def scrapes(client: httpx.AsyncClient) -> dict[str, float]:
    """Return how many scrapes ended how, by the server's own count."""
    prefix = "metrics_api_scrapes_total{"
    lines = [line for line in (await client.get("/metrics")).text.splitlines() if line.startswith(prefix)]
    return {(line.split('"')[1] or "ok"): float(line.rpartition(" ")[2]) for line in lines}


def cpu_seconds(pid: int) -> float:
    """Return the CPU that a process has taken, user and system, to the nanosecond where the kernel says it."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9
    except OSError:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS


def resident_mib(pid: int) -> tuple[float, float]:
    """Return the resident size of a process, and the largest it ever had."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
    return int(lines["VmRSS"].split()[0]) / 1024, int(lines["VmHWM"].split()[0]) / 1024


def quantile(values: Sequence[float], part: float) -> float:
    """Return the value that this part of them does not exceed."""
    return sorted(values)[min(int(len(values) * part), len(values) - 1)]


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def circumstances() -> dict[str, Any]:
    """Return what figures depend on: Python, machine, load, commit."""
    command = ["git", "rev-parse", "--short", "HEAD"]
    return {
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "load": round(os.getloadavg()[0], 1),
        "commit": subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip(),
    }


def raise_file_limit() -> None:
    """Let this process and those it starts open as many files as they may: a connection a node, on both sides."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 65_536)), hard))
