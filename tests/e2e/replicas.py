"""Several servers of ours in this process behind one Service of a stand-in cluster, probed as by kubelets."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import httpx

from metrics_api.app.program import Program
from metrics_api.localcluster.cluster import LocalCluster
from metrics_api.localcluster.kubeconfig import write_kubeconfig
from metrics_api.localcluster.resources import ENDPOINT_SLICES
from metrics_api.localcluster.users import User
from metrics_api.settings.parse import parse_settings
from metrics_api.verifiedtls.loop import Timing
from tests.e2e.serving import GROUP, manifest_arguments
from tests.manifests.incumbent import NAME, NAMESPACE

T = TypeVar("T")
QUICK = Timing(period=0.4, soon=0.1, settle=0.4, lease=2)
_SHUTDOWN_DELAY = "--shutdown-delay-duration=1s"  # our manifests have 10s
_PROBE_PERIOD = 0.1
_BETWEEN_READS = 0.05


class Replica:
    """One of them."""

    def __init__(self, name: str, program: Program) -> None:
        self.name = name
        self.program = program
        self.is_ready = False
        """As its readiness probe found it last."""
        self.tasks: list[asyncio.Task[None]] = []
        """The server, and its probe."""


class Replicas:
    """All of them.

    Args:
        cluster: Where they serve.
        directory: For kubeconfigs and certificates.
    """

    def __init__(self, cluster: LocalCluster, directory: Path) -> None:
        self.cluster = cluster
        self._directory = directory
        self._running: list[Replica] = []

    async def start(self, name: str, *more: str) -> Replica:
        """Start one; its endpoint becomes ready when it says so itself."""
        directory = self._directory / name
        directory.mkdir(exist_ok=True)
        kubeconfig = write_kubeconfig(directory / "kubeconfig", self.cluster.server_kubeconfig())
        local = (f"--kubeconfig={kubeconfig}", "--kubelet-denied-cidrs=", "--bind-address=127.0.0.1")
        settings = parse_settings([*manifest_arguments(directory, 0), *local, _SHUTDOWN_DELAY, *more], {})
        program = Program(settings, verified_timing=QUICK)
        self.cluster.objects.create(ENDPOINT_SLICES, _slice(name, program.port, ready=False))
        replica = Replica(name, program)
        replica.tasks = [
            asyncio.create_task(program.run(), name=name),
            asyncio.create_task(self._probe(replica), name=f"probe of {name}"),
        ]
        self._running.append(replica)
        return replica

    async def stop(self, replica: Replica) -> None:
        """Stop one as a Pod is: its endpoint is no longer ready, and while that gets around it goes on serving."""
        self._running.remove(replica)
        serving, probing = replica.tasks
        probing.cancel()
        await asyncio.wait([probing])
        if serving.done():
            await serving  # it must not have ended by itself; this raises why it has
        self.cluster.objects.replace(ENDPOINT_SLICES, _slice(replica.name, replica.program.port, ready=False))
        replica.program.stopping.set()
        await asyncio.wait([serving], timeout=20)
        self.cluster.objects.delete(ENDPOINT_SLICES, NAMESPACE, f"{NAME}-{replica.name}")

    async def stop_all(self) -> None:
        for replica in list(self._running):
            await self.stop(replica)

    async def _probe(self, replica: Replica) -> None:
        name, port = replica.name, replica.program.port
        async with httpx.AsyncClient(base_url=f"https://127.0.0.1:{port}", verify=False, trust_env=False) as client:  # noqa: S501 - as kubelets
            while True:
                with contextlib.suppress(httpx.TransportError):
                    ready = (await client.get("/readyz")).status_code == 200
                    if ready != replica.is_ready:
                        replica.is_ready = ready
                        self.cluster.objects.replace(ENDPOINT_SLICES, _slice(name, port, ready=ready))
                await asyncio.sleep(_PROBE_PERIOD)


def _slice(name: str, port: int, *, ready: bool) -> dict[str, object]:
    return {
        "metadata": {
            "name": f"{NAME}-{name}",
            "namespace": NAMESPACE,
            "labels": {"kubernetes.io/service-name": NAME},
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": ready}}],
        "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
    }


async def until(look: Callable[[], T | Awaitable[T]], wanted: Callable[[T], object], seconds: float = 30) -> T:
    """Return what ``look`` gives once it is as wanted."""
    found: T | None = None
    try:
        async with asyncio.timeout(seconds):
            while True:
                looked = look()
                found = await looked if isinstance(looked, Awaitable) else looked
                if wanted(found):
                    return found
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"in the end it was {found!r:.500}") from None


class Load:
    """Somebody who reads the API through kube-apiserver without a rest; every answer that is no 200 is kept."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self.asked = 0
        self.failures: list[str] = []

    async def run(self) -> None:
        while True:
            answer = await self._client.get(f"{GROUP}/nodes")
            self.asked += 1
            if answer.status_code != 200:
                self.failures.append(f"{answer.status_code} {answer.text:.300}")
            await asyncio.sleep(_BETWEEN_READS)


@contextlib.asynccontextmanager
async def reading(cluster: LocalCluster) -> AsyncIterator[Load]:
    """Read the nodes' metrics all the time, as an administrator."""
    token = cluster.api.tokens.issue(User("admin", groups=("system:masters",)))
    async with httpx.AsyncClient(
        base_url=cluster.api.url,
        headers={"authorization": f"Bearer {token}"},
        verify=False,  # noqa: S501 - the stand-in's own certificate is not what is tested
        trust_env=False,
    ) as client:
        load = Load(client)
        task = asyncio.create_task(load.run())
        try:
            yield load
        finally:
            task.cancel()
            await asyncio.wait([task])
