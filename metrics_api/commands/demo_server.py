"""The demo's server: ``metrics-api serve`` as a process of its own, with metrics-server's own arguments."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from metrics_api.errors import StartupError
from metrics_api.localcluster.cluster import LocalCluster
from metrics_api.localcluster.extension import manifest_objects
from metrics_api.localcluster.kubeconfig import write_kubeconfig
from metrics_api.localcluster.ports import free_port

_STOPPING_TIMEOUT = 15.0
_LAST_WORDS = 2000


@dataclass(slots=True)
class DemoServer:
    """Files, port and process of the extension server."""

    directory: Path
    port: int
    manifest: Path
    """What ``kubectl apply`` hands the API group over with."""
    manifest_of_one_version: Path
    """The same for a server that has no v1, as metrics-server."""
    _process: Process | None = field(default=None, repr=False)

    @classmethod
    def prepare(cls, cluster: LocalCluster, directory: Path) -> DemoServer:
        """Write what the server needs into the directory and choose a free port."""
        write_kubeconfig(directory / "server.kubeconfig", cluster.server_kubeconfig())
        pair = cluster.serving_pair()
        (directory / "serving-ca.crt").write_bytes(cluster.authorities.cluster.certificate)
        (directory / "serving.crt").write_bytes(pair.certificate)
        (directory / "serving.key").touch(mode=0o600)
        (directory / "serving.key").write_bytes(pair.key)
        server = cls(directory, free_port(), directory / "apiservice.yaml", directory / "apiservice-v1beta1.yaml")
        ca_bundle = cluster.authorities.cluster.certificate
        for path, versions in ((server.manifest, ("v1", "v1beta1")), (server.manifest_of_one_version, ("v1beta1",))):
            objects = manifest_objects(server.port, ca_bundle, versions)
            path.write_text(yaml.safe_dump_all(objects, sort_keys=False))
        return server

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the server inside; stop it in order at the end."""
        with (self.directory / "serve.log").open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "metrics_api.commands.demo_child", "serve", *server_arguments(self)),
                stdin=asyncio.subprocess.PIPE,  # ends with this process, and the server with it
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is ours to pass on
            )
        try:
            yield
        finally:
            await _stop(self._process)

    def check(self) -> None:
        """Raise ``StartupError`` with its last words when the server has ended by itself."""
        if self._process is not None and self._process.returncode is not None:
            raise StartupError(f"the server ended with exit code {self._process.returncode}. {self.last_words()}")

    async def is_ready(self) -> bool:
        """Return whether it says it is ready, as a kubelet would ask before the Service sends anybody there."""
        import httpx

        trust = ssl.create_default_context(cafile=str(self.directory / "serving-ca.crt"))
        async with httpx.AsyncClient(verify=trust, trust_env=False) as client:
            try:
                answer = await client.get(f"https://127.0.0.1:{self.port}/readyz")
            except httpx.TransportError:
                return False
        return answer.status_code == httpx.codes.OK

    async def ended(self) -> None:
        """Return never; raise ``StartupError`` when the server ends by itself."""
        if self._process is not None:
            await self._process.wait()
        self.check()

    def last_words(self) -> str:
        """Return the end of the server's log."""
        log = self.directory / "serve.log"
        text = log.read_text(errors="replace")[-_LAST_WORDS:] if log.exists() else ""
        return f"Its last words:\n{text}" if text else "It said nothing."


def server_arguments(server: DemoServer) -> list[str]:
    """Return the arguments of ``serve``: those of metrics-server's manifest, and what differs on loopback."""
    return [
        f"--kubeconfig={_kubeconfig(server)}",
        *_shared_arguments(server),
        "--kubelet-denied-cidrs=",  # the demo's kubelets are on loopback, which is denied otherwise
    ]


def metrics_server_arguments(server: DemoServer) -> list[str]:
    """Return metrics-server's arguments: outside a cluster it has to be told where the API server is three times."""
    flags = ("--kubeconfig", "--authentication-kubeconfig", "--authorization-kubeconfig")
    return [*(f"{flag}={_kubeconfig(server)}" for flag in flags), *_shared_arguments(server)]


def _shared_arguments(server: DemoServer) -> list[str]:
    return [
        "--bind-address=127.0.0.1",
        f"--secure-port={server.port}",
        f"--tls-cert-file={server.directory / 'serving.crt'}",
        f"--tls-private-key-file={server.directory / 'serving.key'}",
        "--kubelet-preferred-address-types=InternalIP,ExternalIP,Hostname",
        "--kubelet-use-node-status-port",
        "--metric-resolution=10s",
        "--kubelet-request-timeout=8s",
    ]


def _kubeconfig(server: DemoServer) -> Path:
    return server.directory / "server.kubeconfig"


async def _stop(process: Process) -> None:
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(_STOPPING_TIMEOUT):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
