"""The programs of a benchmark, each a process of its own: the stand-in cluster, and the server that is measured.

What a process has used is read from ``/proc``, so that any server can be measured, whatever it is written in.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import socket
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

GROUP = "/apis/metrics.k8s.io/v1beta1"
_TICKS = os.sysconf("SC_CLK_TCK")
_LOOK_EVERY = 0.05
_PATIENCE = 600.0
_LONGEST_LINE = 64 << 20


@dataclass(frozen=True, slots=True)
class Facts:
    """What the cluster says of itself."""

    kubeconfig: str
    """Path of the file with the metrics server's own rights."""
    api_server: str
    token: str
    """Of a user who may read everything."""
    nodes: int
    pods: int
    node: str
    pod: str
    """The name of a pod in ``namespace``."""
    namespace: str
    namespace_pods: int
    selector: str
    """Selects, in that namespace, what an HPA would ask for."""
    selected: int


@dataclass(frozen=True, slots=True)
class Cluster:
    """The stand-in cluster."""

    facts: Facts
    directory: Path
    process: Process

    async def register(self, server: Server) -> None:
        """Hand ``metrics.k8s.io`` to a server."""
        if self.process.stdin is None or self.process.stdout is None:
            raise RuntimeError("the cluster has no pipes")
        self.process.stdin.write(f"register {server.port}\n".encode())
        await self.process.stdout.readline()


@dataclass(frozen=True, slots=True)
class Server:
    """A running metrics server."""

    name: str
    process: Process
    port: int
    began: float
    """Monotonic time of its start."""

    @property
    def url(self) -> str:
        """Return where it listens."""
        return f"https://127.0.0.1:{self.port}"

    def cpu_seconds(self) -> float:
        """Return the CPU time it has taken so far, user and system."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def resident_mib(self) -> float:
        """Return its resident memory."""
        return self._memory_mib("VmRSS")

    def peak_mib(self) -> float:
        """Return the most resident memory it ever had."""
        return self._memory_mib("VmHWM")

    def _memory_mib(self, field: str) -> float:
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:")) / 1024


@contextlib.asynccontextmanager
async def cluster(directory: Path, *, nodes: int, pods: int, **options: object) -> AsyncIterator[Cluster]:
    """Run a stand-in cluster; options are those of ``benchmarks.cluster``."""
    allow_many_files()
    arguments = {"nodes": nodes, "pods": pods, "directory": directory, **options}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.cluster"),
        *(f"--{name}={value}" for name, value in arguments.items()),
        stdin=PIPE,
        stdout=PIPE,
        limit=_LONGEST_LINE,
    )
    try:
        if process.stdout is None:
            raise RuntimeError("the cluster has no standard output")
        said: dict[str, Any] = json.loads(await process.stdout.readline())
        yield Cluster(Facts(**said), directory, process)
    finally:
        await _end(process)


def ours(*, resolution: float = 15, program: Sequence[str] = ("-m", "metrics_api")) -> list[str]:
    """Return the command of our server, but for what ``server`` adds."""
    return [sys.executable, *program, "serve", "--kubelet-denied-cidrs=", f"--metric-resolution={resolution:g}s"]


def incumbent(binary: str, *, resolution: float = 15) -> list[str]:
    """Return the command of a metrics-server binary, but for what ``server`` adds."""
    return [binary, "--kubelet-insecure-tls", f"--metric-resolution={resolution:g}s"]


@contextlib.asynccontextmanager
async def server(cluster: Cluster, command: Sequence[str], *, name: str = "metrics-api") -> AsyncIterator[Server]:
    """Run a metrics server against the cluster, with metrics-server's flags. Its log is ``<name>.log``."""
    port, kubeconfig = _free_port(), cluster.facts.kubeconfig
    with (cluster.directory / f"{name}.log").open("ab") as log:
        began = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            *command,
            *(f"--secure-port={port}", f"--cert-dir={cluster.directory / name}", f"--kubeconfig={kubeconfig}"),
            *(f"--authentication-kubeconfig={kubeconfig}", f"--authorization-kubeconfig={kubeconfig}"),
            *("--kubelet-preferred-address-types=InternalIP", "--kubelet-use-node-status-port"),
            stdin=DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield Server(name, process, port, began)
    finally:
        await _end(process)


@contextlib.asynccontextmanager
async def reader(facts: Facts, url: str) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client that may read everything."""
    async with httpx.AsyncClient(
        base_url=url,
        headers={"authorization": f"Bearer {facts.token}"},
        verify=False,  # noqa: S501 - a self-signed certificate on loopback
        trust_env=False,
        timeout=120,
    ) as client:
        yield client


async def until_served(cluster: Cluster, server: Server, *, pods: bool = True) -> float:
    """Wait until every node, and every pod, is served; return the seconds that took from the server's start.

    Raises:
        TimeoutError: it takes more than ten minutes.
        RuntimeError: the server has ended.
    """
    facts = cluster.facts
    async with asyncio.timeout(_PATIENCE), reader(facts, server.url) as client:
        while await _count(client, "nodes") < facts.nodes:
            await _rest(server, cluster)
        took = time.monotonic() - server.began
        while pods and await _count(client, "pods") < facts.pods:
            await _rest(server, cluster)
            await asyncio.sleep(1)  # such a look is expensive
    return took


async def _rest(server: Server, cluster: Cluster) -> None:
    if server.process.returncode is not None:
        log = cluster.directory / f"{server.name}.log"
        raise RuntimeError(f"{server.name} has ended: {log.read_text()[-2000:]}")
    await asyncio.sleep(_LOOK_EVERY)


async def _count(client: httpx.AsyncClient, resource_name: str) -> int:
    try:
        answer = await client.get(f"{GROUP}/{resource_name}")
    except httpx.TransportError:
        return 0
    return answer.content.count(b'"timestamp":') if answer.status_code == httpx.codes.OK else 0


async def _end(process: Process) -> None:
    if process.returncode is None:
        process.terminate()
    await process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def allow_many_files() -> None:
    """Raise the limit of open files for this process and those it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 65_536)), hard))
