"""The programs of a benchmark, each a process of its own: the stand-in cluster, and the server that is measured."""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import usage
from metrics_api.localcluster.ports import free_port

_LONGEST_LINE = 256 << 20  # the inventory of 5,000 nodes with 110 pods each has some 30 MB


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
    started: float
    """Seconds that the start took, without Python's own."""
    namespace: str
    namespace_pods: int
    selector: str
    """Selects, in that namespace, what an HPA would ask for."""
    selected: int


@dataclass(frozen=True, slots=True)
class Inventory:
    """The names of what there is."""

    good_nodes: frozenset[str]
    """Those that answer well even when there is illness, but for a 500 now and then."""
    good_pods: frozenset[tuple[str, str]]
    """Namespace and name of the pods on them."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """The stand-in cluster."""

    facts: Facts
    directory: Path
    process: Process

    async def register(self, server: Server) -> None:
        """Hand ``metrics.k8s.io`` to a server."""
        await self._command(f"register {server.port}")

    async def make(self, state: str) -> None:
        """Make its nodes ``ill`` or ``well``."""
        await self._command(state)

    async def failed_lately(self) -> frozenset[str]:
        """Return the nodes that have answered with an error since this was last asked."""
        return frozenset((await self._command("failed"))["failed"])

    async def inventory(self) -> Inventory:
        """Return what there is."""
        said = await self._command("inventory")
        good = frozenset(said["nodes"]) - frozenset(said["incurable"])
        return Inventory(good, frozenset((namespace, name) for namespace, name, node in said["pods"] if node in good))

    async def _command(self, command: str) -> dict[str, Any]:
        if self.process.stdin is None or self.process.stdout is None:
            raise RuntimeError("the cluster has no pipes")
        self.process.stdin.write(f"{command}\n".encode())
        line = await self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the cluster ended at the command {command!r}")
        answer: dict[str, Any] = json.loads(line)
        return answer


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
        return usage.cpu_seconds(self.process.pid)

    def resident_mib(self) -> float:
        """Return its resident memory."""
        return usage.resident_mib(self.process.pid)

    def peak_mib(self) -> float:
        """Return the most resident memory it ever had."""
        return usage.peak_mib(self.process.pid)


@contextlib.asynccontextmanager
async def cluster(directory: Path, *, nodes: int, pods: int, **options: object) -> AsyncIterator[Cluster]:
    """Run a stand-in cluster; options are those of ``benchmarks.cluster``, a switch's value ``True`` or ``False``."""
    allow_many_files()
    arguments = {"nodes": nodes, "pods": pods, "directory": directory, **options}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.cluster"),
        *(_argument(name, value) for name, value in arguments.items()),
        stdin=PIPE,
        stdout=PIPE,
        limit=_LONGEST_LINE,
    )
    try:
        if process.stdout is None:
            raise RuntimeError("the cluster has no standard output")
        if not (line := await process.stdout.readline()):
            raise RuntimeError("the cluster ended before it began")
        said: dict[str, Any] = json.loads(line)
        yield Cluster(Facts(**said), directory, process)
    finally:
        await _end(process)


def _argument(name: str, value: object) -> str:
    if isinstance(value, bool):
        return f"--{name}" if value else f"--no-{name}"
    return f"--{name}={value}"


def ours(*, resolution: float = 15, program: Sequence[str] = ("-m", "metrics_api")) -> list[str]:
    """Return the command of our server, but for what ``server`` adds."""
    return [sys.executable, *program, "serve", "--kubelet-denied-cidrs=", *_rhythm(resolution)]


def incumbent(binary: str, *, resolution: float = 15) -> list[str]:
    """Return the command of a metrics-server binary, but for what ``server`` adds."""
    return [binary, "--kubelet-insecure-tls", *_rhythm(resolution)]


def _rhythm(resolution: float) -> list[str]:
    timeout = min(10, 0.8 * resolution)  # metrics-server wants it shorter than the resolution
    return [f"--metric-resolution={resolution:g}s", f"--kubelet-request-timeout={timeout:g}s"]


@contextlib.asynccontextmanager
async def server(
    cluster: Cluster, command: Sequence[str], *, name: str = "metrics-api", tree: Path | None = None
) -> AsyncIterator[Server]:
    """Run a metrics server against the cluster, with metrics-server's flags. Its log is ``<name>.log``.

    Args:
        cluster: Whose nodes it scrapes.
        command: What to run, and the flags beside those that say where everything is.
        name: What to call it.
        tree: A checkout whose program is run, instead of this one's.
    """
    port, kubeconfig = free_port(), cluster.facts.kubeconfig
    with (cluster.directory / f"{name}.log").open("ab") as log:
        began = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            *command,
            *(f"--secure-port={port}", "--bind-address=127.0.0.1", f"--cert-dir={cluster.directory / name}"),
            *(f"--kubeconfig={kubeconfig}", f"--authentication-kubeconfig={kubeconfig}"),
            *(f"--authorization-kubeconfig={kubeconfig}", "--kubelet-use-node-status-port"),
            "--kubelet-preferred-address-types=InternalIP",
            stdin=DEVNULL,
            stdout=log,
            stderr=log,
            cwd=tree,
        )
    try:
        yield Server(name, process, port, began)
    finally:
        await _end(process)


async def _end(process: Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
    await process.wait()


def allow_many_files() -> None:
    """Raise the limit of open files for this process and those it starts: a connection a node, on both sides."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 65_536)), hard))
