"""Several replicas behind one Service: what Deployment, kubelet and endpoint controller do, and readers who count.

As in a cluster, each replica has an address of its own and all have the same port.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import signal
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from metrics_api.localcluster import extension
from metrics_api.localcluster.cluster import LocalCluster
from metrics_api.localcluster.kubeconfig import write_kubeconfig
from metrics_api.localcluster.ports import free_port
from metrics_api.localcluster.resources import ENDPOINT_SLICES
from metrics_api.localcluster.users import User
from tests.e2e.asking import asking
from tests.e2e.serving import GROUP, manifest_arguments

PROPAGATION = 0.3
"""Seconds in which kube-apiserver still sends requests to a replica that has been told to stop."""
_ADDRESSES = [f"127.0.0.{number}" for number in range(2, 8)]


@dataclass(slots=True)
class Replica:
    """A running server."""

    address: str
    port: int
    process: Process
    log: Path
    token: str

    @property
    def url(self) -> str:
        return f"https://{self.address}:{self.port}"

    def client(self) -> httpx.AsyncClient:
        """Return a client that asks this replica alone."""
        headers = {"authorization": f"Bearer {self.token}"}
        return httpx.AsyncClient(base_url=self.url, headers=headers, verify=False, trust_env=False)  # noqa: S501 - self-signed

    async def until_ready(self, seconds: float = 60) -> None:
        async with asyncio.timeout(seconds), self.client() as client:
            while True:
                assert self.process.returncode is None, self.log.read_text()
                with contextlib.suppress(httpx.TransportError):
                    if (await client.get("/readyz")).status_code == 200:
                        return
                await asyncio.sleep(0.05)

    def started_warm(self) -> bool:
        return "Starting with the samples of another replica" in self.log.read_text()


class Deployment:
    """Starts replicas and retires them, and keeps the Service's endpoints.

    Args:
        cluster: Where they belong.
        directory: For their files.
        arguments: Beside the manifest's.
    """

    def __init__(self, cluster: LocalCluster, directory: Path, *arguments: str) -> None:
        self._cluster = cluster
        self._directory = directory
        self._port = free_port()
        self._kubeconfig = write_kubeconfig(directory / "server.kubeconfig", cluster.server_kubeconfig())
        self._token = cluster.api.tokens.issue(User("admin", groups=("system:masters",)))
        (directory / "peers.key").write_text("the key that these replicas share")
        self._arguments = (f"--peer-key-file={directory / 'peers.key'}", *arguments)
        self._numbers = itertools.count()
        self._running: list[Replica] = []
        cluster.register_extension(self._port, verified=False)
        self._publish([])

    async def start(self, *, is_warm: bool = True) -> Replica:
        """Start a replica; nobody is sent to it yet."""
        taken = {replica.address for replica in self._running}
        address = next(each for each in _ADDRESSES if each not in taken)
        directory = self._directory / f"replica-{next(self._numbers)}"
        directory.mkdir()
        log = directory / "log"
        with log.open("wb") as file:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "metrics_api", *manifest_arguments(directory, self._port)),
                *(f"--kubeconfig={self._kubeconfig}", "--kubelet-denied-cidrs=", f"--bind-address={address}"),
                *((f"--peer-service={','.join(_ADDRESSES)}",) if is_warm else ()),
                *self._arguments,
                stdin=DEVNULL,
                stdout=DEVNULL,
                stderr=file,
            )
        replica = Replica(address, self._port, process, log, self._token)
        self._running.append(replica)
        return replica

    def send_readers_to(self, *replicas: Replica) -> None:
        """Make these the Service's ready endpoints."""
        self._publish([replica.address for replica in replicas])

    async def retire(self, replica: Replica, *remaining: Replica) -> None:
        """Stop a replica as a kubelet does while the endpoint controller is a little behind; it must end in order."""
        replica.process.terminate()
        await asyncio.sleep(PROPAGATION)
        self.send_readers_to(*remaining)
        assert await asyncio.wait_for(replica.process.wait(), 30) == 0, replica.log.read_text()
        self._running.remove(replica)

    async def close(self) -> None:
        """Stop what still runs."""
        for replica in self._running:
            if replica.process.returncode is None:
                replica.process.send_signal(signal.SIGKILL)
            await replica.process.wait()

    def _publish(self, addresses: list[str]) -> None:
        objects = self._cluster.objects
        (found,) = [
            each
            for each in objects.list(ENDPOINT_SLICES, extension.NAMESPACE)
            if each["metadata"]["labels"].get("kubernetes.io/service-name") == extension.NAME
        ]
        endpoints = [{"addresses": [address], "conditions": {"ready": True}} for address in addresses]
        objects.replace(ENDPOINT_SLICES, {**found, "endpoints": endpoints})


@dataclass(slots=True)
class Tally:
    """What readers met."""

    reads: int = 0
    failed: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


@contextlib.asynccontextmanager
async def readers(kubeconfig: Path, wanted: dict[str, int], *, period: float = 0.25) -> AsyncIterator[Tally]:
    """Read through kube-apiserver at a steady rate, and count.

    Args:
        kubeconfig: Of the administrator.
        wanted: Path -> how many items a list must have; 0 for what is no list.
        period: Seconds between two reads of one path.
    """
    tally = Tally()
    async with asking(kubeconfig) as client:
        tasks = [asyncio.create_task(_read(client, path, count, tally, period)) for path, count in wanted.items()]
        try:
            yield tally
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
    faults = [each for each in ended if isinstance(each, Exception)]
    assert not faults


async def _read(client: httpx.AsyncClient, path: str, count: int, tally: Tally, period: float) -> None:
    while True:
        try:
            answer = await client.get(path)
        except httpx.HTTPError as error:
            tally.failed.append(f"{path}: {error!r}")
        else:
            if answer.status_code != 200:
                tally.failed.append(f"{path}: {answer.status_code} {answer.text[:300]}")
            elif count and len(answer.json()["items"]) != count:
                tally.missing.append(f"{path}: {len(answer.json()['items'])} of {count}")
        tally.reads += 1
        await asyncio.sleep(period)


async def rows(replica: Replica, resource: str) -> list[dict[str, Any]]:
    """Return a replica's own rows, without the time of their encoding."""
    async with replica.client() as client:
        items: list[dict[str, Any]] = (await client.get(f"{GROUP}/{resource}")).json()["items"]
    for item in items:
        del item["metadata"]["creationTimestamp"]
    return items
