"""``metrics-api serve`` as a process of its own against the stand-in cluster, and ways to ask it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx

from metrics_api.localcluster.cluster import LocalCluster
from metrics_api.localcluster.kubeconfig import write_kubeconfig
from metrics_api.localcluster.ports import free_port
from metrics_api.localcluster.users import User

GROUP = "/apis/metrics.k8s.io/v1beta1"
SHORTEST_PAUSE, LONGEST_PAUSE = 0.02, 0.25


def manifest_arguments(directory: Path, port: int) -> list[str]:
    """Return the arguments of metrics-server's published manifest, on another port and in another directory."""
    return [
        f"--cert-dir={directory}",
        f"--secure-port={port}",
        "--kubelet-preferred-address-types=InternalIP,ExternalIP,Hostname",
        "--kubelet-use-node-status-port",
        "--metric-resolution=15s",
    ]


class Serving:
    """A running server and a way to ask it directly."""

    def __init__(self, process: Process, port: int, client: httpx.AsyncClient) -> None:
        self.process = process
        self.port = port
        self.client = client
        """Asks as a member of system:masters, by token."""

    async def items(self, resource: str) -> list[dict[str, Any]]:
        answer = await self.client.get(f"{GROUP}/{resource}")
        found: list[dict[str, Any]] = answer.json()["items"]
        return found

    async def until(self, look: Callable[[], Any], wanted: Callable[[Any], bool], seconds: float = 30) -> Any:
        """Return what ``look`` gives once it is as wanted."""
        found: Any = None
        pause = SHORTEST_PAUSE
        async with asyncio.timeout(seconds):
            while True:
                with contextlib.suppress(httpx.TransportError, json.JSONDecodeError, KeyError):
                    found = await look()
                    if wanted(found):
                        return found
                await asyncio.sleep(pause)
                pause = min(pause * 1.2, LONGEST_PAUSE)

    async def until_synced(self) -> None:
        """Return once it knows the cluster and whom to believe; there may be no usage yet."""
        await self.until(lambda: self.client.get("/readyz/metric-informer-sync"), lambda answer: answer.is_success)


@contextlib.asynccontextmanager
async def serving(cluster: LocalCluster, directory: Path, *more: str) -> AsyncIterator[Serving]:
    kubeconfig = write_kubeconfig(directory / "kubeconfig", cluster.server_kubeconfig())
    port = free_port()
    with (directory / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "metrics_api"),
            *manifest_arguments(directory, port),
            *(f"--kubeconfig={kubeconfig}", "--kubelet-denied-cidrs=", "--bind-address=127.0.0.1", *more),
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=log,
        )
    token = cluster.api.tokens.issue(User("admin", groups=("system:masters",)))
    try:
        async with httpx.AsyncClient(
            base_url=f"https://127.0.0.1:{port}",
            headers={"authorization": f"Bearer {token}"},
            verify=False,  # noqa: S501 - its certificate is self-signed and not what is tested
            trust_env=False,
        ) as client:
            yield Serving(process, port, client)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
