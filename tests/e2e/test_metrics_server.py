"""metrics-server itself, unmodified, on the stand-in: what it needs of a cluster is there."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from metrics_api.localcluster.cluster import LocalCluster
from metrics_api.localcluster.kubeconfig import write_kubeconfig
from metrics_api.localcluster.ports import free_port
from tests.e2e.serving import manifest_arguments

VARIABLE = "METRICS_SERVER_BIN"
USER = "system:serviceaccount:kube-system:metrics-server"
NODES, PODS_PER_NODE = 2, 5
_PATIENCE = 90
_LOOK_EVERY = 0.25

pytestmark = [
    pytest.mark.xdist_group("serve"),
    pytest.mark.timeout(180),
    pytest.mark.skipif(not os.environ.get(VARIABLE), reason=f"needs {VARIABLE}: a metrics-server binary"),
]


@contextlib.asynccontextmanager
async def metrics_server(cluster: LocalCluster, directory: Path) -> AsyncIterator[Path]:
    """Run it with its manifest's arguments, registered; yields its log."""
    program = shutil.which(os.environ[VARIABLE])
    if program is None:
        pytest.fail(f"{VARIABLE}={os.environ[VARIABLE]!r} is no program")
    kubeconfig = write_kubeconfig(directory / "kubeconfig", cluster.server_kubeconfig())
    config, port, log = f"={kubeconfig}", free_port(), directory / "metrics-server.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            program,
            *manifest_arguments(directory, port),
            # Outside a cluster it has to be told where the API server is, three times.
            *(f"--kubeconfig{config}", f"--authentication-kubeconfig{config}", f"--authorization-kubeconfig{config}"),
            "--kubelet-insecure-tls",
            stdin=DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        # It serves v1beta1 only, with a certificate that it signed itself.
        cluster.register_extension(port, verified=False, versions=["v1beta1"])
        yield log
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def test_it_becomes_available_serves_and_asks_for_nothing_unexpected(tmp_path: Path) -> None:
    async with (
        LocalCluster(nodes=NODES, pods_per_node=PODS_PER_NODE) as cluster,
        metrics_server(cluster, tmp_path) as log,
    ):
        async with asyncio.timeout(_PATIENCE):
            while not cluster.availability()[0]:  # noqa: ASYNC110 - a program outside has no event
                await asyncio.sleep(_LOOK_EVERY)
            nodes = await _items(cluster, tmp_path, NODES)
    asked = {resource.partition("/")[0] for _, resource in cluster.api.witness.used(USER)}

    assert {node["metadata"]["name"] for node in nodes} == {"node-00000", "node-00001"}, log.read_text()[-2000:]
    assert asked <= {
        "nodes",
        "pods",
        "configmaps",
        "subjectaccessreviews.authorization.k8s.io",
        "tokenreviews.authentication.k8s.io",
    }


async def _items(cluster: LocalCluster, directory: Path, count: int) -> list[dict[str, dict[str, str]]]:
    """Return its NodeMetrics, asked for through the aggregation layer, once there are that many."""
    pair = cluster.authorities.cluster.issue("admin", organizations=["system:masters"], client=True)
    path = directory / "admin.pem"
    path.write_bytes(pair.certificate + pair.key)
    context = httpx.create_ssl_context(verify=False, trust_env=False)
    context.load_cert_chain(path)
    async with httpx.AsyncClient(base_url=cluster.api.url, verify=context, trust_env=False) as client:
        while True:
            response = await client.get("/apis/metrics.k8s.io/v1beta1/nodes")
            items: list[dict[str, dict[str, str]]] = response.json()["items"] if response.status_code == 200 else []
            if len(items) == count:
                return items
            await asyncio.sleep(_LOOK_EVERY)
