"""Our server behind a kube-apiserver's own aggregation layer, where ``KUBEBUILDER_ASSETS`` names one.

There is no node in that cluster, so there is nothing to measure; discovery and OpenAPI are there from the first second.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
import pytest_asyncio
import yaml

from metrics_api.localcluster.kubeconfig import write_kubeconfig
from metrics_api.localcluster.ports import free_port
from tests.contract.backend import ROBOT_TOKEN, authorities
from tests.contract.cluster import (
    API_SERVICES,
    ENDPOINT_SLICES,
    GROUP,
    SERVICES,
    Cluster,
    api_service,
    endpoint_slice,
    service,
)
from tests.contract.kube_apiserver import kube_apiserver, missing
from tests.e2e.programs import Finished, run
from tests.e2e.serving import Serving

pytestmark = [
    pytest.mark.skipif(bool(missing()), reason=missing() or "all is there"),
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("kube-apiserver"),
    pytest.mark.timeout(300),
]

VERSIONS = ("v1", "v1beta1")
KINDS = ("NodeMetrics", "NodeMetricsList", "PodMetrics", "PodMetricsList", "ContainerMetrics")
_JSON = {"Accept": "application/json"}
POLLED = 65
"""Seconds in which kube-apiserver asks for everything once more."""


class Behind(NamedTuple):
    """A kube-apiserver whose metrics API is ours."""

    cluster: Cluster
    kubeconfig: Path
    log: Path
    """Of kube-apiserver."""

    def complaints(self) -> list[str]:
        """Return the warnings and errors in which our group is named."""
        return [line for line in self.log.read_text().splitlines() if line[:1] in "WE" and GROUP in line]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def behind(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Behind]:
    directory = tmp_path_factory.mktemp("behind")
    port = free_port()
    with kube_apiserver(directory) as backend:
        cluster = Cluster(backend, directory)
        kubeconfig = write_kubeconfig(directory / "kubeconfig", _kubeconfig(backend.place.url))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "metrics_api", f"--kubeconfig={kubeconfig}", f"--secure-port={port}"),
            *(f"--cert-dir={directory}", f"--bind-address={backend.place.host}"),
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=DEVNULL,
        )
        try:
            await _until_synced(process, f"https://{backend.place.host}:{port}")
            await cluster.create(SERVICES, service())
            await cluster.create(ENDPOINT_SLICES, endpoint_slice(backend.place.host, port))
            for version in VERSIONS:
                obj = api_service(version, caBundle=None, insecureSkipTLSVerify=True)
                await cluster.create(API_SERVICES, obj)
            for version in VERSIONS:
                await cluster.condition("True", "Passed", name=f"{version}.{GROUP}")
            await _until_merged(cluster)
            yield Behind(cluster, kubeconfig, directory / "apiserver.log")
        finally:
            await cluster.aclose()
            process.terminate()
            await process.wait()


def _kubeconfig(url: str) -> str:
    trust = base64.b64encode(authorities().cluster.certificate).decode()
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "x",
            "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
            "clusters": [{"name": "x", "cluster": {"server": url, "certificate-authority-data": trust}}],
            "users": [{"name": "x", "user": {"token": ROBOT_TOKEN}}],
        }
    )


async def _until_synced(process: Process, url: str) -> None:
    """Return once it knows whom to believe: until then kube-apiserver's certificate is a stranger's."""
    headers = {"authorization": f"Bearer {ROBOT_TOKEN}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, verify=False, trust_env=False) as client:  # noqa: S501
        await Serving(process, 0, client).until_synced()


async def _until_merged(cluster: Cluster) -> None:
    """Return once kube-apiserver has taken in what we say of ourselves; clients explain nothing before."""

    async def groups() -> set[str]:
        return set((await cluster.admin.get("/openapi/v3")).json()["paths"])

    wanted = {f"apis/{GROUP}/{version}" for version in VERSIONS}
    await cluster.eventually(groups, lambda found: wanted <= found)

    async def definitions() -> set[str]:
        return set((await cluster.admin.get("/openapi/v2", headers=_JSON)).json()["definitions"])

    names = {f"io.k8s.metrics.pkg.apis.metrics.{version}.{kind}" for version in VERSIONS for kind in KINDS}
    await cluster.eventually(definitions, lambda found: names <= found)


def _words(finished: Finished) -> str:
    assert finished.code == 0, finished.err
    return " ".join(finished.out.split())


async def test_it_merges_our_openapi_and_complains_of_nothing(behind: Behind) -> None:
    found = (await behind.cluster.admin.get("/openapi/v2", headers=_JSON)).json()["definitions"]
    assert not [name for name in found if re.search(r"metrics\.v1(beta1)?\.\w+_v\d+$", name)]  # none was renamed
    await behind.cluster.backend.pass_time(POLLED)
    assert "\n".join(behind.complaints()) == ""


async def test_it_discovers_both_versions_whole(behind: Behind) -> None:
    accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    document = (await behind.cluster.admin.get("/apis", headers={"Accept": accept})).json()
    (group,) = (each for each in document["items"] if each["metadata"]["name"] == GROUP)
    assert [(each["version"], each["freshness"]) for each in group["versions"]] == [
        (version, "Current") for version in VERSIONS
    ]
    assert [[one["resource"] for one in each["resources"]] for each in group["versions"]] == [["nodes", "pods"]] * 2


async def test_kubectl_explains_and_lists(behind: Behind, kubectl: str) -> None:
    home = behind.kubeconfig.with_name(Path(kubectl).name) / "kubeconfig"
    home.parent.mkdir(exist_ok=True)
    home.write_text(behind.kubeconfig.read_text())
    explained = _words(await run(kubectl, "explain", "podmetrics.containers.usage", kubeconfig=home))
    resources = _words(await run(kubectl, "api-resources", f"--api-group={GROUP}", "-o", "name", kubeconfig=home))
    listed = await run(kubectl, "get", "nodemetrics", kubeconfig=home)
    raw = await run(kubectl, "get", "--raw", f"/apis/{GROUP}/v1beta1/pods", kubeconfig=home)
    top = await run(kubectl, "top", "nodes", kubeconfig=home)
    assert "KIND: PodMetrics" in explained
    assert "What the container uses, by resource name." in explained
    assert resources.split() == [f"nodes.{GROUP}", f"pods.{GROUP}"]
    assert (listed.code, listed.err.strip()) == (0, "No resources found")
    assert json.loads(raw.out)["items"] == []
    assert (top.code, top.err.strip()) == (1, "error: metrics not available yet")
